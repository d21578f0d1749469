//! A walk over what a disk holds: its data without holes and without zeros, for copying it and for counting.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::chain::{Disk, Look};
use crate::error::{Error, Kind, Result};
use crate::format::extent::Source;
use crate::format::zeros::is_zero;
use crate::io::SECTOR_SIZE;

/// Sectors that are zero or data as a whole: a grain of the disks that are made here.
pub(super) const PIECE_SECTORS: u64 = 128;

/// Sectors that are read at a time: 2 MiB. With more, the buffers do not stay in the processor's caches.
const CHUNK_SECTORS: u64 = 32 * PIECE_SECTORS;

/// Buffers between the thread that reads and the one that uses what was read.
const BUFFERS: usize = 4;

/// Sectors that were read.
struct Chunk {
    start: u64,
    data: Vec<u8>,
}

impl Disk {
    /// Shows `use_data` every run of pieces that are not all zeros, in the order of the disk: its first sector, which
    /// is the start of a piece, and its bytes. `progress` hears the part that is done, from 0 to 1. Both run on the
    /// calling thread, while another one reads ahead.
    ///
    /// # Errors
    /// Those of reading and those of `use_data`, which end the walk.
    pub(super) fn walk_data(
        &self,
        use_data: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
        progress: &mut dyn FnMut(f64),
    ) -> Result<()> {
        let (filled_in, filled_out) = sync_channel(BUFFERS);
        let (empty_in, empty_out) = sync_channel(BUFFERS);
        for _ in 0..BUFFERS {
            // The channel has room for all of them and its other end is in this function.
            let _ = empty_in.send(Vec::new());
        }
        std::thread::scope(|scope| {
            // Both ends of this thread go when it leaves early, so that the reader waits for nothing then.
            let (empty_in, filled_out) = (empty_in, filled_out);
            let named = std::thread::Builder::new().name("vixen-ahead".to_owned());
            let Ok(reader) = named.spawn_scoped(scope, move || self.read_ahead(&filled_in, &empty_out))
            else {
                // The process may have no more threads: this one does both.
                return self.walk_alone(use_data, progress);
            };
            for Chunk { start, data } in filled_out {
                progress(start as f64 / self.sectors() as f64);
                each_run_of_data(start, &data, use_data)?;
                // A reader that has ended needs no buffer.
                let _ = empty_in.send(data);
            }
            let panicked = |_| Err(Error::new(Kind::Internal, "the thread that reads ahead panicked"));
            reader.join().unwrap_or_else(panicked)
        })?;
        progress(1.0);
        Ok(())
    }

    /// Reads everything that may be data; ends early, without an error, when nobody wants any more.
    fn read_ahead(&self, filled: &SyncSender<Chunk>, empty: &Receiver<Vec<u8>>) -> Result<()> {
        self.each_chunk(&mut || empty.recv().ok(), &mut |chunk| Ok(filled.send(chunk).is_ok()))
    }

    /// As [`Disk::walk_data`], on the calling thread alone.
    fn walk_alone(
        &self,
        use_data: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
        progress: &mut dyn FnMut(f64),
    ) -> Result<()> {
        self.each_chunk(&mut || Some(Vec::new()), &mut |Chunk { start, data }| {
            progress(start as f64 / self.sectors() as f64);
            each_run_of_data(start, &data, use_data).map(|()| true)
        })
    }

    /// Reads everything that may be data into the buffers of `empty`, and hands it to `filled`; ends early when the one
    /// has no buffer or the other wants no more.
    fn each_chunk(
        &self,
        empty: &mut dyn FnMut() -> Option<Vec<u8>>,
        filled: &mut dyn FnMut(Chunk) -> Result<bool>,
    ) -> Result<()> {
        let mut sector = 0;
        // Where the data ends that was found last: looking for holes takes long in large files.
        let mut data_end = 0;
        while sector < self.sectors() {
            // Chunks end where pieces do, so that a piece is never seen in part.
            let limit = (sector / PIECE_SECTORS * PIECE_SECTORS + CHUNK_SECTORS).min(self.sectors()) - sector;
            if sector >= data_end {
                let run = self.resolve(0, sector, self.sectors() - sector, Look::Holes)?;
                let end = sector + run.sectors;
                let hole = matches!(run.source, Source::Zero | Source::Unallocated);
                // A piece that a hole covers in part is read as a whole.
                let next = if end == self.sectors() { end } else { end / PIECE_SECTORS * PIECE_SECTORS };
                if hole && next > sector {
                    sector = next;
                    continue;
                }
                data_end = if hole { sector } else { end };
            }
            let Some(mut data) = empty() else { return Ok(()) };
            data.resize((limit * SECTOR_SIZE) as usize, 0);
            self.read(sector, &mut data)?;
            if !filled(Chunk { start: sector, data })? {
                return Ok(());
            }
            sector += limit;
        }
        Ok(())
    }
}

/// Cuts data that starts with a piece into runs of pieces that are not zero.
fn each_run_of_data(
    start: u64,
    data: &[u8],
    use_data: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let piece_bytes = (PIECE_SECTORS * SECTOR_SIZE) as usize;
    let mut pieces = data.chunks(piece_bytes).map(is_zero).enumerate().peekable();
    while let Some((first, zero)) = pieces.next() {
        if zero {
            continue;
        }
        let mut end = first + 1;
        while pieces.next_if(|(_, zero)| !zero).is_some() {
            end += 1;
        }
        let bytes = &data[first * piece_bytes..data.len().min(end * piece_bytes)];
        use_data(start + first as u64 * PIECE_SECTORS, bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::disk::open::{Options, open};
    use crate::io::Files;
    use crate::io::memory::MemoryFiles;

    type Walk = fn(&Disk, &mut dyn FnMut(u64, &[u8]) -> Result<()>, &mut dyn FnMut(f64)) -> Result<()>;

    /// A flat disk in memory of three chunks and a bit, with data here and there.
    fn disk() -> Disk {
        let files = MemoryFiles::default();
        let sectors = 3 * CHUNK_SECTORS + 77;
        let mut data = vec![0; (sectors * SECTOR_SIZE) as usize];
        for sector in [0, 129, CHUNK_SECTORS - 1, CHUNK_SECTORS, 2 * CHUNK_SECTORS + 300, sectors - 1] {
            data[(sector * SECTOR_SIZE) as usize] = sector as u8 | 1;
        }
        files.insert("./a-flat.vmdk", data);
        let text = format!("# Disk DescriptorFile\nCID=1\nRW {sectors} FLAT \"a-flat.vmdk\" 0\n");
        files.insert("a.vmdk", text.into_bytes());
        let files: Arc<dyn Files> = Arc::new(files);
        open(&files, Path::new("a.vmdk"), Options { read_only: true, single_link: false }).unwrap()
    }

    #[test]
    fn a_walk_without_a_thread_sees_the_same() {
        let disk = disk();
        let walks: [Walk; 2] = [Disk::walk_data, Disk::walk_alone];
        let seen = walks.map(|walk| {
            let (mut seen, mut last) = (Vec::new(), 0.0);
            let mut progress = |part| {
                assert!(part >= last && part <= 1.0);
                last = part;
            };
            let mut keep = |start, data: &[u8]| {
                seen.push((start, data.to_vec()));
                Ok(())
            };
            walk(&disk, &mut keep, &mut progress).unwrap();
            seen
        });
        assert_eq!(seen[0].len(), 5, "pieces that touch within a chunk are one");
        assert!(seen[0] == seen[1]);
        for walk in walks {
            let stop = |_: u64, _: &[u8]| Err(Error::new(Kind::Internal, "enough"));
            let error = walk(&disk, &mut { stop }, &mut |_| ()).unwrap_err();
            assert_eq!(error.kind(), Kind::Internal);
        }
    }
}
