//! Tests of ESX redo logs on files in memory; `esx` makes them with none of the code under test.

use std::path::Path;
use std::sync::Arc;

use crate::format::vmdk::esx::Cowd;

use super::header::{Header, RawHeader};
use super::{CowdExtent, open};
use crate::error::{Error, Kind};
use crate::format::extent::{Extent, Source, seen};
use crate::io::fault::{Fault, FaultFiles};
use crate::io::memory::{MemoryFile, MemoryFiles};
use crate::io::{Access, ByteOffset, Files, Storage};

/// Sectors that one table covers with grains of one sector.
const TABLE: u64 = 4096;

fn file(cowd: &Cowd) -> MemoryFile {
    MemoryFile::new(cowd.bytes())
}

fn opened(file: &MemoryFile) -> CowdExtent {
    let capacity = RawHeader::parse(&file.to_vec()).unwrap().capacity.get();
    open(Arc::new(file.clone()), u64::from(capacity), true).unwrap()
}

fn header(file: &MemoryFile) -> Header {
    Header::read(file).unwrap()
}

fn put(file: &MemoryFile, at: usize, value: u32) {
    file.write_all_at(&value.to_le_bytes(), ByteOffset(at as u64)).unwrap();
}

fn pattern(sectors: u64, seed: u8) -> Vec<u8> {
    (0..sectors * 512).map(|byte| (byte / 512) as u8 ^ (byte % 251) as u8 ^ seed | 1).collect()
}

#[test]
fn what_a_table_does_not_name_is_left_to_the_parent() {
    let mut cowd = Cowd::new(3 * TABLE as u32, 1);
    cowd.add(7, &[7; 512]).add(5000, &[50; 512]).add(5001, &[51; 512]);
    let extent = opened(&file(&cowd));
    assert!(seen(&extent, 0, 7).iter().all(|byte| *byte == b'U'));
    assert!(seen(&extent, 7, 1) == [7; 512]);
    assert!(seen(&extent, 5000, 2) == [[50; 512], [51; 512]].concat());
    assert_eq!(extent.resolve(5000, 100).unwrap().sectors, 2, "neighbours are one run");
    let rest = extent.resolve(8, TABLE * 3 - 8).unwrap();
    assert_eq!((rest.sectors, matches!(rest.source, Source::Unallocated)), (5000 - 8, true), "across tables");
    let rest = extent.resolve(5002, TABLE * 3 - 5002).unwrap();
    assert_eq!(rest.sectors, TABLE * 3 - 5002, "a table that is not there is one that is empty");
}

#[test]
fn tables_have_4096_entries_whatever_the_grain() {
    for grain in [1u32, 2, 3, 8, 128, 2048] {
        let border = 4096 * grain;
        let mut cowd = Cowd::new(2 * border, grain);
        cowd.add(4095, &vec![1; grain as usize * 512]).add(4096, &vec![2; grain as usize * 512]);
        let extent = opened(&file(&cowd));
        let around = seen(&extent, u64::from(border) - 1, 2);
        assert!(around == [[1; 512], [2; 512]].concat(), "grain {grain}");
        assert!(seen(&extent, 0, 1) == [b'U'; 512]);
    }
}

#[test]
fn written_sectors_come_back_and_survive_reopening() {
    for grain in [1u32, 5, 8, 2048] {
        let capacity = 3 * 4096 * u64::from(grain) / 2 + 3;
        let file = file(&Cowd::new(capacity as u32, grain));
        let extent = opened(&file);
        let border = 4096 * u64::from(grain);
        let pieces = [(0, 1), (border - 3, 9), (border + 6, 40), (capacity - 1, 1)];
        for (start, sectors) in pieces {
            extent.write(start, &pattern(sectors, start as u8), None).unwrap();
        }
        extent.finish().unwrap();
        for extent in [extent, opened(&file)] {
            for (start, sectors) in pieces {
                assert!(seen(&extent, start, sectors) == pattern(sectors, start as u8), "{grain} {start}");
            }
            let before = seen(&extent, border - 3 - u64::from(grain), 1);
            assert!(before == [b'U'; 512], "grain {grain}: a grain that was not written stays unallocated");
        }
        let free = u64::from(header(&file).free);
        assert_eq!(free * 512, file.length().unwrap(), "grain {grain}: the header tells what is free");
    }
}

#[test]
fn a_new_grain_takes_the_rest_from_below() {
    let file = file(&Cowd::new(1001, 8));
    let extent = opened(&file);
    let below = |sector: u64, buffer: &mut [u8]| {
        buffer.chunks_mut(512).zip(sector..).for_each(|(chunk, sector)| chunk.fill(sector as u8));
        Ok(())
    };
    extent.write(11, &[255; 512], Some(&below)).unwrap();
    extent.write(1000, &[255; 512], Some(&below)).unwrap();
    extent.finish().unwrap();
    let sectors: Vec<u8> = seen(&opened(&file), 8, 8).chunks(512).map(|sector| sector[511]).collect();
    assert_eq!(sectors, [8, 9, 10, 255, 12, 13, 14, 15]);
    // The last grain goes on behind the end of the extent, where nothing is below.
    assert!(seen(&opened(&file), 1000, 1) == [255; 512]);
}

#[test]
fn zeros_hide_the_parent_and_take_no_space_without_one() {
    let file = file(&Cowd::new(100, 1));
    let length = file.length().unwrap();
    let extent = opened(&file);
    extent.write(3, &[0; 2 * 512], None).unwrap();
    assert_eq!(file.length().unwrap(), length);
    let below = |_: u64, buffer: &mut [u8]| {
        buffer.fill(9);
        Ok(())
    };
    extent.write(3, &[0; 2 * 512], Some(&below)).unwrap();
    extent.finish().unwrap();
    assert!(seen(&opened(&file), 3, 2) == [0; 1024], "there is no entry for zeros: they are data");
}

#[test]
fn entries_that_lead_into_the_metadata_are_damage() {
    let mut cowd = Cowd::new(3 * TABLE as u32, 1);
    cowd.add(0, &[1; 512]).add(1, &[2; 512]);
    // Sector 1 is read as zeros by one reader and as data by another; 4 is the directory.
    for entry in [1, 3, 4] {
        let file = file(&cowd);
        put(&file, cowd.table_place(0), entry);
        let extent = opened(&file);
        assert_eq!(extent.resolve(0, 1).unwrap_err().kind(), Kind::InvalidDisk, "grain at {entry}");
        assert_eq!(extent.write(0, &[3; 512], None).unwrap_err().kind(), Kind::InvalidDisk);
        assert!(seen(&extent, 1, 1) == [2; 512], "the others can be read");
    }
    for entry in [1, 4, 5000, u32::MAX] {
        let file = file(&cowd);
        put(&file, cowd.directory_place(0), entry);
        assert_eq!(opened(&file).resolve(0, 1).unwrap_err().kind(), Kind::InvalidDisk, "table at {entry}");
        assert_eq!(opened(&file).write(0, &[1; 512], None).unwrap_err().kind(), Kind::InvalidDisk);
    }
    for entry in [5000, u32::MAX] {
        let file = file(&cowd);
        put(&file, cowd.table_place(0), entry);
        let extent = opened(&file);
        let Source::Data { storage, offset } = extent.resolve(0, 1).unwrap().source else { panic!() };
        assert_eq!(storage.read_exact_at(&mut [0; 512], offset).unwrap_err().kind(), Kind::Io, "never zeros");
        assert_eq!(extent.write(0, &[1; 512], None).unwrap_err().kind(), Kind::InvalidDisk);
    }
}

#[test]
fn the_header_keeps_book_of_writing() {
    let file = file(&Cowd::new(10_000, 1));
    let extent = opened(&file);
    extent.write(0, &[1; 512], None).unwrap();
    let during = header(&file);
    assert!(during.unclean && during.generation == 1);
    extent.flush().unwrap();
    // Behind the directory: a table of 32 sectors, and the grain.
    assert_eq!(header(&file).free, 5 + 32 + 1);
    extent.finish().unwrap();
    assert!(!header(&file).unclean);
    let extent = opened(&file);
    extent.finish().unwrap();
    assert_eq!(header(&file).generation, 1, "only writers count");
    extent.write(1, &[1; 512], None).unwrap();
    drop(extent);
    // The mark of a writer that died stays until somebody repairs the extent.
    let extent = opened(&file);
    extent.write(2, &[1; 512], None).unwrap();
    extent.finish().unwrap();
    assert!(header(&file).unclean);
}

#[test]
fn space_that_may_be_in_use_is_never_taken() {
    let mut cowd = Cowd::new(10_000, 1);
    cowd.add(1, &[1; 512]).add(9000, &[9; 512]);
    // A writer died before it could note what it had taken, or noted more than it took.
    for free in [0, 5, 6, 200] {
        let file = file(&cowd);
        put(&file, 28, free);
        let extent = opened(&file);
        extent.write(2, &[2; 512], None).unwrap();
        extent.write(5000, &[5; 512], None).unwrap();
        extent.finish().unwrap();
        let extent = opened(&file);
        for (sector, byte) in [(1, 1), (2, 2), (5000, 5), (9000, 9)] {
            assert!(seen(&extent, sector, 1) == [byte; 512], "free {free}: sector {sector}");
        }
        assert_eq!(u64::from(header(&file).free) * 512, file.length().unwrap());
    }
}

#[test]
fn an_extent_does_not_grow_beyond_what_its_header_can_name() {
    let file = file(&Cowd::new(u32::MAX, 1));
    put(&file, 28, u32::MAX - 31);
    let length = file.length().unwrap();
    let error = opened(&file).write(0, &[1; 512], None).unwrap_err();
    assert!(error.kind() == Kind::FileTooBig && error.to_string().contains("2 TiB"), "{error}");
    assert_eq!(file.length().unwrap(), length);
}

#[test]
fn a_line_that_claims_more_than_the_header_has_is_refused() {
    let file = Arc::new(file(&Cowd::new(100, 1)));
    assert_eq!(open(file.clone(), 101, false).unwrap_err().kind(), Kind::InvalidDisk);
    assert_eq!(open(file.clone(), 100, false).unwrap().sectors(), 100);
    let short = Arc::new(MemoryFile::new(file.to_vec()[..2047].to_vec()));
    assert_eq!(open(short, 100, false).unwrap_err().kind(), Kind::InvalidDisk);
    let empty = Arc::new(MemoryFile::default());
    assert_eq!(open(empty, 100, false).unwrap_err().kind(), Kind::InvalidDisk);
    let reader = open(file, 100, false).unwrap();
    assert_eq!(reader.write(0, &[1; 512], None).unwrap_err().kind(), Kind::ReadOnly);
}

/// A redo log on files that fail and lose power, and a number for each of its sectors.
struct Trial {
    files: FaultFiles,
    /// What is durable, and since which operation.
    flushed: Vec<(usize, Vec<u8>)>,
    now: Vec<u8>,
}

const NAME: &str = "x-delta.vmdk";
const CAPACITY: u64 = 3 * TABLE + 5;

impl Trial {
    fn new(grain: u32) -> Self {
        let files = FaultFiles::default();
        files.insert(NAME, Cowd::new(CAPACITY as u32, grain).bytes());
        let now = vec![0; CAPACITY as usize];
        Self { files, flushed: vec![(0, now.clone())], now }
    }

    fn open(&self) -> CowdExtent {
        let storage = self.files.open(Path::new(NAME), Access::ReadWrite).unwrap();
        open(storage, CAPACITY, true).unwrap()
    }

    /// Writes and flushes in rounds, new tables in each of the first; an error ends it.
    fn run(&mut self, extent: &CowdExtent) -> Result<(), Error> {
        for round in 1..5u64 {
            for (start, sectors) in [(round * 3, 2), (TABLE - 2, 4), ((round - 1) * TABLE / 2 + 9, 3)] {
                let data: Vec<u8> = vec![round as u8; sectors as usize * 512];
                extent.write(start, &data, None)?;
                self.now[start as usize..(start + sectors) as usize].fill(round as u8);
            }
            extent.flush()?;
            self.flushed.push((self.files.operations(), self.now.clone()));
        }
        extent.finish()
    }
}

/// The first byte of each sector, and that the others are like it; unallocated sectors count as 0.
fn numbers(extent: &CowdExtent) -> Vec<u8> {
    let mut numbers = Vec::new();
    while (numbers.len() as u64) < CAPACITY {
        let run = extent.resolve(numbers.len() as u64, CAPACITY - numbers.len() as u64).unwrap();
        let mut data = vec![0; run.sectors as usize * 512];
        match run.source {
            Source::Unallocated => numbers.extend(vec![0; run.sectors as usize]),
            Source::Data { storage, offset } => {
                storage.read_exact_at(&mut data, offset).unwrap();
                for sector in data.chunks(512) {
                    assert!(sector == [sector[0]; 512], "a sector of two writes");
                    numbers.push(sector[0]);
                }
            }
            other => panic!("{other:?}"),
        }
    }
    numbers
}

/// Nothing that the tables name may be free in the eyes of the header.
fn check_free(files: &MemoryFiles) {
    let bytes = files.content(Path::new(NAME)).unwrap();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let (grain, entries, free) = (number(16), number(24) as usize, number(28));
    for table in (0..entries).map(|table| number(4 * 512 + table * 4)).filter(|table| *table != 0) {
        assert!(table + 32 <= free, "a table at {table}, {free} is free");
        let start = table as usize * 512;
        for entry in (0..4096).map(|entry| number(start + entry * 4)).filter(|entry| *entry != 0) {
            assert!(entry + grain <= free, "a grain at {entry}, {free} is free");
        }
    }
}

#[test]
fn no_loss_of_power_loses_what_was_flushed_or_breaks_the_extent() {
    for grain in [1, 8] {
        let mut trial = Trial::new(grain);
        let extent = trial.open();
        trial.run(&extent).unwrap();
        let mut images = 0;
        trial.files.power_losses(60, |loss| {
            images += 1;
            check_free(&loss.files);
            let extent =
                open(loss.files.open(Path::new(NAME), Access::ReadWrite).unwrap(), CAPACITY, true).unwrap();
            let durable =
                trial.flushed.iter().rposition(|(operations, _)| *operations <= loss.operations).unwrap();
            let later = &trial.flushed[durable..trial.flushed.len().min(durable + 2)];
            for (sector, found) in numbers(&extent).into_iter().enumerate() {
                let wanted: Vec<u8> = later.iter().map(|(_, content)| content[sector]).collect();
                assert!(
                    wanted.contains(&found),
                    "operation {}: sector {sector} is {found}, not {wanted:?}",
                    loss.operations
                );
            }
            // The next writer goes on from there.
            extent.write(TABLE, &[77; 512], None).unwrap();
            extent.finish().unwrap();
            check_free(&loss.files);
        });
        assert!(images > 200, "only {images} images");
    }
}

#[test]
fn whatever_fails_can_be_done_again() {
    let operations = {
        let mut trial = Trial::new(1);
        let extent = trial.open();
        trial.run(&extent).unwrap();
        trial.files.operations()
    };
    for operation in 0..operations {
        for fault in [Fault::NO_SPACE, Fault::NO_SPACE.after(100)] {
            let mut trial = Trial::new(1);
            let extent = trial.open();
            trial.files.fail_at(operation, fault);
            let failed = trial.run(&extent);
            trial.files.stop_failing();
            let again = failed.or_else(|_| trial.run(&extent));
            if let Err(error) = again {
                assert!(error.to_string().contains("earlier flush failed"), "operation {operation}: {error}");
                continue;
            }
            let mut clean = Trial::new(1);
            clean.run(&clean.open()).unwrap();
            let image = MemoryFiles::default();
            image.insert(NAME, trial.files.content(Path::new(NAME)).unwrap());
            check_free(&image);
            assert!(numbers(&trial.open()) == clean.now, "operation {operation}, {fault:?}");
        }
    }
}
