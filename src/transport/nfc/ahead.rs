//! Reading ahead, a little: what comes behind data is the head of the next message, and is taken along with it.

use std::io::{self, IoSliceMut, Read};

/// Bytes that are read ahead; data goes past them.
const AHEAD: usize = 256;

/// A reader that takes a few bytes more than it is asked for.
#[derive(Debug)]
pub(super) struct Ahead<R> {
    inner: R,
    buffer: [u8; AHEAD],
    begin: usize,
    end: usize,
}

impl<R> Ahead<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, buffer: [0; AHEAD], begin: 0, end: 0 }
    }
}

impl<R: Read> Read for Ahead<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Self { inner, buffer, begin, end } = self;
        if into.is_empty() {
            return Ok(0);
        }
        if *begin == *end {
            let length = into.len();
            let read = inner.read_vectored(&mut [IoSliceMut::new(into), IoSliceMut::new(buffer)])?;
            (*begin, *end) = (0, read.saturating_sub(length).min(AHEAD));
            return Ok(read.min(length));
        }
        let left = buffer.get(*begin..*end).unwrap_or_default();
        let length = left.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..length), left.get(..length)) {
            to.copy_from_slice(from);
        }
        *begin += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out a few bytes at a time, over all buffers.
    struct Source<'a>(&'a [u8], usize);

    impl Read for Source<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(into.len());
            self.0.read(&mut into[..most])
        }

        fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
            let mut left = self.1;
            let mut total = 0;
            for buffer in buffers {
                let most = left.min(buffer.len());
                let read = self.0.read(&mut buffer[..most])?;
                (left, total) = (left - read, total + read);
            }
            Ok(total)
        }
    }

    #[test]
    fn bytes_come_in_their_order_whatever_the_pieces() {
        let data: Vec<u8> = (0..100_000_u32).map(|at| (at * 7 / 3) as u8).collect();
        for portion in [1, 60, 255, 256, 257, 5000, 200_000] {
            let mut reader = Ahead::new(Source(&data, portion));
            let mut read = Vec::new();
            for length in [16, 44, 4096, 0, 1, 300].iter().cycle() {
                let mut piece = vec![0; *length.min(&(data.len() - read.len()))];
                reader.read_exact(&mut piece).expect("there is more");
                read.extend(piece);
                if read.len() == data.len() {
                    break;
                }
            }
            assert!(read == data, "portions of {portion}");
            assert_eq!(reader.read(&mut [0; 10]).expect("the end"), 0);
        }
    }
}
