//! FastLZ blocks, levels 1 and 2, without any head. The upper three bits of the first byte tell the level.
//!
//! ```text
//!  000LLLLL                        L + 1 literals follow
//!  LLLDDDDD [length ..] DDDDDDDD   a match of L + 2 bytes (L < 7; else 9 and the extra length) at distance D + 1
//! ```
//! Level 1 has one byte of extra length, level 2 as many as are 255 and one more; there, the largest D is followed by
//! two bytes, big-endian, that add to it.

use crate::error::{Error, Kind, Result};

/// The largest D.
const FAR: usize = 0x1fff;

/// The longest match of level 1.
const LONGEST: usize = 9 + 255;

/// Fragments from here on are encoded with level 2, as hosts do.
const LEVEL_2_FROM: usize = 64 << 10;

/// Fewest bytes that are encoded.
pub const MIN_INPUT: usize = 16;

/// Bytes at the end that are literals in any case: decoders exist that refuse a block which ends in a match.
const TAIL: usize = 8;

/// Literals of one instruction.
const LITERALS: usize = 32;

fn damaged(text: &str) -> Error {
    Error::new(Kind::InvalidDisk, format!("fastlz: {text}"))
}

/// Reads bytes one by one.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Result<usize> {
        let (byte, rest) = self.0.split_first().ok_or_else(|| damaged("the data ends too early"))?;
        self.0 = rest;
        Ok(usize::from(*byte))
    }
}

/// Decodes into the start of `output`, and returns the length.
///
/// # Errors
/// `InvalidDisk` for data that ends too early, refers to what is before the output, or holds more than fits.
pub fn decode(data: &[u8], output: &mut [u8]) -> Result<usize> {
    let mut input = Input(data);
    let first = input.byte()?;
    let level_2 = match first >> 5 {
        0 => false,
        1 => true,
        _ => return Err(damaged("a level that does not exist")),
    };
    let mut instruction = first & 31;
    let mut filled = 0;
    loop {
        if instruction < 32 {
            let length = instruction + 1;
            let (Some(literals), Some(room)) =
                (input.0.get(..length), output.get_mut(filled..filled + length))
            else {
                return Err(damaged("literals that leave the data or the output"));
            };
            room.copy_from_slice(literals);
            input.0 = input.0.get(length..).unwrap_or_default();
            filled += length;
        } else {
            let (length, distance) = reference(&mut input, instruction, level_2, output.len())?;
            repeat(output, filled, distance, length)?;
            filled += length;
        }
        if input.0.is_empty() {
            return Ok(filled);
        }
        instruction = input.byte()?;
    }
}

/// Length and distance of a match; lengths stay below twice `most`.
fn reference(
    input: &mut Input<'_>,
    instruction: usize,
    level_2: bool,
    most: usize,
) -> Result<(usize, usize)> {
    let mut length = (instruction >> 5) + 2;
    if length == 9 {
        loop {
            let more = input.byte()?;
            length += more;
            if !level_2 || more != 255 {
                break;
            }
            if length > most {
                return Err(damaged("a match that leaves the output"));
            }
        }
    }
    let mut distance = ((instruction & 31) << 8) | input.byte()?;
    if level_2 && distance == FAR {
        distance += (input.byte()? << 8) | input.byte()?;
    }
    Ok((length, distance + 1))
}

/// Copies from `distance` back, over itself where that is shorter than `length`.
fn repeat(output: &mut [u8], filled: usize, distance: usize, length: usize) -> Result<()> {
    let fits = output.len().saturating_sub(filled) >= length;
    let Some(from) = filled.checked_sub(distance).filter(|_| fits) else {
        return Err(damaged("a match that leaves the output"));
    };
    // What has been copied doubles what can be copied at once.
    let mut done = 0;
    while done < length {
        let now = (distance + done).min(length - done);
        output.copy_within(from..from + now, filled + done);
        done += now;
    }
    Ok(())
}

/// Appends `data` encoded; it may become longer. Less than [`MIN_INPUT`] bytes are all literals.
pub fn encode(data: &[u8], output: &mut Vec<u8>) {
    let level_2 = data.len() >= LEVEL_2_FROM;
    let start = output.len();
    let mut places = vec![usize::MAX; 1 << 13];
    let last = if data.len() < MIN_INPUT { 0 } else { data.len() - TAIL };
    let mut literals = 0;
    let mut at = 0;
    while at < last {
        let word =
            data.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |four| u32::from_le_bytes(*four));
        let slot = (word.wrapping_mul(0x9e37_79b1) >> 19) as usize;
        let earlier = std::mem::replace(&mut places[slot % (1 << 13)], at);
        let length = match at.checked_sub(earlier) {
            Some(1..=FAR) => common(data, earlier, at, last),
            _ => 0,
        };
        if length < 4 {
            at += 1;
            continue;
        }
        put_literals(data.get(literals..at).unwrap_or_default(), output);
        put_match(length, at - earlier - 1, level_2, output);
        at += length;
        literals = at;
    }
    put_literals(data.get(literals..).unwrap_or_default(), output);
    if let (Some(first), true) = (output.get_mut(start), level_2) {
        *first |= 1 << 5; // the first instruction is always one of literals
    }
}

/// Bytes that are equal at two places, up to `last`.
fn common(data: &[u8], earlier: usize, at: usize, last: usize) -> usize {
    let (Some(old), Some(new)) = (data.get(earlier..), data.get(at..last)) else { return 0 };
    old.iter().zip(new).take_while(|(one, other)| one == other).count()
}

fn put_literals(bytes: &[u8], output: &mut Vec<u8>) {
    for piece in bytes.chunks(LITERALS) {
        output.push(u8::try_from(piece.len() - 1).unwrap_or(31));
        output.extend_from_slice(piece);
    }
}

/// Puts a match of `length` bytes (4 at least) at distance `back` + 1; level 1 needs several for long ones.
fn put_match(mut length: usize, back: usize, level_2: bool, output: &mut Vec<u8>) {
    let byte = |number: usize| u8::try_from(number & 255).unwrap_or(0);
    while length > 0 {
        // What is left over must be a match too, of 3 bytes at least.
        let now = match length {
            _ if level_2 || length <= LONGEST => length,
            _ if length - LONGEST < 3 => LONGEST - 3,
            _ => LONGEST,
        };
        if now < 9 {
            output.push(byte((now - 2) << 5 | back >> 8));
        } else {
            output.push(byte(7 << 5 | back >> 8));
            let mut more = now - 9;
            while level_2 && more >= 255 {
                output.push(255);
                more -= 255;
            }
            output.push(byte(more));
        }
        output.push(byte(back));
        length -= now;
    }
}
