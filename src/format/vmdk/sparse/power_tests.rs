//! Every operation of a sparse extent with power lost, or with a failure, at every step of it: afterwards the extent
//! opens, what was flushed is there, and a check finds nothing that it does not repair without loss.

use std::path::Path;
use std::sync::Arc;

use super::check::check;
use super::finding::Finding;
use super::grow::grow;
use super::header::RawHeader;
use super::testing::*;
use crate::error::Result;
use crate::format::extent::Extent;
use crate::format::vmdk::grains::tables::Side;
use crate::io::fault::{Fault, FaultFiles};
use crate::io::memory::MemoryFiles;
use crate::io::{Access, Files, Storage};

/// Images for each moment at which power is lost; fewer after a failure, since there are so many of those.
const IMAGES: usize = if cfg!(miri) { 3 } else { 64 };
const IMAGES_AFTER_FAILURE: usize = if cfg!(miri) { 2 } else { 6 };

/// Failures that every operation meets once.
const FAULTS: [Fault; 6] = [
    Fault::IO,
    Fault::NO_SPACE,
    Fault::NO_SPACE.lasting(),
    Fault::IO.after(100),
    Fault::NO_SPACE.after(1536),
    Fault::IO.lasting(),
];

fn path() -> &'static Path {
    Path::new("e")
}

fn file_of(files: &dyn Files) -> Arc<dyn Storage> {
    files.open(path(), Access::ReadWrite).unwrap()
}

/// An operation on an extent, and what must hold whatever happens to it.
struct Case<'a> {
    name: &'a str,
    image: Vec<u8>,
    /// What lies below, if anything.
    parent: Option<Vec<u8>>,
    run: &'a dyn Fn(&Arc<dyn Storage>) -> Result<()>,
    /// Whether a content is one that may be seen when so many operations had ended; `None` for "at last".
    accepts: &'a dyn Fn(&[u8], Option<usize>) -> bool,
    /// Damage that only a repair makes good may be there from the start.
    damaged: bool,
}

impl Case<'_> {
    fn files(&self) -> FaultFiles {
        let files = FaultFiles::default();
        files.insert(path(), self.image.clone());
        files
    }

    fn content(&self, storage: &Arc<dyn Storage>) -> Vec<u8> {
        let parent = self.parent.as_deref().unwrap_or_default();
        let extent = try_open(Arc::clone(storage)).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        try_read(&extent, parent).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The extent must be well, or become so.
    fn verify(&self, files: &dyn Files, operations: Option<usize>, when: &str) {
        let storage = file_of(files);
        let at = || format!("{}, {when}, {operations:?}", self.name);
        if !self.damaged {
            assert!((self.accepts)(&self.content(&storage), operations), "{}: without repair", at());
        }
        let mut found = Vec::new();
        let result = check(&storage, true, &mut |finding| found.push(finding.clone()));
        let summary = result.unwrap_or_else(|error| panic!("{}: {error}", at()));
        assert!(summary.is_sound(), "{}: {found:?}", at());
        if !self.damaged {
            assert_eq!(summary.lost_sectors, 0, "{}: {found:?}", at());
            // Nothing but what a half-written table or directory looks like.
            let expected = |finding: &Finding| {
                let is_half = matches!(finding, Finding::TablesDiffer { .. } | Finding::TableMissing { .. });
                is_half || !finding.is_damage()
            };
            assert!(found.iter().all(expected), "{}: {found:?}", at());
        }
        assert!((self.accepts)(&self.content(&storage), operations), "{}: after repair, {found:?}", at());
        assert!(!assert_sound(&storage).unclean);
    }

    fn survives_loss_of_power(&self) {
        let files = self.files();
        (self.run)(&file_of(&files)).unwrap();
        let mut count = 0;
        files.power_losses(IMAGES, |loss| {
            count += 1;
            self.verify(&loss.files, Some(loss.operations), "power lost");
        });
        assert!(count > 20, "{}: {count}", self.name);
        self.verify(&as_left(&files), None, "at the end");
    }

    fn survives_failures(&self) {
        let whole = self.files();
        (self.run)(&file_of(&whole)).unwrap();
        let mut failed = 0;
        for operation in 0..whole.operations() {
            for fault in FAULTS {
                let files = self.files();
                files.fail_at(operation, fault);
                let storage = file_of(&files);
                let result = (self.run)(&storage);
                failed += usize::from(result.is_err());
                files.stop_failing();
                let when = format!("{fault:?} at {operation}");
                self.verify(&as_left(&files), result.is_ok().then_some(usize::MAX), &when);
                files.power_losses(IMAGES_AFTER_FAILURE, |loss| {
                    self.verify(&loss.files, Some(loss.operations), &when);
                });
            }
        }
        assert!(failed > whole.operations(), "{}: {failed} of {}", self.name, whole.operations());
    }
}

/// The files as a process that ends now leaves them.
fn as_left(files: &FaultFiles) -> MemoryFiles {
    let left = MemoryFiles::default();
    left.insert(path(), files.content(path()).unwrap());
    left
}

fn content_of(image: &[u8], parent: &[u8]) -> Vec<u8> {
    read(&open(in_memory(image).1), parent)
}

/// An extent in which some grains hold zeros and the order is not that of the disk.
fn worn(shape: Shape) -> Vec<u8> {
    let image = shape.filled(&[12, 3, 20, 0, 7, 15, 1, 9, 5]);
    let (file, storage) = in_memory(&image);
    let extent = open(storage);
    for grain in [3, 7, 9, 12] {
        extent.write(grain * shape.grain, &vec![0; shape.grain as usize * 512], None).unwrap();
    }
    extent.finish().unwrap();
    file.to_vec()
}

/// A case in which the content never changes.
fn unchanging(
    name: &str,
    image: Vec<u8>,
    parent: Option<Vec<u8>>,
    run: &dyn Fn(&Arc<dyn Storage>) -> Result<()>,
) {
    let content = content_of(&image, parent.as_deref().unwrap_or_default());
    let accepts = |seen: &[u8], _: Option<usize>| seen == content;
    let case = Case { name, image, parent, run, accepts: &accepts, damaged: false };
    case.survives_loss_of_power();
    case.survives_failures();
}

fn shapes() -> [Shape; 3] {
    [SMALL, Shape { redundant: false, ..SMALL }, Shape { shift: 3, ..SMALL }]
}

#[test]
fn shrinking_survives() {
    for shape in shapes() {
        unchanging("shrink", worn(shape), None, &|storage| {
            let extent = open(Arc::clone(storage));
            extent.shrink(false, &mut |_| ())?;
            extent.finish()
        });
    }
    let parent = pattern(50, SMALL.capacity);
    unchanging("shrink over a parent", worn(SMALL), Some(parent), &|storage| {
        let extent = open(Arc::clone(storage));
        extent.shrink(true, &mut |_| ())?;
        extent.finish()
    });
}

#[test]
fn defragmenting_survives() {
    for shape in shapes() {
        unchanging("defragment", worn(shape), None, &|storage| {
            let extent = open(Arc::clone(storage));
            extent.defragment(&mut |_| ())?;
            extent.finish()
        });
    }
}

#[test]
fn what_failed_can_be_done_again_in_the_same_process() {
    let image = worn(SMALL);
    let content = content_of(&image, &[]);
    type Run = fn(&dyn Extent) -> Result<()>;
    let runs: [Run; 2] =
        [|extent| extent.shrink(false, &mut |_| ()), |extent| extent.defragment(&mut |_| ())];
    for run in runs {
        for fault in FAULTS {
            for operation in 0..60 {
                let files = FaultFiles::default();
                files.insert(path(), image.clone());
                files.fail_at(operation, fault);
                let storage = file_of(&files);
                let extent = open(Arc::clone(&storage));
                let result = run(&extent);
                files.stop_failing();
                assert!(read(&extent, &[]) == content, "{fault:?} at {operation}: {result:?}");
                // A failed flush is for good; everything else can be tried again.
                if run(&extent).is_ok() {
                    extent.finish().unwrap();
                    assert!(assert_sound(&storage).leaked_sectors == 0);
                }
                assert!(read(&open(storage), &[]) == content);
            }
        }
    }
}

#[test]
fn growing_survives() {
    for shape in shapes() {
        for capacity in [shape.capacity + 3, 4 * 8 * 140] {
            let image = worn(shape);
            let old = content_of(&image, &[]);
            let accepts = |seen: &[u8], operations: Option<usize>| {
                let is_whole =
                    seen.len() == old.len() && operations.is_some() || seen.len() as u64 == capacity * 512;
                is_whole && seen[..old.len()] == old && seen[old.len()..].iter().all(|byte| *byte == 0)
            };
            let run = |storage: &Arc<dyn Storage>| grow(storage, capacity, &mut |_| ());
            let case =
                Case { name: "grow", image, parent: None, run: &run, accepts: &accepts, damaged: false };
            case.survives_loss_of_power();
            let accepts = |seen: &[u8], _: Option<usize>| accepts(seen, Some(0));
            Case { accepts: &accepts, ..case }.survives_failures();
        }
    }
}

#[test]
fn growing_leaves_the_file_as_it_was_when_it_fails() {
    let image = worn(SMALL);
    for operation in 0..8 {
        let files = FaultFiles::default();
        files.insert(path(), image.clone());
        files.fail_at(operation, Fault::NO_SPACE.after(700));
        let result = grow(&file_of(&files), 4 * 8 * 140, &mut |_| ());
        assert!(result.is_err());
        assert_eq!(files.content(path()).unwrap().len(), image.len(), "at {operation}");
    }
}

/// What has been written to an extent, and when it was flushed.
#[derive(Default)]
struct History {
    /// Operations that had ended when a flush returned, and how many of the writes it covers.
    flushes: Vec<(usize, usize)>,
    /// Sector and data.
    writes: Vec<(u64, Vec<u8>)>,
}

impl History {
    /// Whether each sector is that of the last flush before, or of a write that came later.
    fn accepts(&self, first: &[u8], seen: &[u8], operations: usize) -> bool {
        let flushed =
            self.flushes.iter().filter(|(ended, _)| *ended <= operations).map(|(_, writes)| *writes);
        let (sure, maybe) = self.writes.split_at(flushed.max().unwrap_or(0));
        let mut settled = first.to_vec();
        for (sector, data) in sure {
            settled[*sector as usize * 512..][..data.len()].copy_from_slice(data);
        }
        seen.len() == settled.len()
            && seen.chunks(512).zip(settled.chunks(512)).enumerate().all(|(number, (seen, settled))| {
                let newer = maybe.iter().any(|(start, data)| {
                    let within = (number as u64).checked_sub(*start).map(|within| within as usize * 512);
                    within.and_then(|within| data.get(within..within + 512)) == Some(seen)
                });
                seen == settled || newer
            })
    }
}

/// Writes and flushes; tells the history of it.
fn write_and_flush(
    storage: &Arc<dyn Storage>,
    files: &FaultFiles,
    parent: Option<&[u8]>,
) -> (Result<()>, History) {
    let mut history = History::default();
    let extent = open(Arc::clone(storage));
    let mut work = || {
        for round in 0..3u64 {
            for (number, start) in [round * 40, 150 - round * 30, round * 7 + 60].into_iter().enumerate() {
                let data = pattern(round * 3 + number as u64, 11);
                // Even a write that fails may have been done in part.
                history.writes.push((start, data.clone()));
                write(&extent, start, &data, parent)?;
            }
            extent.flush()?;
            history.flushes.push((files.operations(), history.writes.len()));
        }
        extent.finish()
    };
    let result = work();
    (result, history)
}

#[test]
fn writing_survives() {
    let over = |shape: Shape, parent: Option<Vec<u8>>| (shape, parent);
    for (shape, parent) in [
        over(SMALL, None),
        over(Shape { tables: false, ..SMALL }, None),
        over(Shape { tables: false, redundant: false, entries: 1, ..SMALL }, None),
        over(SMALL, Some(pattern(80, SMALL.capacity))),
        over(Shape { tables: false, ..SMALL }, Some(pattern(80, SMALL.capacity))),
    ] {
        let first = content_of(&shape.image(), parent.as_deref().unwrap_or_default());
        let whole = FaultFiles::default();
        let run = |fault: Option<(usize, Fault)>, images| {
            let files = FaultFiles::default();
            files.insert(path(), shape.image());
            if let Some((operation, fault)) = fault {
                files.fail_at(operation, fault);
            }
            let (result, history) = write_and_flush(&file_of(&files), &files, parent.as_deref());
            assert_eq!(result.is_err(), fault.is_some(), "{fault:?}");
            let accepts = |seen: &[u8], operations: Option<usize>| {
                history.accepts(&first, seen, operations.unwrap_or(usize::MAX))
            };
            let case = Case {
                name: "write",
                image: Vec::new(),
                parent: parent.clone(),
                run: &|_| Ok(()),
                accepts: &accepts,
                damaged: false,
            };
            let when = format!("{fault:?}");
            case.verify(&as_left(&files), None, &when);
            files.power_losses(images, |loss| case.verify(&loss.files, Some(loss.operations), &when));
            files.operations()
        };
        drop(whole);
        let operations = run(None, IMAGES);
        for operation in 0..operations {
            // Whole sectors of data: less is not promised to whoever writes over it.
            for fault in [Fault::IO, Fault::NO_SPACE.after(512), Fault::IO.after(1024).lasting()] {
                run(Some((operation, fault)), IMAGES_AFTER_FAILURE);
            }
        }
    }
}

#[test]
fn repairing_survives() {
    let image = SMALL.filled(&[4, 0, 20, 1, 9, 8]);
    let place = u64::from(SMALL.entry(&image, Side::Primary, 4));
    type Damage<'a> = (&'a str, &'a dyn Fn(&mut Vec<u8>));
    let damages: [Damage<'_>; 7] = [
        ("shared", &|image| {
            SMALL.set_entries(image, 9, place);
            SMALL.set_entries(image, 13, place + 2);
        }),
        ("wiped", &|image| (0..4).for_each(|grain| SMALL.set_entry(image, Side::Primary, grain, 0))),
        ("lost table", &|image| SMALL.set_directory(image, Side::Primary, 1, 9999)),
        ("absent table", &|image| SMALL.set_directory(image, Side::Redundant, 2, 0)),
        ("tables in one place", &|image| {
            SMALL.set_directory(image, Side::Primary, 1, SMALL.table(Side::Primary, 2));
            SMALL.set_entry(image, Side::Redundant, 20, place + 100_000);
        }),
        ("lost directory", &|image| image[56..64].copy_from_slice(&(1u64 << 40).to_le_bytes())),
        ("out of the file", &|image| {
            SMALL.set_entries(image, 8, 90_000);
            SMALL.set_entry(image, Side::Primary, 1, 80_000);
            image[64..72].copy_from_slice(&(1u64 << 40).to_le_bytes());
        }),
    ];
    for (name, damage) in damages {
        let mut damaged = image.clone();
        damage(&mut damaged);
        let (file, storage) = in_memory(&damaged);
        check(&storage, true, &mut |_| ()).unwrap();
        let content = content_of(&file.to_vec(), &[]);
        let accepts = |seen: &[u8], _: Option<usize>| seen == content;
        let run = |storage: &Arc<dyn Storage>| check(storage, true, &mut |_| ()).map(|_| ());
        let case = Case { name, image: damaged, parent: None, run: &run, accepts: &accepts, damaged: true };
        case.survives_loss_of_power();
        case.survives_failures();
    }
}

#[test]
fn a_header_that_cannot_be_written_is_the_old_one() {
    let image = worn(SMALL);
    let old = RawHeader::parse(&image).unwrap().capacity;
    for bytes in [1, 15, 17, 50, 60, 511] {
        let files = FaultFiles::default();
        files.insert(path(), image.clone());
        let storage = file_of(&files);
        // The write of the header is the last one but its sync.
        let count = {
            let rehearsal = FaultFiles::default();
            rehearsal.insert(path(), image.clone());
            grow(&file_of(&rehearsal), 9999, &mut |_| ()).unwrap();
            rehearsal.operations()
        };
        files.fail_at(count - 2, Fault::IO.after(bytes));
        assert!(grow(&storage, 9999, &mut |_| ()).is_err());
        assert_eq!(RawHeader::read(&*storage).unwrap().capacity, old);
        assert_eq!(files.content(path()).unwrap(), image, "{bytes}");
    }
}
