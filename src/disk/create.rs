//! Making new disks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::geometry::{Adapter, Geometry};
use super::link::random_bytes;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::vmdk::descriptor::FRESH_CID;
use crate::format::vmdk::sparse::layout::{DESCRIPTOR_SECTORS, Layout};
use crate::format::vmdk::stream;
use crate::io::{ByteOffset, Files, SECTOR_SIZE, folder_of};

/// Most sectors of one extent of a split disk: 2047 MiB, which every file system can hold.
const SPLIT_SECTORS: u64 = 4_192_256;

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
            Self::StreamOptimized => "streamOptimized",
        }
    }

    fn is_sparse(self) -> bool {
        matches!(self, Self::MonolithicSparse | Self::SplitSparse | Self::StreamOptimized)
    }

    /// The sizes of the extents.
    fn extent_sizes(self, capacity: u64) -> Vec<u64> {
        match self {
            Self::MonolithicSparse | Self::MonolithicFlat | Self::StreamOptimized => vec![capacity],
            Self::SplitSparse | Self::SplitFlat => {
                let full = capacity / SPLIT_SECTORS;
                let rest = capacity % SPLIT_SECTORS;
                (0..full).map(|_| SPLIT_SECTORS).chain((rest > 0).then_some(rest)).collect()
            }
        }
    }

    /// The file name of an extent, `index` counted from 0.
    fn extent_name(self, name: &str, index: usize) -> String {
        let stem = stem(name);
        match self {
            // The file that holds the descriptor.
            Self::MonolithicSparse | Self::StreamOptimized => name.to_owned(),
            Self::MonolithicFlat => format!("{stem}-flat.vmdk"),
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

/// Makes a disk. On an error every file that was made is removed again; files that were there stay.
///
/// # Errors
/// `FileExists`, `InvalidArgument` for no capacity, `BadName` for a name that a descriptor cannot hold, `FileTooBig`,
/// `DiskFull`, those of storage.
pub fn create(files: &dyn Files, path: &Path, disk: &NewDisk, progress: &mut Progress<'_>) -> Result<()> {
    let mut made = Vec::new();
    let result = Maker { files, path, disk, made: &mut made }.make(&mut Steps::new(progress));
    if result.is_err() {
        made.iter().for_each(|file| drop(files.remove(file)));
    }
    result.naming("creating", path)
}

struct Maker<'a> {
    files: &'a dyn Files,
    path: &'a Path,
    disk: &'a NewDisk,
    made: &'a mut Vec<PathBuf>,
}

impl Maker<'_> {
    fn make(&mut self, steps: &mut Steps<'_>) -> Result<()> {
        if self.disk.capacity == 0 || self.disk.capacity > i64::MAX as u64 / SECTOR_SIZE {
            let text = format!("a disk of {} sectors cannot be made", self.disk.capacity);
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        let name = file_name(self.path)?;
        let text = self.descriptor(name)?;
        steps.report(0.0);
        if self.disk.kind == DiskKind::StreamOptimized {
            let file = self.new_file(self.path)?;
            stream::layout::create(&*file, self.disk.capacity, text.as_bytes())?;
            file.sync()?;
        } else if self.disk.kind == DiskKind::MonolithicSparse {
            self.sparse_extent(self.path, self.disk.capacity, Some(text.as_bytes()), &mut |part| {
                steps.report(part)
            })?;
        } else {
            // The descriptor comes last: without it the rest is no disk.
            let sizes = self.disk.kind.extent_sizes(self.disk.capacity);
            let total = sizes.len() as f64;
            // It is made first all the same, so that a disk of this name is found before anything is done.
            let descriptor = self.new_file(self.path)?;
            for (index, sectors) in sizes.into_iter().enumerate() {
                let path = folder_of(self.path).join(self.disk.kind.extent_name(name, index));
                let mut part = |part: f64| steps.report((index as f64 + part) / total);
                if self.disk.kind.is_sparse() {
                    self.sparse_extent(&path, sectors, None, &mut part)?;
                } else {
                    let file = self.new_file(&path)?;
                    file.set_len(sectors * SECTOR_SIZE)?;
                    file.sync()?;
                    part(1.0);
                }
            }
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

    fn sparse_extent(
        &mut self,
        path: &Path,
        sectors: u64,
        descriptor: Option<&[u8]>,
        progress: &mut dyn FnMut(f64),
    ) -> Result<()> {
        let room = if descriptor.is_some() { DESCRIPTOR_SECTORS } else { 0 };
        let layout = Layout::new(sectors, room)?;
        let file = self.new_file(path)?;
        layout.write(&*file, progress)?;
        if let Some(text) = descriptor {
            if text.len() as u64 >= room * SECTOR_SIZE {
                return Err(Error::new(Kind::BadName, "the name is too long for the descriptor"));
            }
            file.write_all_at(text, ByteOffset(SECTOR_SIZE))?;
        }
        file.sync()
    }

    /// The text of the descriptor, keys and order as VMware's products write them.
    fn descriptor(&self, name: &str) -> Result<String> {
        let NewDisk { kind, adapter, hardware, capacity } = *self.disk;
        let geometry = Geometry::of_new_disk(adapter, capacity);
        let native =
            if hardware >= HARDWARE_WITH_NATIVE_SNAPSHOTS { "isNativeSnapshot=\"no\"\n" } else { "" };
        let extent_type = if kind.is_sparse() { "SPARSE" } else { "FLAT" };
        let first_sector = if kind.is_sparse() { "" } else { " 0" };
        let extents: String = kind
            .extent_sizes(capacity)
            .into_iter()
            .enumerate()
            .map(|(index, sectors)| {
                format!("RW {sectors} {extent_type} \"{}\"{first_sector}\n", kind.extent_name(name, index))
            })
            .collect();
        Ok(format!(
            "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID={FRESH_CID:08x}\nparentCID=ffffffff\n{native}\
             createType=\"{}\"\n\n# Extent description\n{extents}\n# The Disk Data Base \n#DDB\n\n\
             ddb.adapterType = \"{}\"\nddb.geometry.cylinders = \"{}\"\nddb.geometry.heads = \"{}\"\n\
             ddb.geometry.sectors = \"{}\"\nddb.longContentID = \"{}{FRESH_CID:08x}\"\nddb.uuid = \"{}\"\n\
             ddb.virtualHWVersion = \"{hardware}\"\n",
            kind.create_type(),
            adapter.name(),
            geometry.cylinders,
            geometry.heads,
            geometry.sectors,
            hex(&random_bytes::<12>()?),
            uuid()?,
        ))
    }
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
fn file_name(path: &Path) -> Result<&str> {
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

/// Turns parts of the work into rising percentages.
struct Steps<'a> {
    progress: &'a mut Progress<'a>,
    last: Option<u8>,
}

impl<'a> Steps<'a> {
    fn new(progress: &'a mut Progress<'_>) -> Self {
        Self { progress, last: None }
    }

    fn report(&mut self, part: f64) {
        let percent = (part * 100.0).clamp(0.0, 100.0) as u8;
        if self.last.is_none_or(|last| percent > last) {
            self.last = Some(percent);
            (self.progress)(percent);
        }
    }
}
