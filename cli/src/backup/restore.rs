//! Restoring a point.

use std::path::Path;

use vixDiskLib::session::{Adapter, Block, NewDisk, OpenFlags};

use super::manifest::{Holds, Manifest};
use super::repository::Repository;
use super::store::Allocation;
use crate::arguments::{Remote, Type};
use crate::disk::{Connection, Disk};
use crate::failure::{Code, Failure, Result};
use crate::image::{Content, GRAIN_SECTORS, SECTOR};
use crate::progress::Progress;
use crate::unfinished::UnfinishedDisk;

/// Sectors that are restored at a time, 1 MiB.
const PIECE_SECTORS: u64 = 2048;

/// Virtual hardware of a disk that is made.
const HARDWARE: u16 = 13;

/// Keys of the disk database that are about the files of a disk, not about the disk.
const KEYS_OF_FILES: [&str; 2] = ["longContentID", "thinProvisioned"];

/// In which order points are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The full one first; some sectors are written more than once.
    Forward,
    /// The newest first; each sector is written once.
    Backward,
}

/// What a point is restored into.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    /// A disk that is made, of this kind.
    New(&'a Path, Type),
    /// A disk that is there, with any content; on a server if one is named.
    Existing(&'a Path, &'a Remote),
}

/// Restores a point; tells how many sectors were written.
pub(crate) fn restore(
    repository: &Repository,
    number: u32,
    target: Target<'_>,
    order: Order,
    quiet: bool,
) -> Result<u64> {
    let mut chain = repository.chain(number)?;
    let Some(newest) = chain.first().cloned() else { return Ok(0) };
    // In this order: the disk is closed before what is unfinished is deleted.
    let (unfinished, disk) = open_target(&newest, target)?;
    let fresh = unfinished.is_some();
    let capacity = newest.capacity_sectors;
    let areas = chain.iter().flat_map(|manifest| &manifest.areas).map(|area| area.sectors).sum::<u64>();
    let mut work = Work {
        disk: &disk,
        done: Done::new(capacity),
        once: order == Order::Backward,
        fresh,
        written: 0,
        progress: Progress::of_bytes("restoring", areas.saturating_mul(SECTOR), quiet),
        buffer: vec![0; (PIECE_SECTORS * SECTOR) as usize],
    };
    if order == Order::Forward {
        chain.reverse();
        // What the full backup does not have is zeros, and must be so before increments come.
        if let Some(full) = chain.first().filter(|_| !fresh) {
            full.areas.iter().for_each(|area| work.done.mark(area.start, area.sectors));
            work.zero_rest(capacity)?;
        }
    }
    for manifest in &chain {
        let point = Disk::local(&repository.disk(manifest.number))
            .map_err(|failure| failure.context(format!("point {}", manifest.number)))?;
        work.point(manifest, &point)?;
    }
    if order == Order::Backward && !fresh {
        work.zero_rest(capacity)?;
    }
    let written = work.written;
    drop(work);
    disk.close()?;
    unfinished.map_or(Ok(()), UnfinishedDisk::finish)?;
    Ok(written)
}

/// Opens the target; a new one is made, and has no name until it is finished.
fn open_target<'a>(manifest: &Manifest, target: Target<'a>) -> Result<(Option<UnfinishedDisk<'a>>, Disk)> {
    match target {
        Target::New(_, Type::StreamOptimized) => {
            let text = "a stream is written from front to end, which restoring does not do";
            let advice = "restore into another type, then use 'vixen convert --type streamOptimized'";
            Err(Failure::new(Code::NotSupported, text).advise(advice))
        }
        Target::New(path, kind) => {
            let new = NewDisk {
                kind: kind.into(),
                adapter: Adapter::from_name(manifest.adapter.as_bytes()),
                hardware: HARDWARE,
                capacity: manifest.capacity_sectors,
            };
            let unfinished = UnfinishedDisk::create(path, &new, &mut |_| ())?;
            let disk = Disk::writable(unfinished.path())?;
            let about_disk = |(key, _): &&(String, String)| !KEYS_OF_FILES.contains(&key.as_str());
            for (key, value) in manifest.metadata.iter().filter(about_disk) {
                disk.set_metadata(key.as_bytes(), value.as_bytes())?;
            }
            Ok((Some(unfinished), disk))
        }
        Target::Existing(path, remote) => {
            let disk = Disk::open(Connection::to(remote, false)?, path, OpenFlags::default())?;
            if disk.sectors() != manifest.capacity_sectors {
                let text = format!(
                    "'{}' has {} sectors, point {} has {}",
                    path.display(),
                    disk.sectors(),
                    manifest.number,
                    manifest.capacity_sectors
                );
                return Err(Failure::new(Code::Usage, text).advise("restore into a new disk"));
            }
            Ok((None, disk))
        }
    }
}

/// Which grains have been restored.
struct Done {
    grains: Vec<u64>,
}

impl Done {
    /// None of them. The capacity is bounded by the hashes that its manifest has.
    fn new(capacity: u64) -> Self {
        Self { grains: vec![0; capacity.div_ceil(GRAIN_SECTORS).div_ceil(64) as usize] }
    }

    fn has(&self, sector: u64) -> bool {
        let grain = sector / GRAIN_SECTORS;
        self.grains.get((grain / 64) as usize).is_some_and(|bits| bits >> (grain % 64) & 1 == 1)
    }

    fn mark(&mut self, start: u64, sectors: u64) {
        for grain in start / GRAIN_SECTORS..start.saturating_add(sectors).div_ceil(GRAIN_SECTORS) {
            if let Some(bits) = self.grains.get_mut((grain / 64) as usize) {
                *bits |= 1 << (grain % 64);
            }
        }
    }

    /// The next sectors from `start` on that are all done, or all not: how many, at most up to `end`.
    fn run(&self, start: u64, end: u64) -> (bool, u64) {
        let done = self.has(start);
        let mut next = (start / GRAIN_SECTORS + 1) * GRAIN_SECTORS;
        while next < end && self.has(next) == done {
            next += GRAIN_SECTORS;
        }
        (done, next.min(end) - start)
    }
}

struct Work<'a> {
    disk: &'a Disk,
    done: Done,
    /// Each sector is written once.
    once: bool,
    /// The target read as zeros in the beginning.
    fresh: bool,
    written: u64,
    progress: Progress,
    buffer: Vec<u8>,
}

impl Work<'_> {
    fn point(&mut self, manifest: &Manifest, point: &Disk) -> Result<()> {
        for area in &manifest.areas {
            let end = area.start + area.sectors;
            let mut sector = area.start;
            while sector < end {
                let (done, sectors) = self.done.run(sector, end.min(sector + PIECE_SECTORS));
                if !done || !self.once {
                    self.piece(sector, sectors, area.kind, point)?;
                }
                self.progress.advance(sectors * SECTOR);
                sector += sectors;
            }
            self.done.mark(area.start, area.sectors);
        }
        Ok(())
    }

    fn piece(&mut self, sector: u64, sectors: u64, kind: Holds, point: &Disk) -> Result<()> {
        let piece = self.buffer.get_mut(..(sectors * SECTOR) as usize).unwrap_or_default();
        match kind {
            Holds::Data => point.read(sector, piece)?,
            // A new disk has zeros where nothing was written, and nothing was when each sector is written once.
            Holds::Zero if self.fresh && self.once => return Ok(()),
            Holds::Zero => piece.fill(0),
        }
        self.disk.write(sector, piece)?;
        self.written += sectors;
        Ok(())
    }

    /// Writes zeros to all that no point has, where something is: a thin disk stays thin.
    fn zero_rest(&mut self, capacity: u64) -> Result<()> {
        self.buffer.fill(0);
        let mut allocation = Allocation::default();
        let mut sector = 0;
        while sector < capacity {
            // Pieces divide what allocation is asked for in.
            let end = capacity.min((sector / PIECE_SECTORS + 1) * PIECE_SECTORS);
            let (done, sectors) = self.done.run(sector, end);
            if !done {
                for block in allocation.within(self.disk, &Block { start: sector, sectors })? {
                    let zeros = self.buffer.get(..(block.sectors * SECTOR) as usize).unwrap_or_default();
                    self.disk.write(block.start, zeros)?;
                    self.written += block.sectors;
                }
            }
            sector += sectors;
        }
        Ok(())
    }
}
