//! Copying content, without its zeros.

use vixDiskLib::session::open_disk::OpenDisk;

use super::{Content, GRAIN_SECTORS, Run, SECTOR, Sink, for_each_run};
use crate::disk::Disk;
use crate::failure::Result;
use crate::progress::Progress;

/// Sectors that are copied at a time, 1 MiB.
const PIECE_SECTORS: u64 = 2048;

/// Whether a piece holds zeros only.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let mut words = bytes.chunks_exact(8);
    words.all(|word| word == [0; 8]) && bytes.chunks_exact(8).remainder().iter().all(|byte| *byte == 0)
}

/// Copies everything that is not zeros, in grains; `sink` is fresh and reads as zeros.
pub(crate) fn copy(source: &dyn Content, sink: &mut dyn Sink, progress: &mut Progress) -> Result<()> {
    for_each_run(source, GRAIN_SECTORS, |run| {
        if !run.allocated {
            progress.advance(run.sectors.saturating_mul(SECTOR));
            return Ok(());
        }
        copy_run(source, run, progress, |sector, piece| {
            write_data(sector, piece, &mut |sector, data| sink.write(sector, data))
        })
    })
}

/// Copies all of a disk over another one of the same capacity; zeros are written where it has data.
pub(crate) fn overwrite(source: &dyn Content, target: &Disk, progress: &mut Progress) -> Result<()> {
    let mut write = |sector: u64, data: &[u8]| -> Result<()> { Ok(OpenDisk::write(target, sector, data)?) };
    for_each_run(target, GRAIN_SECTORS, |run| {
        copy_run(source, run, progress, |sector, piece| {
            if run.allocated { write(sector, piece) } else { write_data(sector, piece, &mut write) }
        })
    })
}

/// Reads a run in pieces, and hands on each of them.
fn copy_run(
    source: &dyn Content,
    run: Run,
    progress: &mut Progress,
    mut write: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut buffer = vec![0; (PIECE_SECTORS.min(run.sectors) * SECTOR) as usize];
    let end = run.start + run.sectors;
    let mut sector = run.start;
    while sector < end {
        let sectors = PIECE_SECTORS.min(end - sector);
        let piece = buffer.get_mut(..(sectors * SECTOR) as usize).unwrap_or_default();
        source.read(sector, piece)?;
        write(sector, piece)?;
        progress.advance(sectors * SECTOR);
        sector += sectors;
    }
    Ok(())
}

/// Writes the grains that are not zeros, neighbours together.
fn write_data(start: u64, piece: &[u8], write: &mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
    let grain = (GRAIN_SECTORS * SECTOR) as usize;
    let mut at = 0;
    while at < piece.len() {
        let rest = piece.get(at..).unwrap_or_default();
        let zeros = is_zero(rest.get(..grain.min(rest.len())).unwrap_or_default());
        let grains = rest.chunks(grain).take_while(|grain| is_zero(grain) == zeros);
        let length = grains.map(<[u8]>::len).sum::<usize>();
        if !zeros {
            write(start + at as u64 / SECTOR, rest.get(..length).unwrap_or_default())?;
        }
        at += length.max(1);
    }
    Ok(())
}
