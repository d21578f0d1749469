//! What fragments are compressed with, and the rules for those that are stored as they are.

use super::{fastlz, skipz};
use crate::error::{Error, Kind, Result};
use crate::io::zlib::{Decoder, Encoder};

/// How the data of a request is compressed on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// A zlib stream per fragment.
    Zlib,
    /// A FastLZ block per fragment.
    FastLz,
    /// Runs of zeros are left out.
    SkipZ,
}

impl Compression {
    /// Its number in messages.
    pub fn number(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Zlib => 1,
            Self::FastLz => 2,
            Self::SkipZ => 3,
        }
    }

    /// What a number in a message means.
    ///
    /// # Errors
    /// `Handshake` for unknown ones.
    pub fn of_number(number: u32) -> Result<Self> {
        [Self::None, Self::Zlib, Self::FastLz, Self::SkipZ]
            .into_iter()
            .find(|one| one.number() == number)
            .ok_or_else(|| super::aio::garbled(format!("data with compression {number}")))
    }
}

/// How the original's streams begin. Whatever stands there about the effort of the encoder, decoders ignore.
const ZLIB_HEAD: [u8; 2] = [0x78, 0x01];

/// Whether the data of a fragment of `length` bytes is as it is on the disk, whatever its type says. Hosts echo the
/// type that was asked for even when a fragment did not shrink.
pub fn is_stored(compression: Compression, data: &[u8], length: usize) -> bool {
    data.len() == length
        && match compression {
            Compression::SkipZ => skipz::total(data) != Some(length),
            _ => true,
        }
}

/// Longest data of a fragment that decodes to so many bytes.
pub fn longest(length: u32) -> u32 {
    length.saturating_add(length / 8).saturating_add(1024)
}

/// Compresses and decompresses; one per thread.
#[derive(Debug, Default)]
pub struct Codec {
    encoder: Encoder,
    decoder: Decoder,
}

impl Codec {
    /// Decodes a fragment into all of `output`.
    ///
    /// # Errors
    /// `InvalidDisk` for data that is damaged or of another length.
    pub fn decode(&mut self, compression: Compression, data: &[u8], output: &mut [u8]) -> Result<()> {
        if is_stored(compression, data, output.len()) {
            output.copy_from_slice(data);
            return Ok(());
        }
        let length = match compression {
            Compression::None => data.len(),
            Compression::Zlib => self.decoder.decode(data, output)?,
            Compression::FastLz => fastlz::decode(data, output)?,
            Compression::SkipZ => skipz::decode(data, output).map(|()| output.len())?,
        };
        if length != output.len() {
            let text = format!("a fragment of {} bytes decodes to {length}", output.len());
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        Ok(())
    }

    /// Appends `data` encoded to `output`, which is empty, and returns with what: nothing when it does not shrink.
    ///
    /// # Errors
    /// `Internal`, which cannot be.
    pub fn encode(
        &mut self,
        compression: Compression,
        data: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<Compression> {
        match compression {
            Compression::None => return Ok(compression),
            Compression::FastLz if data.len() < fastlz::MIN_INPUT => return Ok(Compression::None),
            Compression::Zlib => {
                self.encoder.encode(data, output)?;
                if let Some(head) = output.first_chunk_mut() {
                    *head = ZLIB_HEAD;
                }
            }
            Compression::FastLz => fastlz::encode(data, output),
            Compression::SkipZ => skipz::encode(data, output),
        }
        Ok(if output.len() < data.len() { compression } else { Compression::None })
    }
}
