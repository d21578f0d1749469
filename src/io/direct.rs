//! Transfers past the host's cache (O_DIRECT), for clients that ask for it so that a backup does not push everything
//! else out of memory.
//!
//! The kernel wants position, length and memory aligned. Only the aligned inside of a transfer goes past the cache,
//! through a buffer of ours where the client's is not aligned; the ends, and everything small such as tables, go
//! through the cache. The kernel keeps both views of a file the same.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What every block device and file system is content with.
const ALIGNMENT: u64 = 4096;

/// Bytes that go through a buffer of ours at a time.
const BOUNCE_BYTES: usize = 1 << 20;

/// Shortest transfer that is worth it.
const SHORTEST: u64 = 4 * ALIGNMENT;

/// The part of `length` bytes from `position` on that can go past the cache: its start and end, counted from the
/// start of the transfer. `None` when it is not worth it.
fn inside(position: u64, length: usize) -> Option<(usize, usize)> {
    let end = position.checked_add(length as u64)? / ALIGNMENT * ALIGNMENT;
    let start = position.checked_next_multiple_of(ALIGNMENT)?;
    let worth = end.saturating_sub(start) >= SHORTEST;
    worth.then(|| ((start - position) as usize, (end - position) as usize))
}

/// Reads a whole buffer: its inside past the cache through `direct`, its ends through `file`, which is the same file.
/// False when that does not go, or not to the end.
pub(super) fn read_around(file: &File, direct: &File, buffer: &mut [u8], position: u64) -> bool {
    let Some((start, end)) = inside(position, buffer.len()) else { return false };
    let (head, rest) = buffer.split_at_mut(start);
    let (middle, tail) = rest.split_at_mut(end - start);
    let wanted = middle.len();
    file.read_exact_at(head, position).is_ok()
        && read_at(direct, middle, position + start as u64).is_ok_and(|read| read == wanted)
        && file.read_exact_at(tail, position + end as u64).is_ok()
}

/// Writes a whole buffer as [`read_around`] reads one. False when that does not go; then something may be written.
pub(super) fn write_around(file: &File, direct: &File, data: &[u8], position: u64) -> bool {
    let Some((start, end)) = inside(position, data.len()) else { return false };
    file.write_all_at(&data[..start], position).is_ok()
        && write_at(direct, &data[start..end], position + start as u64).is_ok()
        && file.write_all_at(&data[end..], position + end as u64).is_ok()
}

/// Reads as much as there is into a buffer; position and length are aligned, the buffer need not be. Returns the
/// number of bytes; fewer than wanted at the end of the file.
///
/// # Errors
/// Those of the system.
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    if is_aligned(buffer) {
        return read_fully(file, buffer, position);
    }
    let mut bounce = Bounce::new(buffer.len());
    let mut done = 0;
    for piece in buffer.chunks_mut(BOUNCE_BYTES) {
        let aligned = bounce.bytes(piece.len());
        let read = read_fully(file, aligned, position + done as u64)?;
        piece[..read].copy_from_slice(&aligned[..read]);
        done += read;
        if read < piece.len() {
            break;
        }
    }
    Ok(done)
}

/// Writes a whole buffer; position and length are aligned, the buffer need not be.
///
/// # Errors
/// Those of the system.
fn write_at(file: &File, data: &[u8], position: u64) -> io::Result<()> {
    if is_aligned(data) {
        return file.write_all_at(data, position);
    }
    let mut bounce = Bounce::new(data.len());
    for (index, piece) in data.chunks(BOUNCE_BYTES).enumerate() {
        let aligned = bounce.bytes(piece.len());
        aligned.copy_from_slice(piece);
        file.write_all_at(aligned, position + (index * BOUNCE_BYTES) as u64)?;
    }
    Ok(())
}

fn read_fully(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], position + done as u64) {
            Ok(0) => break,
            // A short read ends somewhere between blocks only at the end of the file.
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

fn is_aligned(buffer: &[u8]) -> bool {
    buffer.as_ptr().addr() as u64 % ALIGNMENT == 0
}

/// Memory with room for an aligned piece.
struct Bounce {
    memory: Vec<u8>,
    start: usize,
}

impl Bounce {
    /// Room for `length` bytes, at most [`BOUNCE_BYTES`].
    fn new(length: usize) -> Self {
        let memory = vec![0; length.min(BOUNCE_BYTES) + ALIGNMENT as usize];
        let start = memory.as_ptr().align_offset(ALIGNMENT as usize).min(ALIGNMENT as usize);
        Self { memory, start }
    }

    fn bytes(&mut self, length: usize) -> &mut [u8] {
        &mut self.memory[self.start..self.start + length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_aligned_inside_is_what_lies_between_borders() {
        assert_eq!(inside(0, 16384), Some((0, 16384)));
        assert_eq!(inside(512, 16384 + 4096), Some((3584, 3584 + 16384)));
        assert_eq!(inside(512, 16384), None, "too little is left");
        assert_eq!(inside(1, 100), None);
        assert_eq!(inside(u64::MAX, 100), None);
    }

    #[test]
    fn a_bounce_buffer_is_aligned() {
        for length in [4096, 1 << 20, 3 << 20] {
            let mut bounce = Bounce::new(length);
            assert!(is_aligned(bounce.bytes(length.min(BOUNCE_BYTES))));
        }
    }
}
