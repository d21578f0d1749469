//! Looking through an extent that has one copy of everything: what its tables name must be in the file, and nothing may
//! be named twice. There is nothing to repair it from.

use std::fmt::{self, Display, Formatter};
use std::ops::Range;

use super::space::SpaceMap;
use crate::error::{Error, Kind, Result};
use crate::format::extent::{Extent, Source};
use crate::io::{SECTOR_SIZE, Storage};

/// Sectors of the file that are looked at in one go, 16 MiB of bits.
const WINDOW: u64 = 1 << 27;

/// Sectors that are passed over where the tables cannot be read.
const STEP: u64 = 128;

/// Something that is wrong with sectors of an extent.
#[derive(Debug)]
pub struct Flaw {
    /// The first of them, counted from the start of the extent.
    pub sector: u64,
    /// How many.
    pub sectors: u64,
    /// What it is.
    pub fault: Fault,
}

/// What can be wrong.
#[derive(Debug)]
pub enum Fault {
    /// The tables that lead to them make no sense.
    Unreadable(Error),
    /// They should stand past the end of the file.
    Outside,
    /// They stand where others do that come before.
    Shared,
}

impl Flaw {
    /// Sectors whose data cannot be found again.
    pub fn lost_sectors(&self) -> u64 {
        if matches!(self.fault, Fault::Shared) { 0 } else { self.sectors }
    }
}

impl Display for Flaw {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} sectors from {} on ", self.sectors, self.sector)?;
        match &self.fault {
            Fault::Unreadable(error) => write!(formatter, "cannot be found: {error}"),
            Fault::Outside => write!(formatter, "should stand past the end of the file"),
            Fault::Shared => write!(formatter, "stand where others do"),
        }
    }
}

/// Looks through an extent whose data stands in `file`; `found` hears of each flaw.
///
/// # Errors
/// Those of storage.
pub fn survey(extent: &dyn Extent, file: &dyn Storage, found: &mut dyn FnMut(&Flaw)) -> Result<()> {
    let file_sectors = file.length()? / SECTOR_SIZE;
    // What cannot be read, and what is not in the file, is told in the first round.
    for start in (0..file_sectors.max(1)).step_by(WINDOW as usize) {
        let window = start..file_sectors.min(start + WINDOW);
        let mut taken = SpaceMap::new(window.clone())?;
        each_stretch(extent, &mut |sector, sectors, place| {
            let (fault, sectors) = match place {
                Err(error) => (Fault::Unreadable(error), sectors),
                Ok(place) => {
                    let outside = (place.saturating_add(sectors)).saturating_sub(file_sectors.max(place));
                    let within = clipped(place..place.saturating_add(sectors), &window);
                    let shared = within.end - within.start - taken.free(within.clone());
                    taken.take(within);
                    if shared > 0 {
                        found(&Flaw { sector, sectors: shared, fault: Fault::Shared });
                    }
                    if outside == 0 {
                        return;
                    }
                    (Fault::Outside, outside)
                }
            };
            if start == 0 {
                found(&Flaw { sector, sectors, fault });
            }
        })?;
    }
    Ok(())
}

fn clipped(sectors: Range<u64>, window: &Range<u64>) -> Range<u64> {
    let start = sectors.start.clamp(window.start, window.end);
    start..sectors.end.clamp(start, window.end)
}

/// Shows each stretch of sectors with data: the first one, how many, and the sector of the file where they stand.
fn each_stretch(extent: &dyn Extent, visit: &mut dyn FnMut(u64, u64, Result<u64>)) -> Result<()> {
    let mut sector = 0;
    while sector < extent.sectors() {
        let left = extent.sectors() - sector;
        let step = (STEP - sector % STEP).min(left);
        // A run that goes on into what cannot be read is asked for in pieces.
        let run = extent.resolve(sector, left).or_else(|_| extent.resolve(sector, step));
        sector += match run {
            Ok(run) => {
                if let Source::Data { offset, .. } = run.source {
                    visit(sector, run.sectors, Ok(offset.0 / SECTOR_SIZE));
                }
                run.sectors
            }
            Err(error) if error.kind() == Kind::InvalidDisk => {
                visit(sector, step, Err(error));
                step
            }
            Err(error) => return Err(error),
        };
    }
    Ok(())
}
