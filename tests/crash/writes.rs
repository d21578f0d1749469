//! A process that writes, flushes, changes metadata, closes and opens again is killed at random points. Afterwards the
//! disk opens, qemu-img finds no error, every flushed write is there, and every sector has the old content, the new one,
//! or nothing else.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use vixDiskLib::session::DiskKind;

use super::common::esx::Cowd;
use super::common::*;
use super::{DISK, spawn};

/// How often the writer of each disk is killed.
const KILLS: u32 = 100;
/// Then it is made anew, since most of its writes find grains that exist.
const KILLS_OF_A_DISK: u32 = 10;
const CAPACITY: u64 = 300_000;
const SLOTS: u64 = 64;
/// Sectors of one write; not a multiple of a grain, so grains are written in part too.
const SLOT_SECTORS: u64 = 200;

/// Environment of the writer: the first generation that it writes.
const GENERATION: &str = "CRASH_GENERATION";

fn place(slot: u64) -> u64 {
    // Spread over several tables, in an order that is not that of the file.
    (slot * 37 % SLOTS) * (CAPACITY / SLOTS)
}

/// A sector of a slot in one of its generations; it tells all three. Generation 0 is what was never written.
fn expected(slot: u64, generation: u64, number: usize) -> [u8; SECTOR] {
    let mut sector = [0; SECTOR];
    if generation > 0 {
        sector[..8].copy_from_slice(&generation.to_le_bytes());
        sector[8..16].copy_from_slice(&slot.to_le_bytes());
        Bytes(generation * 1000 + slot * 10 + number as u64 + 1).fill(&mut sector[16..]);
    }
    sector
}

/// All sectors of a slot in one of its generations.
fn pattern(slot: u64, generation: u64) -> Vec<u8> {
    let mut data = Vec::with_capacity(SLOT_SECTORS as usize * SECTOR);
    (0..SLOT_SECTORS as usize).for_each(|number| data.extend_from_slice(&expected(slot, generation, number)));
    data
}

/// The writer: announces each round before and after its flush, until it is killed.
pub(super) fn writer(path: &Path) {
    let first: u64 = std::env::var(GENERATION).unwrap().parse().unwrap();
    let mut open = Open::writable(path);
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
        match random.below(6) {
            0 => {
                open.close();
                open = Open::writable(path);
            }
            1 => {
                open.disk.set_metadata(b"generation", generation.to_string().as_bytes()).unwrap();
                open.disk.flush().unwrap();
            }
            _ => open.disk.flush().unwrap(),
        }
        writeln!(out, "CRASH flushed {generation}").unwrap();
    }
}

/// What the test knows of a slot.
#[derive(Clone, Copy)]
struct Slot {
    /// The generation of each sector that must be there unless `begun` has replaced it: what was flushed, or what
    /// was seen after the last kill, which may have cut a write in two.
    settled: [u64; SLOT_SECTORS as usize],
    /// The last generation that was begun.
    begun: u64,
    /// Whether anything was ever flushed.
    flushed: bool,
}

/// Makes a disk in a folder.
type Make<'a> = &'a dyn Fn(&tempfile::TempDir) -> PathBuf;

/// A disk that nobody has written.
fn made(folder: &tempfile::TempDir, kind: DiskKind) -> PathBuf {
    let path = in_folder(folder, &format!("{}.vmdk", qemu_name(kind)));
    create(&path, kind, CAPACITY);
    path
}

/// A redo log that nobody has written, with grains of so many sectors.
fn redo_log(folder: &tempfile::TempDir, grain: u32) -> PathBuf {
    let base = made(folder, DiskKind::VmfsThin);
    let parent = (cid_of(&base), base.file_name().unwrap().to_str().unwrap());
    put_redo_log(folder, "redo", parent.0, parent, &Cowd::new(CAPACITY as u32, grain))
}

pub(super) fn no_kill_loses_a_flushed_write_or_breaks_the_disk() {
    // Redo logs have grains of a sector, the usual ones, or some that are filled up from the parent.
    let kinds: [(&str, Make<'_>); 6] = [
        ("monolithicSparse", &|folder| made(folder, DiskKind::MonolithicSparse)),
        ("twoGbMaxExtentSparse", &|folder| made(folder, DiskKind::SplitSparse)),
        ("monolithicFlat", &|folder| made(folder, DiskKind::MonolithicFlat)),
        ("vmfs, thin", &|folder| made(folder, DiskKind::VmfsThin)),
        ("redo log, 1 sector", &|folder| redo_log(folder, 1)),
        ("redo log, 24 sectors", &|folder| redo_log(folder, 24)),
    ];
    for (name, make) in kinds {
        let mut random = Bytes(0xC0FFEE);
        let (mut rounds, mut flushed) = (0, 0);
        for disk in 0..KILLS / KILLS_OF_A_DISK {
            let folder = tempfile::tempdir().unwrap();
            let path = make(&folder);
            let mut slots =
                [Slot { settled: [0; SLOT_SECTORS as usize], begun: 0, flushed: false }; SLOTS as usize];
            let mut generation = 1;
            for kill in 0..KILLS_OF_A_DISK {
                generation = run_and_kill(&path, generation, random.below(25_000), &mut slots);
                verify(&path, &mut slots, disk * KILLS_OF_A_DISK + kill);
            }
            rounds += generation - 1;
            flushed += slots.iter().filter(|slot| slot.flushed).count();
        }
        let least = SLOTS as usize * (KILLS / KILLS_OF_A_DISK) as usize / 4;
        assert!(flushed > least, "{name}: only {flushed} places were ever flushed");
        println!("{name}: killed {KILLS} times in {rounds} rounds, nothing flushed was lost");
    }
}

/// Runs the writer for a while, kills it, and notes what it announced. Returns the next generation.
fn run_and_kill(path: &Path, first: u64, microseconds: u64, slots: &mut [Slot]) -> u64 {
    let mut child = spawn(&[(DISK, path.to_str().unwrap()), (GENERATION, &first.to_string())]);
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
                for slot in &begun {
                    slots[*slot].settled.fill(generation);
                    slots[*slot].flushed = true;
                }
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
        for (number, sector) in content.chunks(SECTOR).enumerate() {
            let is = |generation: &u64| expected(index as u64, *generation, number) == sector;
            let wanted = [slot.settled[number], slot.begun];
            let found = wanted.into_iter().find(is);
            let claimed = u64::from_le_bytes(sector[..8].try_into().unwrap());
            assert!(
                found.is_some(),
                "kill {kill}: sector {number} of slot {index} is none of the generations {wanted:?}, but looks like {claimed}"
            );
            // What is there now is what the next round builds on.
            slot.settled[number] = found.unwrap();
        }
    }
    open.close();
}
