//! What is done with whole disks: renaming, deleting, copying.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::samples::{CAPACITY, DISK, SAMPLES, Sample, make, new_disk, pattern};
use super::{Case, End, content_of};
use crate::disk::clone::clone;
use crate::disk::create::DiskKind;
use crate::disk::files::{rename, unlink};
use crate::disk::open::{Options, open};
use crate::io::Files;
use crate::io::fault::FaultFiles;

fn files_of(set_up: &dyn Fn(&FaultFiles)) -> Vec<PathBuf> {
    let files = FaultFiles::default();
    set_up(&files);
    files.left().paths()
}

#[test]
fn a_renamed_disk_is_whole_under_one_of_its_names() {
    for sample in SAMPLES {
        for target in ["/a/new.vmdk", "/b/new.vmdk"] {
            // What is named relative to a folder is not followed out of it.
            if sample.has_parent() && target.starts_with("/b") {
                continue;
            }
            let content = sample.content();
            let set_up = |files: &FaultFiles| drop(sample.fill(files));
            let before = files_of(&set_up);
            Case {
                name: format!("renaming {sample:?} to {target}"),
                set_up: &set_up,
                run: &|run| {
                    rename(&*run.files, Path::new(DISK), Path::new(target))?;
                    run.mark();
                    Ok(())
                },
                verify: &|after| match after.end {
                    End::Refused => {
                        assert_eq!(after.paths(), before, "{}", after.when);
                        assert!(after.content(DISK) == content, "{}", after.when);
                    }
                    End::Done => {
                        assert!(after.content(target) == content, "{}", after.when);
                        assert!(!after.has(DISK), "{}", after.when);
                    }
                    End::Dead | End::PowerLost => {
                        let whole = |path| after.try_content(path).is_ok_and(|found| found == content);
                        let fine = whole(target) || after.marks == 0 && whole(DISK);
                        assert!(fine, "{}: {:?}", after.when, after.paths());
                    }
                },
            }
            .survives();
        }
    }
}

#[test]
fn a_disk_is_there_or_deleted() {
    for sample in SAMPLES {
        let content = sample.content();
        Case {
            name: format!("deleting {sample:?}"),
            set_up: &|files| drop(sample.fill(files)),
            run: &|run| {
                unlink(&*run.files, Path::new(DISK))?;
                run.mark();
                Ok(())
            },
            verify: &|after| {
                let own = |path: &PathBuf| path.to_string_lossy().starts_with("/a/d");
                let left = after.paths().into_iter().filter(own).count();
                match after.end {
                    // Whoever asked can ask again, unless nothing of it is left but a file that cannot be removed.
                    End::Refused if after.has(DISK) => {
                        assert!(after.content(DISK) == content, "{}", after.when);
                    }
                    End::Refused => assert!(left <= 1, "{}: {:?}", after.when, after.paths()),
                    End::Done => assert!(left == 0, "{}: {:?}", after.when, after.paths()),
                    End::Dead | End::PowerLost => {
                        assert!(after.marks == 0 || left == 0, "{}: {:?}", after.when, after.paths());
                    }
                }
                if sample.has_parent() {
                    assert!(after.content("/a/base.vmdk") == pattern(CAPACITY, 1), "{}", after.when);
                }
            },
        }
        .survives();
    }
}

const TARGET: &str = "/b/copy.vmdk";

fn copy_case(sample: Sample, kind: DiskKind, old: Option<DiskKind>) {
    let content = sample.content();
    let set_up = |files: &FaultFiles| {
        sample.fill(files);
        let Some(old) = old else { return };
        make(files, TARGET, old);
        let files: Arc<dyn Files> = Arc::new(files.clone());
        let disk = open(&files, Path::new(TARGET), Options::default()).unwrap();
        disk.write(0, &pattern(CAPACITY, 77)).unwrap();
        disk.finish().unwrap();
        assert!(content_of(&disk).unwrap() == pattern(CAPACITY, 77));
    };
    let before = files_of(&set_up);
    Case {
        name: format!("cloning {sample:?} to {kind:?} over {old:?}"),
        set_up: &set_up,
        run: &|run| {
            let options = Options { read_only: true, single_link: false };
            let disk = open(&run.files, Path::new(DISK), options)?;
            clone(&disk, &run.files, Path::new(TARGET), &new_disk(kind), old.is_some(), &mut |_| true)?;
            run.mark();
            Ok(())
        },
        verify: &|after| {
            assert!(after.content(DISK) == content, "{}: the source", after.when);
            let at_target = after.contents(TARGET).map(|(_, content)| content);
            if after.marks == 1 {
                assert!(at_target.is_ok_and(|found| found == content), "{}", after.when);
                return;
            }
            // A disk without any space may not even have that of a name; the error tells what became of the old disk.
            let refused = after.end == End::Refused && !after.when.contains("could not be put back");
            if refused {
                assert_eq!(after.paths(), before, "{}", after.when);
            }
            if old.is_some() {
                // The old one or the new one is whole, if not at its place then beside it.
                let is_whole = |found: &[u8]| found == content || found == pattern(CAPACITY, 77);
                let beside = || {
                    let paths = after.paths().into_iter().filter(|path| path.starts_with("/b"));
                    paths.filter_map(|path| Some(after.contents(path.to_str()?).ok()?.1)).collect::<Vec<_>>()
                };
                let fine = at_target.is_ok_and(|found| is_whole(&found))
                    || !refused && beside().iter().any(|found| is_whole(found));
                assert!(fine, "{}: {:?}", after.when, after.paths());
            }
        },
    }
    .survives();
}

#[test]
fn a_copy_that_could_not_be_made_leaves_nothing() {
    let kinds = [
        DiskKind::MonolithicSparse,
        DiskKind::MonolithicFlat,
        DiskKind::SplitSparse,
        DiskKind::SplitFlat,
        DiskKind::StreamOptimized,
    ];
    for kind in kinds {
        copy_case(Sample::Split(true), kind, None);
    }
    for sample in SAMPLES {
        copy_case(sample, DiskKind::SplitSparse, None);
    }
}

#[test]
fn what_a_copy_replaces_stays_until_the_copy_is_whole() {
    for (kind, old) in [
        (DiskKind::MonolithicSparse, DiskKind::MonolithicSparse),
        (DiskKind::SplitFlat, DiskKind::MonolithicSparse),
        (DiskKind::StreamOptimized, DiskKind::SplitSparse),
        (DiskKind::MonolithicFlat, DiskKind::MonolithicFlat),
    ] {
        copy_case(Sample::Split(true), kind, Some(old));
    }
}
