//! Growing, shrinking, defragmenting, repairing.

use std::path::Path;

use super::samples::{CAPACITY, DISK, SAMPLES, Sample, damage, opened, pattern};
use super::{Case, End};
use crate::disk::check::check;
use crate::disk::create::DiskKind;
use crate::disk::grow::grow;
use crate::io::fault::FaultFiles;

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

#[test]
fn a_repair_that_fails_makes_nothing_worse() {
    let sample = Sample::Plain(DiskKind::MonolithicSparse);
    let content = sample.content();
    Case {
        name: "repairing".to_owned(),
        set_up: &|files| {
            sample.fill(files);
            // The primary copy of the table (see the layout: 1 + 20 + (1 + 4) + 1 sectors before it), and the geometry.
            damage(files, DISK, 27 * 512, &[0xEE; 2048]);
            let bytes = files.content(Path::new(DISK)).unwrap();
            let key = b"geometry.cylinders =";
            let at = bytes.windows(key.len()).position(|part| part == key).unwrap();
            damage(files, DISK, at as u64 + 22, b"9");
        },
        run: &|run| {
            let health = check(&*run.files, Path::new(DISK), true, &mut |_| ())?;
            assert!(health.damage >= 2 && health.left == 0, "{health:?}");
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
