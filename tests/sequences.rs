//! Random sequences of everything that is done to disks and chains, against arrays of bytes. A sequence that fails is
//! shrunk to a short one. Afterwards every disk is checked, and for some sequences qemu-img reads them too.
//!
//! `VIXEN_SEQUENCES` is how many there are (100); `make nightly` runs 2,000.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod common;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use common::*;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use vixDiskLib::error::Kind;
use vixDiskLib::session::{Adapter, DiskKind, NewDisk, OpenFlags, manage};

/// Most disks of one sequence, so that it stays fast.
const MOST_DISKS: usize = 6;
/// Sectors of a grain of a stream, within which it is written once.
const GRAIN: u64 = 128;
const MAP_CHUNK: u64 = 128;

const CREATABLE: [DiskKind; 7] = [
    DiskKind::MonolithicSparse,
    DiskKind::SplitSparse,
    DiskKind::MonolithicFlat,
    DiskKind::SplitFlat,
    DiskKind::VmfsFlat,
    DiskKind::VmfsThin,
    DiskKind::StreamOptimized,
];

/// What is done; numbers pick among what there is.
#[derive(Debug, Clone)]
enum Step {
    Create { kind: usize, capacity: u64 },
    Write { disk: usize, start: u64, sectors: u64, seed: u64 },
    Read { disk: usize, start: u64, sectors: u64 },
    Flush { disk: usize },
    Child { disk: usize, split: bool },
    Attach { disk: usize },
    Clone { disk: usize, kind: usize, over: Option<usize> },
    Grow { disk: usize, more: u64, geometry: bool },
    Shrink { disk: usize },
    Defragment { disk: usize },
    Rename { disk: usize, other_folder: bool },
    Check { disk: usize, repair: bool },
    Metadata { disk: usize, key: u8, value: String },
    Peek { disk: usize },
    Reopen { disk: usize, unbuffered: bool },
    Unlink { disk: usize },
}

fn capacity() -> impl Strategy<Value = u64> {
    prop_oneof![Just(1u64), Just(127), Just(129), 1..3000u64]
}

fn step() -> impl Strategy<Value = Step> {
    let disk = || 0..MOST_DISKS;
    let sectors = || prop_oneof![3 => 1..9u64, 3 => 1..300u64, 1 => 1..2000u64];
    let kind = || 0..CREATABLE.len();
    prop_oneof![
        2 => (kind(), capacity()).prop_map(|(kind, capacity)| Step::Create { kind, capacity }),
        10 => (disk(), any::<u64>(), sectors(), 0..6u64)
            .prop_map(|(disk, start, sectors, seed)| Step::Write { disk, start, sectors, seed }),
        3 => (disk(), any::<u64>(), sectors())
            .prop_map(|(disk, start, sectors)| Step::Read { disk, start, sectors }),
        1 => disk().prop_map(|disk| Step::Flush { disk }),
        2 => (disk(), any::<bool>()).prop_map(|(disk, split)| Step::Child { disk, split }),
        1 => disk().prop_map(|disk| Step::Attach { disk }),
        1 => (disk(), kind(), prop::option::of(disk()))
            .prop_map(|(disk, kind, over)| Step::Clone { disk, kind, over }),
        1 => (disk(), prop_oneof![0..3u64, 0..3000u64], any::<bool>())
            .prop_map(|(disk, more, geometry)| Step::Grow { disk, more, geometry }),
        1 => disk().prop_map(|disk| Step::Shrink { disk }),
        1 => disk().prop_map(|disk| Step::Defragment { disk }),
        1 => (disk(), any::<bool>()).prop_map(|(disk, other_folder)| Step::Rename { disk, other_folder }),
        1 => (disk(), any::<bool>()).prop_map(|(disk, repair)| Step::Check { disk, repair }),
        1 => (disk(), 0..4u8, "[ -!#-~]{0,20}")
            .prop_map(|(disk, key, value)| Step::Metadata { disk, key, value }),
        1 => disk().prop_map(|disk| Step::Peek { disk }),
        1 => (disk(), any::<bool>()).prop_map(|(disk, unbuffered)| Step::Reopen { disk, unbuffered }),
        1 => disk().prop_map(|disk| Step::Unlink { disk }),
    ]
}

/// A disk and what must be in it.
struct Disk {
    path: PathBuf,
    kind: DiskKind,
    content: Vec<u8>,
    /// Where it is in [`World::disks`].
    parent: Option<usize>,
    metadata: HashMap<String, String>,
    /// The handle, if one is open; it can write unless the disk has children.
    open: Option<Open>,
    /// For a stream: the first sector that can still be written.
    next: u64,
}

impl Disk {
    fn sectors(&self) -> u64 {
        (self.content.len() / SECTOR) as u64
    }
}

struct World {
    folder: tempfile::TempDir,
    /// Deleted ones leave a gap.
    disks: Vec<Option<Disk>>,
    /// Names that were given away.
    names: usize,
}

impl World {
    fn new() -> Self {
        // In memory where that can be: what is durable is for other tests.
        let memory = Path::new("/dev/shm");
        let folder =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        std::fs::create_dir(folder.path().join("other")).unwrap();
        Self { folder, disks: Vec::new(), names: 0 }
    }

    fn new_path(&mut self, other_folder: bool) -> PathBuf {
        self.names += 1;
        let name = format!("disk-{}.vmdk", self.names);
        if other_folder {
            self.folder.path().join("other").join(name)
        } else {
            in_folder(&self.folder, &name)
        }
    }

    fn pick(&self, number: usize) -> Option<usize> {
        let there: Vec<usize> = (0..self.disks.len()).filter(|index| self.disks[*index].is_some()).collect();
        (!there.is_empty()).then(|| there[number % there.len()])
    }

    fn disk(&self, index: usize) -> &Disk {
        self.disks[index].as_ref().unwrap()
    }

    fn disk_mut(&mut self, index: usize) -> &mut Disk {
        self.disks[index].as_mut().unwrap()
    }

    fn there(&self) -> impl Iterator<Item = &Disk> {
        self.disks.iter().flatten()
    }

    fn has_children(&self, index: usize) -> bool {
        self.there().any(|disk| disk.parent == Some(index))
    }

    fn is_full(&self) -> bool {
        self.there().count() >= MOST_DISKS
    }

    fn add(&mut self, path: PathBuf, kind: DiskKind, content: Vec<u8>, parent: Option<usize>) {
        let metadata = HashMap::new();
        self.disks.push(Some(Disk { path, kind, content, parent, metadata, open: None, next: 0 }));
    }

    fn close(&mut self, index: usize) {
        if let Some(open) = self.disk_mut(index).open.take() {
            open.close();
        }
        let disk = self.disk_mut(index);
        disk.next = disk.next.next_multiple_of(GRAIN);
    }

    /// The handle of a disk, opened if it is not.
    fn open(&mut self, index: usize, unbuffered: bool) -> &Open {
        let flags = OpenFlags { unbuffered, read_only: self.has_children(index), ..OpenFlags::default() };
        let disk = self.disk_mut(index);
        disk.open.get_or_insert_with(|| Open::with(&disk.path, flags).unwrap())
    }

    fn value(&self, index: usize, key: &str) -> Option<&String> {
        let disk = self.disk(index);
        disk.metadata.get(key).or_else(|| self.value(disk.parent?, key))
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Create { kind, capacity } => self.create(CREATABLE[kind], capacity),
            Step::Write { disk, start, sectors, seed } => self.on(disk, |world, disk| {
                world.write(disk, start, sectors, seed);
            }),
            Step::Read { disk, start, sectors } => self.on(disk, |world, disk| {
                world.read(disk, start, sectors);
            }),
            Step::Flush { disk } => {
                self.on(disk, |world, disk| world.open(disk, false).disk.flush().unwrap())
            }
            Step::Child { disk, split } => self.on(disk, |world, disk| world.child(disk, split)),
            Step::Attach { disk } => self.on(disk, Self::attach),
            Step::Clone { disk, kind, over } => {
                self.on(disk, |world, disk| world.clone_disk(disk, CREATABLE[kind], over));
            }
            Step::Grow { disk, more, geometry } => {
                self.on(disk, |world, disk| world.grow(disk, more, geometry))
            }
            Step::Shrink { disk } => self.on(disk, |world, disk| world.tidy(disk, true)),
            Step::Defragment { disk } => self.on(disk, |world, disk| world.tidy(disk, false)),
            Step::Rename { disk, other_folder } => {
                self.on(disk, |world, disk| world.rename(disk, other_folder));
            }
            Step::Check { disk, repair } => self.on(disk, |world, disk| world.check(disk, repair)),
            Step::Metadata { disk, key, value } => {
                self.on(disk, |world, disk| world.set_metadata(disk, key, value));
            }
            Step::Peek { disk } => self.on(disk, Self::peek),
            Step::Reopen { disk, unbuffered } => self.on(disk, |world, disk| {
                world.close(disk);
                world.open(disk, unbuffered);
            }),
            Step::Unlink { disk } => self.on(disk, Self::unlink),
        }
    }

    fn on(&mut self, number: usize, act: impl FnOnce(&mut Self, usize)) {
        if let Some(index) = self.pick(number) {
            act(self, index);
        }
    }

    fn create(&mut self, kind: DiskKind, capacity: u64) {
        if self.is_full() {
            return;
        }
        let path = self.new_path(false);
        create(&path, kind, capacity);
        self.add(path, kind, vec![0; capacity as usize * SECTOR], None);
    }

    fn write(&mut self, index: usize, start: u64, sectors: u64, seed: u64) {
        let (is_parent, is_stream) =
            (self.has_children(index), self.disk(index).kind == DiskKind::StreamOptimized);
        let (capacity, next) = (self.disk(index).sectors(), self.disk(index).next);
        let mut start = start % capacity;
        if is_stream {
            // Grains that were begun are over, up to the one that the last write has ended in.
            start = next + start % 300;
            if start >= capacity {
                return self.refused_again(index);
            }
        }
        let sectors = sectors.min(capacity - start);
        let mut data = vec![0; sectors as usize * SECTOR];
        if seed > 0 {
            Bytes(seed * 1000 + start + 1).fill(&mut data);
        }
        let result = self.open(index, false).disk.write(start, &data);
        if is_parent {
            assert_eq!(result.unwrap_err().kind(), Kind::ReadOnly);
            return;
        }
        result.unwrap();
        let disk = self.disk_mut(index);
        disk.content[start as usize * SECTOR..][..data.len()].copy_from_slice(&data);
        disk.next = start + sectors;
    }

    /// What a stream holds cannot be written again.
    fn refused_again(&mut self, index: usize) {
        let is_zero = self.disk(index).content[..SECTOR].iter().all(|byte| *byte == 0);
        let refused = self.open(index, false).disk.write(0, &[1; SECTOR]).is_err();
        assert!(refused || is_zero, "a grain of a stream was written again");
        if !refused {
            // An empty stream may have nothing at all yet.
            self.disk_mut(index).content[..SECTOR].fill(1);
        }
    }

    fn read(&mut self, index: usize, start: u64, sectors: u64) {
        let capacity = self.disk(index).sectors();
        let start = start % capacity;
        let sectors = sectors.min(capacity - start);
        let found = self.open(index, false).read(start, sectors);
        assert!(found == self.disk(index).content[start as usize * SECTOR..][..found.len()]);
    }

    fn child(&mut self, index: usize, split: bool) {
        if self.is_full() {
            return;
        }
        let kind = if split { DiskKind::SplitSparse } else { DiskKind::MonolithicSparse };
        let (path, handle) = (self.new_path(false), self.open(index, false).handle());
        // Where the parent is, since names do not lead out of folders.
        let path = self.disk(index).path.parent().unwrap().join(path.file_name().unwrap());
        manage::create_child(handle, &path, kind, &mut |_| ()).unwrap();
        self.close(index);
        self.add(path, kind, self.disk(index).content.clone(), Some(index));
    }

    /// Puts a child on top of its chain by hand and reads it.
    fn attach(&mut self, index: usize) {
        let Some(parent) = self.disk(index).parent else { return };
        self.close(index);
        self.close(parent);
        let lower = Open::read_only(&self.disk(parent).path);
        let flags = OpenFlags { single_link: true, read_only: true, ..OpenFlags::default() };
        let upper = Open::with(&self.disk(index).path, flags).unwrap();
        manage::attach(lower.handle(), upper.handle()).unwrap();
        assert!(upper.read_all() == self.disk(index).content);
        upper.close();
        lower.close();
    }

    fn clone_disk(&mut self, index: usize, kind: DiskKind, over: Option<usize>) {
        let over = over.and_then(|number| self.pick(number));
        let in_chain = |one: usize| {
            let mut at = Some(index);
            while let Some(link) = at.filter(|link| *link != one) {
                at = self.disk(link).parent;
            }
            at == Some(one)
        };
        if over.is_some_and(|over| in_chain(over) || self.has_children(over))
            || over.is_none() && self.is_full()
        {
            return;
        }
        let path = match over {
            Some(over) => {
                self.close(over);
                self.disk(over).path.clone()
            }
            None => self.new_path(false),
        };
        self.close(index);
        let new = NewDisk { kind, adapter: Adapter::Ide, hardware: 7, capacity: 1 };
        let source = self.disk(index);
        let (to, from) = ((connection(), path.as_path()), (connection(), source.path.as_path()));
        if over.is_some() {
            let refused = manage::clone(to, from, &new, false, &mut |_| true);
            assert_eq!(refused.unwrap_err().kind(), Kind::FileExists);
        }
        manage::clone(to, from, &new, over.is_some(), &mut |_| true).unwrap();
        let content = source.content.clone();
        if let Some(over) = over {
            if let Some(parent) = self.disk(over).parent {
                self.close(parent);
            }
            self.disks[over] = None;
        }
        self.add(path, kind, content, None);
        // Where a stream ends is what it holds.
        let copy = self.disk_mut(self.disks.len() - 1);
        let used = copy.content.chunks(SECTOR).rposition(|sector| sector.iter().any(|byte| *byte != 0));
        copy.next = used.map_or(0, |sector| (sector as u64 + 1).next_multiple_of(GRAIN));
    }

    fn grow(&mut self, index: usize, more: u64, geometry: bool) {
        if self.has_children(index) {
            return;
        }
        self.close(index);
        let disk = self.disk_mut(index);
        let capacity = disk.sectors() + more;
        let grown = manage::grow(connection(), &disk.path, capacity, geometry, &mut |_| ());
        match (disk.parent, disk.kind) {
            (Some(_), _) => assert_eq!(grown.unwrap_err().kind(), Kind::InvalidChain),
            (None, DiskKind::StreamOptimized) => assert_eq!(grown.unwrap_err().kind(), Kind::NotSupported),
            (None, _) => {
                grown.unwrap();
                disk.content.resize(capacity as usize * SECTOR, 0);
            }
        }
    }

    fn tidy(&mut self, index: usize, shrink: bool) {
        let (is_parent, kind) = (self.has_children(index), self.disk(index).kind);
        let handle = self.open(index, false).handle();
        let result = if shrink {
            manage::shrink(handle, &mut |_| ())
        } else {
            manage::defragment(handle, &mut |_| ())
        };
        match result {
            Err(error) if is_parent => assert_eq!(error.kind(), Kind::ReadOnly),
            Err(error) if kind == DiskKind::StreamOptimized => assert_eq!(error.kind(), Kind::NotSupported),
            result => result.unwrap(),
        }
        let disk = self.disk(index);
        assert!(disk.open.as_ref().unwrap().read_all() == disk.content);
    }

    fn rename(&mut self, index: usize, other_folder: bool) {
        // Children would lose it.
        if self.has_children(index) {
            return;
        }
        self.close(index);
        let mut new = self.new_path(other_folder);
        let disk = self.disk_mut(index);
        if disk.parent.is_some() {
            new = disk.path.parent().unwrap().join(new.file_name().unwrap());
        }
        manage::rename(&disk.path, &new).unwrap();
        assert!(!disk.path.exists());
        disk.path = new;
    }

    fn check(&mut self, index: usize, repair: bool) {
        // A parent of an open disk is locked.
        (0..self.disks.len())
            .filter(|index| self.disks[*index].is_some())
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|index| self.close(index));
        let health = manage::check(connection(), &self.disk(index).path, repair).unwrap();
        assert_eq!(health, Default::default());
    }

    fn set_metadata(&mut self, index: usize, key: u8, value: String) {
        let (is_parent, key) = (self.has_children(index), format!("test.key{key}"));
        let result = self.open(index, false).disk.set_metadata(key.as_bytes(), value.as_bytes());
        if is_parent {
            assert_eq!(result.unwrap_err().kind(), Kind::ReadOnly);
            return;
        }
        result.unwrap();
        self.disk_mut(index).metadata.insert(key, value);
    }

    /// What was flushed through one handle is seen through another one.
    fn peek(&mut self, index: usize) {
        let disk = self.disk(index);
        let Some(open) = disk.open.as_ref().filter(|_| disk.kind != DiskKind::StreamOptimized) else {
            return;
        };
        open.disk.flush().unwrap();
        let second = Open::read_only(&disk.path);
        assert!(second.read_all() == disk.content);
        second.close();
    }

    fn unlink(&mut self, index: usize) {
        if self.has_children(index) {
            return;
        }
        self.close(index);
        // Once it has no child any more it can be opened for writing.
        if let Some(parent) = self.disk(index).parent {
            self.close(parent);
        }
        manage::unlink(connection(), &self.disk(index).path).unwrap();
        self.disks[index] = None;
    }

    /// Everything must be as it should be, and no file too many.
    fn verify(&mut self, with_qemu: bool) {
        for index in 0..self.disks.len() {
            if self.disks[index].is_none() {
                continue;
            }
            self.close(index);
            let disk = self.disk(index);
            let open = Open::read_only(&disk.path);
            assert!(open.read_all() == disk.content, "{} has changed", disk.path.display());
            for key in (0..4).map(|key| format!("test.key{key}")) {
                let found = open.disk.metadata(key.as_bytes()).ok();
                assert_eq!(found.as_deref(), self.value(index, &key).map(String::as_bytes), "{key}");
            }
            let blocks = open.disk.allocated_blocks(0, disk.sectors(), MAP_CHUNK).unwrap();
            let mut next = 0;
            for (start, end) in blocks.iter().map(|block| (block.start, block.start + block.sectors)) {
                assert!(start >= next && end > start, "the map is out of order");
                assert!(is_zero(&disk.content, next, start), "a hole has content");
                next = end;
            }
            assert!(is_zero(&disk.content, next, disk.sectors()), "a hole has content");
            open.close();
            assert_eq!(manage::check(connection(), &disk.path, false).unwrap(), Default::default());
            if with_qemu {
                qemu_check(&disk.path);
                assert!(qemu_content(&disk.path) == disk.content, "qemu-img sees another content");
            }
        }
        // The youngest first, so that no parent goes before its children.
        for disk in self.disks.drain(..).rev().flatten() {
            manage::unlink(connection(), &disk.path).unwrap();
        }
        for folder in [self.folder.path().join("other"), self.folder.path().to_owned()] {
            let left: Vec<_> =
                std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!(left.iter().all(|path| path.ends_with("other")), "left over: {left:?}");
        }
    }
}

fn is_zero(content: &[u8], from: u64, to: u64) -> bool {
    content[from as usize * SECTOR..to as usize * SECTOR].iter().all(|byte| *byte == 0)
}

#[test]
fn whatever_is_done_to_disks_they_hold_what_they_should() {
    let cases = std::env::var("VIXEN_SEQUENCES").map_or(100, |number| number.parse().unwrap());
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let sequence = (0..CREATABLE.len(), capacity(), prop::collection::vec(step(), 1..60), 0..8u8);
    TestRunner::new(config)
        .run(&sequence, |(kind, capacity, steps, qemu)| {
            let mut world = World::new();
            world.run(Step::Create { kind, capacity });
            steps.into_iter().for_each(|step| world.run(step));
            world.verify(qemu == 0);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    println!("sequences: {cases} sequences of up to 60 steps");
}
