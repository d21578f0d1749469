//! What sends to the connection.

use std::io;

use super::aio::{self, Fragment};
use super::compress::{Codec, Compression};
use super::job::{Piece, Work};
use super::setup::Sender;
use crate::error::Result;
use crate::io::loan::Shared;
use crate::transport::tcp;

/// The sending end of a connection.
pub(super) struct Outlet {
    sender: Sender,
    handle: u64,
    /// Bytes of a fragment.
    buffer: usize,
    /// The operation that comes next.
    next: u32,
    place: String,
    codec: Codec,
    packed: Vec<u8>,
}

/// What goes to the host for a piece.
pub(super) enum Outgoing {
    /// A message, and what follows it.
    Message(Vec<u8>, Vec<u8>),
    /// The fragments of a write.
    Write(u64, Shared),
}

impl Outgoing {
    /// Whether sending it may have to wait for the host.
    pub(super) fn is_large(&self) -> bool {
        matches!(self, Self::Write(..))
    }
}

impl Outlet {
    pub(super) fn new(sender: Sender, handle: u64, buffer_bytes: u32, next: u32, place: &str) -> Self {
        let buffer = usize::try_from(buffer_bytes).unwrap_or(usize::MAX).max(1);
        let (codec, packed) = (Codec::default(), Vec::new());
        Self { sender, handle, buffer, next, place: place.to_owned(), codec, packed }
    }

    /// The operation of a piece, and what is to be sent for it.
    pub(super) fn prepare(&mut self, piece: &Piece, compression: Compression) -> (u32, Outgoing) {
        let operation = self.next;
        self.next = self.next.wrapping_add(1);
        let outgoing = match &piece.work {
            Work::Read { offset, into } => {
                let length = u32::try_from(into.len()).unwrap_or(u32::MAX);
                let payload = aio::read_request(self.handle, compression, *offset, length);
                Outgoing::Message(aio::message(aio::kind::IO, operation, &payload), Vec::new())
            }
            Work::Write { offset, data } => Outgoing::Write(*offset, data.clone()),
            Work::Ask { kind, payload, extra, .. } => {
                Outgoing::Message(aio::message(*kind, operation, &payload(self.handle)), extra.clone())
            }
        };
        (operation, outgoing)
    }

    /// Sends it.
    ///
    /// # Errors
    /// `ConnectionLost`.
    pub(super) fn send(&mut self, operation: u32, outgoing: &Outgoing, asked: Compression) -> Result<()> {
        let sent = match outgoing {
            Outgoing::Message(head, extra) => self.sender.send(head, extra),
            Outgoing::Write(offset, data) => self.send_write(operation, *offset, data.bytes(), asked),
        };
        sent.map_err(|error| tcp::lost(error, "NFC: sending to", &self.place))
    }

    /// Sends a message that nobody waits for an answer to.
    pub(super) fn farewell(&mut self, message: &[u8]) {
        let _ = self.sender.send(message, &[]); // the host may have gone
    }

    /// Sends a write in fragments, each compressed by itself.
    fn send_write(&mut self, operation: u32, offset: u64, data: &[u8], asked: Compression) -> io::Result<()> {
        let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let mut start = 0;
        for piece in data.chunks(self.buffer) {
            self.packed.clear();
            let used = self.codec.encode(asked, piece, &mut self.packed).map_err(io::Error::other)?;
            let wire = if used == Compression::None { piece } else { &self.packed };
            let fragment = Fragment {
                handle: self.handle,
                read: false,
                compression: used.number(),
                offset,
                total: number(data.len()),
                start: number(start),
                length: number(piece.len()),
                wire: number(wire.len()),
            };
            let head = aio::message(aio::kind::IO, operation, &fragment.payload());
            self.sender.send(&head, wire)?;
            start += piece.len();
        }
        Ok(())
    }
}
