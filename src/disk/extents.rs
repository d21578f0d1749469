//! Opening extents: from a line of a descriptor to what answers for its sectors.

use std::sync::Arc;

use super::link::path_from_bytes;
use super::parts::{Parts, names_itself};
use crate::error::{Result, ResultExt};
use crate::format::extent::{Extent, UnreachableExtent, ZeroExtent};
use crate::format::vmdk::descriptor::{ExtentAccess, ExtentKind, ExtentLine};
use crate::format::vmdk::flat::FlatExtent;
use crate::format::vmdk::sesparse::extent::SeSparseExtent;
use crate::format::vmdk::sparse::SparseExtent;
use crate::format::vmdk::sparse::header::RawHeader;
use crate::format::vmdk::stream::extent::StreamExtent;
use crate::format::vmdk::{cowd, sesparse};
use crate::io::{Access, ByteOffset, SECTOR_SIZE, Storage};

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

/// Opens the extent of a line, which is the one at `index` of the descriptor, counted from 0.
///
/// # Errors
/// Those of [`Parts::open_extent`] and of the formats.
pub(super) fn open_extent(
    parts: &mut Parts<'_>,
    index: usize,
    line: &ExtentLine,
    access: Access,
) -> Result<Box<dyn Extent>> {
    let access = extent_access(line, access);
    let (sectors, writable) = (line.sectors, access == Access::ReadWrite);
    let mut open = || parts.open_extent(index, line, access).map(|part| (part.storage.name(), part.storage));
    Ok(match (line.access, line.kind) {
        // Without access there is nothing to be seen.
        (ExtentAccess::None, _) | (_, ExtentKind::Zero) => Box::new(ZeroExtent { sectors }),
        (_, ExtentKind::Flat | ExtentKind::Vmfs) => {
            Box::new(FlatExtent::new(open()?.1, line.first_sector, sectors, writable)?)
        }
        (_, ExtentKind::Sparse) => {
            let (name, storage) = open()?;
            open_sparse(storage, sectors, writable).context(|| format!("sparse extent '{name}'"))?
        }
        (_, ExtentKind::VmfsSparse) => {
            let (name, storage) = open()?;
            Box::new(cowd::open(storage, sectors, writable).context(|| format!("redo log '{name}'"))?)
        }
        (_, ExtentKind::SeSparse) => {
            let (name, storage) = open()?;
            Box::new(SeSparseExtent::open(storage, sectors).context(|| format!("seSparse extent '{name}'"))?)
        }
        (_, ExtentKind::VmfsRaw) => open_raw(parts, line)?,
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
    let header = header.check(length)?;
    if header.capacity > sectors {
        log::warn!(
            "'{}' has {} sectors, of which the descriptor uses {sectors}",
            storage.name(),
            header.capacity
        );
    }
    Ok(Box::new(SparseExtent::of_length(storage, length, header, sectors, writable)?))
}

/// A raw device mapping. Its data is where the configuration says, or in the named file, if that is a copy of the
/// device. Otherwise the disk opens all the same: its descriptor can be read. It never takes writes.
fn open_raw(parts: &mut Parts<'_>, line: &ExtentLine) -> Result<Box<dyn Extent>> {
    let flat = |storage| FlatExtent::new(storage, line.first_sector, line.sectors, false);
    let name = line.name.as_deref().unwrap_or_default();
    // The configuration is in UTF-8, the line perhaps in another code page.
    let decoded = parts.decoded(name);
    for known in [Some(name), decoded.as_deref()].into_iter().flatten() {
        if let Some(storage) = parts.open_mapped(path_from_bytes(known))? {
            return Ok(Box::new(flat(storage)?));
        }
    }
    let path = path_from_bytes(decoded.as_deref().unwrap_or(name));
    let why = match parts.open(name, Access::Read, true) {
        Ok(part) if part.is_own => return Err(names_itself()),
        Ok(part) => match flat(part.storage) {
            Ok(extent) => return Ok(Box::new(extent)),
            Err(error) => error,
        },
        Err(error) => error,
    };
    let mapping = parts.folder().join(path.file_name().unwrap_or_default());
    let reason = format!(
        "the data of a raw device mapping is on its device; the line 'vixen.rawDevice.{} = DEVICE' in the configuration \
         says which device that is here, or which file is a copy of it (as it stands: {why})",
        mapping.display()
    );
    Ok(Box::new(UnreachableExtent { sectors: line.sectors, reason }))
}
