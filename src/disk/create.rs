//! Making new disks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::geometry::{Adapter, Geometry};
use super::link::random_bytes;
use super::side_by_side::side_by_side;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::vmdk::descriptor::{FRESH_CID, NO_CID};
use crate::format::vmdk::sparse::layout::{DESCRIPTOR_SECTORS, Layout};
use crate::format::vmdk::stream;
use crate::io::{ByteOffset, Files, SECTOR_SIZE, folder_of};

/// Most sectors of one extent of a split disk: 2047 MiB, which every file system can hold.
pub(super) const SPLIT_SECTORS: u64 = 4_192_256;

/// Most files of a split disk, twice what the largest disks of 62 TiB take.
const MAX_SPLIT_EXTENTS: u64 = 65_536;

/// Virtual hardware from which on descriptors say that a disk is no native snapshot.
const HARDWARE_WITH_NATIVE_SNAPSHOTS: u16 = 7;

/// Kinds of disk that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskKind {
    /// One growing file.
    MonolithicSparse,
    /// A descriptor and one file of the full size.
    MonolithicFlat,
    /// A descriptor and growing files of at most 2 GB.
    SplitSparse,
    /// A descriptor and files of at most 2 GB in full size.
    SplitFlat,
    /// As [`DiskKind::MonolithicFlat`], in the form of ESXi.
    VmfsFlat,
    /// As [`DiskKind::VmfsFlat`], marked as one that takes space when it is written.
    VmfsThin,
    /// One file of compressed grains, which is written from front to end.
    StreamOptimized,
}

impl DiskKind {
    fn create_type(self) -> &'static str {
        match self {
            Self::MonolithicSparse => "monolithicSparse",
            Self::MonolithicFlat => "monolithicFlat",
            Self::SplitSparse => "twoGbMaxExtentSparse",
            Self::SplitFlat => "twoGbMaxExtentFlat",
            // What ESXi writes for both; the disk database tells them apart.
            Self::VmfsFlat | Self::VmfsThin => "vmfs",
            Self::StreamOptimized => "streamOptimized",
        }
    }

    /// The kind that a descriptor claims; `None` for what is not made here.
    pub(super) fn of_create_type(text: &str) -> Option<Self> {
        let kinds = [
            Self::MonolithicSparse,
            Self::MonolithicFlat,
            Self::SplitSparse,
            Self::SplitFlat,
            Self::VmfsFlat,
            Self::StreamOptimized,
        ];
        let short = text.strip_prefix("2Gb").map(|rest| format!("twoGb{rest}"));
        let text = short.as_deref().unwrap_or(text);
        kinds.into_iter().find(|kind| kind.create_type().eq_ignore_ascii_case(text))
    }

    /// Sectors in which its first extent holds the descriptor; 0 when that is a file of its own.
    pub(super) fn descriptor_room(self) -> u64 {
        if matches!(self, Self::MonolithicSparse | Self::StreamOptimized) { DESCRIPTOR_SECTORS } else { 0 }
    }

    pub(super) fn is_sparse(self) -> bool {
        matches!(self, Self::MonolithicSparse | Self::SplitSparse | Self::StreamOptimized)
    }

    /// A disk of this kind must be able to have the capacity.
    ///
    /// # Errors
    /// `InvalidArgument` for no capacity and for one whose bytes nobody can count, `FileTooBig`.
    pub(super) fn check_capacity(self, capacity: u64) -> Result<()> {
        if capacity == 0 || capacity > i64::MAX as u64 / SECTOR_SIZE {
            let text = format!("a disk of {capacity} sectors cannot be made");
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        if self.is_split() && capacity / SPLIT_SECTORS > MAX_SPLIT_EXTENTS {
            let text = format!("{capacity} sectors take more than {MAX_SPLIT_EXTENTS} files of 2 GB");
            return Err(Error::new(Kind::FileTooBig, text));
        }
        Ok(())
    }

    /// The sizes of the extents; the capacity has been checked.
    pub(super) fn extent_sizes(self, capacity: u64) -> Vec<u64> {
        match self {
            Self::MonolithicSparse
            | Self::MonolithicFlat
            | Self::VmfsFlat
            | Self::VmfsThin
            | Self::StreamOptimized => vec![capacity],
            Self::SplitSparse | Self::SplitFlat => {
                let full = capacity / SPLIT_SECTORS;
                let rest = capacity % SPLIT_SECTORS;
                (0..full).map(|_| SPLIT_SECTORS).chain((rest > 0).then_some(rest)).collect()
            }
        }
    }

    /// The line of an extent in the descriptor.
    fn extent_line(self, sectors: u64, file: &str) -> String {
        match self {
            Self::MonolithicSparse | Self::SplitSparse | Self::StreamOptimized => {
                format!("RW {sectors} SPARSE \"{file}\"\n")
            }
            Self::MonolithicFlat | Self::SplitFlat => format!("RW {sectors} FLAT \"{file}\" 0\n"),
            // Some readers refuse a first sector here.
            Self::VmfsFlat | Self::VmfsThin => format!("RW {sectors} VMFS \"{file}\"\n"),
        }
    }

    /// Whether it has files of at most 2 GB.
    pub(super) fn is_split(self) -> bool {
        matches!(self, Self::SplitSparse | Self::SplitFlat)
    }

    /// Whether such a disk can be given a larger capacity.
    pub(super) fn can_grow(self) -> bool {
        self != Self::StreamOptimized
    }

    /// The file name of an extent, `index` counted from 0.
    pub(super) fn extent_name(self, name: &str, index: usize) -> String {
        let stem = stem(name);
        match self {
            // The file that holds the descriptor.
            Self::MonolithicSparse | Self::StreamOptimized => name.to_owned(),
            Self::MonolithicFlat | Self::VmfsFlat | Self::VmfsThin => format!("{stem}-flat.vmdk"),
            Self::SplitSparse => format!("{stem}-s{:03}.vmdk", index + 1),
            Self::SplitFlat => format!("{stem}-f{:03}.vmdk", index + 1),
        }
    }
}

/// What is to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewDisk {
    /// Its kind.
    pub kind: DiskKind,
    /// Its adapter, which decides the geometry.
    pub adapter: Adapter,
    /// Its virtual hardware version.
    pub hardware: u16,
    /// Its capacity in sectors.
    pub capacity: u64,
}

/// Told of progress, from 0 to 100 per cent; never backwards, each number once.
pub type Progress<'a> = dyn FnMut(u8) + 'a;

/// What the descriptor of a new link says of its parent.
#[derive(Debug, Clone)]
pub(super) struct ParentName {
    /// Its content id.
    pub(super) cid: u32,
    /// How to find it.
    pub(super) hint: String,
    /// Its long content id, when it has one.
    pub(super) long_content_id: Option<String>,
}

/// Makes a disk. On an error every file that was made is removed again; files that were there stay.
///
/// # Errors
/// `FileExists`, `InvalidArgument` for no capacity, `BadName` for a name that a descriptor cannot hold, `FileTooBig`,
/// `DiskFull`, those of storage.
pub fn create(files: &dyn Files, path: &Path, disk: &NewDisk, progress: &mut Progress<'_>) -> Result<()> {
    create_link(files, path, disk, None, progress).map(|_| ())
}

/// As [`create`], but the file with the descriptor stands at `at`, in the folder of `path`: the disk is opened there
/// until that file is renamed, so that nobody meets one that is not filled yet. Returns the files that were made.
///
/// # Errors
/// As for [`create`].
pub(super) fn create_at(
    files: &dyn Files,
    path: &Path,
    at: &Path,
    disk: &NewDisk,
    progress: &mut Progress<'_>,
) -> Result<Vec<PathBuf>> {
    make(files, (path, at), disk, None, progress)
}

/// As [`create`], for a link over a parent if one is given. Returns the files that were made.
///
/// # Errors
/// As for [`create`].
pub(super) fn create_link(
    files: &dyn Files,
    path: &Path,
    disk: &NewDisk,
    parent: Option<&ParentName>,
    progress: &mut Progress<'_>,
) -> Result<Vec<PathBuf>> {
    make(files, (path, path), disk, parent, progress)
}

fn make(
    files: &dyn Files,
    (path, at): (&Path, &Path),
    disk: &NewDisk,
    parent: Option<&ParentName>,
    progress: &mut Progress<'_>,
) -> Result<Vec<PathBuf>> {
    let mut made = Vec::new();
    let result = Maker { files, path, at, disk, parent, made: &mut made }.make(&mut Steps::new(progress));
    if result.is_err() {
        made.iter().for_each(|file| drop(files.remove(file)));
    }
    result.naming("creating", path).map(|()| made)
}

struct Maker<'a> {
    files: &'a dyn Files,
    path: &'a Path,
    /// Where the file with the descriptor is made.
    at: &'a Path,
    disk: &'a NewDisk,
    parent: Option<&'a ParentName>,
    made: &'a mut Vec<PathBuf>,
}

impl Maker<'_> {
    fn make(&mut self, steps: &mut Steps<'_>) -> Result<()> {
        self.disk.kind.check_capacity(self.disk.capacity)?;
        let name = file_name(self.path)?;
        let text = self.descriptor(name)?;
        steps.report(0.0);
        if self.disk.kind == DiskKind::StreamOptimized {
            let file = self.new_file(self.at)?;
            stream::layout::create(&*file, self.disk.capacity, text.as_bytes())?;
            file.sync()?;
        } else if self.disk.kind == DiskKind::MonolithicSparse {
            self.monolithic_sparse(text.as_bytes(), &mut |part| steps.report(part))?;
        } else {
            // The descriptor comes last: without it the rest is no disk.
            let sizes = self.disk.kind.extent_sizes(self.disk.capacity);
            // It is made first all the same, so that a disk of this name is found before anything is done.
            let descriptor = self.new_file(self.at)?;
            self.plain_extents(name, &sizes, steps)?;
            descriptor.write_all_at(text.as_bytes(), ByteOffset(0))?;
            descriptor.sync()?;
        }
        self.files.sync_folder(folder_of(self.path))?;
        steps.report(1.0);
        Ok(())
    }

    fn new_file(&mut self, path: &Path) -> Result<Arc<dyn crate::io::Storage>> {
        let file = self.files.create(path)?;
        self.made.push(path.to_owned());
        Ok(file)
    }

    /// The files of a disk whose descriptor is a file of its own.
    fn plain_extents(&mut self, name: &str, sizes: &[u64], steps: &mut Steps<'_>) -> Result<()> {
        let (files, kind, folder) = (self.files, self.disk.kind, folder_of(self.path));
        if let [sectors] = sizes {
            let path = folder.join(kind.extent_name(name, 0));
            let mut part = |part: f64| steps.report(part);
            return plain_extent(files, &path, *sectors, kind.is_sparse(), self.made, &mut part);
        }
        let made = Mutex::new(Vec::new());
        let make = |index: usize| {
            let path = folder.join(kind.extent_name(name, index));
            let sectors = sizes.get(index).copied().unwrap_or_default();
            let mut new = Vec::new();
            let result = plain_extent(files, &path, sectors, kind.is_sparse(), &mut new, &mut |_| ());
            made.lock().unwrap_or_else(PoisonError::into_inner).extend(new);
            result
        };
        let mut done = |count: usize| steps.report(count as f64 / sizes.len() as f64);
        let result = side_by_side(sizes.len(), &make, &mut done);
        self.made.extend(made.into_inner().unwrap_or_else(PoisonError::into_inner));
        result
    }

    /// The only file of a monolithic sparse disk, descriptor included.
    fn monolithic_sparse(&mut self, descriptor: &[u8], progress: &mut dyn FnMut(f64)) -> Result<()> {
        let layout = Layout::new(self.disk.capacity, DESCRIPTOR_SECTORS)?;
        if descriptor.len() as u64 >= DESCRIPTOR_SECTORS * SECTOR_SIZE {
            return Err(Error::new(Kind::BadName, "the name is too long for the descriptor"));
        }
        let file = self.new_file(self.at)?;
        layout.write(&*file, progress)?;
        file.write_all_at(descriptor, ByteOffset(SECTOR_SIZE))?;
        file.sync()
    }

    /// The text of the descriptor, keys and order as VMware's products write them.
    fn descriptor(&self, name: &str) -> Result<String> {
        let NewDisk { kind, hardware, capacity, .. } = *self.disk;
        let native =
            if hardware >= HARDWARE_WITH_NATIVE_SNAPSHOTS { "isNativeSnapshot=\"no\"\n" } else { "" };
        let extents: String = kind
            .extent_sizes(capacity)
            .into_iter()
            .enumerate()
            .map(|(index, sectors)| kind.extent_line(sectors, &kind.extent_name(name, index)))
            .collect();
        // A child that was never written is what its parent is, and says so by the same content id.
        let (cid, parent_cid, hint) = match self.parent {
            None => (FRESH_CID, NO_CID, String::new()),
            Some(parent) => (parent.cid, parent.cid, format!("parentFileNameHint=\"{}\"\n", parent.hint)),
        };
        let database = match self.parent {
            None => self.database()?,
            // What a child does not say of itself, its parents say.
            Some(ParentName { long_content_id: Some(id), .. }) => format!("ddb.longContentID = \"{id}\"\n"),
            Some(_) => String::new(),
        };
        Ok(format!(
            "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID={cid:08x}\nparentCID={parent_cid:08x}\n{native}\
             createType=\"{}\"\n{hint}\n# Extent description\n{extents}\n# The Disk Data Base \n#DDB\n\n{database}",
            kind.create_type(),
        ))
    }

    /// The disk database of a disk without a parent.
    fn database(&self) -> Result<String> {
        let NewDisk { kind, adapter, hardware, capacity } = *self.disk;
        let thin = if kind == DiskKind::VmfsThin { "ddb.thinProvisioned = \"1\"\n" } else { "" };
        let geometry = Geometry::of_new_disk(adapter, capacity);
        Ok(format!(
            "ddb.adapterType = \"{}\"\nddb.geometry.cylinders = \"{}\"\nddb.geometry.heads = \"{}\"\n\
             ddb.geometry.sectors = \"{}\"\nddb.longContentID = \"{}{FRESH_CID:08x}\"\n{thin}ddb.uuid = \"{}\"\n\
             ddb.virtualHWVersion = \"{hardware}\"\n",
            adapter.name(),
            geometry.cylinders,
            geometry.heads,
            geometry.sectors,
            hex(&random_bytes::<12>()?),
            uuid()?,
        ))
    }
}

/// Makes the file of an extent without a descriptor in it, and adds it to `made`.
///
/// # Errors
/// `FileExists`, `FileTooBig`, those of storage.
pub(super) fn plain_extent(
    files: &dyn Files,
    path: &Path,
    sectors: u64,
    sparse: bool,
    made: &mut Vec<PathBuf>,
    progress: &mut dyn FnMut(f64),
) -> Result<()> {
    let layout = if sparse { Some(Layout::new(sectors, 0)?) } else { None };
    let file = files.create(path)?;
    made.push(path.to_owned());
    match layout {
        Some(layout) => layout.write(&*file, progress)?,
        None => {
            file.set_len(sectors * SECTOR_SIZE)?;
            progress(1.0);
        }
    }
    file.sync()
}

/// A new identity in the form of descriptors: VMware's prefix (its digits in capitals) and random bytes.
fn uuid() -> Result<String> {
    let random = random_bytes::<13>()?;
    let bytes = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    let first = 0x90 | random[0] & 0x0f;
    Ok(format!("60 00 C2 {first:02x} {}-{}", bytes(&random[1..5]), bytes(&random[5..])))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The file name, if a descriptor can hold it.
pub(super) fn file_name(path: &Path) -> Result<&str> {
    let bad = |text: &str| Error::new(Kind::BadName, text.to_owned());
    let name = path.file_name().ok_or_else(|| bad("the path names no file"))?;
    let name = name.to_str().ok_or_else(|| bad("the file name is not UTF-8, and the descriptor is"))?;
    if name.contains(|character: char| character == '"' || character.is_control()) {
        return Err(bad("the file name has a quote or a control character, which a descriptor cannot hold"));
    }
    Ok(name)
}

/// A file name without `.vmdk`: what the names of the extents begin with.
fn stem(name: &str) -> &str {
    match name.len().checked_sub(5).and_then(|at| name.split_at_checked(at)) {
        Some((stem, end)) if end.eq_ignore_ascii_case(".vmdk") && !stem.is_empty() => stem,
        _ => name,
    }
}

/// The bytes of a descriptor in a file of its own, rounded up to 4 KiB, for a disk with a name of middling length; 0
/// for a kind that holds it in its extent.
pub(super) fn descriptor_bytes(kind: DiskKind, extents: &[u64]) -> u64 {
    const HEADER_AND_DATABASE: u64 = 600;
    if kind.descriptor_room() > 0 {
        return 0;
    }
    let line = |(index, sectors): (usize, &u64)| {
        format!("RW {sectors} SPARSE \"{}\"\n", kind.extent_name("virtual-machine.vmdk", index)).len() as u64
    };
    let lines: u64 = extents.iter().enumerate().map(line).sum();
    (HEADER_AND_DATABASE + lines).next_multiple_of(4096)
}

/// Turns parts of the work into rising percentages.
pub(super) struct Steps<'a> {
    progress: &'a mut Progress<'a>,
    last: Option<u8>,
}

impl<'a> Steps<'a> {
    pub(super) fn new(progress: &'a mut Progress<'_>) -> Self {
        Self { progress, last: None }
    }

    pub(super) fn report(&mut self, part: f64) {
        let percent = (part * 100.0).clamp(0.0, 100.0) as u8;
        if self.last.is_none_or(|last| percent > last) {
            self.last = Some(percent);
            (self.progress)(percent);
        }
    }
}
