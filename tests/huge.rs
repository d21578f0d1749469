//! A disk of 62 TiB, the largest there is: what is done with it stays small. Times are in `make bench`, since a test
//! with a clock fails on a busy machine; memory does not depend on that.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod common;

use std::path::Path;
use std::process::Command;

use common::*;
use vixDiskLib::session::{DiskKind, manage};

/// Sectors of 62 TiB.
const CAPACITY: u64 = 62 << 31;

/// Most memory that the process may have had, in KiB: 32 MiB, code and test harness included.
const MOST_KIB: u64 = 32 << 10;

/// Names the folder to the child process.
const FOLDER: &str = "HUGE_FOLDER";

/// Sectors that are written at each end.
const WRITTEN: u64 = 129;

/// The highest memory that this process has had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Not a test of its own: what the child process of the next one does.
#[test]
fn a_disk_is_made_written_mapped_and_checked() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let path = Path::new(&folder).join("huge.vmdk");
    create(&path, DiskKind::MonolithicSparse, CAPACITY);
    let data = vec![0x5A; WRITTEN as usize * SECTOR];
    let places = [0, CAPACITY - WRITTEN];
    let open = Open::writable(&path);
    places.iter().for_each(|place| open.disk.write(*place, &data).unwrap());
    open.close();
    let open = Open::read_only(&path);
    assert!(places.iter().all(|place| open.read(*place, WRITTEN) == data));
    let blocks = open.disk.allocated_blocks(0, CAPACITY, 128).unwrap();
    assert_eq!(blocks.len(), 2, "{blocks:?}");
    open.close();
    let health = manage::check(connection(), &path, false).unwrap();
    assert_eq!((health.damage, health.left), (0, 0));
    println!("PEAK {}", peak_kib());
}

#[test]
fn a_disk_of_62_tib_takes_little_memory_and_little_space() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_disk_is_made_written_mapped_and_checked", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let peak = said.lines().find_map(|line| line.split_once("PEAK ")).unwrap().1;
    let peak: u64 = peak.trim().parse().unwrap();
    assert!(peak <= MOST_KIB, "it took {peak} KiB");
    use std::os::unix::fs::MetadataExt;
    let taken = std::fs::metadata(folder.path().join("huge.vmdk")).unwrap().blocks() * 512;
    assert!(taken < 40 << 20, "the file takes {taken} bytes");
}
