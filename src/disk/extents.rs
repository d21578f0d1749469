//! Opening extents: from a line of a descriptor to what answers for its sectors.

use std::path::Path;
use std::sync::Arc;

use super::link::path_from_bytes;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::extent::{Extent, UnreachableExtent, ZeroExtent};
use crate::format::vmdk::descriptor::{ExtentAccess, ExtentKind, ExtentLine};
use crate::format::vmdk::flat::FlatExtent;
use crate::format::vmdk::sesparse::extent::SeSparseExtent;
use crate::format::vmdk::sparse::SparseExtent;
use crate::format::vmdk::sparse::header::RawHeader;
use crate::format::vmdk::stream::extent::StreamExtent;
use crate::format::vmdk::{cowd, sesparse};
use crate::io::{Access, ByteOffset, Files, SECTOR_SIZE, Storage, folder_of};

/// Tells files that are extents of a disk, not what a user should open.
pub(super) fn foreign(start: &[u8]) -> Option<&'static str> {
    if start.starts_with(&cowd::header::MAGIC) {
        return Some("it is the extent of an ESX redo log: open the disk's descriptor");
    }
    if start.starts_with(&sesparse::header::MAGIC.to_le_bytes()) {
        return Some("it is an seSparse extent: open the disk's descriptor");
    }
    start.starts_with(&[0x1f, 0x8b]).then_some("it is compressed with gzip: unpack it first")
}

/// The access that an extent is opened with.
pub(super) fn extent_access(line: &ExtentLine, access: Access) -> Access {
    if line.access == ExtentAccess::ReadWrite { access } else { Access::Read }
}

/// Opens the extent of a line of the descriptor at `descriptor_path`; `container` is the file that holds it already.
///
/// # Errors
/// Those of [`Files::open_beside`] and of the formats.
pub(super) fn open_extent(
    files: &dyn Files,
    descriptor_path: &Path,
    line: &ExtentLine,
    container: Option<&Arc<dyn Storage>>,
    access: Access,
) -> Result<Box<dyn Extent>> {
    let access = extent_access(line, access);
    let writable = access == Access::ReadWrite;
    let sectors = line.sectors;
    let named = match (&line.name, line.access) {
        // Without access there is nothing to be seen.
        (_, ExtentAccess::None) | (None, _) => None,
        (Some(name), _) => Some(name),
    };
    let Some(name) = named else { return Ok(Box::new(ZeroExtent { sectors })) };
    let open = || open_named(files, descriptor_path, name, access);
    Ok(match line.kind {
        ExtentKind::Zero => Box::new(ZeroExtent { sectors }),
        ExtentKind::Flat | ExtentKind::Vmfs => {
            Box::new(FlatExtent::new(open()?, line.first_sector, sectors, writable)?)
        }
        ExtentKind::Sparse => {
            let storage = container.map_or_else(open, |container| Ok(Arc::clone(container)))?;
            let name = storage.name();
            open_sparse(storage, sectors, writable).context(|| format!("sparse extent '{name}'"))?
        }
        ExtentKind::VmfsSparse => {
            let storage = open()?;
            let name = storage.name();
            Box::new(cowd::open(storage, sectors, writable).context(|| format!("redo log '{name}'"))?)
        }
        ExtentKind::SeSparse => {
            let storage = open()?;
            let name = storage.name();
            Box::new(SeSparseExtent::open(storage, sectors).context(|| format!("seSparse extent '{name}'"))?)
        }
        ExtentKind::VmfsRaw => open_raw(files, descriptor_path, line, name)?,
    })
}

fn open_sparse(storage: Arc<dyn Storage>, sectors: u64, writable: bool) -> Result<Box<dyn Extent>> {
    let length = storage.length()?;
    let mut start = vec![0; length.min(SECTOR_SIZE) as usize];
    storage.read_exact_at(&mut start, ByteOffset(0))?;
    let header = RawHeader::parse(&start)?;
    if header.is_stream() {
        return Ok(Box::new(StreamExtent::open(storage, &header, sectors, writable)?));
    }
    Ok(Box::new(SparseExtent::new(storage, header.check(length)?, sectors, writable)?))
}

/// A raw device mapping. Its data is where the configuration says, or in the named file, if that is a copy of the
/// device. Otherwise the disk opens all the same: its descriptor can be read. It never takes writes.
fn open_raw(
    files: &dyn Files,
    descriptor_path: &Path,
    line: &ExtentLine,
    name: &[u8],
) -> Result<Box<dyn Extent>> {
    let flat = |storage| FlatExtent::new(storage, line.first_sector, line.sectors, false);
    let (folder, path) = (folder_of(descriptor_path), path_from_bytes(name));
    if let Some(storage) = files.open_mapped(folder, path)? {
        return Ok(Box::new(flat(storage)?));
    }
    let why = match files.open_beside(folder, path, Access::Read) {
        Ok(_) if is_itself(files, descriptor_path, path)? => return Err(names_itself()),
        Ok(storage) => match flat(storage) {
            Ok(extent) => return Ok(Box::new(extent)),
            Err(error) => error,
        },
        Err(error) => error,
    };
    let mapping = folder.join(path.file_name().unwrap_or_default());
    let reason = format!(
        "the data of a raw device mapping is on its device; the line 'vixen.rawDevice.{} = DEVICE' in the configuration \
         says which device that is here, or which file is a copy of it (as it stands: {why})",
        mapping.display()
    );
    Ok(Box::new(UnreachableExtent { sectors: line.sectors, reason }))
}

/// Opens the file of an extent; a descriptor must not name itself, or its text would be read as data.
fn open_named(
    files: &dyn Files,
    descriptor_path: &Path,
    name: &[u8],
    access: Access,
) -> Result<Arc<dyn Storage>> {
    let path = path_from_bytes(name);
    let storage = files.open_beside(folder_of(descriptor_path), path, access).map_err(|error| {
        let object = name.windows(3).any(|part| part == b"://") && error.kind() == Kind::FileNotFound;
        if object {
            error.context("an object of vSAN or vVols is no file that can be opened here")
        } else {
            error
        }
    })?;
    if is_itself(files, descriptor_path, path)? {
        return Err(names_itself());
    }
    Ok(storage)
}

fn is_itself(files: &dyn Files, descriptor_path: &Path, name: &Path) -> Result<bool> {
    Ok(files.canonical(&folder_of(descriptor_path).join(name))? == files.canonical(descriptor_path)?)
}

fn names_itself() -> Error {
    Error::new(Kind::InvalidDisk, "the descriptor names itself as an extent")
}
