//! SkipZ: only what is not zero. The total length, a zero, then segments: offset, length, bytes; in ascending order.

use crate::error::{Error, Kind, Result};

/// Zeros that are worth ending a segment for; a segment costs 8 bytes.
const GAP: usize = 64;

fn damaged(text: String) -> Error {
    Error::new(Kind::InvalidDisk, format!("skipz: {text}"))
}

/// Takes a number off the front.
fn number(data: &mut &[u8]) -> Option<usize> {
    let (bytes, rest) = data.split_first_chunk()?;
    *data = rest;
    usize::try_from(u32::from_le_bytes(*bytes)).ok()
}

/// The length that `data` says it has when decoded.
pub fn total(mut data: &[u8]) -> Option<usize> {
    number(&mut data)
}

/// Decodes into all of `output`.
///
/// # Errors
/// `InvalidDisk` for data of another length, and segments that overlap, go back, or leave the output.
pub fn decode(mut data: &[u8], output: &mut [u8]) -> Result<()> {
    let total = number(&mut data);
    if total != Some(output.len()) || number(&mut data) != Some(0) {
        return Err(damaged(format!("a head of {total:?} bytes for {}", output.len())));
    }
    let mut filled = 0;
    while !data.is_empty() {
        let (Some(start), Some(length)) = (number(&mut data), number(&mut data)) else {
            return Err(damaged("half a head of a segment".to_owned()));
        };
        let end = start.saturating_add(length);
        let (Some(bytes), true) = (data.get(..length), filled <= start) else {
            return Err(damaged(format!("a segment of {length} bytes at {start}, after {filled}")));
        };
        let Some(room) = output.get_mut(filled..end) else {
            return Err(damaged(format!("a segment up to {end} in {total:?} bytes")));
        };
        let (zeros, place) = room.split_at_mut(start - filled);
        zeros.fill(0);
        place.copy_from_slice(bytes);
        data = data.get(length..).unwrap_or_default();
        filled = end;
    }
    output.get_mut(filled..).unwrap_or_default().fill(0);
    Ok(())
}

/// Bytes of zeros at the start of `data`.
fn zeros(data: &[u8]) -> usize {
    let words = data.chunks_exact(16).take_while(|word| **word == [0; 16]).count() * 16;
    words + data.get(words..).unwrap_or_default().iter().take_while(|byte| **byte == 0).count()
}

/// Appends `data` encoded; of at most 4 GiB, as fragments are.
pub fn encode(data: &[u8], output: &mut Vec<u8>) {
    let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    output.extend_from_slice(&word(data.len()));
    output.extend_from_slice(&[0; 4]);
    let mut at = zeros(data);
    while at < data.len() {
        let start = at;
        let mut end = at;
        // A segment goes on over gaps that are too short to pay.
        while end < data.len() {
            let rest = data.get(end..).unwrap_or_default();
            let gap = zeros(rest);
            if gap >= GAP || gap == rest.len() {
                at = end + gap;
                break;
            }
            let bytes = rest.get(gap..).unwrap_or_default();
            end += gap + bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            at = end;
        }
        output.extend_from_slice(&word(start));
        output.extend_from_slice(&word(end - start));
        output.extend_from_slice(data.get(start..end).unwrap_or_default());
    }
}
