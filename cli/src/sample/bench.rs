//! The benchmarks of the sample.

use std::sync::mpsc;
use std::time::Instant;

use crate::disk::Disk;
use crate::failure::Result;
use crate::image::{Content, SECTOR};
use crate::output::say;

/// Bytes between two lines: 64 MiB.
const STEP: u64 = 64 << 20;

/// Most asynchronous requests at a time.
const DEPTH: u64 = 16;

/// Reads or writes a whole disk in blocks of `sectors` sectors, and tells how fast that is.
pub(super) fn run(disk: &Disk, number: usize, sectors: u64, write: bool, asynchronous: bool) -> Result<()> {
    let (bytes, blocks) = (sectors * SECTOR, disk.sectors() / sectors);
    say(&format!("Disk[{number}] - Processing {blocks} buffers of {bytes} bytes.\n"))?;
    let bench = Bench { disk, number, sectors, write, blocks, began: Instant::now() };
    if asynchronous { bench.asynchronous() } else { bench.synchronous() }
}

struct Bench<'a> {
    disk: &'a Disk,
    number: usize,
    sectors: u64,
    write: bool,
    blocks: u64,
    began: Instant,
}

impl Bench<'_> {
    fn synchronous(&self) -> Result<()> {
        let mut buffer = vec![0x5A; (self.sectors * SECTOR) as usize];
        for block in 0..self.blocks {
            if self.write {
                (**self.disk).write(block * self.sectors, &buffer)?;
            } else {
                Content::read(self.disk, block * self.sectors, &mut buffer)?;
            }
            self.step(block)?;
        }
        self.tell(self.blocks)
    }

    fn asynchronous(&self) -> Result<()> {
        let shared = self.disk.shared();
        let (ended, ends) = mpsc::channel();
        for block in 0..self.blocks {
            if block >= DEPTH {
                // One must end before the next may begin.
                ends.recv().unwrap_or(Ok(()))?;
            }
            let mut buffer = vec![0x5A; (self.sectors * SECTOR) as usize];
            let (start, write, ended) = (block * self.sectors, self.write, ended.clone());
            let work = move |disk: &vixDiskLib::session::open_disk::OpenDisk, _| {
                let done = if write { disk.write(start, &buffer) } else { disk.read(start, &mut buffer) };
                done.map(|()| true)
            };
            // Nobody listens any more once an error has ended the benchmark.
            shared.submit(self.sectors, work, move |result| drop(ended.send(result)))?;
            self.step(block)?;
        }
        say(&format!("Disk[{}] - All requests are sent, waiting.\n", self.number))?;
        shared.wait()?;
        drop(ended);
        ends.into_iter().collect::<std::result::Result<(), _>>()?;
        self.tell(self.blocks)
    }

    /// A line when another step is done.
    fn step(&self, block: u64) -> Result<()> {
        let (before, now) = (block * self.sectors * SECTOR, (block + 1) * self.sectors * SECTOR);
        if before / STEP != now / STEP && block + 1 < self.blocks { self.tell(block + 1) } else { Ok(()) }
    }

    fn tell(&self, blocks: u64) -> Result<()> {
        let did = if self.write { "Wrote" } else { "Read" };
        let megabytes = (blocks * self.sectors * SECTOR) >> 20;
        let milliseconds = self.began.elapsed().as_millis().max(1) as u64;
        let speed = megabytes * 1000 / milliseconds;
        say(&format!(
            "Disk[{}] - {did} {megabytes} MBytes in {milliseconds} msec ({speed} MBytes/sec)\n",
            self.number
        ))
    }
}
