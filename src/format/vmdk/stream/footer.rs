//! Finding the header that names the directory: the one at the front, or the footer.

use zerocopy::FromBytes;

use super::marker::{FOOTER, Marker};
use crate::error::{Error, Kind, Result};
use crate::format::vmdk::sparse::header::{
    COMPRESSION_DEFLATE, DIRECTORY_AT_END, FLAG_COMPRESSED, FLAG_MARKERS, Header, MAGIC, RawHeader,
};
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

const SECTOR: usize = SECTOR_SIZE as usize;

/// How far from the end of the file the footer may be. It should stand in the last sector but one, but tools append
/// zeros or text.
const SEARCHED_BYTES: u64 = 64 << 10;

/// Largest grain in sectors that is accepted, 1 MiB, since a grain is decoded in memory; real ones have 128 sectors.
pub const MAX_GRAIN: u64 = 1 << 11;

/// The header that counts, with a directory offset that is a real one: what the footer says goes before what the
/// header says.
///
/// # Errors
/// `InvalidDisk` for a stream without an end and for numbers that make no sense, `UnsupportedVersion`,
/// `NotSupported` for grains without markers and for grains that are too large, those of storage.
pub fn checked_header(storage: &dyn Storage, front: &RawHeader) -> Result<(RawHeader, Header)> {
    check_stream(front)?;
    let length = storage.length()?;
    let raw = if front.directory.get() == DIRECTORY_AT_END { find_footer(storage, length)? } else { *front };
    check_stream(&raw)?;
    let header = raw.check_layout(length)?;
    if header.grain_size > MAX_GRAIN {
        let text = format!("compressed grains of {} sectors are more than {MAX_GRAIN}", header.grain_size);
        return Err(Error::new(Kind::NotSupported, text));
    }
    Ok((raw, header))
}

/// Version, flags and compression must be those of a stream.
fn check_stream(raw: &RawHeader) -> Result<()> {
    raw.check_features()?;
    let flags = raw.flags.get();
    match (flags & FLAG_COMPRESSED != 0, flags & FLAG_MARKERS != 0) {
        (true, true) => {}
        (true, false) => {
            let text = "its grains are compressed but have no markers (flag 16 without 17)";
            return Err(Error::new(Kind::NotSupported, text));
        }
        _ => {
            let text =
                format!("flags {flags:#x} and its directory contradict each other about compressed grains");
            return Err(invalid(text));
        }
    }
    if raw.compression.get() != COMPRESSION_DEFLATE {
        let text = format!("compression {} is not 1, deflate", raw.compression.get());
        return Err(Error::new(Kind::UnsupportedVersion, text));
    }
    Ok(())
}

/// Looks for the last footer: a marker, a header behind it, and then a marker of zeros or the end of the file.
fn find_footer(storage: &dyn Storage, length: u64) -> Result<RawHeader> {
    let start = length.saturating_sub(SEARCHED_BYTES) / SECTOR_SIZE * SECTOR_SIZE;
    let mut end = vec![0; (length - start) as usize];
    storage.read_exact_at(&mut end, ByteOffset(start))?;
    let whole = end.len() / SECTOR;
    let found = (1..whole).rev().find_map(|index| {
        let (before, at) = end.split_at_checked(index * SECTOR)?;
        let (footer, after) = at.split_at_checked(SECTOR)?;
        let marker = Marker::read_from_suffix(before).ok()?.1;
        let announced = (marker.sectors.get(), marker.bytes.get(), marker.kind.get()) == (1, 0, FOOTER);
        let ended = after.iter().take(SECTOR).all(|byte| *byte == 0);
        (announced && ended && footer.starts_with(&MAGIC)).then_some(footer)
    });
    let Some(footer) = found else {
        return Err(invalid(format!(
            "it is a stream without an end: there is no footer in the last {} of its {length} bytes, so it was cut \
             off on its way or never finished",
            end.len()
        )));
    };
    let footer = RawHeader::parse(footer)?;
    if footer.directory.get() == DIRECTORY_AT_END {
        return Err(invalid("the footer of the stream names no directory"));
    }
    Ok(footer)
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Kind::InvalidDisk, text)
}
