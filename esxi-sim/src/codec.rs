//! Compression of fragments, both ways: zlib, FastLZ and skipz.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

/// How a fragment travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    None,
    Zlib,
    FastLz,
    SkipZ,
}

impl Method {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::None,
            1 => Self::Zlib,
            2 => Self::FastLz,
            3 => Self::SkipZ,
            _ => return None,
        })
    }

    pub(crate) fn number(self) -> u32 {
        self as u32
    }
}

/// Appends the compressed form of `data` to `out`; false, and nothing appended, when that would not be shorter.
pub(crate) fn encode(method: Method, data: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    match method {
        Method::None => return false,
        Method::Zlib => {
            let mut encoder = ZlibEncoder::new(&mut *out, Compression::fast());
            if encoder.write_all(data).and_then(|()| encoder.finish().map(drop)).is_err() {
                out.truncate(start);
                return false;
            }
        }
        Method::FastLz => fastlz_encode(data, out),
        Method::SkipZ => skipz_encode(data, out),
    }
    if out.len() - start < data.len() {
        return true;
    }
    out.truncate(start);
    false
}

/// Fills `out` from the compressed `data`; `None` when it is damaged or of another length.
pub(crate) fn decode(method: Method, data: &[u8], out: &mut [u8]) -> Option<()> {
    match method {
        Method::None if data.len() == out.len() => {
            out.copy_from_slice(data);
            Some(())
        }
        Method::None => None,
        Method::Zlib => {
            let mut decoder = ZlibDecoder::new(data);
            decoder.read_exact(out).ok()?;
            (decoder.read(&mut [0]).ok()? == 0).then_some(())
        }
        Method::FastLz => fastlz_decode(data, out),
        Method::SkipZ => skipz_decode(data, out),
    }
}

fn number(data: &[u8], at: usize) -> Option<usize> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
}

fn skipz_decode(data: &[u8], out: &mut [u8]) -> Option<()> {
    if number(data, 0)? != out.len() || number(data, 4)? != 0 {
        return None;
    }
    out.fill(0);
    let (mut place, mut covered) = (8, 0);
    while place < data.len() {
        let (offset, length) = (number(data, place)?, number(data, place + 4)?);
        if offset < covered {
            return None;
        }
        let from = data.get(place + 8..(place + 8).checked_add(length)?)?;
        out.get_mut(offset..offset.checked_add(length)?)?.copy_from_slice(from);
        covered = offset + length;
        place += 8 + length;
    }
    Some(())
}

/// Zeros shorter than this stay inside a run: a new run costs eight bytes.
const SHORTEST_HOLE: usize = 16;

fn skipz_encode(data: &[u8], out: &mut Vec<u8>) {
    out.extend((data.len() as u32).to_le_bytes());
    out.extend([0; 4]);
    let mut place = 0;
    while let Some(first) = data.get(place..).and_then(|rest| rest.iter().position(|byte| *byte != 0)) {
        let start = place + first;
        let mut end = start;
        let mut zeros = 0;
        for byte in data.get(start..).unwrap_or_default() {
            if *byte != 0 {
                end += zeros + 1;
                zeros = 0;
            } else {
                zeros += 1;
                if zeros >= SHORTEST_HOLE {
                    break;
                }
            }
        }
        out.extend((start as u32).to_le_bytes());
        out.extend(((end - start) as u32).to_le_bytes());
        out.extend_from_slice(data.get(start..end).unwrap_or_default());
        place = end;
    }
}

/// Farthest reference of a two-byte distance in level 2.
const NEAR: usize = 8191;

fn fastlz_decode(data: &[u8], out: &mut [u8]) -> Option<()> {
    let level = data.first()? >> 5;
    if level > 1 {
        return None;
    }
    let mut control = usize::from(data.first()? & 31);
    let (mut place, mut done) = (1, 0);
    loop {
        if control < 32 {
            let from = data.get(place..place + control + 1)?;
            out.get_mut(done..done + control + 1)?.copy_from_slice(from);
            place += control + 1;
            done += control + 1;
        } else {
            let mut length = control >> 5;
            let mut distance = (control & 31) << 8;
            if length == 7 {
                loop {
                    let more = usize::from(*data.get(place)?);
                    place += 1;
                    length = length.checked_add(more)?;
                    if level == 0 || more != 255 {
                        break;
                    }
                }
            }
            let low = usize::from(*data.get(place)?);
            place += 1;
            distance += low;
            if level == 1 && low == 255 && control & 31 == 31 {
                let far = data.get(place..place + 2)?;
                distance = NEAR + usize::from(u16::from_be_bytes(far.try_into().ok()?));
                place += 2;
            }
            let start = done.checked_sub(distance + 1)?;
            let end = done.checked_add(length + 2)?;
            if end > out.len() {
                return None;
            }
            for index in done..end {
                let byte = *out.get(start + index - done)?;
                *out.get_mut(index)? = byte;
            }
            done = end;
        }
        match data.get(place) {
            None => break,
            Some(next) => control = usize::from(*next),
        }
        place += 1;
    }
    (done == out.len()).then_some(())
}

/// Level 2 from this size on.
const LEVEL_2_FROM: usize = 65536;

fn fastlz_encode(data: &[u8], out: &mut Vec<u8>) {
    let level_2 = data.len() >= LEVEL_2_FROM;
    let start = out.len();
    let mut table = vec![0_u32; 1 << 13];
    // Level 1 cannot name what is farther, nor a longer match in one go.
    let (window, longest) = if level_2 { (NEAR - 1, usize::MAX) } else { (NEAR, 264) };
    // The last bytes stay literals, and so does the first one: decoders expect both.
    let limit = data.len().saturating_sub(12);
    let (mut place, mut literals) = (1, 0);
    while place < limit {
        let Some(key) = data.get(place..place + 3) else { break };
        let hash = key.iter().fold(0_usize, |hash, byte| hash * 2531 + usize::from(*byte)) & 0x1fff;
        let Some(slot) = table.get_mut(hash) else { break };
        let candidate = *slot as usize;
        *slot = place as u32;
        let distance = place - candidate;
        if distance == 0 || distance > window || data.get(candidate..candidate + 3) != Some(key) {
            place += 1;
            continue;
        }
        let ahead = data.get(place..limit + 4).unwrap_or_default().iter();
        let behind = data.get(candidate..).unwrap_or_default().iter();
        let length = ahead.zip(behind).take_while(|(a, b)| a == b).count().min(longest);
        fastlz_literals(data.get(literals..place).unwrap_or_default(), out);
        fastlz_match(length - 2, distance - 1, level_2, out);
        place += length;
        literals = place;
    }
    fastlz_literals(data.get(literals..).unwrap_or_default(), out);
    if let (true, Some(first)) = (level_2, out.get_mut(start)) {
        *first |= 32;
    }
}

fn fastlz_literals(data: &[u8], out: &mut Vec<u8>) {
    for piece in data.chunks(32) {
        out.push((piece.len() - 1) as u8);
        out.extend_from_slice(piece);
    }
}

/// A match; `length` is two less, and `distance` one less, than what they mean.
fn fastlz_match(length: usize, distance: usize, level_2: bool, out: &mut Vec<u8>) {
    let high = (distance >> 8) as u8;
    if length < 7 {
        out.push((length as u8) << 5 | high);
    } else {
        out.push(7 << 5 | high);
        let mut rest = length - 7;
        while level_2 && rest >= 255 {
            out.push(255);
            rest -= 255;
        }
        out.push(rest as u8);
    }
    out.push(distance as u8);
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
