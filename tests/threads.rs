//! 64 threads, each with a handle of its own, over chains that share their parents: every leaf has what its thread has
//! written and below that what the parents have, whatever the others do. `scripts/test.sh tsan` runs this under
//! ThreadSanitizer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use common::*;
use vixDiskLib::session::open_disk::OpenDisk;
use vixDiskLib::session::queue::Attempt;
use vixDiskLib::session::{DiskKind, manage};

const THREADS: usize = 64;
const ROUNDS: usize = 40;
/// A few tables' worth of grains would be slow; several grains, the last one cut.
const CAPACITY: u64 = 1_100;
/// Sectors of one request; not a multiple of a grain.
const PIECE: u64 = 50;

fn child(parent: &Path, path: PathBuf, kind: DiskKind) -> PathBuf {
    let open = Open::read_only(parent);
    manage::create_child(open.handle(), &path, kind, &mut |_| ()).unwrap();
    open.close();
    path
}

/// Writes here and there; returns the whole content.
fn scatter(path: &Path, seed: u64) -> Vec<u8> {
    let (open, mut random) = (Open::writable(path), Bytes(seed));
    for _ in 0..4 {
        let start = random.below(CAPACITY - PIECE);
        open.disk.write(start, &random.vec(PIECE as usize * SECTOR)).unwrap();
    }
    let content = open.read_all();
    open.close();
    content
}

/// A base, two children of it, and leaves over those and over the base itself, with what they show.
fn family(folder: &tempfile::TempDir, base_kind: DiskKind) -> Vec<(PathBuf, Vec<u8>)> {
    let stem = qemu_name(base_kind);
    let name = |what: &str| in_folder(folder, &format!("{stem}-{what}.vmdk"));
    let base = name("base");
    create(&base, base_kind, CAPACITY);
    let mut parents = vec![(base.clone(), scatter(&base, 3))];
    for (number, kind) in [DiskKind::MonolithicSparse, DiskKind::SplitSparse].into_iter().enumerate() {
        let middle = child(&base, name(&format!("middle{number}")), kind);
        parents.push((middle.clone(), scatter(&middle, 7 + number as u64)));
    }
    let leaf = |number: usize| {
        let (parent, content) = &parents[number % parents.len()];
        let path = name(&format!("leaf{number}"));
        (child(parent, path, DiskKind::MonolithicSparse), content.clone())
    };
    (0..THREADS / 2).map(leaf).collect()
}

/// Reads a piece on whatever thread does it.
fn read_async(disk: &Arc<OpenDisk>, start: u64) -> Vec<u8> {
    let result = Arc::new(Mutex::new(Vec::new()));
    let (target, errors) = (Arc::clone(&result), Arc::new(AtomicUsize::new(0)));
    let failed = Arc::clone(&errors);
    let work = move |disk: &OpenDisk, attempt| {
        let mut buffer = vec![0xAA; PIECE as usize * SECTOR];
        let read = match attempt {
            Attempt::Quick => disk.read_cached(start, &mut buffer),
            Attempt::Full => disk.read(start, &mut buffer).map(|()| true),
        };
        *target.lock().unwrap() = buffer;
        read
    };
    let done = move |result: vixDiskLib::error::Result<()>| {
        errors.fetch_add(usize::from(result.is_err()), Ordering::SeqCst);
    };
    // More sectors than there are, so that it goes to another thread.
    disk.submit(4 * CAPACITY, work, done).unwrap();
    disk.wait().unwrap();
    assert_eq!(failed.load(Ordering::SeqCst), 0);
    std::mem::take(&mut *result.lock().unwrap())
}

/// What one thread does; returns what its leaf must hold.
fn use_leaf(path: &Path, mut content: Vec<u8>, number: usize, begin: &Barrier) -> Vec<u8> {
    let (mut open, mut random) = (Open::writable(path), Bytes(1000 + number as u64));
    begin.wait();
    for round in 0..ROUNDS {
        let start = random.below(CAPACITY - PIECE);
        let range = start as usize * SECTOR..(start + PIECE) as usize * SECTOR;
        match round % 4 {
            0 => {
                let data = random.vec(PIECE as usize * SECTOR);
                open.disk.write(start, &data).unwrap();
                content[range].copy_from_slice(&data);
            }
            1 => assert!(open.read(start, PIECE) == content[range], "thread {number}, round {round}"),
            2 => assert!(read_async(&open.disk, start) == content[range], "thread {number}, round {round}"),
            _ => open.disk.flush().unwrap(),
        }
        if round == ROUNDS / 2 {
            open.close();
            open = Open::writable(path);
        }
    }
    assert!(open.read_all() == content, "thread {number}");
    open.close();
    content
}

#[test]
fn threads_on_chains_that_share_parents_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut leaves = family(&folder, DiskKind::MonolithicSparse);
    leaves.extend(family(&folder, DiskKind::SplitFlat));
    assert_eq!(leaves.len(), THREADS);
    let begin = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let begin = &begin;
        let mut threads = Vec::new();
        for (number, (path, content)) in leaves.iter().enumerate() {
            let content = content.clone();
            threads.push((path, scope.spawn(move || use_leaf(path, content, number, begin))));
        }
        for (path, thread) in threads {
            let content = thread.join().unwrap();
            let open = Open::read_only(path);
            assert!(open.read_all() == content, "{}", path.display());
            open.close();
            assert_eq!(manage::check(connection(), path, false).unwrap(), Default::default());
        }
    });
    println!("threads: {THREADS} threads with {ROUNDS} rounds each");
}
