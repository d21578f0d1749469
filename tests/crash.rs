//! A process that writes and flushes is killed at random points. Afterwards the disk opens, qemu-img finds no
//! error, every flushed write is there, and every sector has the old content, the new one, or nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::*;
use vixDiskLib::session::DiskKind;

/// How often the writer is killed.
const KILLS: u32 = 200;
const CAPACITY: u64 = 300_000;
const SLOTS: u64 = 64;
/// Sectors of one write; not a multiple of a grain, so grains are written in part too.
const SLOT_SECTORS: u64 = 200;

fn place(slot: u64) -> u64 {
    // Spread over several tables, in an order that is not that of the file.
    (slot * 37 % SLOTS) * (CAPACITY / SLOTS)
}

/// What generation `generation` of a slot looks like: every sector tells slot and generation.
fn pattern(slot: u64, generation: u64) -> Vec<u8> {
    let mut data = vec![0; SLOT_SECTORS as usize * SECTOR];
    if generation > 0 {
        for (index, sector) in data.chunks_mut(SECTOR).enumerate() {
            sector[..8].copy_from_slice(&generation.to_le_bytes());
            sector[8..16].copy_from_slice(&slot.to_le_bytes());
            Bytes(generation * 1000 + slot * 10 + index as u64 + 1).fill(&mut sector[16..]);
        }
    }
    data
}

/// The program is its own child: with a disk in the environment it is the writer.
fn main() {
    match std::env::var("CRASH_DISK") {
        Ok(disk) => writer(&disk),
        Err(_) => no_kill_loses_a_flushed_write_or_breaks_the_disk(),
    }
}

/// The writer: announces each round before and after its flush, until it is killed.
fn writer(path: &str) {
    let first: u64 = std::env::var("CRASH_GENERATION").unwrap().parse().unwrap();
    let open = Open::writable(Path::new(path));
    let mut out = std::io::stdout();
    let mut random = Bytes(first * 7919 + 1);
    for generation in first.. {
        let slots: Vec<u64> = (0..1 + random.below(6)).map(|_| random.below(SLOTS)).collect();
        writeln!(
            out,
            "CRASH begin {generation} {}",
            slots.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
        )
        .unwrap();
        for slot in &slots {
            open.disk.write(place(*slot), &pattern(*slot, generation)).unwrap();
        }
        open.disk.flush().unwrap();
        writeln!(out, "CRASH flushed {generation}").unwrap();
    }
}

/// What the test knows of a slot: the generation that was flushed, and one that may have come after it.
#[derive(Clone, Copy, Default)]
struct Slot {
    flushed: u64,
    begun: u64,
}

fn no_kill_loses_a_flushed_write_or_breaks_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    for kind in [DiskKind::MonolithicSparse, DiskKind::SplitSparse] {
        let path = in_folder(&folder, &format!("{}.vmdk", qemu_name(kind)));
        create(&path, kind, CAPACITY);
        let mut slots = [Slot::default(); SLOTS as usize];
        let mut random = Bytes(0xC0FFEE);
        let mut generation = 1;
        for kill in 0..KILLS / 2 {
            generation = run_and_kill(&path, generation, random.below(25_000), &mut slots);
            verify(&path, &mut slots, kill);
        }
        let flushed = slots.iter().filter(|slot| slot.flushed > 0).count();
        assert!(flushed as u64 > SLOTS / 2, "only {flushed} of {SLOTS} places were ever flushed");
        println!("{kind:?}: killed {} times in round {generation}, nothing flushed was lost", KILLS / 2);
    }
    println!("crash: 1 passed, 0 failed");
}

/// Runs the writer for a while, kills it, and notes what it announced. Returns the next generation.
fn run_and_kill(path: &Path, first: u64, microseconds: u64, slots: &mut [Slot]) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env("CRASH_DISK", path)
        .env("CRASH_GENERATION", first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (started, start) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut lines = Vec::new();
        for line in output.lines().map_while(Result::ok) {
            if let Some(at) = line.find("CRASH ") {
                let _ = started.send(());
                lines.push(line[at..].to_owned());
            }
        }
        lines
    });
    // The clock runs from the first write on, so that kills fall into writing and not into starting.
    start.recv_timeout(Duration::from_secs(20)).expect("the writer does not start");
    std::thread::sleep(Duration::from_micros(microseconds));
    child.kill().unwrap();
    child.wait().unwrap();
    let mut next = first;
    let mut begun: Vec<usize> = Vec::new();
    for line in reader.join().unwrap() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.get(1..) {
            Some(["begin", generation, numbers @ ..]) => {
                let Ok(generation) = generation.parse::<u64>() else { continue };
                next = generation + 1;
                begun = numbers.iter().filter_map(|number| number.parse().ok()).collect();
                begun.iter().for_each(|slot| slots[*slot].begun = generation);
            }
            Some(["flushed", generation]) => {
                let generation = generation.parse().unwrap();
                begun.iter().for_each(|slot| slots[*slot].flushed = generation);
            }
            _ => {}
        }
    }
    next
}

fn verify(path: &Path, slots: &mut [Slot], kill: u32) {
    qemu_check(path);
    let open = Open::read_only(path);
    for (index, slot) in slots.iter_mut().enumerate() {
        let content = open.read(place(index as u64), SLOT_SECTORS);
        let (old, new) = (pattern(index as u64, slot.flushed), pattern(index as u64, slot.begun));
        for (number, sector) in content.chunks(SECTOR).enumerate() {
            let range = number * SECTOR..(number + 1) * SECTOR;
            let fine = sector == &old[range.clone()] || sector == &new[range];
            assert!(
                fine,
                "kill {kill}: sector {number} of slot {index} is neither generation {} nor {}",
                slot.flushed, slot.begun
            );
        }
        // What is there now is what the next round builds on; a mixture counts as not flushed.
        if content == new {
            slot.flushed = slot.begun;
        } else if content == old {
            slot.begun = slot.flushed;
        }
    }
    open.close();
}
