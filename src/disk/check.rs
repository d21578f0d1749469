//! Checking a link, and repairing it.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use super::files::Owned;
use super::geometry::{Adapter, Geometry};
use super::grow::set_geometry;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::extent::{Extent, Source};
use crate::format::vmdk::cowd;
use crate::format::vmdk::descriptor::{ExtentAccess, ExtentKind, ExtentLine};
use crate::format::vmdk::grains::survey::survey;
use crate::format::vmdk::sesparse::extent::SeSparseExtent;
use crate::format::vmdk::sparse::check::check as check_sparse;
use crate::format::vmdk::sparse::header::RawHeader;
use crate::format::vmdk::stream::extent::StreamExtent;
use crate::io::{Access, ByteOffset, Files, SECTOR_SIZE, Storage};

/// Most findings of one extent that are told; a damaged one may have as many as it has grains.
const MOST_TOLD: usize = 100;

/// Sectors of a stream that are read at a time.
const STREAM_PIECE_SECTORS: u64 = 128;

/// What a check has found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// Findings that are damage.
    pub damage: u64,
    /// Those of them that are still there.
    pub left: u64,
    /// Sectors whose data cannot be found again.
    pub lost_sectors: u64,
}

/// Checks one link, its descriptor and its extents, and repairs it when `repair` says so; its parents are not looked
/// at. `report` hears of each finding in a line of text.
///
/// # Errors
/// `Locked` while somebody writes (or, for a repair, has it open), `InvalidDisk` for what cannot even be read as a disk,
/// `CannotRepair` when a repair was asked for and damage is left, those of storage.
pub fn check(files: &dyn Files, path: &Path, repair: bool, report: &mut dyn FnMut(&str)) -> Result<Health> {
    let mut work = || {
        let access = if repair { Access::ReadWrite } else { Access::Read };
        let link = Owned::claim(files, path, access)?;
        let mut examination = Examination { link: &link, repair, report, health: Health::default() };
        for (index, line) in link.descriptor.extents().iter().enumerate() {
            examination.extent(index, line)?;
        }
        examination.place()?;
        examination.geometry()?;
        let health = examination.health;
        if repair && health.left > 0 {
            let text = format!("{} of {} findings cannot be repaired", health.left, health.damage);
            return Err(Error::new(Kind::CannotRepair, text));
        }
        Ok(health)
    };
    work().naming("checking", path)
}

/// The header of a sparse extent that is a stream. What is wrong with another one is found elsewhere.
fn stream_header(file: &dyn Storage) -> Result<Option<RawHeader>> {
    let mut start = vec![0; file.length()?.min(SECTOR_SIZE) as usize];
    file.read_exact_at(&mut start, ByteOffset(0))?;
    Ok(RawHeader::parse(&start).ok().filter(RawHeader::is_stream))
}

/// Findings of one extent that are told, as long as they are not too many.
struct Told<'a> {
    place: &'a str,
    report: &'a mut dyn FnMut(&str),
    count: usize,
}

impl<'a> Told<'a> {
    fn new(place: &'a str, report: &'a mut dyn FnMut(&str)) -> Self {
        Self { place, report, count: 0 }
    }

    fn tell(&mut self, finding: &dyn Display) {
        self.count += 1;
        if self.count <= MOST_TOLD {
            (self.report)(&format!("{}: {finding}", self.place));
        }
    }

    fn end(self) {
        if self.count > MOST_TOLD {
            (self.report)(&format!("{}: and {} more", self.place, self.count - MOST_TOLD));
        }
    }
}

struct Examination<'a> {
    link: &'a Owned<'a>,
    repair: bool,
    report: &'a mut dyn FnMut(&str),
    health: Health,
}

impl Examination<'_> {
    /// Tells of damage that no repair here can mend.
    fn beyond_repair(&mut self, text: &str) {
        (self.report)(text);
        self.health.damage += 1;
        self.health.left += 1;
    }

    fn extent(&mut self, index: usize, line: &ExtentLine) -> Result<()> {
        if line.kind == ExtentKind::Zero || line.access == ExtentAccess::None {
            return Ok(());
        }
        let place = format!("extent {} of {}", index + 1, self.link.descriptor.extents().len());
        let Some(file) = self.link.extent_file(index) else {
            self.beyond_repair(&format!("{place}: its file is missing"));
            return Ok(());
        };
        match line.kind {
            ExtentKind::Flat | ExtentKind::Vmfs => {
                let (length, end) = (file.length()?, line.first_sector.saturating_add(line.sectors));
                if length / SECTOR_SIZE < end {
                    self.beyond_repair(&format!(
                        "{place}: its file has {length} bytes, too few for {end} sectors"
                    ));
                }
                Ok(())
            }
            ExtentKind::Sparse => match stream_header(&**file)? {
                Some(header) => self.stream(file, &header, line.sectors, &place),
                None => self.sparse(file, &place).context(|| place.clone()),
            },
            ExtentKind::VmfsSparse | ExtentKind::SeSparse => self.redo_log(file, line, &place),
            // They have nothing but data.
            _ => Ok(()),
        }
    }

    /// A redo log of ESX has no second copy of anything either.
    fn redo_log(&mut self, file: &Arc<dyn Storage>, line: &ExtentLine, place: &str) -> Result<()> {
        let opened: Result<Box<dyn Extent>> = match line.kind {
            ExtentKind::VmfsSparse => {
                cowd::open(Arc::clone(file), line.sectors, false).map(|it| Box::new(it) as _)
            }
            _ => SeSparseExtent::open(Arc::clone(file), line.sectors).map(|it| Box::new(it) as _),
        };
        let extent = match opened {
            Err(error) if error.kind() == Kind::InvalidDisk => {
                self.beyond_repair(&format!("{place}: {error}"));
                return Ok(());
            }
            opened => opened?,
        };
        let mut told = Told::new(place, self.report);
        let health = &mut self.health;
        survey(&*extent, &**file, &mut |flaw| {
            told.tell(flaw);
            health.damage += 1;
            health.left += 1;
            health.lost_sectors += flaw.lost_sectors();
        })?;
        told.end();
        Ok(())
    }

    /// A stream has no second copy of anything, so all that can be done is to read it.
    fn stream(
        &mut self,
        file: &Arc<dyn Storage>,
        header: &RawHeader,
        sectors: u64,
        place: &str,
    ) -> Result<()> {
        let extent = match StreamExtent::open(Arc::clone(file), header, sectors, false) {
            Err(error) if error.kind() == Kind::InvalidDisk => {
                self.beyond_repair(&format!("{place}: {error}"));
                return Ok(());
            }
            opened => opened?,
        };
        let mut grain = vec![0; (STREAM_PIECE_SECTORS * SECTOR_SIZE) as usize];
        let mut sector = 0;
        while sector < sectors {
            let run = extent.resolve(sector, sectors - sector)?;
            let Source::Compressed { grains, sector: within } = run.source else {
                sector += run.sectors;
                continue;
            };
            let piece = run.sectors.min(STREAM_PIECE_SECTORS);
            match grains.read(within, &mut grain[..(piece * SECTOR_SIZE) as usize]) {
                Err(error) if error.kind() == Kind::InvalidDisk => {
                    self.beyond_repair(&format!("{place}: {piece} sectors from {sector} on: {error}"));
                    self.health.lost_sectors += piece;
                }
                read => read?,
            }
            sector += piece;
        }
        Ok(())
    }

    fn sparse(&mut self, file: &Arc<dyn Storage>, place: &str) -> Result<()> {
        let mut told = Told::new(place, self.report);
        let summary = check_sparse(file, self.repair, &mut |finding| told.tell(finding))?;
        told.end();
        self.health.damage += summary.damage;
        self.health.left += if summary.repaired { 0 } else { summary.damage };
        self.health.lost_sectors += summary.lost_sectors;
        Ok(())
    }

    /// An embedded descriptor must stand where every program looks for it.
    fn place(&mut self) -> Result<()> {
        if !self.link.descriptor_is_away() {
            return Ok(());
        }
        let text = "the descriptor stands beside its place, since a change of it was interrupted";
        if !self.repair {
            self.beyond_repair(text);
            return Ok(());
        }
        self.link.restore_descriptor()?;
        (self.report)(&format!("{text}; it was put back"));
        self.health.damage += 1;
        Ok(())
    }

    /// The geometry of a base disk must make sense: a capacity is never derived from it, but guests boot by it.
    fn geometry(&mut self) -> Result<()> {
        let descriptor = &self.link.descriptor;
        let capacity: u64 = descriptor.extents().iter().map(|line| line.sectors).sum();
        let number = |key: &str| {
            let value = descriptor.database(format!("geometry.{key}").as_bytes())?;
            let number = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse::<u64>().ok());
            Some(number.unwrap_or(0))
        };
        let [Some(cylinders), Some(heads), Some(sectors)] = ["cylinders", "heads", "sectors"].map(number)
        else {
            // A child has none, and old disks need not.
            return Ok(());
        };
        let adapter = descriptor.database(b"adapterType").map_or(Adapter::LsiLogic, Adapter::from_name);
        let usual = Geometry::of_new_disk(adapter, capacity);
        // The smallest disks have one cylinder, which is more than they hold. Other products round up.
        let most = capacity.saturating_add(u64::from(usual.heads) * u64::from(usual.sectors));
        let product = cylinders.checked_mul(heads).and_then(|tracks| tracks.checked_mul(sectors));
        if product.is_some_and(|product| product > 0 && product <= most) {
            return Ok(());
        }
        let text =
            format!("the geometry {cylinders}/{heads}/{sectors} does not fit a disk of {capacity} sectors");
        if !self.repair {
            self.beyond_repair(&text);
            return Ok(());
        }
        let mut changed = descriptor.clone();
        set_geometry(&mut changed, capacity)?;
        self.link.save_descriptor(&self.link.descriptor_bytes(&changed)?)?;
        (self.report)(&format!("{text}; it was set anew"));
        self.health.damage += 1;
        Ok(())
    }
}
