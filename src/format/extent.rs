//! What every format offers to the engine: runs.

use crate::error::{Error, Kind, Result};
use crate::io::{ByteOffset, Storage};
use std::fmt::Debug;

/// Where the sectors of a run come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// They read as zeros, whatever a parent says.
    Zero,
    /// This link does not have them: the parent decides, and without a parent they are zeros.
    Unallocated,
    /// They stand in `storage`, one after the other, from `offset` on.
    Data {
        /// The file.
        storage: &'a dyn Storage,
        /// Where the first of them starts.
        offset: ByteOffset,
    },
    /// They stand in compressed grains, which have to be decoded as a whole.
    Compressed {
        /// What decodes them.
        grains: &'a dyn CompressedGrains,
        /// The first of them, counted from the start of the extent.
        sector: u64,
    },
}

/// Grains that are decoded rather than read. Every method may be called from every thread.
pub trait CompressedGrains: Debug + Send + Sync {
    /// Decodes whole sectors from `sector` of the extent on; all of them are in grains that exist.
    ///
    /// # Errors
    /// `InvalidDisk` for data that cannot be decoded, those of storage.
    fn read(&self, sector: u64, buffer: &mut [u8]) -> Result<()>;
}

/// Neighbouring sectors with one source.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// How many; never 0.
    pub sectors: u64,
    /// Where they come from.
    pub source: Source<'a>,
}

/// Fills a buffer with what lies under a link, from the given sector of its extent on: the parent's content.
pub type Below<'a> = dyn Fn(u64, &mut [u8]) -> Result<()> + 'a;

/// One extent of a link, addressed by sectors from its own start. Every method may be called from every thread.
pub trait Extent: Send + Sync + Debug {
    /// Sectors of this extent.
    fn sectors(&self) -> u64;

    /// The run that starts at `sector`, at most `limit` sectors long (and as long as is cheap to find out).
    /// `sector` lies inside the extent and `limit` is at least 1 and does not leave it.
    ///
    /// # Errors
    /// `InvalidDisk` for tables that make no sense, those of storage.
    fn resolve(&self, sector: u64, limit: u64) -> Result<Run<'_>>;

    /// As [`Extent::resolve`], but also takes the trouble to find data that is a hole of the file, which is
    /// reported as [`Source::Zero`].
    ///
    /// # Errors
    /// As for [`Extent::resolve`].
    fn resolve_holes(&self, sector: u64, limit: u64) -> Result<Run<'_>> {
        self.resolve(sector, limit)
    }

    /// Whether the extent takes writes at all. It is asked before a write changes anything, so that a write that is
    /// refused leaves no trace.
    ///
    /// # Errors
    /// `ReadOnly`, `NotSupported`.
    fn check_writable(&self) -> Result<()> {
        Ok(())
    }

    /// Whether a write may begin at `sector`, for extents that are written in order; asked as
    /// [`Extent::check_writable`] is.
    ///
    /// # Errors
    /// `NotSupported`, those of storage.
    fn check_order(&self, sector: u64) -> Result<()> {
        let _ = sector;
        Ok(())
    }

    /// Writes whole sectors at `sector`; the range lies inside the extent. What a newly taken piece of storage
    /// holds besides them comes from `below`, or is zeros without one.
    ///
    /// # Errors
    /// Those of [`Extent::check_writable`], `DiskFull`, `FileTooBig`, those of storage.
    fn write(&self, sector: u64, data: &[u8], below: Option<&Below<'_>>) -> Result<()>;

    /// Whether writes must come in the order of the disk: a later one that overtakes an earlier one lets that fail.
    fn writes_in_order(&self) -> bool {
        false
    }

    /// Makes everything written so far durable, the tables that lead to it included.
    ///
    /// # Errors
    /// Those of storage. What could not be written is written by the next call; once the storage itself could not
    /// be made durable, every later call fails too.
    fn flush(&self) -> Result<()>;

    /// Gives back the space of grains that hold zeros only; `progress` hears the part that is done, from 0 to 1. Over
    /// a parent such grains go on to hide what it has. Nobody else uses the extent meanwhile. Extents that cannot
    /// give space back have nothing to do.
    ///
    /// # Errors
    /// `InvalidDisk` for an extent that needs repair, `ReadOnly`, those of storage; the extent is whole after each of
    /// them.
    fn shrink(&self, over_parent: bool, progress: &mut dyn FnMut(f64)) -> Result<()> {
        let _ = over_parent;
        progress(1.0);
        Ok(())
    }

    /// Puts grains into the order of the disk, under the terms of [`Extent::shrink`]; storage is then no longer than
    /// before.
    ///
    /// # Errors
    /// As for [`Extent::shrink`], and `DiskFull` when there is no room for the grains that are on the way.
    fn defragment(&self, progress: &mut dyn FnMut(f64)) -> Result<()> {
        progress(1.0);
        Ok(())
    }

    /// Does something with the file besides its content: nobody else is at its header or its end meanwhile, and what
    /// `act` leaves at the end stays.
    ///
    /// # Errors
    /// Those of `act` and of storage.
    fn hold(&self, act: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        act()
    }

    /// Ends writing: [`Extent::flush`], and the mark of an orderly end.
    ///
    /// # Errors
    /// As for [`Extent::flush`].
    fn finish(&self) -> Result<()> {
        self.flush()
    }
}

/// An extent without storage: it reads as zeros and takes no writes (type ZERO of a descriptor, or no access).
#[derive(Debug, Clone, Copy)]
pub struct ZeroExtent {
    /// Sectors of this extent.
    pub sectors: u64,
}

impl Extent for ZeroExtent {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn resolve(&self, _sector: u64, limit: u64) -> Result<Run<'_>> {
        Ok(Run { sectors: limit, source: Source::Zero })
    }

    fn check_writable(&self) -> Result<()> {
        Err(Error::new(Kind::ReadOnly, "the extent (ZERO or NOACCESS) has no storage to write to"))
    }

    fn write(&self, _sector: u64, _data: &[u8], _below: Option<&Below<'_>>) -> Result<()> {
        self.check_writable()
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }
}

/// An extent whose data is out of reach; what the disk tells of itself is not.
#[derive(Debug, Clone)]
pub struct UnreachableExtent {
    /// Sectors of this extent.
    pub sectors: u64,
    /// Why, and what would help: the text of every error.
    pub reason: String,
}

impl UnreachableExtent {
    fn error(&self) -> Error {
        Error::new(Kind::NotSupported, self.reason.as_str())
    }
}

impl Extent for UnreachableExtent {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn resolve(&self, _sector: u64, _limit: u64) -> Result<Run<'_>> {
        Err(self.error())
    }

    fn check_writable(&self) -> Result<()> {
        Err(self.error())
    }

    fn write(&self, _sector: u64, _data: &[u8], _below: Option<&Below<'_>>) -> Result<()> {
        Err(self.error())
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }
}

/// What a reader of an extent sees; `U` fills what is unallocated.
#[cfg(test)]
pub(crate) fn seen(extent: &dyn Extent, sector: u64, sectors: u64) -> Vec<u8> {
    let mut content = Vec::new();
    let mut position = sector;
    while position < sector + sectors {
        let run = extent.resolve(position, sector + sectors - position).unwrap();
        let mut piece = vec![0; (run.sectors * 512) as usize];
        match run.source {
            Source::Zero => {}
            Source::Unallocated => piece.fill(b'U'),
            Source::Compressed { grains, sector } => grains.read(sector, &mut piece).unwrap(),
            Source::Data { storage, offset } => storage.read_exact_at(&mut piece, offset).unwrap(),
        }
        content.extend(piece);
        position += run.sectors;
    }
    content
}
