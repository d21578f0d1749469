//! Zlib (RFC 1950) with bounds: grains in, grains out.
//!
//! libdeflate does the work, in one call from buffer to buffer: it never writes past the output that it is given,
//! and has no state between calls. So the same bytes always become the same bytes, on any thread.

use libdeflater::{CompressionLvl, Compressor, DecompressionError, Decompressor};

use crate::error::{Error, Kind, Result};

/// How hard [`Encoder`] tries: smaller than zlib's level 6 for what file systems hold, at about three times its speed.
const LEVEL: i32 = 6;

/// Pieces of a buffer that are counted to see whether it looks random, and their length.
const SAMPLES: usize = 16;
const SAMPLE_BYTES: usize = 256;

/// Sum of squared counts of byte values up to which a sample of 4096 bytes looks random. Even chances give 69 616 on
/// average with a standard deviation of 361; text and machine code give many times as much.
const RANDOM_SQUARES: u64 = 71_500;

/// Length of a repetition that is worth compressing.
const REPETITION: usize = 16;

/// Compresses.
pub struct Encoder {
    smaller: Compressor,
    stored: Compressor,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Encoder")
    }
}

impl Default for Encoder {
    fn default() -> Self {
        // Both levels exist; the default is never used.
        let level = |level| Compressor::new(CompressionLvl::new(level).unwrap_or_default());
        Self { smaller: level(LEVEL), stored: level(0) }
    }
}

impl Encoder {
    /// Appends a zlib stream that holds `data` to `output`, longer than `data` by a few bytes at most: what does not
    /// shrink is stored as it is.
    ///
    /// # Errors
    /// `Internal`, which cannot be.
    pub fn encode(&mut self, data: &[u8], output: &mut Vec<u8>) -> Result<()> {
        let start = output.len();
        if !looks_random(data) {
            output.resize(start + self.smaller.zlib_compress_bound(data.len()), 0);
            let room = output.get_mut(start..).unwrap_or_default();
            match self.smaller.zlib_compress(data, room) {
                Ok(length) if length < data.len() => {
                    output.truncate(start + length);
                    return Ok(());
                }
                _ => output.truncate(start),
            }
        }
        output.resize(start + self.stored.zlib_compress_bound(data.len()), 0);
        let room = output.get_mut(start..).unwrap_or_default();
        let length = self
            .stored
            .zlib_compress(data, room)
            .map_err(|error| Error::new(Kind::Internal, format!("storing {} bytes: {error}", data.len())))?;
        output.truncate(start + length);
        Ok(())
    }
}

/// Decompresses.
pub struct Decoder(Decompressor);

impl std::fmt::Debug for Decoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Decoder")
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self(Decompressor::new())
    }
}

impl Decoder {
    /// Decodes the zlib stream at the start of `data`, whatever follows it, into the start of `output`, and returns
    /// its length. Its checksum is verified. What lies behind that in `output` may have been changed.
    ///
    /// # Errors
    /// `InvalidDisk` for data that is no zlib stream, ends too early, or holds more than `output` can take.
    pub fn decode(&mut self, data: &[u8], output: &mut [u8]) -> Result<usize> {
        let room = output.len();
        self.0.zlib_decompress(data, output).map_err(|error| {
            let text = match error {
                DecompressionError::BadData => "the compressed data is damaged".to_owned(),
                DecompressionError::InsufficientSpace => {
                    format!("the compressed data holds more than {room} bytes")
                }
            };
            Error::new(Kind::InvalidDisk, text)
        })
    }
}

/// Whether compressing is a waste of time: all byte values are about as frequent, and nothing repeats.
fn looks_random(data: &[u8]) -> bool {
    if data.len() < SAMPLES * SAMPLE_BYTES {
        return false;
    }
    let mut counts = [0u64; 256];
    for sample in data.chunks_exact(data.len() / SAMPLES) {
        for byte in sample.iter().take(SAMPLE_BYTES) {
            counts[usize::from(*byte)] += 1;
        }
    }
    let squares: u64 = counts.iter().map(|count| count * count).sum();
    squares <= RANDOM_SQUARES && !repeats(data)
}

/// Whether a stretch of bytes occurs twice, at a distance that is a multiple of 4, as files have it. One place in 16
/// is remembered, chosen by what stands there, so that both occurrences have the same places.
fn repeats(data: &[u8]) -> bool {
    let mut places = [usize::MAX; 1024];
    for (index, word) in data.chunks_exact(4).enumerate() {
        let hash = word.first_chunk().map_or(0, |four| u32::from_le_bytes(*four)).wrapping_mul(0x9e37_79b1);
        if hash >> 28 != 0 {
            continue;
        }
        let place = index * word.len();
        let known = std::mem::replace(&mut places[(hash >> 18) as usize % 1024], place);
        let (Some(earlier), Some(window)) = (data.get(known..), data.get(place..place + REPETITION)) else {
            continue;
        };
        if earlier.starts_with(window) {
            return true;
        }
    }
    false
}

#[cfg(test)]
#[path = "zlib_tests.rs"]
mod tests;
