//! Making disks and children, attaching.

use std::path::Path;

use super::samples::{CAPACITY, DISK, SAMPLES, new_disk, pattern};
use super::{Case, End};
use crate::disk::create::{self, DiskKind};
use crate::disk::open::{Options, open};

const KINDS: [DiskKind; 7] = [
    DiskKind::MonolithicSparse,
    DiskKind::MonolithicFlat,
    DiskKind::SplitSparse,
    DiskKind::SplitFlat,
    DiskKind::VmfsFlat,
    DiskKind::VmfsThin,
    DiskKind::StreamOptimized,
];

const CHILD: &str = "/a/child.vmdk";
const READ: Options = Options { read_only: true, single_link: false };

#[test]
fn a_disk_that_could_not_be_made_leaves_nothing() {
    for kind in KINDS {
        Case {
            name: format!("creating {kind:?}"),
            set_up: &|_| (),
            run: &|run| {
                create::create(&*run.files, Path::new(DISK), &new_disk(kind), &mut |_| ())?;
                run.mark();
                Ok(())
            },
            verify: &|after| {
                if after.end == End::Refused {
                    assert!(after.paths().is_empty(), "{}: left {:?}", after.when, after.paths());
                }
                match after.try_content(DISK) {
                    Ok(content) => assert!(content == vec![0; (CAPACITY * 512) as usize], "{}", after.when),
                    Err(error) => assert_eq!(after.marks, 0, "{}: {error}", after.when),
                }
            },
        }
        .survives();
    }
}

#[test]
fn a_child_that_could_not_be_made_leaves_nothing_and_no_written_sector_of_the_parent_is_lost() {
    for sample in SAMPLES {
        for kind in [DiskKind::MonolithicSparse, DiskKind::SplitSparse] {
            let old = sample.content();
            let (place, data) = if sample.is_stream() { (300, pattern(60, 5)) } else { (50, pattern(60, 5)) };
            let mut new = old.clone();
            new[place * 512..][..data.len()].copy_from_slice(&data);
            let files_before = files_of(sample);
            Case {
                name: format!("{kind:?} over {sample:?}"),
                set_up: &|files| drop(sample.fill(files)),
                run: &|run| {
                    let disk = open(&run.files, Path::new(DISK), Options::default())?;
                    disk.write(place as u64, &data)?;
                    // What is written so far becomes durable with the child.
                    disk.create_child(&*run.files, Path::new(CHILD), kind, &mut |_| ())?;
                    run.mark();
                    disk.finish()
                },
                verify: &|after| {
                    if after.end == End::Refused && after.marks == 0 {
                        assert_eq!(after.paths(), files_before, "{}", after.when);
                    }
                    // A stream is whole when it has been ended only.
                    if sample.is_stream() {
                        let content = after.content(DISK);
                        assert!(content == old || content == new, "{}", after.when);
                    } else {
                        after.verify_stages(DISK, &[old.clone(), new.clone()]);
                    }
                    if after.marks == 1 {
                        // A child of a stream is one of what was written, and it is that when the stream is ended.
                        let content = after.content(CHILD);
                        assert!(content == new || sample.is_stream() && content == old, "{}", after.when);
                    }
                },
            }
            .survives();
        }
    }
}

/// The files that a sample has.
fn files_of(sample: super::samples::Sample) -> Vec<std::path::PathBuf> {
    let files = crate::io::fault::FaultFiles::default();
    sample.fill(&files);
    files.left().paths()
}

#[test]
fn an_attached_disk_takes_writes_and_its_parent_none() {
    for sample in SAMPLES {
        let old = sample.content();
        let mut new = old.clone();
        new[128 * 512..][..200 * 512].copy_from_slice(&pattern(200, 5));
        Case {
            name: format!("attaching to {sample:?}"),
            set_up: &|files| {
                sample.fill(files);
                let files: std::sync::Arc<dyn crate::io::Files> = std::sync::Arc::new(files.clone());
                let disk = open(&files, Path::new(DISK), READ).unwrap();
                let kind = DiskKind::MonolithicSparse;
                disk.create_child(&*files, Path::new(CHILD), kind, &mut |_| ()).unwrap();
            },
            run: &|run| {
                let parent = open(&run.files, Path::new(DISK), READ)?;
                let options = Options { read_only: false, single_link: true };
                let child = open(&run.files, Path::new(CHILD), options)?;
                let disk = child.attached_to(&parent)?;
                disk.write(128, &pattern(200, 5))?;
                disk.flush()?;
                run.mark();
                disk.finish()
            },
            verify: &|after| {
                assert!(after.content(DISK) == old, "{}: the parent has changed", after.when);
                after.verify_stages(CHILD, &[old.clone(), new.clone()]);
            },
        }
        .survives();
    }
}
