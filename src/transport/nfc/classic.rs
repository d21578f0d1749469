//! Messages of exactly 264 bytes: a type, a body by its type, zeros. Each is written at once, in a TLS record of its
//! own: hosts read one message per record.

use super::aio::garbled;
use crate::error::{Error, Kind, Result};

/// Bytes of a message.
pub const BYTES: usize = 264;

/// Types of messages.
pub mod kind {
    /// The end of a session; a host that sends it refuses.
    pub const SESSION_COMPLETE: u32 = 4;
    /// A host's error, whose text follows.
    pub const ERROR: u32 = 20;
    /// Asks for the parameters of the session.
    pub const PARAMETERS: u32 = 33;
    /// The answer to that.
    pub const PARAMETERS_REPLY: u32 = 36;
    /// Repeats the tag that was sent to authd.
    pub const TAG: u32 = 43;
    /// The version of either side.
    pub const VERSION: u32 = 51;
    /// Changes over to the messages of an asynchronous session.
    pub const ASYNCHRONOUS: u32 = 52;
    /// Names of client and operation follow.
    pub const CONNECTION: u32 = 54;
    /// What the client can do.
    pub const FEATURES: u32 = 55;
}

/// Longest text of an error that is taken.
pub const MAX_TEXT: u32 = 64 << 10;

/// A message: its type and the numbers behind it.
pub fn message(kind: u32, body: &[u32]) -> [u8; BYTES] {
    let mut message = [0; BYTES];
    for (place, number) in message.chunks_exact_mut(4).zip([kind].iter().chain(body)) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    message
}

/// The message that repeats a tag.
pub fn tag(tag: &str) -> [u8; BYTES] {
    let mut message = message(kind::TAG, &[]);
    for (place, byte) in message.iter_mut().skip(4).zip(tag.bytes()) {
        *place = byte;
    }
    message
}

/// Number `index` of a message; the type is number 0.
pub fn number(message: &[u8; BYTES], index: usize) -> u32 {
    message.get(4 * index..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Bytes that follow a message from a host.
///
/// # Errors
/// `Handshake` for more than any text has.
pub fn trailer(message: &[u8; BYTES]) -> Result<u32> {
    match (number(message, 0), number(message, 3)) {
        (kind::ERROR, length) if length > MAX_TEXT => {
            Err(garbled(format!("an error with a text of {length} bytes")))
        }
        (kind::ERROR, length) => Ok(length),
        _ => Ok(0),
    }
}

/// Checks that a message is of the type that is awaited.
///
/// # Errors
/// What the host reports; `Handshake` for a refusal and for other types.
pub fn expect(message: &[u8; BYTES], text: &[u8], awaited: u32) -> Result<()> {
    match number(message, 0) {
        found if found == awaited => Ok(()),
        kind::ERROR => {
            let text = String::from_utf8_lossy(text);
            Err(super::aio::reported(number(message, 2).into(), &text))
        }
        kind::SESSION_COMPLETE => {
            let text =
                format!("NFC handshake: the host ended the session instead of sending message {awaited}");
            Err(Error::new(Kind::Handshake, text))
        }
        found => Err(garbled(format!("message {found} instead of {awaited}"))),
    }
}

/// The lowest version that has asynchronous sessions.
const ASYNCHRONOUS_SINCE: u32 = 3;

/// Checks that a host has asynchronous sessions: the answer about its parameters, and its version.
///
/// # Errors
/// `NotSupported` for older hosts, `Handshake` for an answer that tells of an error.
pub fn check_asynchronous(parameters: &[u8; BYTES], version: Option<u32>) -> Result<()> {
    if number(parameters, 1) != 0 {
        return Err(garbled("an error about the parameters of the session"));
    }
    if number(parameters, 4) == 0 || version.is_some_and(|version| version < ASYNCHRONOUS_SINCE) {
        let text = "NFC handshake: the host has only the old synchronous protocol (before ESXi 6.7), which is not supported";
        return Err(Error::new(Kind::NotSupported, text));
    }
    Ok(())
}
