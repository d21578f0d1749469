//! Writes, flushes, metadata.

use std::path::Path;
use std::sync::Arc;

use super::samples::{CAPACITY, CROWDED, DISK, SAMPLES, Sample, opened, pattern};
use super::{Case, End, Run, is_unfinished};
use crate::disk::create::DiskKind;
use crate::disk::open::{Options, open};
use crate::error::Result;
use crate::io::Files;
use crate::io::fault::{Fault, FaultFiles};

/// What is written, a flush after each row: new grains, old ones, zeros, over borders of grains and extents.
const WRITES: [&[(u64, u64, u8)]; 3] =
    [&[(10, 30, 3), (140, 200, 4)], &[(20, 5, 5), (380, 120, 6)], &[(128, 128, 0), (0, 3, 7)]];

fn data(sectors: u64, seed: u8) -> Vec<u8> {
    if seed == 0 { vec![0; (sectors * 512) as usize] } else { pattern(sectors, seed) }
}

/// The content after each row, the first one as it was before.
fn stages(first: Vec<u8>, rows: &[&[(u64, u64, u8)]]) -> Vec<Vec<u8>> {
    let mut stages = vec![first];
    for row in rows {
        let mut next = stages.last().unwrap().clone();
        for (start, sectors, seed) in *row {
            next[(start * 512) as usize..][..(sectors * 512) as usize]
                .copy_from_slice(&data(*sectors, *seed));
        }
        stages.push(next);
    }
    stages
}

fn write(run: &Run<'_>, rows: &[&[(u64, u64, u8)]]) -> Result<()> {
    let disk = opened(run)?;
    for row in rows {
        for (start, sectors, seed) in *row {
            disk.write(*start, &data(*sectors, *seed))?;
        }
        disk.flush()?;
        run.mark();
    }
    disk.finish()
}

#[test]
fn no_flushed_sector_is_lost() {
    for sample in SAMPLES.into_iter().chain(CROWDED).filter(|sample| !sample.is_stream()) {
        for filled in [false, true] {
            let stages = stages(
                if filled { sample.content() } else { super::samples::empty_content(sample) },
                &WRITES,
            );
            Case {
                name: format!("writing to {sample:?}, filled: {filled}"),
                set_up: &|files| if filled { drop(sample.fill(files)) } else { sample.make(files) },
                run: &|run| write(run, &WRITES),
                verify: &|after| after.verify_stages(DISK, &stages),
            }
            .survives();
        }
    }
}

/// A new stream is no disk before it is ended, and says so; what was ended stays when it is continued.
#[test]
fn a_stream_is_whole_or_says_that_it_is_not() {
    const ROWS: [&[(u64, u64, u8)]; 2] = [&[(260, 100, 3)], &[(390, 110, 4)]];
    let sample = Sample::Plain(DiskKind::StreamOptimized);
    for filled in [false, true] {
        let old = if filled { sample.content() } else { super::samples::empty_content(sample) };
        let all = stages(old.clone(), &ROWS);
        Case {
            name: format!("writing a stream, filled: {filled}"),
            set_up: &|files| if filled { drop(sample.fill(files)) } else { sample.make(files) },
            run: &|run| write(run, &ROWS),
            verify: &|after| match after.try_content(DISK) {
                Err(error) if !filled && after.end != End::Done => {
                    assert!(is_unfinished(&error), "{}: {error}", after.when);
                }
                Err(error) => panic!("{}: {error}", after.when),
                // What was flushed is certain only when the stream has been ended.
                Ok(content) => {
                    let stages = [old.clone(), all[2].clone()];
                    let fine = stages.contains(&content) && (after.end != End::Done || content == all[2]);
                    assert!(fine, "{}: neither the old stream nor the new one", after.when);
                }
            },
        }
        .survives();
    }
}

#[test]
fn metadata_has_the_old_values_or_the_new_ones() {
    let values: [&[u8]; 4] = [b"short", b"other", b"a value that is so much longer than the others", b""];
    for sample in SAMPLES.into_iter().chain(CROWDED) {
        let content = sample.content();
        Case {
            name: format!("metadata of {sample:?}"),
            set_up: &|files| drop(sample.fill(files)),
            run: &|run| {
                let disk = opened(run)?;
                for value in values {
                    disk.set_metadata(b"test.key", value)?;
                    run.mark();
                }
                disk.finish()
            },
            verify: &|after| {
                assert!(after.content(DISK) == content, "{}: the content has changed", after.when);
                let options = Options { read_only: true, single_link: false };
                let disk = open(&after.files, Path::new(DISK), options).unwrap();
                let found = disk.find_metadata(b"test.key");
                let mut allowed = values.iter().map(|value| Some(value.to_vec())).collect::<Vec<_>>();
                allowed.insert(0, None);
                assert!(allowed[after.marks..].contains(&found), "{}: {found:?}", after.when);
                assert_eq!(disk.sectors(), CAPACITY);
            },
        }
        .survives();
    }
}

#[test]
fn after_a_failed_change_of_the_metadata_another_one_works() {
    for sample in SAMPLES.into_iter().chain(CROWDED) {
        for at in 0..12 {
            let fault_files = FaultFiles::default();
            sample.fill(&fault_files);
            fault_files.settle();
            let files: Arc<dyn Files> = Arc::new(fault_files.clone());
            let disk = open(&files, Path::new(DISK), Options::default()).unwrap();
            fault_files.fail_at(at, Fault::IO.after(1536));
            let failed = disk.set_metadata(b"a", b"a long value that moves what is behind it").is_err();
            fault_files.stop_failing();
            // Who cannot flush any more cannot promise anything.
            if disk.set_metadata(b"b", b"1").is_err() {
                continue;
            }
            let files: Arc<dyn Files> = Arc::new(fault_files.left());
            let disk = open(&files, Path::new(DISK), Options::default()).unwrap();
            assert_eq!(disk.find_metadata(b"b").as_deref(), Some(&b"1"[..]), "{sample:?}, {at}");
            assert_eq!(disk.find_metadata(b"a").is_none(), failed, "{sample:?}, {at}");
            let hardware = disk.find_metadata(b"virtualHWVersion");
            assert_eq!(hardware.as_deref(), Some(&b"13"[..]), "{sample:?}, {at}");
        }
    }
}
