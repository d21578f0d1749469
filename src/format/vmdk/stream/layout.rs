//! What surrounds the grains of a stream that is made here, as VMware's products write it: version 3, the directory
//! behind the grains, and a footer.

use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

use super::marker::{DIRECTORY, FOOTER, Marker};
use crate::error::{Error, Kind, Result};
use crate::format::vmdk::sparse::header::{
    COMPRESSION_DEFLATE, DIRECTORY_AT_END, FLAG_COMPRESSED, FLAG_MARKERS, FLAG_TEXT_PROBE, FLAG_ZERO_GRAINS,
    Header, MAGIC, RawHeader, TEXT_PROBE,
};
use crate::format::vmdk::sparse::layout::{DESCRIPTOR_SECTORS, GRAIN_SIZE};
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

/// The version that VMware's products accept for streams.
const VERSION: u32 = 3;

/// Sectors before the first marker.
const OVERHEAD: u64 = 128;

/// Entries of a table.
const ENTRIES_PER_TABLE: u32 = 512;

/// Directory entries that are written at a time.
const ENTRIES_AT_A_TIME: u64 = 64 << 10;

/// The header of a finished stream, made from one that may come from other writers.
pub fn finished_header(from: &RawHeader, overhead: u64) -> RawHeader {
    RawHeader {
        magic: MAGIC,
        version: VERSION.into(),
        flags: (FLAG_TEXT_PROBE | FLAG_COMPRESSED | FLAG_MARKERS | from.flags.get() & FLAG_ZERO_GRAINS)
            .into(),
        redundant_directory: 0.into(),
        directory: DIRECTORY_AT_END.into(),
        overhead: overhead.into(),
        unclean: 0,
        text_probe: TEXT_PROBE,
        compression: COMPRESSION_DEFLATE.into(),
        padding: [0; 433],
        ..*from
    }
}

/// Writes an empty stream of `capacity` sectors with an embedded descriptor into an empty file: a disk of zeros.
///
/// # Errors
/// `InvalidArgument` for no capacity, `FileTooBig`, `BadName` for a descriptor without room, those of storage.
pub fn create(storage: &dyn Storage, capacity: u64, descriptor: &[u8]) -> Result<()> {
    if capacity == 0 {
        return Err(Error::new(Kind::InvalidArgument, "a capacity of 0 sectors"));
    }
    if descriptor.len() as u64 >= DESCRIPTOR_SECTORS * SECTOR_SIZE {
        return Err(Error::new(Kind::BadName, "the name is too long for the descriptor"));
    }
    let raw = finished_header(&new_header(capacity), OVERHEAD);
    let header =
        raw.check_numbers(OVERHEAD * SECTOR_SIZE).map_err(|error| error.with_kind(Kind::FileTooBig))?;
    storage.write_all_at(raw.as_bytes(), ByteOffset(0))?;
    storage.write_all_at(descriptor, ByteOffset(SECTOR_SIZE))?;
    let length = write_trailer(storage, &raw, &header, OVERHEAD * SECTOR_SIZE, None)?;
    storage.set_len(length)
}

/// What [`create`] begins with.
fn new_header(capacity: u64) -> RawHeader {
    RawHeader {
        magic: MAGIC,
        version: VERSION.into(),
        flags: 0.into(),
        capacity: capacity.into(),
        grain_size: GRAIN_SIZE.into(),
        descriptor_offset: 1.into(),
        descriptor_size: DESCRIPTOR_SECTORS.into(),
        entries_per_table: ENTRIES_PER_TABLE.into(),
        redundant_directory: 0.into(),
        directory: 0.into(),
        overhead: 0.into(),
        unclean: 0,
        text_probe: TEXT_PROBE,
        compression: 0.into(),
        padding: [0; 433],
    }
}

/// The sector of a table by its index, 0 for none.
pub type TableSectors<'a> = dyn Fn(u32) -> Result<u32> + 'a;

/// Writes directory, footer and end at byte `place`, which is that of a sector, and returns the byte behind them. The
/// directory gets the sectors that `sectors` names; without it, the file is known to have zeros or nothing there.
///
/// # Errors
/// Those of `sectors` and of storage.
pub fn write_trailer(
    storage: &dyn Storage,
    finished: &RawHeader,
    header: &Header,
    place: u64,
    sectors: Option<&TableSectors<'_>>,
) -> Result<u64> {
    let bytes = header.directory_sectors() * SECTOR_SIZE;
    let directory = place + SECTOR_SIZE;
    let mut footer = *finished;
    footer.directory = (directory / SECTOR_SIZE).into();
    storage.write_all_at(Marker::new(DIRECTORY, bytes / SECTOR_SIZE).as_bytes(), ByteOffset(place))?;
    if let Some(sectors) = sectors {
        write_directory(storage, header, directory, sectors)?;
    }
    let mut end = Marker::new(FOOTER, 1).as_bytes().to_vec();
    end.extend_from_slice(footer.as_bytes());
    end.extend_from_slice(&[0; SECTOR_SIZE as usize]);
    storage.write_all_at(&end, ByteOffset(directory + bytes))?;
    Ok(directory + bytes + end.len() as u64)
}

/// Writes the directory and zeros up to the end of its last sector.
fn write_directory(
    storage: &dyn Storage,
    header: &Header,
    place: u64,
    sectors: &TableSectors<'_>,
) -> Result<()> {
    let tables = u64::from(header.tables);
    let end = header.directory_sectors() * SECTOR_SIZE / 4;
    for start in (0..end).step_by(ENTRIES_AT_A_TIME as usize) {
        let piece: Result<Vec<U32>> = (start..end.min(start + ENTRIES_AT_A_TIME))
            .map(|index| if index < tables { sectors(index as u32).map(U32::new) } else { Ok(U32::ZERO) })
            .collect();
        storage.write_all_at(piece?.as_bytes(), ByteOffset(place + start * 4))?;
    }
    Ok(())
}
