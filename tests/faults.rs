//! Every call that changes disks, on every kind of disk that it works on, with a failure of each sort at each of its
//! operations on files, and with power lost at each of them. Afterwards the disk opens, if need be after a repair, with
//! nothing lost of what was flushed, and a call that failed has left nothing half-made behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod common;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::esx::{Cowd, descriptor};
use common::{Bytes, SECTOR};
use vixDiskLib::disk::clone::clone;
use vixDiskLib::disk::create::{DiskKind, NewDisk, create};
use vixDiskLib::disk::files::{rename, unlink};
use vixDiskLib::disk::geometry::Adapter;
use vixDiskLib::disk::grow::grow;
use vixDiskLib::disk::open::{Options, open};
use vixDiskLib::disk::{Disk, check};
use vixDiskLib::error::Result;
use vixDiskLib::io::Files;
use vixDiskLib::io::fault::{Fault, FaultFiles};

/// Failures that every operation meets once.
const FAULTS: [Fault; 6] = [
    Fault::IO,
    Fault::NO_SPACE,
    Fault::NO_SPACE.lasting(),
    Fault::IO.after(100),
    Fault::NO_SPACE.after(1536),
    Fault::IO.lasting(),
];

/// Images for each moment at which power is lost.
const IMAGES: usize = 12;

/// A few grains, the last one cut.
const CAPACITY: u64 = 5 * 128 + 7;

/// Where disks have data at the start: within grains, over their borders, at the end.
const PLACES: [(u64, u64); 4] = [(0, 3), (120, 20), (300, 130), (CAPACITY - 9, 9)];

/// Where `write` writes: into grains that exist and into new ones.
const WRITES: [(u64, u64); 3] = [(1, 2), (140, 100), (CAPACITY - 130, 125)];

const KINDS: [DiskKind; 6] = [
    DiskKind::MonolithicSparse,
    DiskKind::SplitSparse,
    DiskKind::MonolithicFlat,
    DiskKind::SplitFlat,
    DiskKind::VmfsFlat,
    DiskKind::VmfsThin,
];

const SPARSE: [DiskKind; 2] = [DiskKind::MonolithicSparse, DiskKind::SplitSparse];

fn disk_path() -> &'static Path {
    Path::new("f/disk.vmdk")
}

fn other_path() -> &'static Path {
    Path::new("f/other.vmdk")
}

fn new_disk(kind: DiskKind) -> NewDisk {
    NewDisk { kind, adapter: Adapter::LsiLogic, hardware: 13, capacity: CAPACITY }
}

fn writable(files: &Arc<dyn Files>, path: &Path) -> Result<Disk> {
    open(files, path, Options::default())
}

/// What a reader sees of a disk.
fn content_of(files: &Arc<dyn Files>, path: &Path) -> Result<Vec<u8>> {
    let disk = open(files, path, Options { read_only: true, ..Options::default() })?;
    let mut content = vec![0xAA; disk.sectors() as usize * SECTOR];
    disk.read(0, &mut content)?;
    Ok(content)
}

/// The files that a test begins with.
type Start = Vec<(PathBuf, Vec<u8>)>;

fn start_of(files: &FaultFiles) -> Start {
    files.names().into_iter().map(|name| (name.clone(), files.content(&name).unwrap())).collect()
}

fn put(start: &Start) -> FaultFiles {
    let files = FaultFiles::default();
    start.iter().for_each(|(name, content)| files.insert(name, content.clone()));
    files
}

/// A disk with data.
fn filled(kind: DiskKind) -> Start {
    let fault_files = FaultFiles::default();
    let files: Arc<dyn Files> = Arc::new(fault_files.clone());
    create(&*files, disk_path(), &new_disk(kind), &mut |_| ()).unwrap();
    let disk = writable(&files, disk_path()).unwrap();
    let mut random = Bytes(77);
    for (sector, sectors) in PLACES {
        disk.write(sector, &random.vec(sectors as usize * SECTOR)).unwrap();
    }
    disk.finish().unwrap();
    start_of(&fault_files)
}

/// A redo log with data over a flat disk with data.
fn redo_log() -> Start {
    let mut start = filled(DiskKind::MonolithicFlat);
    let base = start.iter_mut().find(|(name, _)| name == disk_path()).unwrap();
    base.0 = PathBuf::from("f/base.vmdk");
    let text = String::from_utf8_lossy(&base.1);
    let cid = text.lines().find_map(|line| line.strip_prefix("CID=")).unwrap();
    let cid = u32::from_str_radix(cid, 16).unwrap();
    let mut image = Cowd::new(CAPACITY as u32, 16);
    image.add(2, &Bytes(5).vec(16 * SECTOR));
    start.push(("f/disk-delta.vmdk".into(), image.bytes()));
    let line = format!("RW {CAPACITY} VMFSSPARSE \"disk-delta.vmdk\"");
    let text = descriptor("vmfsSparse", 0x1234, Some((cid, "base.vmdk")), &[line]);
    start.push((disk_path().into(), text.into_bytes()));
    start
}

/// A call; it may look at how many operations it has done.
type Run<'a> = &'a dyn Fn(&Arc<dyn Files>, &FaultFiles) -> Result<()>;

/// Judges what is found: `Ok` when it is allowed. The operations tell how far the call had come; `None` for all.
type Accepts<'a> = &'a dyn Fn(&Arc<dyn Files>, Option<usize>) -> std::result::Result<(), String>;

/// What must hold after a call, however it ended.
struct Case<'a> {
    name: String,
    start: Start,
    run: Run<'a>,
    accepts: Accepts<'a>,
    /// A call that failed leaves no new name, as long as the disk is whole under its old one.
    undone: bool,
}

impl Case<'_> {
    /// Runs the call with everything that can go wrong; returns how many times it was run.
    fn go_through(&self) -> usize {
        let whole = put(&self.start);
        let files: Arc<dyn Files> = Arc::new(whole.clone());
        (self.run)(&files, &whole).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        self.judge(&files, None, "without a fault");
        let operations = whole.operations();
        assert!(operations > 0, "{}: nothing is changed", self.name);
        let mut images = 0;
        whole.power_losses(IMAGES, |loss| {
            images += 1;
            let files: Arc<dyn Files> = Arc::new(loss.files.clone());
            self.judge(&files, Some(loss.operations), &format!("power lost after {}", loss.operations));
        });
        for (at, fault) in (0..operations).flat_map(|at| FAULTS.map(|fault| (at, fault))) {
            self.fail(at, fault);
        }
        operations * FAULTS.len() + images
    }

    fn fail(&self, at: usize, fault: Fault) {
        let faulty = put(&self.start);
        let files: Arc<dyn Files> = Arc::new(faulty.clone());
        faulty.fail_at(at, fault);
        let result = (self.run)(&files, &faulty);
        let when = format!("{fault:?} at {at} of {result:?}");
        faulty.stop_failing();
        let whole = || content_of(&files, disk_path()).is_ok();
        if self.undone && result.is_err() && !format!("{fault:?}").contains("lasting: true") && whole() {
            let names: Vec<_> = self.start.iter().map(|(name, _)| name.clone()).collect();
            let left: Vec<_> = faulty.names().into_iter().filter(|name| !names.contains(name)).collect();
            assert!(left.is_empty(), "{}, {when}: {left:?} is left behind", self.name);
        }
        // Files whose flush has failed cannot be repaired by the same process.
        let found = put(&start_of(&faulty));
        let files: Arc<dyn Files> = Arc::new(found);
        self.judge(&files, Some(faulty.operations()), &when);
    }

    fn judge(&self, files: &Arc<dyn Files>, operations: Option<usize>, when: &str) {
        if let Err(text) = (self.accepts)(files, operations) {
            panic!("{}, {when}: {text}", self.name);
        }
    }
}

/// The content of a disk, after a repair if it needs one, in which nothing may get lost.
fn mended(files: &Arc<dyn Files>, path: &Path) -> std::result::Result<Vec<u8>, String> {
    let mut told = Vec::new();
    let is_chain = open(files, path, Options { read_only: true, ..Options::default() })
        .is_ok_and(|disk| disk.links().len() > 1);
    let health = check::check(&**files, path, true, &mut |text| told.push(text.to_owned()));
    match health {
        Ok(health) if health.lost_sectors > 0 => return Err(format!("a repair loses data: {told:?}")),
        Ok(_) => {}
        // Redo logs are not repaired.
        Err(_) if is_chain => {}
        Err(error) => return Err(format!("{error}: {told:?}")),
    }
    content_of(files, path).map_err(|error| error.to_string())
}

fn expect_content(found: &[u8], expected: &[u8]) -> std::result::Result<(), String> {
    let differs = |at: &usize| found[at * SECTOR..][..SECTOR] != expected[at * SECTOR..][..SECTOR];
    if found.len() < expected.len() {
        return Err(format!("{} bytes are left of {}", found.len(), expected.len()));
    }
    let first = (0..expected.len() / SECTOR).find(differs);
    first.map_or(Ok(()), |sector| Err(format!("sector {sector} is not what it was")))
}

/// The disk of a start, as it is.
fn original(start: &Start) -> Vec<u8> {
    let files: Arc<dyn Files> = Arc::new(put(start));
    content_of(&files, disk_path()).unwrap()
}

/// A call that leaves the content of the disk alone.
fn keeps_content(name: &str, start: Start, run: Run<'_>) -> usize {
    let content = original(&start);
    let accepts = |files: &Arc<dyn Files>, _: Option<usize>| {
        let found = mended(files, disk_path())?;
        expect_content(&found, &content)?;
        match found[content.len()..].iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => Err("what was grown is not zeros".to_owned()),
        }
    };
    Case { name: name.to_owned(), start, run, accepts: &accepts, undone: true }.go_through()
}

fn report(what: &str, runs: usize) {
    println!("{what}: {runs} runs with a fault or a loss of power");
}

#[test]
fn writing_loses_nothing_that_was_flushed() {
    let mut runs = 0;
    let starts = KINDS.map(|kind| (format!("{kind:?}"), filled(kind))).into_iter();
    for (name, start) in starts.chain([("redo log".to_owned(), redo_log())]) {
        let old = original(&start);
        let mut new = old.clone();
        let data = WRITES.map(|(sector, sectors)| (sector, Bytes(sector + 1).vec(sectors as usize * SECTOR)));
        for (sector, bytes) in &data {
            new[*sector as usize * SECTOR..][..bytes.len()].copy_from_slice(bytes);
        }
        // How many operations had ended when the flush returned.
        let flushed = Cell::new(usize::MAX);
        let run = |files: &Arc<dyn Files>, counter: &FaultFiles| {
            flushed.set(usize::MAX);
            let disk = writable(files, disk_path())?;
            data.iter().try_for_each(|(sector, bytes)| disk.write(*sector, bytes))?;
            disk.flush()?;
            flushed.set(counter.operations());
            disk.finish()
        };
        let accepts = |files: &Arc<dyn Files>, operations: Option<usize>| {
            let found = mended(files, disk_path())?;
            let is_flushed = operations.is_none_or(|operations| operations >= flushed.get());
            for (index, sector) in found.chunks(SECTOR).enumerate() {
                let at = index * SECTOR..(index + 1) * SECTOR;
                let (old, new) = (&old[at.clone()], &new[at]);
                // A write that failed may have been cut within a sector.
                let written = sector.iter().zip(new).take_while(|(found, new)| found == new).count();
                if sector != new && (is_flushed || sector[written..] != old[written..]) {
                    return Err(format!("sector {index}, flushed: {is_flushed}"));
                }
            }
            Ok(())
        };
        runs += Case { name, start, run: &run, accepts: &accepts, undone: true }.go_through();
    }
    report("writing", runs);
}

#[test]
fn growing_keeps_what_is_there() {
    let runs = KINDS.map(|kind| {
        keeps_content(&format!("growing {kind:?}"), filled(kind), &|files, _| {
            grow(&**files, disk_path(), CAPACITY + 5000, true, &mut |_| ())
        })
    });
    report("growing", runs.iter().sum());
}

#[test]
fn tidying_keeps_what_is_there() {
    let runs = SPARSE.map(|kind| {
        let mut start = filled(kind);
        let fault_files = put(&start);
        let files: Arc<dyn Files> = Arc::new(fault_files.clone());
        // Out of order, and with a grain of zeros.
        let disk = writable(&files, disk_path()).unwrap();
        disk.write(520, &Bytes(3).vec(SECTOR)).unwrap();
        disk.write(300, &vec![0; 130 * SECTOR]).unwrap();
        disk.write(200, &Bytes(4).vec(SECTOR)).unwrap();
        disk.finish().unwrap();
        drop(disk);
        start = start_of(&fault_files);
        let shrink = keeps_content(&format!("shrinking {kind:?}"), start.clone(), &|files, _| {
            let disk = writable(files, disk_path())?;
            disk.shrink(&mut |_| ())?;
            disk.finish()
        });
        let defragment = keeps_content(&format!("defragmenting {kind:?}"), start, &|files, _| {
            let disk = writable(files, disk_path())?;
            disk.defragment(&mut |_| ())?;
            disk.finish()
        });
        shrink + defragment
    });
    report("shrinking and defragmenting", runs.iter().sum());
}

#[test]
fn metadata_is_the_old_or_the_new() {
    let mut runs = 0;
    for kind in KINDS {
        // A text of the same length changes in place, a longer one does not.
        for value in ["7", "a longer value than there was"] {
            runs += keeps_content(&format!("metadata of {kind:?}"), filled(kind), &|files, _| {
                let disk = writable(files, disk_path())?;
                disk.set_metadata(b"virtualHWVersion", b"8")?;
                disk.set_metadata(b"comment", value.as_bytes())?;
                disk.finish()
            });
        }
    }
    report("metadata", runs);
}

#[test]
fn repairing_loses_nothing() {
    let runs = SPARSE.map(|kind| {
        let mut start = filled(kind);
        // The flag of a writer that did not end in order, and a table entry that its other copy does not have.
        let name = if kind == DiskKind::MonolithicSparse { "f/disk.vmdk" } else { "f/disk-s001.vmdk" };
        let extent = start.iter_mut().find(|(path, _)| path == Path::new(name)).unwrap();
        extent.1[72] = 1;
        let number = |at: usize| u32::from_le_bytes(extent.1[at..at + 4].try_into().unwrap()) as usize;
        let redundant_table = number(number(48) * SECTOR) * SECTOR;
        extent.1[redundant_table..redundant_table + 4].fill(0);
        keeps_content(&format!("repairing {kind:?}"), start, &|files, _| {
            check::check(&**files, disk_path(), true, &mut |_| ()).map(drop)
        })
    });
    report("repairing", runs.iter().sum());
}

#[test]
fn a_rename_leaves_a_whole_disk() {
    let mut runs = 0;
    for kind in KINDS {
        let start = filled(kind);
        let content = original(&start);
        let run = |files: &Arc<dyn Files>, _: &FaultFiles| rename(&**files, disk_path(), other_path());
        let accepts = |files: &Arc<dyn Files>, _: Option<usize>| {
            let at_either = [disk_path(), other_path()].map(|path| content_of(files, path));
            match at_either.iter().flatten().all(|found| *found == content)
                && at_either.iter().any(Result::is_ok)
            {
                true => Ok(()),
                false => Err(format!("{:?}", at_either.map(|found| found.map(drop)))),
            }
        };
        let name = format!("renaming {kind:?}");
        runs += Case { name, start, run: &run, accepts: &accepts, undone: true }.go_through();
    }
    report("renaming", runs);
}

#[test]
fn what_is_made_is_whole_or_not_there() {
    let mut runs = 0;
    for kind in KINDS.into_iter().chain([DiskKind::StreamOptimized]) {
        let source = filled(DiskKind::MonolithicSparse);
        let content = original(&source);
        let made = |expected: Vec<u8>| {
            move |files: &Arc<dyn Files>, operations: Option<usize>| match content_of(files, other_path()) {
                Ok(found) if found == expected => Ok(()),
                Ok(_) => Err("it opens, but is not whole".to_owned()),
                Err(_) if operations.is_some() => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        };
        let run = |files: &Arc<dyn Files>, _: &FaultFiles| {
            let disk = open(files, disk_path(), Options { read_only: true, ..Options::default() })?;
            clone(&disk, files, other_path(), &new_disk(kind), false, &mut |_| true)
        };
        let name = format!("cloning to {kind:?}");
        let start = source.clone();
        runs += Case { name, start, run: &run, accepts: &made(content), undone: true }.go_through();
        let run = |files: &Arc<dyn Files>, _: &FaultFiles| {
            create(&**files, other_path(), &new_disk(kind), &mut |_| ())
        };
        let accepts = made(vec![0; CAPACITY as usize * SECTOR]);
        let name = format!("creating {kind:?}");
        runs += Case { name, start: source, run: &run, accepts: &accepts, undone: true }.go_through();
    }
    report("creating and cloning", runs);
}

#[test]
fn a_clone_over_a_disk_leaves_one_of_them() {
    let mut start = filled(DiskKind::MonolithicSparse);
    let old = original(&start);
    let mut source = filled(DiskKind::VmfsFlat);
    for (path, _) in &mut source {
        *path = PathBuf::from(path.to_str().unwrap().replace("disk", "source"));
    }
    let text = source.iter_mut().find(|(path, _)| path == Path::new("f/source.vmdk")).unwrap();
    text.1 = String::from_utf8(text.1.clone()).unwrap().replace("disk-flat", "source-flat").into_bytes();
    start.extend(source);
    let fault_files = put(&start);
    let files: Arc<dyn Files> = Arc::new(fault_files.clone());
    let disk = writable(&files, Path::new("f/source.vmdk")).unwrap();
    disk.write(9, &Bytes(1).vec(SECTOR)).unwrap();
    disk.finish().unwrap();
    drop(disk);
    let start = start_of(&fault_files);
    let new = content_of(&files, Path::new("f/source.vmdk")).unwrap();
    let run = |files: &Arc<dyn Files>, _: &FaultFiles| {
        let disk =
            open(files, Path::new("f/source.vmdk"), Options { read_only: true, ..Options::default() })?;
        clone(&disk, files, disk_path(), &new_disk(DiskKind::SplitSparse), true, &mut |_| true)
    };
    // What was there is moved aside for a moment; then it must be there under the other name.
    let accepts = |files: &Arc<dyn Files>, operations: Option<usize>| match content_of(files, disk_path()) {
        Ok(found) if found == old || found == new => Ok(()),
        Ok(_) => Err("it is neither the one nor the other".to_owned()),
        Err(_) if operations.is_some() => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    let case = Case { name: "cloning over".to_owned(), start, run: &run, accepts: &accepts, undone: false };
    report("cloning over a disk", case.go_through());
}

#[test]
fn children_are_made_and_attached_without_harm_to_their_parent() {
    let mut runs = 0;
    for kind in SPARSE {
        let start = filled(kind);
        let content = original(&start);
        let run = |files: &Arc<dyn Files>, _: &FaultFiles| {
            let disk = open(files, disk_path(), Options { read_only: true, ..Options::default() })?;
            disk.create_child(&**files, other_path(), kind, &mut |_| ())?;
            let alone = Options { single_link: true, ..Options::default() };
            let chain = open(files, other_path(), alone)?.attached_to(&disk)?;
            chain.write(50, &Bytes(8).vec(SECTOR))?;
            chain.finish()
        };
        let accepts = |files: &Arc<dyn Files>, operations: Option<usize>| {
            expect_content(&mended(files, disk_path())?, &content)?;
            let mut written = content.clone();
            written[50 * SECTOR..51 * SECTOR].copy_from_slice(&Bytes(8).vec(SECTOR));
            match content_of(files, other_path()) {
                Ok(found) if found == content && operations.is_some() || found == written => Ok(()),
                Ok(_) => Err("the child shows something else".to_owned()),
                Err(_) if operations.is_some() => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        };
        let name = format!("a child of {kind:?}");
        runs += Case { name, start, run: &run, accepts: &accepts, undone: false }.go_through();
    }
    report("children", runs);
}

#[test]
fn a_disk_is_deleted_or_whole() {
    let runs = KINDS.map(|kind| {
        let start = filled(kind);
        let content = original(&start);
        let accepts = |files: &Arc<dyn Files>, _: Option<usize>| match files
            .open(disk_path(), vixDiskLib::io::Access::Read)
        {
            Ok(_) => {
                expect_content(&content_of(files, disk_path()).map_err(|error| error.to_string())?, &content)
            }
            Err(_) => Ok(()),
        };
        let run = |files: &Arc<dyn Files>, _: &FaultFiles| unlink(&**files, disk_path());
        Case { name: format!("deleting {kind:?}"), start, run: &run, accepts: &accepts, undone: false }
            .go_through()
    });
    report("deleting", runs.iter().sum());
}
