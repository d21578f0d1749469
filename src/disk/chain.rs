//! An open disk: the links of its chain, leaf first, and the walk over their runs.

use std::io::IoSliceMut;
use std::sync::Arc;

use super::content::PIECE_SECTORS;
use super::link::Link;
use super::owners::{Owner, Owners};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::extent::{Extent, Run, Source};
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

/// Most buffers that are gathered for one read of storage; enough for 16 MiB of alternating grains.
const MAX_GATHERED: usize = 128;

/// An open virtual disk. Every method may be called from every thread; writers of different sectors do not
/// disturb each other.
#[derive(Debug)]
pub struct Disk {
    links: Vec<Arc<Link>>,
    single_link: bool,
    writable: bool,
    /// The links from this one on do not change while the disk is open.
    steady: usize,
    /// Which of those has what.
    owners: Owners,
}

/// How hard a walk looks at data that may be a hole of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// As cheaply as possible: for reading.
    Quick,
    /// Tell holes: for the allocation map.
    Holes,
}

/// Whether a read may wait for a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// It may.
    ForDevices,
    /// What the host's cache does not hold is not read.
    Never,
}

impl Disk {
    /// A disk of these links, leaf first; there is at least one. Those from `steady` on, which is not 0, do not change
    /// as long as it is open.
    pub(super) fn new(links: Vec<Arc<Link>>, steady: usize, single_link: bool, writable: bool) -> Self {
        Self { links, single_link, writable, steady, owners: Owners::default() }
    }

    /// The links, leaf first.
    pub fn links(&self) -> &[Arc<Link>] {
        &self.links
    }

    pub(super) fn leaf(&self) -> &Arc<Link> {
        &self.links[0]
    }

    /// Capacity in sectors.
    pub fn sectors(&self) -> u64 {
        self.leaf().sectors()
    }

    /// Whether only one link of the chain is open.
    pub fn is_single_link(&self) -> bool {
        self.single_link
    }

    /// Whether writes are allowed.
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Whether writes must come in the order of the disk.
    pub fn writes_in_order(&self) -> bool {
        self.leaf().extents().iter().any(|placed| placed.extent.writes_in_order())
    }

    /// The range must lie inside the disk.
    ///
    /// # Errors
    /// `OutOfRange`.
    pub fn check_range(&self, start: u64, sectors: u64) -> Result<()> {
        match start.checked_add(sectors) {
            Some(end) if end <= self.sectors() => Ok(()),
            _ => Err(Error::new(
                Kind::OutOfRange,
                format!(
                    "{sectors} sectors from sector {start} on leave '{}', which has {}",
                    self.leaf().path.display(),
                    self.sectors()
                ),
            )),
        }
    }

    /// Writes must be allowed.
    ///
    /// # Errors
    /// `ReadOnly`.
    pub fn check_writable(&self) -> Result<()> {
        if self.writable {
            return Ok(());
        }
        Err(Error::new(Kind::ReadOnly, format!("'{}' is open read-only", self.leaf().path.display())))
    }

    /// The run at `sector`, at most `limit` sectors long, of the chain from link `first` on. What no link has is
    /// [`Source::Unallocated`].
    pub(super) fn resolve(&self, first: usize, sector: u64, limit: u64, look: Look) -> Result<Run<'_>> {
        let mut limit = limit;
        let mut next = first;
        while let Some(link) = self.links.get(next) {
            // The last link is asked anyway.
            if next == self.steady && next + 1 < self.links.len() {
                let owner = self.owner(sector, limit);
                limit = owner.sectors;
                if owner.link > next {
                    next = owner.link;
                    continue;
                }
            }
            let run = link.resolve(sector, limit, look)?;
            if !matches!(run.source, Source::Unallocated) {
                return Ok(run);
            }
            limit = run.sectors;
            next += 1;
        }
        Ok(Run { sectors: limit, source: Source::Unallocated })
    }

    /// The first steady link that has anything of the sectors from `sector` on, at most `limit` of them.
    fn owner(&self, sector: u64, limit: u64) -> Owner {
        let disk = self.sectors();
        if let Some(owner) = self.owners.find(sector, limit, disk) {
            return owner;
        }
        let first = sector / PIECE_SECTORS;
        let start = first * PIECE_SECTORS;
        let whole = |sectors: u64| {
            if start + sectors >= disk {
                disk.div_ceil(PIECE_SECTORS) - first
            } else {
                sectors / PIECE_SECTORS
            }
        };
        let mut pieces = (sector + limit).div_ceil(PIECE_SECTORS) - first;
        let mut owner = self.steady;
        while let Some(link) = self.links.get(owner) {
            let wanted = (pieces * PIECE_SECTORS).min(disk - start);
            // An error is for the read that meets it: it may concern other sectors than those.
            let Ok(run) = link.resolve(start, wanted, Look::Quick) else {
                return Owner { link: self.steady, sectors: limit };
            };
            let alike = whole(run.sectors).min(pieces);
            pieces = alike.max(1);
            if alike == 0 || !matches!(run.source, Source::Unallocated) {
                break;
            }
            owner += 1;
        }
        self.owners.keep(first, pieces, owner, disk);
        Owner { link: owner, sectors: limit.min((first + pieces) * PIECE_SECTORS - sector) }
    }

    /// Reads whole sectors from `start` on; the range must lie inside the disk.
    ///
    /// # Errors
    /// `OutOfRange`, `InvalidDisk` for damaged tables, those of storage.
    pub fn read(&self, start: u64, buffer: &mut [u8]) -> Result<()> {
        self.read_somehow(start, buffer, Wait::ForDevices).map(|_| ())
    }

    /// As [`Disk::read`], as far as the host's cache holds the data: false when a device would have to be waited
    /// for, and the buffer may be filled in part then. Tables are waited for; there are few of them.
    ///
    /// # Errors
    /// As for [`Disk::read`].
    pub fn read_cached(&self, start: u64, buffer: &mut [u8]) -> Result<bool> {
        self.read_somehow(start, buffer, Wait::Never)
    }

    fn read_somehow(&self, start: u64, buffer: &mut [u8], wait: Wait) -> Result<bool> {
        self.check_range(start, buffer.len() as u64 / SECTOR_SIZE)?;
        self.read_from(0, start, buffer, wait)
            .context(|| format!("reading sector {start} of '{}'", self.leaf().path.display()))
    }

    /// Reads from the chain that begins with link `first`; false when it did not wait and would have had to.
    fn read_from(&self, first: usize, start: u64, buffer: &mut [u8], wait: Wait) -> Result<bool> {
        let mut gathered: Option<Gathered<'_, '_>> = None;
        let (mut sector, mut rest) = (start, buffer);
        while !rest.is_empty() {
            let run = self.resolve(first, sector, rest.len() as u64 / SECTOR_SIZE, Look::Quick)?;
            let (piece, after) = rest.split_at_mut((run.sectors * SECTOR_SIZE) as usize);
            rest = after;
            sector += run.sectors;
            match run.source {
                Source::Zero | Source::Unallocated => piece.fill(0),
                // The usual small request: one run, nothing to gather.
                Source::Data { storage, offset } if rest.is_empty() && gathered.is_none() => {
                    return match wait {
                        Wait::ForDevices => storage.read_exact_at(piece, offset).map(|()| true),
                        Wait::Never => storage.read_cached_at(&mut [IoSliceMut::new(piece)], offset),
                    };
                }
                Source::Compressed { .. } if wait == Wait::Never => return Ok(false),
                Source::Compressed { grains, sector } => grains.read(sector, piece)?,
                Source::Data { storage, offset } => match &mut gathered {
                    Some(open) if open.takes(storage, offset) => open.push(piece),
                    _ => {
                        let full = gathered.replace(Gathered::new(storage, offset, piece));
                        if !full.map_or(Ok(true), |full| full.read(wait))? {
                            return Ok(false);
                        }
                    }
                },
            }
        }
        gathered.map_or(Ok(true), |last| last.read(wait))
    }

    /// Writes whole sectors from `start` on; durable after [`Disk::flush`].
    ///
    /// # Errors
    /// `OutOfRange`, `ReadOnly`, `DiskFull`, `FileTooBig`, those of storage.
    pub fn write(&self, start: u64, data: &[u8]) -> Result<()> {
        self.check_writable()?;
        self.check_range(start, data.len() as u64 / SECTOR_SIZE)?;
        self.write_leaf(start, data)
            .context(|| format!("writing sector {start} of '{}'", self.leaf().path.display()))
    }

    fn write_leaf(&self, start: u64, data: &[u8]) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let leaf = self.leaf();
        leaf.check_writable(start, start + data.len() as u64 / SECTOR_SIZE)?;
        leaf.touch()?;
        let (mut sector, mut rest) = (start, data);
        while !rest.is_empty() {
            let placed = leaf.extent_at(sector)?;
            let sectors = (rest.len() as u64 / SECTOR_SIZE).min(placed.end() - sector);
            let (piece, after) = rest.split_at((sectors * SECTOR_SIZE) as usize);
            let below = |within: u64, buffer: &mut [u8]| {
                self.read_from(1, placed.start + within, buffer, Wait::ForDevices).map(|_| ())
            };
            let unknown = |_: u64, _: &mut [u8]| Err(self.unknown_parent());
            let below: Option<&crate::format::extent::Below<'_>> = match self.links.len() {
                1 if leaf.has_parent() => Some(&unknown),
                1 => None,
                _ => Some(&below),
            };
            placed.extent.write(sector - placed.start, piece, below)?;
            sector += sectors;
            rest = after;
        }
        Ok(())
    }

    /// Why a part of a grain cannot be written: the rest of it is the parent's, who is not open.
    fn unknown_parent(&self) -> Error {
        let text = format!(
            "'{}' is open as a single link: only whole grains can be written without its parent",
            self.leaf().path.display()
        );
        Error::new(Kind::NotSupported, text)
    }

    /// Makes everything written durable.
    ///
    /// # Errors
    /// Those of storage.
    pub fn flush(&self) -> Result<()> {
        if !self.writable {
            return Ok(());
        }
        self.leaf().flush().context(|| format!("flushing '{}'", self.leaf().path.display()))
    }

    /// Gives the space of zeros in the child link back; nobody else uses the disk meanwhile.
    ///
    /// # Errors
    /// `ReadOnly`, those of storage.
    pub fn shrink(&self, progress: &mut super::create::Progress<'_>) -> Result<()> {
        let over_parent = self.leaf().has_parent();
        self.tidy(progress, |extent, part| extent.shrink(over_parent, part))
    }

    /// Puts the child link into the order of the disk; nobody else uses it meanwhile.
    ///
    /// # Errors
    /// `ReadOnly`, those of storage.
    pub fn defragment(&self, progress: &mut super::create::Progress<'_>) -> Result<()> {
        self.tidy(progress, |extent, part| extent.defragment(part))
    }

    fn tidy(
        &self,
        progress: &mut super::create::Progress<'_>,
        act: impl Fn(&dyn Extent, &mut dyn FnMut(f64)) -> Result<()>,
    ) -> Result<()> {
        self.check_writable()?;
        self.flush()?;
        let mut steps = super::create::Steps::new(progress);
        steps.report(0.0);
        let extents = self.leaf().extents();
        for (index, placed) in extents.iter().enumerate() {
            act(&*placed.extent, &mut |part| steps.report((index as f64 + part) / extents.len() as f64))
                .context(|| format!("extent {} of '{}'", index + 1, self.leaf().path.display()))?;
        }
        Ok(())
    }

    /// Makes everything written durable and ends writing; to be called once, before the disk goes.
    ///
    /// # Errors
    /// Those of storage.
    pub fn finish(&self) -> Result<()> {
        if !self.writable {
            return Ok(());
        }
        self.leaf().finish().context(|| format!("closing '{}'", self.leaf().path.display()))
    }
}

/// Pieces of a buffer whose data stand one behind the other in a file, whatever lies between them on the disk:
/// grains written in order are neighbours in the file, also with zeros between them.
struct Gathered<'s, 'b> {
    storage: &'s dyn Storage,
    start: ByteOffset,
    bytes: u64,
    buffers: Vec<IoSliceMut<'b>>,
}

impl<'s, 'b> Gathered<'s, 'b> {
    fn new(storage: &'s dyn Storage, start: ByteOffset, piece: &'b mut [u8]) -> Self {
        Self { storage, start, bytes: piece.len() as u64, buffers: vec![IoSliceMut::new(piece)] }
    }

    /// Whether the next piece can come with the same read.
    fn takes(&self, storage: &dyn Storage, offset: ByteOffset) -> bool {
        std::ptr::addr_eq(self.storage, storage)
            && offset.0 == self.start.0 + self.bytes
            && self.buffers.len() < MAX_GATHERED
    }

    fn push(&mut self, piece: &'b mut [u8]) {
        self.bytes += piece.len() as u64;
        self.buffers.push(IoSliceMut::new(piece));
    }

    fn read(mut self, wait: Wait) -> Result<bool> {
        match wait {
            Wait::ForDevices => self.storage.read_vectored_at(&mut self.buffers, self.start).map(|()| true),
            Wait::Never => self.storage.read_cached_at(&mut self.buffers, self.start),
        }
    }
}
