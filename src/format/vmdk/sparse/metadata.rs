//! Where the parts of a sparse extent stand that are no grains.

use std::ops::Range;

use super::header::{Header, RawHeader};
use crate::error::Result;
use crate::format::vmdk::grains::tables::{Place, Side, Tables};
use crate::io::SECTOR_SIZE;

/// A part whose place the header names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// What it is.
    pub(super) name: &'static str,
    /// Its sectors of the file.
    pub(super) sectors: Range<u64>,
}

/// The parts that the header names, and itself.
pub(super) fn parts(raw: &RawHeader, header: &Header) -> Vec<Part> {
    let part = |name, start: u64, sectors| Part { name, sectors: start..start.saturating_add(sectors) };
    let directory_sectors = (u64::from(header.tables) * 4).div_ceil(SECTOR_SIZE);
    let mut parts = vec![part("header", 0, 1)];
    if let Some(place) = raw.descriptor_place() {
        parts.push(part("descriptor", place.sector.get(), place.sectors.get()));
    }
    if let Some(sector) = header.redundant_directory {
        parts.push(part("redundant grain directory", sector, directory_sectors));
    }
    parts.push(part("grain directory", header.directory, directory_sectors));
    parts
}

/// Shows each table that stands in the file: its copy, its number and its sectors.
///
/// # Errors
/// Those of storage and of `visit`.
pub(super) fn each_table(
    tables: &Tables,
    header: &Header,
    mut visit: impl FnMut(Side, u32, Range<u64>),
) -> Result<()> {
    for side in [Side::Primary, Side::Redundant] {
        if side == Side::Redundant && header.redundant_directory.is_none() {
            continue;
        }
        for index in 0..header.tables {
            if let Place::At(sector) = tables.place(side, index)? {
                let start = u64::from(sector);
                visit(side, index, start..start + header.table_sectors());
            }
        }
    }
    Ok(())
}

/// Whether two ranges have a sector in common.
pub(super) fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}
