//! Checking a sparse extent, and repairing it.
//!
//! ```text
//!   header ──> directories ──> tables: places ──> tables: entries ──> grains ──> header
//!   (check.rs)          (check_places.rs)  (check_tables.rs)     (check_grains.rs)
//! ```
//!
//! Everything is looked at before anything is repaired. A repair follows the rule of every change here: what is moved
//! goes to space that nothing names, and is durable before a table or the header leads to it, so that it may be
//! interrupted anywhere and done again.
//!
//! What a repair may decide:
//!
//! * **The copies of an entry differ.** The primary one is what every reader has seen, so it stays as long as it makes
//!   sense: it names nothing, zeros, or a grain that is in the file and not where tables are. But a grain in the
//!   redundant copy that nobody else uses wins over nothing in the primary one: after a crash either is right, and
//!   in a damaged table the data is worth more. It also wins when the grain of the primary copy has several users.
//! * **No copy makes sense.** The data cannot be found by anybody any more; the entry becomes unallocated, so that
//!   the place can be written again, and the finding tells which sectors are lost.
//! * **Several users of one grain.** Each gets the content that it shows now, in a place of its own.
//! * **The header contradicts itself**, or its contradiction with the directories makes everything else doubtful.
//!   Then nothing is touched.
//!
//! The maps of the file's space are bounded; a file that needs more is gone through in windows.

use std::collections::HashSet;
use std::sync::Arc;

use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

use super::SparseExtent;
use super::finding::{Finding, Summary};
use super::header::{FLAG_REDUNDANT, FLAG_ZERO_GRAINS, Header, RawHeader};
use super::metadata::{self, Part, overlap};
use crate::error::{Kind, Result, ResultExt};
use crate::format::vmdk::grains::tables::Side;
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

/// Bytes of a directory that are copied at a time.
const COPY_BYTES: u64 = 1 << 20;

/// Checks the sparse extent in `storage`, which nobody else may use meanwhile, and repairs it when `repair` says so.
/// `report` hears of each finding once; a damaged extent may have as many as it has grains.
///
/// # Errors
/// `InvalidDisk` for a file that is no sparse extent or whose header leaves nothing to go by, `UnsupportedVersion`,
/// `NotSupported`, those of storage. After an error of a repair the extent is as good as before, or better.
pub fn check(storage: &Arc<dyn Storage>, repair: bool, report: &mut dyn FnMut(&Finding)) -> Result<Summary> {
    check_file(storage, repair, report).context(|| format!("checking '{}'", storage.name()))
}

fn check_file(storage: &Arc<dyn Storage>, repair: bool, report: &mut dyn FnMut(&Finding)) -> Result<Summary> {
    let usable = Usable::of(RawHeader::read(&**storage)?, storage.length()?)?;
    let Some(side) = usable.lost_directory else {
        return Check::new(storage, &usable, repair, report)?.run();
    };
    let finding = Finding::DirectoryLost { side };
    let mut ignore = |_: &Finding| ();
    if !repair || Check::new(storage, &usable, false, &mut ignore)?.run()?.beyond_repair > 0 {
        let mut check = Check::new(storage, &usable, false, report)?;
        check.found(&finding);
        return check.run();
    }
    let (mut damage, mut lost_sectors) = (0, 0);
    let mut found = |finding: &Finding| {
        damage += u64::from(finding.is_damage());
        lost_sectors += finding.lost_sectors(usable.header.grain_size);
        report(finding);
    };
    found(&finding);
    usable.restore_directory(&**storage, side, &mut found)?;
    let mut summary = check_file(storage, true, report)?;
    summary.damage += damage;
    summary.lost_sectors += lost_sectors;
    summary.repaired |= summary.beyond_repair == 0;
    Ok(summary)
}

/// A header that can be worked with, perhaps in part.
struct Usable {
    /// As it stands in the file.
    stored: RawHeader,
    /// Without what is of no use.
    raw: RawHeader,
    header: Header,
    lost_directory: Option<Side>,
}

impl Usable {
    fn of(stored: RawHeader, length: u64) -> Result<Self> {
        let found = |raw: RawHeader, header, lost_directory| Self { stored, raw, header, lost_directory };
        let mut raw = stored;
        let error = match raw.check(length) {
            Ok(header) => return Ok(found(raw, header, None)),
            Err(error) => error,
        };
        if raw.overhead.get() > length / SECTOR_SIZE {
            raw.overhead = 0.into();
        }
        if let Ok(header) = raw.check(length) {
            return Ok(found(raw, header, None));
        }
        let flags = raw.flags.get();
        if flags & FLAG_REDUNDANT == 0 || error.kind() != Kind::InvalidDisk {
            return Err(error);
        }
        raw.flags = (flags & !FLAG_REDUNDANT).into();
        if let Ok(header) = raw.check(length) {
            return Ok(found(raw, header, Some(Side::Redundant)));
        }
        raw.directory = raw.redundant_directory;
        let header = raw.check(length).map_err(|_| error)?;
        Ok(found(raw, header, Some(Side::Primary)))
    }

    /// Makes a directory again, as a copy of the other one: the check then finds that they share their tables. Entries
    /// that lead out of the file are told and go first, as it grows and they might then lead to this directory.
    fn restore_directory(
        &self,
        storage: &dyn Storage,
        side: Side,
        found: &mut dyn FnMut(&Finding),
    ) -> Result<()> {
        let bytes = u64::from(self.header.tables) * 4;
        let grain_bytes = self.header.grain_size * SECTOR_SIZE;
        let length = storage.length()?;
        let start = length.next_multiple_of(grain_bytes);
        let mut buffer = vec![0; bytes.min(COPY_BYTES) as usize];
        for copied in [false, true] {
            for done in (0..bytes).step_by(buffer.len()) {
                let piece = &mut buffer[..(bytes - done).min(COPY_BYTES) as usize];
                let place = ByteOffset(self.header.directory * SECTOR_SIZE + done);
                storage.read_exact_at(piece, place)?;
                if copied {
                    storage.write_all_at(piece, ByteOffset(start + done))?;
                } else if self.forget_outside(piece, (done / 4) as u32, length, side.other(), found) {
                    storage.write_all_at(piece, place)?;
                }
            }
            storage.sync()?;
            if !copied {
                storage.set_len(start + bytes.next_multiple_of(grain_bytes))?;
            }
        }
        let mut raw = self.stored;
        match side {
            Side::Primary => raw.directory = (start / SECTOR_SIZE).into(),
            Side::Redundant => raw.redundant_directory = (start / SECTOR_SIZE).into(),
        }
        raw.replace(&self.stored, storage)
    }

    /// Forgets the entries in a piece of the only directory that lead out of a file of `length` bytes; whether there
    /// are any. The piece begins with the entry of table `first`.
    fn forget_outside(
        &self,
        piece: &mut [u8],
        first: u32,
        length: u64,
        side: Side,
        found: &mut dyn FnMut(&Finding),
    ) -> bool {
        let table_bytes = u64::from(self.header.entries_per_table) * 4;
        let mut any = false;
        for (table, entry) in (first..).zip(<[U32]>::mut_from_bytes(piece).into_iter().flatten()) {
            if u64::from(entry.get()) * SECTOR_SIZE + table_bytes > length {
                found(&Finding::TableOutside { side, table, sector: entry.get() });
                let sector = u64::from(table) * self.header.table_coverage();
                let sectors = (self.header.capacity - sector).min(self.header.table_coverage());
                found(&Finding::TableLost { table, sector, sectors });
                *entry = 0.into();
                any = true;
            }
        }
        any
    }
}

/// A check under way.
pub(super) struct Check<'a> {
    pub(super) extent: SparseExtent,
    pub(super) header: Header,
    raw: RawHeader,
    stored: RawHeader,
    /// What the header names.
    pub(super) parts: Vec<Part>,
    /// Whole sectors that the file had when the check began.
    pub(super) file_sectors: u64,
    pub(super) repair: bool,
    report: &'a mut dyn FnMut(&Finding),
    pub(super) summary: Summary,
    /// Tables that stand where other tables are.
    pub(super) shared_tables: HashSet<(Side, u32)>,
    /// What is no table, though a directory entry leads to it.
    pub(super) false_tables: HashSet<(Side, u32)>,
    /// Grains of zeros.
    pub(super) zero_grains: u64,
    /// Grains that are not aligned to their size.
    pub(super) unaligned: u64,
}

impl<'a> Check<'a> {
    fn new(
        storage: &Arc<dyn Storage>,
        usable: &Usable,
        repair: bool,
        report: &'a mut dyn FnMut(&Finding),
    ) -> Result<Self> {
        let header = usable.header;
        Ok(Self {
            extent: SparseExtent::new(Arc::clone(storage), header, header.capacity, repair)?,
            parts: metadata::parts(&usable.raw, &header),
            raw: usable.raw,
            stored: usable.stored,
            file_sectors: storage.length()? / SECTOR_SIZE,
            header,
            repair,
            report,
            summary: Summary::default(),
            shared_tables: HashSet::new(),
            false_tables: HashSet::new(),
            zero_grains: 0,
            unaligned: 0,
        })
    }

    fn run(mut self) -> Result<Summary> {
        self.check_parts();
        self.find_shared_tables()?;
        let survey = self.survey()?;
        self.repair &= self.summary.beyond_repair == 0;
        self.settle_tables(&survey)?;
        self.check_grains(&survey)?;
        self.finish()
    }

    /// Tells of a finding.
    pub(super) fn found(&mut self, finding: &Finding) {
        self.summary.damage += u64::from(finding.is_damage());
        self.summary.lost_sectors += finding.lost_sectors(self.header.grain_size);
        (self.report)(finding);
    }

    /// The parts that the header names must not overlap.
    fn check_parts(&mut self) {
        let parts = self.parts.clone();
        for (index, part) in parts.iter().enumerate() {
            for other in parts[..index].iter().filter(|other| overlap(&other.sectors, &part.sectors)) {
                self.found(&Finding::HeaderContradictsItself { parts: [other.name, part.name] });
                self.summary.beyond_repair += 1;
            }
        }
    }

    /// What is left: counts, and what the header says.
    fn finish(mut self) -> Result<Summary> {
        let mut header = self.stored;
        let says = header.overhead.get();
        let holds = self.summary.first_grain.unwrap_or(u64::MAX).min(self.file_sectors).min(says);
        if holds != says {
            self.found(&Finding::Overhead { says, holds });
            header.overhead = holds.into();
        }
        if self.zero_grains > 0 && self.raw.flags.get() & FLAG_ZERO_GRAINS == 0 {
            self.found(&Finding::ZeroGrainsUnannounced { grains: self.zero_grains });
            header.announce_zero_grains();
        }
        if self.unaligned > 0 {
            self.found(&Finding::Unaligned { grains: self.unaligned });
        }
        if self.summary.leaked_sectors > 0 {
            self.found(&Finding::Leaked { sectors: self.summary.leaked_sectors });
        }
        self.summary.unclean = header.unclean != 0;
        if self.summary.unclean {
            self.found(&Finding::Unclean);
        }
        if self.repair && (self.summary.damage > 0 || self.summary.unclean) {
            header.unclean = 0;
            self.extent.commit(&mut self.extent.writer())?;
            header.replace(&self.stored, &**self.extent.storage())?;
            self.summary.unclean = false;
            self.summary.repaired = true;
        }
        Ok(self.summary)
    }
}
