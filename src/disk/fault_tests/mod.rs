//! What is done to disks, with a failure at every step of it and with power lost at every step of it: afterwards the
//! disk opens (or a repair makes it open), no flushed sector is lost, and what was refused leaves nothing behind.
//!
//! ```text
//!   Case: set_up ── run ── verify        once to count the operations, then for each of them and each fault:
//!           End::Done, End::Refused          what a process leaves that ends after the error
//!           End::PowerLost                   what may be found later
//! ```
//!
//! A device that fails from some operation on leaves exactly what a process leaves that is killed there.
//! [`samples`] makes the disks, one of each format that takes writes; the other files are the operations.

mod content;
mod layers;
mod names;
mod samples;
mod space;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chain::Disk;
use super::check::check;
use super::open::{Options, open};
use crate::error::{Error, Kind, Result};
use crate::io::fault::{Fault, FaultFiles};
use crate::io::memory::MemoryFiles;
use crate::io::{Files, SECTOR_SIZE};

/// Images for each moment at which power is lost; fewer after a failure, since there are so many of those.
const IMAGES: usize = 12;
const IMAGES_AFTER_FAILURE: usize = 2;

/// Failures that every operation meets once.
const FAULTS: [Fault; 6] = [
    Fault::IO,
    Fault::NO_SPACE,
    Fault::NO_SPACE.lasting(),
    Fault::IO.after(100),
    Fault::NO_SPACE.after(1536),
    DEAD,
];

/// The device never works again, so nothing can be put right.
const DEAD: Fault = Fault::IO.lasting();

/// An operation that is being run.
struct Run<'a> {
    fault: &'a FaultFiles,
    files: Arc<dyn Files>,
    /// How many operations had ended at each mark.
    marks: RefCell<Vec<usize>>,
}

impl Run<'_> {
    /// What has been done so far must not be lost from now on.
    fn mark(&self) {
        self.marks.borrow_mut().push(self.fault.operations());
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It succeeded.
    Done,
    /// It failed, and could clean up.
    Refused,
    /// It failed, and so did everything later.
    Dead,
    /// Power was lost on the way.
    PowerLost,
}

/// What is left of a run.
struct After {
    memory: MemoryFiles,
    files: Arc<dyn Files>,
    end: End,
    /// Marks that were passed for sure.
    marks: usize,
    /// An operation has failed on the way.
    faulted: bool,
    /// For messages.
    when: String,
}

/// An operation on disks, and what must hold whatever happens to it.
struct Case<'a> {
    name: String,
    set_up: &'a dyn Fn(&FaultFiles),
    run: &'a dyn Fn(&Run<'_>) -> Result<()>,
    verify: &'a dyn Fn(&After),
}

impl Case<'_> {
    /// Does it once, with a fault if one is given, and verifies everything that can be left. Returns how many operations
    /// there were and whether it failed.
    fn once(&self, fault: Option<(usize, Fault, End)>) -> (usize, bool) {
        let fault_files = FaultFiles::default();
        (self.set_up)(&fault_files);
        fault_files.settle();
        if let Some((at, fault, _)) = fault {
            fault_files.fail_at(at, fault);
        }
        let files: Arc<dyn Files> = Arc::new(fault_files.clone());
        let run = Run { fault: &fault_files, files, marks: RefCell::default() };
        let result = (self.run)(&run);
        let marks = run.marks.into_inner();
        fault_files.stop_failing();
        let failed = result.is_err();
        let end = match fault {
            Some((_, _, refused)) if failed => refused,
            _ => End::Done,
        };
        assert!(fault.is_some() || !failed, "{}: {result:?}", self.name);
        let when = format!("{}, {:?}, {result:?}", self.name, fault.map(|(at, fault, _)| (at, fault)));
        (self.verify)(&After::new(fault_files.left(), end, marks.len(), failed, when.clone()));
        let images = if fault.is_some() { IMAGES_AFTER_FAILURE } else { IMAGES };
        fault_files.power_losses(images, |loss| {
            let passed = marks.iter().filter(|mark| **mark <= loss.operations).count();
            let when = format!("{when}, power lost after {} operations", loss.operations);
            (self.verify)(&After::new(loss.files.clone(), End::PowerLost, passed, failed, when));
        });
        (fault_files.operations(), failed)
    }

    /// With nothing wrong, and with everything wrong that can be.
    #[allow(clippy::print_stdout, reason = "figures of a test")]
    fn survives(&self) {
        let (operations, _) = self.once(None);
        assert!(operations > 0, "{}: it does nothing", self.name);
        let mut failed = 0;
        for at in 0..operations {
            for (index, fault) in FAULTS.into_iter().enumerate() {
                let end = if index + 1 == FAULTS.len() { End::Dead } else { End::Refused };
                failed += usize::from(self.once(Some((at, fault, end))).1);
            }
        }
        assert!(failed >= operations, "{}: {failed} failures of {operations} operations", self.name);
        println!("{}: {operations} operations, {} faults", self.name, operations * FAULTS.len());
    }
}

impl After {
    fn new(memory: MemoryFiles, end: End, marks: usize, faulted: bool, when: String) -> Self {
        let files = Arc::new(memory.clone());
        Self { memory, files, end, marks, faulted, when }
    }

    /// Names of all files.
    fn paths(&self) -> Vec<PathBuf> {
        self.memory.paths()
    }

    fn has(&self, path: &str) -> bool {
        self.memory.content(Path::new(path)).is_some()
    }

    /// The content of a disk that must be there, which no repair changes.
    fn content(&self, path: &str) -> Vec<u8> {
        self.try_content(path).unwrap_or_else(|error| panic!("{}: '{path}': {error}", self.when))
    }

    /// As [`After::content`], for a disk that need not be one.
    fn try_content(&self, path: &str) -> Result<Vec<u8>> {
        let (before, content) = self.contents(path)?;
        if let Some(before) = before {
            assert!(before == content, "{}: '{path}': the repair has changed the content", self.when);
        }
        Ok(content)
    }

    /// The content before a repair, which must find nothing lost, and after it.
    fn contents(&self, path: &str) -> Result<(Option<Vec<u8>>, Vec<u8>)> {
        let before = read_all(&self.files, path).ok();
        let health = check(&*self.files, Path::new(path), true, &mut |_| ())?;
        assert_eq!(health.lost_sectors, 0, "{}: '{path}'", self.when);
        let content = read_all(&self.files, path)?;
        // It takes writes, too.
        let disk = open(&self.files, Path::new(path), Options::default())?;
        self.verify_content_ids(&disk);
        disk.finish().map(|()| (before, content))
    }

    /// The descriptor of the leaf is whole: its content ids agree.
    fn verify_content_ids(&self, disk: &Disk) {
        let descriptor = disk.leaf().descriptor();
        let cid = format!("{:08x}", descriptor.cid().unwrap());
        let long = descriptor.database(b"longContentID").map(|long| long.to_ascii_lowercase());
        assert!(long.is_none_or(|long| long.ends_with(cid.as_bytes())), "{}: {cid}", self.when);
    }

    /// Each sector must be that of one of the stages; those before the last mark are over. A repair may find what was
    /// not flushed.
    fn verify_stages(&self, path: &str, stages: &[Vec<u8>]) {
        let contents = self.contents(path);
        let (before, content) = contents.unwrap_or_else(|error| panic!("{}: '{path}': {error}", self.when));
        before.iter().chain([&content]).for_each(|content| self.verify_content(content, stages));
    }

    fn verify_content<'s>(&self, content: &[u8], stages: &'s [Vec<u8>]) {
        let size = SECTOR_SIZE as usize;
        if stages[self.marks..].iter().any(|stage| stage == content) {
            return;
        }
        for (sector, found) in content.chunks(size).enumerate() {
            let of = |stage: &'s Vec<u8>| &stage[sector * size..][..size];
            let allowed: Vec<&[u8]> = stages[self.marks..].iter().map(of).collect();
            // Where a write has failed a sector may have a part of it.
            let is_mixed = || (0..size).all(|byte| allowed.iter().any(|stage| stage[byte] == found[byte]));
            assert!(
                allowed.contains(&found) || self.faulted && is_mixed(),
                "{}: sector {sector} is none of the {} stages from {} on; is it {:?}?",
                self.when,
                stages.len(),
                self.marks,
                stages.iter().position(|stage| of(stage) == found)
            );
        }
    }
}

/// The whole content of a disk, opened for reading.
fn read_all(files: &Arc<dyn Files>, path: &str) -> Result<Vec<u8>> {
    let disk = open(files, Path::new(path), Options { read_only: true, single_link: false })?;
    content_of(&disk)
}

fn content_of(disk: &Disk) -> Result<Vec<u8>> {
    let mut content = vec![0xEE; (disk.sectors() * SECTOR_SIZE) as usize];
    disk.read(0, &mut content)?;
    Ok(content)
}

/// Whether an error says that a stream was never ended, which no repair can do.
fn is_unfinished(error: &Error) -> bool {
    error.kind() == Kind::InvalidDisk && error.to_string().contains("never finished")
}
