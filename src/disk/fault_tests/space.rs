//! Growing, shrinking, defragmenting, repairing.

use std::path::Path;

use super::samples::{CAPACITY, DISK, SAMPLES, Sample, damage, opened, pattern};
use super::{Case, End};
use crate::disk::check::{Health, check};
use crate::disk::create::DiskKind;
use crate::disk::grow::{grow, grow_in_pieces};
use crate::error::Kind;
use crate::io::fault::FaultFiles;
use crate::io::{Access, Files};

/// Sectors of a disk that has grown.
const LARGER: u64 = 2_000;

#[test]
fn a_growing_disk_has_its_old_capacity_or_its_new_one() {
    for sample in SAMPLES.into_iter().filter(|sample| !sample.is_stream() && !sample.has_parent()) {
        let old = sample.content();
        let mut new = old.clone();
        new.resize((LARGER * 512) as usize, 0);
        let files = FaultFiles::default();
        sample.fill(&files);
        let before = files.left().paths();
        Case {
            name: format!("growing {sample:?}"),
            set_up: &|files| drop(sample.fill(files)),
            run: &|run| {
                grow(&*run.files, Path::new(DISK), LARGER, true, &mut |_| ())?;
                run.mark();
                Ok(())
            },
            verify: &|after| {
                let found = after.content(DISK);
                if after.end == End::Refused {
                    assert_eq!(after.paths(), before, "{}", after.when);
                    assert!(found == old, "{}", after.when);
                } else {
                    assert!(found == new || after.marks == 0 && found == old, "{}", after.when);
                }
            },
        }
        .survives();
    }
}

/// The last extent grows, and two new ones come behind it; or the files of a disk are as they were.
#[test]
fn a_split_disk_that_could_not_grow_has_no_new_extents() {
    const MOST: u64 = 700;
    for sample in [Sample::Split(true), Sample::Split(false)] {
        let old = sample.content();
        let mut new = old.clone();
        new.resize((LARGER * 512) as usize, 0);
        let files = FaultFiles::default();
        sample.fill(&files);
        let before = files.left().paths();
        Case {
            name: format!("growing {sample:?} by new extents"),
            set_up: &|files| drop(sample.fill(files)),
            run: &|run| {
                grow_in_pieces(&*run.files, Path::new(DISK), (LARGER, MOST), true, &mut |_| ())?;
                run.mark();
                Ok(())
            },
            verify: &|after| {
                if after.end == End::Refused {
                    assert_eq!(after.paths(), before, "{}", after.when);
                }
                if after.marks == 1 {
                    assert_eq!(after.paths().len(), before.len() + 2, "{}", after.when);
                }
                let found = after.content(DISK);
                let fine = found == new && after.end != End::Refused || after.marks == 0 && found == old;
                assert!(fine, "{}: {} sectors", after.when, found.len() / 512);
            },
        }
        .survives();
    }
}

/// A disk in which grains are in no order and some hold zeros.
fn worn(sample: Sample, files: &FaultFiles) -> Vec<u8> {
    let mut content = sample.fill(files);
    let files: std::sync::Arc<dyn crate::io::Files> = std::sync::Arc::new(files.clone());
    let disk = crate::disk::open::open(&files, Path::new(DISK), Default::default()).unwrap();
    for (start, data) in [(400, pattern(100, 4)), (128, pattern(128, 5)), (256, vec![0; 128 * 512])] {
        disk.write(start, &data).unwrap();
        content[start as usize * 512..][..data.len()].copy_from_slice(&data);
    }
    disk.finish().unwrap();
    content
}

#[test]
fn tidying_never_changes_the_content() {
    for sample in SAMPLES.into_iter().filter(|sample| !sample.is_stream()) {
        let content = worn(sample, &FaultFiles::default());
        let (has_tables, plain) = (
            !matches!(sample, Sample::Plain(DiskKind::MonolithicFlat) | Sample::Split(false)),
            |files: &FaultFiles| drop(worn(sample, files)),
        );
        // There is nothing to be done for flat disks, and redo logs stay as ESX has made them.
        if !has_tables || sample == Sample::RedoLog {
            continue;
        }
        for shrink in [true, false] {
            Case {
                name: format!("{} {sample:?}", if shrink { "shrinking" } else { "defragmenting" }),
                set_up: &plain,
                run: &|run| {
                    let disk = opened(run)?;
                    if shrink { disk.shrink(&mut |_| ()) } else { disk.defragment(&mut |_| ()) }?;
                    disk.finish()
                },
                verify: &|after| assert!(after.content(DISK) == content, "{}", after.when),
            }
            .survives();
        }
    }
}

/// The file of the last extent, and the byte of its first primary table (see the layout: 1 + (1 + 4) + 1 sectors before
/// it, and the descriptor in a file of one extent).
fn table_of(sample: Sample) -> (&'static str, u64) {
    if sample == Sample::Split(true) { ("/a/d-s002.vmdk", 7 * 512) } else { (DISK, 27 * 512) }
}

/// Makes the number of cylinders in the descriptor larger, if it has one.
fn damage_geometry(files: &FaultFiles) -> bool {
    let bytes = files.content(Path::new(DISK)).unwrap();
    let key = b"geometry.cylinders =";
    let at = bytes.windows(key.len()).position(|part| part == key);
    at.inspect(|at| damage(files, DISK, *at as u64 + 22, b"9")).is_some()
}

#[test]
fn a_repair_that_fails_makes_nothing_worse() {
    for sample in [Sample::Plain(DiskKind::MonolithicSparse), Sample::Split(true), Sample::Child] {
        let content = sample.content();
        let (file, table) = table_of(sample);
        Case {
            name: format!("repairing {sample:?}"),
            set_up: &|files| {
                sample.fill(files);
                damage(files, file, table, &[0xEE; 2048]);
                assert_ne!(damage_geometry(files), sample.has_parent());
            },
            run: &|run| {
                let health = check(&*run.files, Path::new(DISK), true, &mut |_| ())?;
                let least = if sample.has_parent() { 1 } else { 2 };
                assert!(health.damage >= least && health.left == 0, "{health:?}");
                run.mark();
                Ok(())
            },
            verify: &|after| {
                let found = after.content(DISK);
                assert!(found == content && found.len() == (CAPACITY * 512) as usize, "{}", after.when);
            },
        }
        .survives();
    }
}

/// The number of a table's first entry that is not 0, and its place in a file.
fn first_entry(content: &[u8], table: usize) -> (u32, u64) {
    let number = |at: usize| u32::from_le_bytes(content[at..at + 4].try_into().unwrap());
    let at = (table..).step_by(4).find(|at| number(*at) != 0).unwrap();
    (number(at), at as u64)
}

/// Streams and redo logs have one copy of everything: damage is told, and a repair leaves them alone.
#[test]
fn what_cannot_be_repaired_is_told_and_left_alone() {
    type Damage = fn(&FaultFiles);
    const LOG: &str = "/a/d-delta.vmdk";
    fn entry(files: &FaultFiles) -> (u32, u64) {
        let content = files.content(Path::new(LOG)).unwrap();
        let table = u32::from_le_bytes(content[2048..2052].try_into().unwrap());
        first_entry(&content, table as usize * 512)
    }
    let redo_log: [(Damage, u64, &str); 5] = [
        (|files| damage(files, LOG, entry(files).1, &0x00ff_ff00_u32.to_le_bytes()), 8, "past the end"),
        (|files| damage(files, LOG, entry(files).1, &2_u32.to_le_bytes()), 128, "cannot be found"),
        (|files| damage(files, LOG, 2048, &0x00ff_ff00_u32.to_le_bytes()), CAPACITY, "cannot be found"),
        (|files| damage(files, LOG, entry(files).1 + 4, &entry(files).0.to_le_bytes()), 0, "where others do"),
        (
            |files| files.open(Path::new(LOG), Access::ReadWrite).unwrap().set_len(100).unwrap(),
            0,
            "extent 1 of 1",
        ),
    ];
    let stream: [(Damage, u64, &str); 1] =
        [(|files| damage(files, DISK, 128 * 512 + 100, &[0x55; 8]), 128, "extent 1 of 1")];
    let redo_log = redo_log.into_iter().map(|damage| (Sample::RedoLog, damage));
    let stream = stream.into_iter().map(|damage| (Sample::Plain(DiskKind::StreamOptimized), damage));
    for (sample, (harm, lost, text)) in redo_log.chain(stream) {
        let files = FaultFiles::default();
        sample.fill(&files);
        let sound = check(&files, Path::new(DISK), true, &mut |text| panic!("{text}")).unwrap();
        assert_eq!(sound, Health::default());
        harm(&files);
        let contents = || {
            let left = files.left();
            left.paths().iter().map(|path| left.content(path)).collect::<Vec<_>>()
        };
        let before = contents();
        let mut told = Vec::new();
        let found = check(&files, Path::new(DISK), false, &mut |text| told.push(text.to_owned())).unwrap();
        assert!(told.iter().any(|told| told.contains(text)), "{sample:?}, {text}: {told:?}");
        assert!(found.damage > 0 && found.left == found.damage, "{sample:?}, {text}: {found:?}");
        assert_eq!(found.lost_sectors, lost, "{sample:?}, {text}: {told:?}");
        let error = check(&files, Path::new(DISK), true, &mut |_| ()).unwrap_err();
        assert_eq!(error.kind(), Kind::CannotRepair, "{error}");
        assert!(contents() == before, "{sample:?}, {text}");
    }
}
