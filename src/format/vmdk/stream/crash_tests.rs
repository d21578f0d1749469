//! Tests of what crashes and failures leave of a stream that is being written.

use std::io::IoSliceMut;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::error::{Error, Kind};
use crate::format::extent::Extent;
use crate::format::vmdk::stream::samples::{
    STYLES, data, empty, open, read, read_all, small, small_sample, try_open,
};
use crate::io::memory::MemoryFile;
use crate::io::{Lock, Region, Storage};

const GRAIN: usize = 128 * 512;

/// A file of which only what was synced is sure to survive, and any part of the rest may.
#[derive(Debug, Clone, Default)]
struct Fragile {
    file: MemoryFile,
    log: Arc<Mutex<Vec<Step>>>,
    /// Writes that still work; the next one fails.
    works: Arc<AtomicUsize>,
}

#[derive(Debug, Clone)]
enum Step {
    Write(u64, Vec<u8>),
    Length(u64),
    Sync,
}

impl Fragile {
    fn new(file: MemoryFile) -> Self {
        Self { file, log: Arc::default(), works: Arc::new(AtomicUsize::new(usize::MAX)) }
    }

    fn note(&self, step: Step) -> Result<()> {
        let spend = |works: usize| works.checked_sub(1);
        if self.works.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend).is_err() {
            return Err(Error::new(Kind::DiskFull, "no space is left, as the test wants it"));
        }
        self.log.lock().unwrap().push(step);
        Ok(())
    }
}

impl Storage for Fragile {
    fn read_vectored_at(&self, buffers: &mut [IoSliceMut<'_>], offset: ByteOffset) -> Result<()> {
        self.file.read_vectored_at(buffers, offset)
    }

    fn write_all_at(&self, data: &[u8], offset: ByteOffset) -> Result<()> {
        self.note(Step::Write(offset.0, data.to_vec()))?;
        self.file.write_all_at(data, offset)
    }

    fn length(&self) -> Result<u64> {
        self.file.length()
    }

    fn set_len(&self, length: u64) -> Result<()> {
        self.note(Step::Length(length))?;
        self.file.set_len(length)
    }

    fn sync(&self) -> Result<()> {
        self.note(Step::Sync)
    }

    fn region_at(&self, offset: ByteOffset) -> Result<Region> {
        self.file.region_at(offset)
    }

    fn lock(&self, _lock: Lock) -> Result<()> {
        Ok(())
    }

    fn name(&self) -> String {
        "a fragile file".to_owned()
    }
}

/// Every state in which a crash may leave the file: what was synced, and of the steps since then any one alone, any
/// one missing, or the first few.
fn crashes(start: &[u8], log: &[Step]) -> Vec<Vec<u8>> {
    let apply = |file: &MemoryFile, step: &Step| match step {
        Step::Write(place, data) => file.write_all_at(data, ByteOffset(*place)).unwrap(),
        Step::Length(length) => file.set_len(*length).unwrap(),
        Step::Sync => {}
    };
    let mut states = Vec::new();
    let mut durable = start.to_vec();
    for group in log.split_inclusive(|step| matches!(step, Step::Sync)) {
        let mut with = |wanted: &dyn Fn(usize) -> bool| {
            let file = MemoryFile::new(durable.clone());
            group
                .iter()
                .enumerate()
                .filter(|(index, _)| wanted(*index))
                .for_each(|(_, step)| apply(&file, step));
            states.push(file.to_vec());
        };
        for number in 0..group.len() {
            with(&|index| index < number);
            with(&|index| index == number);
            with(&|index| index != number);
        }
        with(&|_| true);
        durable = states.last().unwrap().clone();
    }
    states
}

#[test]
fn a_crash_leaves_no_disk_or_the_whole_one() {
    let file = small(1000);
    let start = file.to_vec();
    let fragile = Fragile::new(file);
    let extent = try_open(Arc::new(fragile.clone())).unwrap();
    let piece = data(1000 * 512, 8);
    for (index, part) in piece.chunks(77 * 512).enumerate() {
        extent.write(index as u64 * 77, part, None).unwrap();
        extent.flush().unwrap();
    }
    extent.finish().unwrap();
    let (mut unfinished, mut whole) = (0, 0);
    for state in crashes(&start, &fragile.log.lock().unwrap()) {
        match try_open(Arc::new(MemoryFile::new(state.clone()))) {
            Err(error) => {
                assert_eq!(error.kind(), Kind::InvalidDisk);
                assert!(error.to_string().contains("never finished"), "{error}");
                unfinished += 1;
            }
            Ok(_) if state == start => {}
            Ok(extent) => {
                assert!(read_all(&extent) == piece);
                whole += 1;
            }
        }
    }
    assert!(unfinished > 10 && whole > 0, "{unfinished} {whole}");
}

#[test]
fn a_crash_while_a_stream_is_continued_leaves_the_old_disk_or_the_new_one() {
    for style in STYLES {
        let sample = small_sample(style, 1000).fill([0, 7, 20]);
        let (file, old) = (sample.file(), sample.content());
        let start = file.to_vec();
        let fragile = Fragile::new(file);
        let extent = try_open(Arc::new(fragile.clone())).unwrap();
        let mut new = old.clone();
        for (sector, sectors) in [(21 * 8, 8), (30 * 8, 300), (95 * 8, 5)] {
            let piece = data(sectors * 512, 6);
            extent.write(sector as u64, &piece, None).unwrap();
            new[sector * 512..][..piece.len()].copy_from_slice(&piece);
            extent.flush().unwrap();
        }
        extent.finish().unwrap();
        let (mut olds, mut news) = (0, 0);
        for state in crashes(&start, &fragile.log.lock().unwrap()) {
            let file = MemoryFile::new(state);
            let content = read_all(&open(&file));
            assert!(content == old || content == new, "{style:?}");
            (olds, news) = (olds + usize::from(content == old), news + usize::from(content == new));
            // And it can be continued again.
            let extent = open(&file);
            extent.write(990, &[5; 512], None).unwrap();
            extent.finish().unwrap();
            let mut continued = content;
            continued[990 * 512..991 * 512].fill(5);
            assert!(read_all(&open(&file)) == continued);
        }
        assert!(olds > 5 && news > 0, "{olds} {news}");
    }
}

#[test]
fn after_a_failed_write_the_same_write_works() {
    let piece = data(9 * GRAIN + 512, 4);
    let write = |extent: &StreamExtent| {
        extent.write(0, &piece[..1024], None)?;
        extent.write(2, &piece[1024..], None)?;
        extent.finish()
    };
    let whole = empty(65_536 * 2);
    write(&open(&whole)).unwrap();
    for works in 0..20 {
        let file = empty(65_536 * 2);
        let fragile = Fragile::new(file.clone());
        let extent = try_open(Arc::new(fragile.clone())).unwrap();
        let until_it_works = |act: &dyn Fn() -> Result<()>| {
            if act().is_err() {
                assert!(extent.pending_grain().is_none_or(|grain| grain == 0 || grain == 9));
                fragile.works.store(usize::MAX, Ordering::SeqCst);
                act().unwrap();
            }
        };
        fragile.works.store(works, Ordering::SeqCst);
        until_it_works(&|| extent.write(0, &piece[..1024], None));
        until_it_works(&|| extent.write(2, &piece[1024..], None));
        until_it_works(&|| extent.flush());
        until_it_works(&|| extent.finish());
        assert!(read(&open(&file), 0, 9 * 128 + 1) == piece, "after {works} steps");
    }
}
