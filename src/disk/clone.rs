//! Copying a disk into a new one of any kind that can be made, and telling how much space that takes.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chain::Disk;
use super::content::PIECE_SECTORS;
use super::create::{self, DiskKind, NewDisk, Steps};
use super::files;
use super::files::unlink;
use super::link::random_bytes;
use super::open::{Options, open};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::extent::Extent;
use crate::format::vmdk::sparse::header::RawHeader;
use crate::format::vmdk::sparse::layout::Layout;
use crate::format::vmdk::stream::{self, extent::StreamExtent};
use crate::io::counting::CountingFile;
use crate::io::{ByteOffset, Files, SECTOR_SIZE, Storage, folder_of};

/// Part of the progress that making the empty disk is, the rest is copying.
const CREATION: f64 = 0.02;

/// What file systems give space in, in bytes.
const BLOCK_BYTES: u64 = 4096;

/// Keys of the disk database that are about the content and go with it; the others describe the disk around it.
const KEYS_OF_CONTENT: [&[u8]; 2] = [b"toolsVersion", b"toolsInstallType"];

/// Told of progress, from 0 to 100 per cent, never backwards, each number once; its answer is whether to go on. The
/// last answer comes too late.
pub type Asked<'a> = dyn FnMut(u8) -> bool + 'a;

/// Copies a disk with all its links into a new one at `path`; `new` says of which kind, its capacity is that of the
/// source. Zeros take no space where the kind allows it. A disk that is there already is replaced only with
/// `overwrite`, and only once the new one is whole.
///
/// # Errors
/// `Cancelled`, `FileExists`, `InvalidArgument` when the target is a link of the source, `Locked` when it is in use,
/// those of [`create::create`], of reading and of writing. What was made is removed then, and what was there stays.
pub fn clone(
    source: &Disk,
    files: &Arc<dyn Files>,
    path: &Path,
    new: &NewDisk,
    overwrite: bool,
    progress: &mut Asked<'_>,
) -> Result<()> {
    let new = NewDisk { capacity: source.sectors(), ..*new };
    let mut copy = || {
        let taken = match files.canonical(path) {
            Ok(taken) => Some(taken),
            Err(error) if error.kind() == Kind::FileNotFound => None,
            Err(error) => return Err(error),
        };
        let Some(taken) = taken else { return copy_to(source, files, path, &new, progress) };
        for link in source.links() {
            if files.canonical(&link.path)? == taken {
                return Err(Error::new(
                    Kind::InvalidArgument,
                    "it is a link of the disk that is to be copied",
                ));
            }
        }
        if !overwrite {
            return Err(Error::new(Kind::FileExists, "there is a disk of this name"));
        }
        let temporary = temporary_name(path, "clone")?;
        copy_to(source, files, &temporary, &new, progress)?;
        replace(&**files, path, &temporary).inspect_err(|_| drop(unlink(&**files, &temporary)))
    };
    copy().naming("cloning to", path)
}

/// Puts a disk in the place of another one, which is moved aside and deleted last: at every moment both are there,
/// or the new one is at its place.
fn replace(files: &dyn Files, path: &Path, new: &Path) -> Result<()> {
    let aside = temporary_name(path, "old")?;
    files::rename(files, path, &aside)?;
    if let Err(error) = files::rename(files, new, path) {
        files::rename(files, &aside, path).context(|| {
            format!("{error}; then the old disk, now '{}', could not be put back", aside.display())
        })?;
        return Err(error);
    }
    // The new disk is there, so what may go wrong now is no reason to say that it is not.
    unlink(files, &aside).unwrap_or_else(|error| log::warn!("the disk that was replaced is left: {error}"));
    Ok(())
}

/// Makes the new disk and copies into it; on an error it is gone again. It gets its name when it is whole.
fn copy_to(
    source: &Disk,
    files: &Arc<dyn Files>,
    path: &Path,
    new: &NewDisk,
    progress: &mut Asked<'_>,
) -> Result<()> {
    let cancelled = Cell::new(false);
    let mut tell = |percent| cancelled.set(!progress(percent) || cancelled.get());
    let mut steps = Steps::new(&mut tell);
    let check = || match cancelled.get() {
        false => Ok(()),
        true => Err(Error::new(Kind::Cancelled, "the progress function wants no more of it")),
    };
    let unfinished = temporary_name(path, "unfinished")?;
    let mut created = |percent| steps.report(f64::from(percent) / 100.0 * CREATION);
    let made = create::create_at(&**files, path, &unfinished, new, &mut created)?;
    let mut at = unfinished.as_path();
    let mut fill = || {
        let target = open(files, &unfinished, Options::default())?;
        let mut copy = |sector, data: &[u8]| check().and_then(|()| target.write(sector, data));
        source.walk_data(&mut copy, &mut |part| {
            // 100 is for a disk that is whole.
            steps.report(CREATION + part * (0.99 - CREATION));
        })?;
        check()?;
        for key in KEYS_OF_CONTENT {
            if let Some(value) = source.find_metadata(key) {
                target.set_metadata(key, &value)?;
            }
        }
        target.finish()?;
        drop(target);
        files.rename(&unfinished, path)?;
        at = path;
        files.sync_folder(folder_of(path))
    };
    if let Err(error) = fill() {
        // Not as a disk: what is half written need not be one.
        made.iter().map(PathBuf::as_path).chain([at]).for_each(|path| drop(files.remove(path)));
        return Err(error);
    }
    steps.report(1.0);
    Ok(())
}

/// A name beside a disk that nobody has.
fn temporary_name(path: &Path, what: &str) -> Result<PathBuf> {
    let number = u64::from_le_bytes(random_bytes()?);
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{what}-{number:016x}.vmdk"));
    Ok(folder_of(path).join(name))
}

impl Disk {
    /// The bytes that a clone of this disk takes: those of its files, each rounded up to 4 KiB. The whole content
    /// is read, because zeros take no space.
    ///
    /// # Errors
    /// Those of reading; `FileTooBig` for a kind that cannot hold the disk.
    pub fn space_for_clone(&self, kind: DiskKind) -> Result<u64> {
        kind.check_capacity(self.sectors())?;
        if kind == DiskKind::StreamOptimized {
            return self.space_for_stream();
        }
        let sizes = kind.extent_sizes(self.sectors());
        let mut used = vec![0u64; sizes.len()];
        if kind.is_sparse() {
            let full = sizes.first().copied().unwrap_or(1);
            // The borders of extents are those of pieces.
            let mut count = |sector: u64, data: &[u8]| {
                let pieces = (data.len() as u64 / SECTOR_SIZE).div_ceil(PIECE_SECTORS);
                for piece in 0..pieces {
                    let extent = (sector + piece * PIECE_SECTORS) / full;
                    if let Some(used) = used.get_mut(extent as usize) {
                        *used += 1;
                    }
                }
                Ok(())
            };
            self.walk_data(&mut count, &mut |_| ())?;
        }
        let mut bytes = create::descriptor_bytes(kind, &sizes);
        for (sectors, used) in sizes.into_iter().zip(used) {
            let extent = match kind.is_sparse() {
                true => Layout::new(sectors, kind.descriptor_room())?.overhead() + used * PIECE_SECTORS,
                false => sectors,
            };
            bytes += (extent * SECTOR_SIZE).next_multiple_of(BLOCK_BYTES);
        }
        Ok(bytes)
    }

    /// What grains become when they are compressed is only known when that is done.
    fn space_for_stream(&self) -> Result<u64> {
        let file: Arc<dyn Storage> = Arc::new(CountingFile::default());
        // The text takes the place that is kept for it, whatever its length.
        stream::layout::create(&*file, self.sectors(), b"# Disk DescriptorFile")?;
        let mut start = vec![0; SECTOR_SIZE as usize];
        file.read_exact_at(&mut start, ByteOffset(0))?;
        let header = RawHeader::parse(&start)?;
        let extent = StreamExtent::open(Arc::clone(&file), &header, self.sectors(), true)?;
        self.walk_data(&mut |sector, data| extent.write(sector, data, None), &mut |_| ())?;
        extent.finish()?;
        Ok(file.length()?.next_multiple_of(BLOCK_BYTES))
    }

    /// The kind of disk that this one would be if it were made anew; `None` for what is not made here.
    pub fn kind(&self) -> Option<DiskKind> {
        let kind = DiskKind::of_create_type(&self.create_type())?;
        let thin = || self.find_metadata(b"thinProvisioned").is_some_and(|value| value == b"1");
        Some(if kind == DiskKind::VmfsFlat && thin() { DiskKind::VmfsThin } else { kind })
    }
}

#[cfg(test)]
#[path = "clone_tests.rs"]
mod tests;
