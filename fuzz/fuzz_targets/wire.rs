//! A connection in memory: what the other side says is given, and what goes there is counted.

use std::io::{self, Read, Write};
use std::time::Duration;

use vixDiskLib::vsphere::stream::Stream;

/// Bytes that come, in pieces as a network would cut them.
pub struct Wire {
    input: Vec<u8>,
    place: usize,
    /// Longest piece that is given at once.
    piece: usize,
    /// Bytes that were sent.
    pub sent: usize,
}

impl Wire {
    /// Pieces are of `piece` bytes and one more.
    pub fn new(input: &[u8], piece: u8) -> Self {
        Self { input: input.to_vec(), place: 0, piece: usize::from(piece) + 1, sent: 0 }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.input[self.place..];
        let count = rest.len().min(buffer.len()).min(self.piece);
        buffer[..count].copy_from_slice(&rest[..count]);
        self.place += count;
        Ok(count)
    }
}

impl Write for Wire {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.sent += data.len();
        assert!(self.sent < 1 << 20, "a few calls send more than a MiB");
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Wire {
    fn set_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        assert!(limit.is_some_and(|limit| !limit.is_zero()), "a wait without an end");
        Ok(())
    }
}
