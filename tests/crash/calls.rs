//! A process is killed within each call that changes whole disks. Afterwards the disk has its content, if need be after
//! a repair that loses nothing, and what the call makes is whole or does not open.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use vixDiskLib::session::{Adapter, DiskKind, NewDisk, OpenFlags, manage};

use super::common::*;
use super::{DISK, spawn};

/// Environment of the child: the call.
pub(super) const CALL: &str = "CRASH_CALL";

/// How often each call on each kind of disk is killed.
const KILLS: u64 = 12;
const CAPACITY: u64 = 60_000;
const KINDS: [DiskKind; 4] =
    [DiskKind::MonolithicSparse, DiskKind::SplitSparse, DiskKind::MonolithicFlat, DiskKind::VmfsThin];

/// The calls, and whether they work on sparse disks only.
const CALLS: [(&str, bool); 11] = [
    ("create", false),
    ("close", false),
    ("metadata", false),
    ("grow", false),
    ("rename", false),
    ("repair", false),
    ("clone", false),
    ("child", false),
    ("unlink", false),
    ("shrink", true),
    ("defragment", true),
];

/// The child: opens what it needs, tells that it begins, and makes the call.
pub(super) fn child(call: &str, disk: &Path) {
    let other = disk.with_file_name("other.vmdk");
    // Starts the library, which is no part of the call.
    let connection = connection();
    let open = |read_only| Open::with(disk, OpenFlags { read_only, ..OpenFlags::default() }).unwrap();
    let begin = || {
        println!("begin");
        std::io::stdout().flush().unwrap();
    };
    let ignore = &mut |_| ();
    match call {
        "create" => {
            begin();
            create(&other, DiskKind::SplitSparse, CAPACITY);
        }
        "close" => {
            let open = open(false);
            write_more(&open);
            begin();
            open.close();
        }
        "metadata" => {
            let open = open(false);
            begin();
            (0..50).for_each(|number: u32| {
                let text = "x".repeat(number as usize * 10);
                open.disk.set_metadata(b"note", text.as_bytes()).unwrap();
            });
        }
        "grow" => {
            begin();
            manage::grow(connection, disk, CAPACITY * 40, true, ignore).unwrap();
        }
        "rename" => {
            begin();
            manage::rename(disk, &other).unwrap();
        }
        "repair" => {
            begin();
            manage::check(connection, disk, true).unwrap();
        }
        "clone" => {
            let new =
                NewDisk { kind: DiskKind::MonolithicSparse, adapter: Adapter::Ide, hardware: 7, capacity: 1 };
            begin();
            manage::clone((connection, &other), (connection, disk), &new, false, &mut |_| true).unwrap();
        }
        "child" => {
            let parent = open(true);
            begin();
            manage::create_child(parent.handle(), &other, DiskKind::MonolithicSparse, ignore).unwrap();
            let flags = OpenFlags { single_link: true, ..OpenFlags::default() };
            let child = Open::with(&other, flags).unwrap();
            manage::attach(parent.handle(), child.handle()).unwrap();
            write_more(&child);
            child.close();
        }
        "unlink" => {
            begin();
            manage::unlink(connection, disk).unwrap();
        }
        "shrink" => {
            let open = open(false);
            begin();
            manage::shrink(open.handle(), ignore).unwrap();
            open.close();
        }
        "defragment" => {
            let open = open(false);
            begin();
            manage::defragment(open.handle(), ignore).unwrap();
            open.close();
        }
        other => panic!("no call '{other}'"),
    }
    println!("end");
}

/// Writes of which each sector may be there or not after a kill.
const MORE: [(u64, u64); 3] = [(70, 500), (20_000, 3000), (CAPACITY - 1000, 900)];

fn write_more(open: &Open) {
    MORE.iter().for_each(|(sector, sectors)| open.disk.write(*sector, &new_data(*sector, *sectors)).unwrap());
}

fn new_data(sector: u64, sectors: u64) -> Vec<u8> {
    Bytes(sector + 3).vec(sectors as usize * SECTOR)
}

/// A disk with data out of order and grains of zeros; returns its content too.
fn filled(folder: &Path, kind: DiskKind) -> (PathBuf, Vec<u8>) {
    let path = folder.join("disk.vmdk");
    create(&path, kind, CAPACITY);
    let open = Open::writable(&path);
    let mut random = Bytes(5);
    for start in [30_000, 100, 9000, 45_000, 59_000] {
        open.disk.write(start, &random.vec(1000 * SECTOR)).unwrap();
    }
    open.disk.write(30_300, &vec![0; 400 * SECTOR]).unwrap();
    open.close();
    let content = Open::read_only(&path).read_all();
    (path, content)
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn start(call: &str, disk: &Path) -> (Child, Instant) {
    let mut child = spawn(&[(DISK, text(disk)), (CALL, call)]);
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "begin", "{call}");
    (child, Instant::now())
}

pub(super) fn no_call_that_is_killed_breaks_a_disk() {
    let mut kills = 0;
    let mut random = Bytes(0xBAD);
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let (original, content) = filled(folder.path(), kind);
        let is_sparse = matches!(kind, DiskKind::MonolithicSparse | DiskKind::SplitSparse);
        for (call, _) in CALLS.iter().filter(|(_, sparse_only)| is_sparse || !sparse_only) {
            let copy = || {
                let copy = tempfile::tempdir().unwrap();
                copy_folder(folder.path(), copy.path());
                copy
            };
            // Once to its end, which tells how long it takes.
            let whole = copy();
            let disk = whole.path().join(original.file_name().unwrap());
            let (mut child, began) = start(call, &disk);
            assert!(child.wait().unwrap().success(), "{call} of {kind:?}");
            let duration = began.elapsed().as_micros() as u64 + 1;
            judge(call, &disk, &content, true);
            for _ in 0..KILLS {
                let killed = copy();
                let disk = killed.path().join(original.file_name().unwrap());
                let (mut child, _) = start(call, &disk);
                std::thread::sleep(Duration::from_micros(random.below(duration)));
                child.kill().unwrap();
                child.wait().unwrap();
                judge(call, &disk, &content, false);
                kills += 1;
            }
        }
    }
    println!("calls: killed {kills} times, nothing was lost");
}

/// What is found after a call that ended, or was killed.
fn judge(call: &str, disk: &Path, content: &[u8], ended: bool) {
    let other = disk.with_file_name("other.vmdk");
    let at = |path: &Path| Open::with(path, OpenFlags { read_only: true, ..OpenFlags::default() });
    let is_whole = |path: &Path| at(path).is_ok_and(|open| open.read(0, CAPACITY) == content);
    match call {
        "rename" => {
            assert!(is_whole(&other) || !ended && is_whole(disk), "{call}, ended: {ended}");
            return;
        }
        "unlink" => {
            assert!(!disk.exists() || !ended && is_whole(disk), "{call}, ended: {ended}");
            return;
        }
        _ => {}
    }
    manage::check(connection(), disk, true).unwrap();
    let found = at(disk).unwrap().read(0, CAPACITY);
    if call == "close" {
        let written = with_more(content);
        let is_either = |at: usize| {
            let sector = at * SECTOR..(at + 1) * SECTOR;
            found[sector.clone()] == written[sector.clone()]
                || !ended && found[sector.clone()] == content[sector]
        };
        assert!((0..CAPACITY as usize).all(is_either), "{call}, ended: {ended}");
    } else {
        assert!(found == content, "{call}, ended: {ended}");
    }
    if matches!(call, "create" | "clone") {
        let expected = if call == "create" { vec![0; CAPACITY as usize * SECTOR] } else { content.to_vec() };
        match at(&other) {
            Ok(open) => assert!(open.read_all() == expected, "what {call} made, ended: {ended}"),
            Err(error) => assert!(!ended, "{call}: {error}"),
        }
    }
}

fn with_more(content: &[u8]) -> Vec<u8> {
    let mut written = content.to_vec();
    for (sector, sectors) in MORE {
        written[sector as usize * SECTOR..][..sectors as usize * SECTOR]
            .copy_from_slice(&new_data(sector, sectors));
    }
    written
}
