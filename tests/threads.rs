//! Many threads at once: handles on chains that share their parents, and handles that share one disk. Every byte that
//! is read is compared. `scripts/test.sh tsan` runs it under ThreadSanitizer too.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use common::*;
use vixDiskLib::session::{DiskKind, OpenFlags, manage};

const THREADS: usize = 64;
const CAPACITY: u64 = 20_000;
/// Rounds of one thread.
const ROUNDS: u64 = 30;
/// Sectors that one thread of a shared disk has for itself.
const SHARE: u64 = CAPACITY / THREADS as u64;

/// A chain of a base and a link over it, both with data; returns its upper link and what it shows.
fn chain(folder: &tempfile::TempDir) -> (PathBuf, Vec<u8>) {
    let base = in_folder(folder, "base.vmdk");
    create(&base, DiskKind::VmfsFlat, CAPACITY);
    let open = Open::writable(&base);
    open.disk.write(0, &Bytes(1).vec(CAPACITY as usize * SECTOR)).unwrap();
    open.close();
    let middle = child_of(&base, "middle.vmdk");
    let open = Open::writable(&middle);
    for start in (100..CAPACITY - 300).step_by(1000) {
        open.disk.write(start, &Bytes(start).vec(300 * SECTOR)).unwrap();
    }
    let content = open.read_all();
    open.close();
    (middle, content)
}

fn child_of(parent: &Path, name: &str) -> PathBuf {
    let path = parent.with_file_name(name);
    let open = Open::read_only(parent);
    manage::create_child(open.handle(), &path, DiskKind::MonolithicSparse, &mut |_| ()).unwrap();
    open.close();
    path
}

/// Reads asynchronously what a part of the disk shows; the number of requests that have ended is counted.
fn read_later(open: &Open, start: u64, sectors: u64, ended: &Arc<AtomicUsize>) -> Arc<Mutex<Vec<u8>>> {
    let buffer = Arc::new(Mutex::new(vec![0; sectors as usize * SECTOR]));
    let (target, ended) = (Arc::clone(&buffer), Arc::clone(ended));
    let work = move |disk: &vixDiskLib::session::open_disk::OpenDisk, _| {
        disk.read(start, &mut target.lock().unwrap()).map(|()| true)
    };
    open.disk
        .submit(sectors, work, move |result| {
            result.unwrap();
            ended.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
    buffer
}

#[test]
fn leaves_that_share_their_parents_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (middle, content) = chain(&folder);
    let leaves: Vec<PathBuf> =
        (0..THREADS).map(|number| child_of(&middle, &format!("leaf{number}.vmdk"))).collect();
    let content = &content;
    thread::scope(|scope| {
        for (number, leaf) in leaves.iter().enumerate() {
            scope.spawn(move || work_on_a_leaf(leaf, number as u64, content.clone()));
        }
    });
    let open = Open::read_only(&middle);
    assert!(&open.read_all() == content, "the parent has changed");
}

fn work_on_a_leaf(leaf: &Path, number: u64, mut expected: Vec<u8>) {
    let mut random = Bytes(number * 31 + 7);
    let mut open = Open::writable(leaf);
    let ended = Arc::new(AtomicUsize::new(0));
    for round in 0..ROUNDS {
        let sectors = 1 + random.below(200);
        let start = random.below(CAPACITY - sectors);
        let data = random.vec(sectors as usize * SECTOR);
        open.disk.write(start, &data).unwrap();
        expected[start as usize * SECTOR..][..data.len()].copy_from_slice(&data);
        let sectors = 1 + random.below(700);
        let start = random.below(CAPACITY - sectors);
        let part = &expected[start as usize * SECTOR..][..sectors as usize * SECTOR];
        let later = read_later(&open, start, sectors, &ended);
        assert!(open.read(start, sectors) == part, "leaf {number}, round {round}");
        open.disk.wait().unwrap();
        assert!(*later.lock().unwrap() == part, "leaf {number}, round {round}, later");
        match round % 10 {
            3 => open.disk.flush().unwrap(),
            7 => {
                open.close();
                open = Open::writable(leaf);
            }
            _ => {}
        }
    }
    assert_eq!(ended.load(Ordering::Relaxed) as u64, ROUNDS);
    open.close();
    assert!(Open::read_only(leaf).read_all() == expected, "leaf {number}, at last");
}

#[test]
fn handles_that_share_a_disk_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    for kind in [DiskKind::MonolithicSparse, DiskKind::SplitFlat] {
        let path = in_folder(&folder, &format!("{}.vmdk", qemu_name(kind)));
        create(&path, kind, CAPACITY);
        thread::scope(|scope| {
            for number in 0..THREADS as u64 {
                let path = &path;
                scope.spawn(move || work_on_a_share(path, number));
            }
        });
        qemu_check(&path);
        let open = Open::read_only(&path);
        for number in 0..THREADS as u64 {
            let found = open.read(number * SHARE, SHARE);
            let last = Bytes(number * 1000 + ROUNDS).vec(SHARE as usize * SECTOR);
            assert!(found == last, "{kind:?}, share {number}, at last");
        }
    }
}

/// Writes a part of the disk again and again, through a handle of its own; grains are shared with neighbours.
fn work_on_a_share(path: &Path, number: u64) {
    let open = Open::writable(path);
    for round in 1..=ROUNDS {
        let data = Bytes(number * 1000 + round).vec(SHARE as usize * SECTOR);
        open.disk.write(number * SHARE, &data).unwrap();
        assert!(open.read(number * SHARE, SHARE) == data, "share {number}, round {round}");
        match round % 5 {
            2 => open.disk.flush().unwrap(),
            4 => drop(open.disk.allocated_blocks(0, CAPACITY, 128).unwrap()),
            _ => {}
        }
    }
    open.close();
}

#[test]
fn a_disk_that_is_closed_while_others_read_it_gives_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (middle, content) = chain(&folder);
    for _ in 0..20 {
        let open = Open::with(&middle, OpenFlags { read_only: true, ..OpenFlags::default() }).unwrap();
        let disk = Arc::clone(&open.disk);
        thread::scope(|scope| {
            for number in 0..8u64 {
                let (disk, content) = (&disk, &content);
                scope.spawn(move || {
                    let mut buffer = vec![0; 100 * SECTOR];
                    let start = number * 2000;
                    while disk.read(start, &mut buffer).is_ok() {
                        assert!(buffer == content[start as usize * SECTOR..][..100 * SECTOR]);
                    }
                });
            }
            thread::sleep(std::time::Duration::from_millis(1));
            open.close();
        });
    }
}
