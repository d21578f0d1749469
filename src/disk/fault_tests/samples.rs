//! Small disks of every format that takes writes, in folder `/a`, with a content that is known.

use std::path::Path;
use std::sync::Arc;

use super::{Run, content_of};
use crate::disk::create::{self, DiskKind, NewDisk};
use crate::disk::geometry::Adapter;
use crate::disk::open::{Options, open};
use crate::error::Result;
use crate::format::vmdk::esx::Cowd;
use crate::io::fault::FaultFiles;
use crate::io::{Access, ByteOffset, Files};

/// Sectors of every disk: four grains, the last one cut.
pub(super) const CAPACITY: u64 = 500;

/// The disk that things are done to.
pub(super) const DISK: &str = "/a/d.vmdk";

/// Sectors of the first extent of a split disk.
const FIRST: u64 = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sample {
    /// As it is created.
    Plain(DiskKind),
    /// Two extents, sparse or flat.
    Split(bool),
    /// A sparse child over a flat disk with content, `/a/base.vmdk`.
    Child,
    /// An ESX redo log over the same.
    RedoLog,
    /// As it is created, with so many more bytes of text in the descriptor, between its content id and the long one.
    Crowded(DiskKind, usize),
}

/// All of them.
pub(super) const SAMPLES: [Sample; 7] = [
    Sample::Plain(DiskKind::MonolithicSparse),
    Sample::Plain(DiskKind::MonolithicFlat),
    Sample::Plain(DiskKind::StreamOptimized),
    Sample::Split(true),
    Sample::Split(false),
    Sample::Child,
    Sample::RedoLog,
];

/// Some whose descriptors take several sectors: with room for another text beside them, and without.
pub(super) const CROWDED: [Sample; 4] = [
    Sample::Crowded(DiskKind::MonolithicSparse, 700),
    Sample::Crowded(DiskKind::MonolithicSparse, 6000),
    Sample::Crowded(DiskKind::StreamOptimized, 6000),
    Sample::Crowded(DiskKind::VmfsFlat, 700),
];

impl Sample {
    /// Whether sectors can be written in any order, and again.
    pub(super) fn is_stream(self) -> bool {
        matches!(self, Self::Plain(DiskKind::StreamOptimized) | Self::Crowded(DiskKind::StreamOptimized, _))
    }

    pub(super) fn has_parent(self) -> bool {
        matches!(self, Self::Child | Self::RedoLog)
    }

    /// Makes the disk, empty.
    pub(super) fn make(self, files: &FaultFiles) {
        match self {
            Self::Plain(kind) => make(files, DISK, kind),
            Self::Split(sparse) => split(files, sparse),
            Self::Crowded(kind, bytes) => {
                make(files, DISK, kind);
                crowd(files, bytes);
            }
            Self::Child => {
                base(files);
                let files: Arc<dyn Files> = Arc::new(files.clone());
                let base = open(&files, Path::new("/a/base.vmdk"), Options::default()).unwrap();
                let kind = DiskKind::MonolithicSparse;
                base.create_child(&*files, Path::new(DISK), kind, &mut |_| ()).unwrap();
            }
            Self::RedoLog => {
                base(files);
                let cid = parent_cid(files);
                files.insert("/a/d-delta.vmdk", Cowd::new(CAPACITY as u32, 8).bytes());
                let text = format!(
                    "# Disk DescriptorFile\nversion=1\nCID={cid}\nparentCID={cid}\ncreateType=\"vmfsSparse\"\n\
                     parentFileNameHint=\"base.vmdk\"\nRW {CAPACITY} VMFSSPARSE \"d-delta.vmdk\"\n"
                );
                files.insert(DISK, text.into_bytes());
            }
        }
    }

    /// Makes it with some content, which is returned.
    pub(super) fn fill(self, files: &FaultFiles) -> Vec<u8> {
        self.make(files);
        let files: Arc<dyn Files> = Arc::new(files.clone());
        let disk = open(&files, Path::new(DISK), Options::default()).unwrap();
        let places: &[(u64, u64)] =
            if self.is_stream() { &[(5, 100), (140, 20)] } else { &[(300, 40), (5, 100), (190, 20)] };
        for (start, sectors) in places {
            disk.write(*start, &pattern(*sectors, 9)).unwrap();
        }
        disk.finish().unwrap();
        content_of(&disk).unwrap()
    }

    /// The content that [`Sample::fill`] leaves.
    pub(super) fn content(self) -> Vec<u8> {
        self.fill(&FaultFiles::default())
    }
}

/// Sectors that are all different, none of zeros; made quickly, because it is done often.
pub(super) fn pattern(sectors: u64, seed: u8) -> Vec<u8> {
    let mut sector: Vec<u8> = (0..512u64).map(|byte| (byte % 251) as u8 ^ seed | 1).collect();
    let mut data = Vec::with_capacity((sectors * 512) as usize);
    for number in 0..sectors {
        sector[..8].copy_from_slice(&(number + 1).to_le_bytes());
        data.extend_from_slice(&sector);
    }
    data
}

pub(super) fn new_disk(kind: DiskKind) -> NewDisk {
    NewDisk { kind, adapter: Adapter::LsiLogic, hardware: 13, capacity: CAPACITY }
}

pub(super) fn make(files: &FaultFiles, path: &str, kind: DiskKind) {
    create::create(files, Path::new(path), &new_disk(kind), &mut |_| ()).unwrap();
}

/// A flat disk full of data.
pub(super) fn base(files: &FaultFiles) {
    make(files, "/a/base.vmdk", DiskKind::MonolithicFlat);
    let files: Arc<dyn Files> = Arc::new(files.clone());
    let base = open(&files, Path::new("/a/base.vmdk"), Options::default()).unwrap();
    base.write(0, &pattern(CAPACITY, 1)).unwrap();
    base.finish().unwrap();
}

fn parent_cid(files: &FaultFiles) -> String {
    let text = String::from_utf8(files.content(Path::new("/a/base.vmdk")).unwrap()).unwrap();
    text.lines().find_map(|line| line.strip_prefix("CID=")).unwrap().to_owned()
}

/// A split disk whose extents are smaller than those that are made; nobody's extents have to have a size.
fn split(files: &FaultFiles, sparse: bool) {
    let (kind, letter) = if sparse { (DiskKind::SplitSparse, 's') } else { (DiskKind::SplitFlat, 'f') };
    make(files, DISK, kind);
    let text = String::from_utf8(files.content(Path::new(DISK)).unwrap()).unwrap();
    let old = text.lines().find(|line| line.starts_with("RW ")).unwrap().to_owned();
    let first = old.replace(&CAPACITY.to_string(), &FIRST.to_string());
    let second = old.replace(&CAPACITY.to_string(), &(CAPACITY - FIRST).to_string());
    let second = second.replace(&format!("{letter}001"), &format!("{letter}002"));
    let mut made = Vec::new();
    for (number, sectors) in [(1, FIRST), (2, CAPACITY - FIRST)] {
        let path = format!("/a/d-{letter}{number:03}.vmdk");
        let _ = files.remove(Path::new(&path));
        create::plain_extent(files, Path::new(&path), sectors, sparse, &mut made, &mut |_| ()).unwrap();
    }
    files.replace(Path::new(DISK), text.replace(&old, &format!("{first}\n{second}")).as_bytes()).unwrap();
}

/// Makes the descriptor of the disk longer by a comment before the disk database.
fn crowd(files: &FaultFiles, bytes: usize) {
    let mut content = files.content(Path::new(DISK)).unwrap();
    let place = |key: &[u8]| content.windows(key.len()).position(|part| part == key).unwrap();
    let (start, end) = (place(b"# The Disk Data Base"), place(b"ddb.virtualHWVersion"));
    let end = end + content[end..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let comment = format!("# {}\n", "x".repeat(bytes));
    if end == content.len() {
        content.splice(start..start, comment.into_bytes());
    } else {
        content.copy_within(start..end, start + comment.len());
        content[start..start + comment.len()].copy_from_slice(comment.as_bytes());
    }
    files.insert(DISK, content);
}

/// Opens the disk for writing.
pub(super) fn opened(run: &Run<'_>) -> Result<crate::disk::chain::Disk> {
    open(&run.files, Path::new(DISK), Options::default())
}

/// Changes bytes of a file, durably.
pub(super) fn damage(files: &FaultFiles, path: &str, at: u64, bytes: &[u8]) {
    let file = files.open(Path::new(path), Access::ReadWrite).unwrap();
    file.write_all_at(bytes, ByteOffset(at)).unwrap();
}

/// What a disk shows that was just made.
pub(super) fn empty_content(sample: Sample) -> Vec<u8> {
    if sample.has_parent() { pattern(CAPACITY, 1) } else { vec![0; (CAPACITY * 512) as usize] }
}
