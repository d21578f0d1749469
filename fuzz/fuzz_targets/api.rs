//! Any bytes as a sequence of calls: handles that are wrong, closed or two for one disk, ranges that leave the disk,
//! requests that are waited for or not, files that are damaged in between. What a handle has written it reads.
//!
//! Run: `fuzz/smoke.sh 20 api`, or longer with `cargo fuzz run api`.
#![no_main]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use vixDiskLib::session::open_disk::OpenDisk;
use vixDiskLib::session::queue::Attempt;
use vixDiskLib::session::table::Handle;
use vixDiskLib::session::{self, Adapter, DiskKind, NewDisk, OpenFlags, manage};

/// Calls of one sequence, and handles that are remembered.
const MOST_CALLS: usize = 48;
const MOST_HANDLES: usize = 12;
/// Sectors that a disk has when its capacity is one that can be.
const MOST_SECTORS: u64 = 2000;
/// Sectors of one transfer.
const MOST_TRANSFER: u64 = 300;

const KINDS: [DiskKind; 7] = [
    DiskKind::MonolithicSparse,
    DiskKind::MonolithicFlat,
    DiskKind::SplitSparse,
    DiskKind::SplitFlat,
    DiskKind::VmfsFlat,
    DiskKind::VmfsThin,
    DiskKind::StreamOptimized,
];

/// The folder of this process, in memory, and its connections: one for everything and one that only reads.
fn start() -> &'static (PathBuf, [Handle; 2]) {
    static START: OnceLock<(PathBuf, [Handle; 2])> = OnceLock::new();
    START.get_or_init(|| {
        session::library::init(8, 0, None, None, || ()).expect("the library starts");
        let memory = Path::new("/dev/shm");
        let above = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = above.join(format!("vixen-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let connect = |read_only| session::connect(Default::default(), read_only, None, None);
        (folder, [false, true].map(|read_only| connect(read_only).expect("a connection")))
    })
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    /// Mostly one that can be.
    fn number(&mut self, most: u64) -> u64 {
        match self.byte() {
            255 => u64::MAX - u64::from(self.byte()),
            254 => i64::MAX as u64 / 512 + u64::from(self.byte()),
            253 => most + u64::from(self.byte()),
            byte => (u64::from(byte) << 8 | u64::from(self.byte())) % most,
        }
    }
}

struct Calls<'a> {
    input: Input<'a>,
    folder: &'static Path,
    connections: [Handle; 2],
    handles: Vec<Handle>,
    /// Requests that were accepted, and those whose end was told.
    accepted: u64,
    ended: Arc<AtomicU64>,
    /// A file was changed from outside.
    damaged: bool,
}

impl Calls<'_> {
    fn connection(&mut self) -> Handle {
        match self.input.byte() {
            0 => Handle::from_raw(0),
            1 => Handle::from_raw(u64::from(self.input.byte())),
            2 => self.handle(),
            3..32 => self.connections[1],
            _ => self.connections[0],
        }
    }

    /// One that is open, one that was, one that never was.
    fn handle(&mut self) -> Handle {
        let byte = usize::from(self.input.byte());
        match (byte, self.handles.len()) {
            (255, _) => self.connections[0],
            (254, _) | (_, 0) => Handle::from_raw(byte as u64),
            (byte, count) => self.handles[byte % count],
        }
    }

    fn path(&mut self) -> PathBuf {
        self.folder.join(format!("{}.vmdk", self.input.byte() % 5))
    }

    fn new_disk(&mut self) -> NewDisk {
        let kind = KINDS[usize::from(self.input.byte()) % KINDS.len()];
        let capacity = self.input.number(MOST_SECTORS);
        NewDisk { kind, adapter: Adapter::LsiLogic, hardware: 13, capacity }
    }

    fn open(&mut self) {
        let (on, path, bits) = (self.connection(), self.path(), self.input.byte());
        let flags = OpenFlags {
            read_only: bits & 1 != 0,
            single_link: bits & 6 == 6,
            unbuffered: bits & 8 != 0,
            ..OpenFlags::default()
        };
        if let Ok(handle) = session::open(on, &path, flags) {
            assert!(!self.handles.contains(&handle), "a handle was given twice");
            self.handles.push(handle);
            if self.handles.len() > MOST_HANDLES {
                let _ = session::close(self.handles.remove(0));
            }
        }
    }

    fn transfer(&mut self, write: bool) {
        let (handle, start, sectors) =
            (self.handle(), self.input.number(MOST_SECTORS), self.input.number(MOST_TRANSFER));
        let Ok(disk) = session::disk(handle) else { return };
        let fits = |capacity| start.checked_add(sectors).is_some_and(|end| end <= capacity);
        let fits = disk.info().is_ok_and(|info| fits(info.capacity));
        let mut buffer = vec![self.input.byte(); (sectors.min(MOST_TRANSFER) * 512) as usize];
        if !write {
            let read = disk.check_range(start, sectors).and_then(|()| disk.read(start, &mut buffer));
            assert!(fits || read.is_err(), "read past the end");
            return;
        }
        let written = disk.check_range(start, sectors).and_then(|()| disk.write(start, &buffer));
        assert!(fits || written.is_err(), "written past the end");
        if written.is_ok() && !self.damaged {
            let mut found = vec![0xA5; buffer.len()];
            disk.read(start, &mut found).expect("what was just written is read");
            assert!(found == buffer, "what was just written reads differently");
        }
    }

    fn submit(&mut self, write: bool) {
        let (handle, start, sectors) =
            (self.handle(), self.input.number(MOST_SECTORS), self.input.number(MOST_TRANSFER));
        let Ok(disk) = session::disk(handle) else { return };
        if disk.check_range(start, sectors).is_err() || write && disk.check_writable().is_err() {
            return;
        }
        let mut buffer = vec![self.input.byte(); (sectors.min(MOST_TRANSFER) * 512) as usize];
        let work = move |disk: &OpenDisk, attempt| match (write, attempt) {
            (true, _) => disk.write(start, &buffer).map(|()| true),
            (false, Attempt::Quick) => disk.read_cached(start, &mut buffer),
            (false, Attempt::Full) => disk.read(start, &mut buffer).map(|()| true),
        };
        let ended = Arc::clone(&self.ended);
        let done = move |_| {
            ended.fetch_add(1, Ordering::SeqCst);
        };
        self.accepted += u64::from(disk.submit(sectors, work, done).is_ok());
    }

    fn damage(&mut self) {
        let (path, at, byte) = (self.path(), self.input.number(64 * 512), self.input.byte());
        if let Ok(file) = fs::OpenOptions::new().write(true).open(path) {
            self.damaged = true;
            if byte == 0 { drop(file.set_len(at)) } else { drop(file.write_at(&[byte], at)) }
        }
    }

    fn ask(&mut self) {
        let Ok(disk) = session::disk(self.handle()) else { return };
        let _ = disk.info();
        let _ = disk.metadata_keys();
        let _ = disk.metadata(&[b'k', self.input.byte()]);
        let (start, sectors) = (self.input.number(MOST_SECTORS), self.input.number(MOST_SECTORS));
        let _ = disk.allocated_blocks(start, sectors, u64::from(self.input.byte()));
    }

    /// Calls on whole disks.
    fn manage(&mut self, call: u8) {
        let (on, path, other) = (self.connection(), self.path(), self.path());
        let _ = match call {
            0 => {
                let new = self.new_disk();
                manage::create(on, &path, &new, &mut |_| ())
            }
            1 => {
                let (handle, new) = (self.handle(), self.new_disk());
                manage::create_child(handle, &path, new.kind, &mut |_| ())
            }
            2 => {
                let (new, overwrite) = (self.new_disk(), self.input.flag());
                manage::clone((on, &path), (on, &other), &new, overwrite, &mut |_| true)
            }
            3 => manage::unlink(on, &path),
            4 => manage::rename(&path, &other),
            5 => {
                let capacity = self.input.number(MOST_SECTORS);
                manage::grow(on, &path, capacity, self.input.flag(), &mut |_| ())
            }
            6 => manage::check(on, &path, self.input.flag()).map(|_| ()),
            _ => {
                let kind = KINDS[usize::from(self.input.byte()) % KINDS.len()];
                let kind = self.input.flag().then_some(kind);
                manage::space_for_clone(self.handle(), kind).map(|_| ())
            }
        };
    }

    fn call(&mut self) {
        match self.input.byte() % 24 {
            call @ 0..8 => self.manage(call),
            8..11 => self.open(),
            11..14 => self.transfer(true),
            14..16 => self.transfer(false),
            16 => self.submit(true),
            17 => self.submit(false),
            18 => drop(session::disk(self.handle()).and_then(|disk| disk.wait())),
            19 => self.ask(),
            20 => {
                let (key, value) = ([b'k', self.input.byte()], vec![self.input.byte(); 20]);
                drop(session::disk(self.handle()).and_then(|disk| disk.set_metadata(&key, &value)));
            }
            21 => {
                let handle = self.handle();
                drop(match self.input.byte() % 4 {
                    0 => manage::shrink(handle, &mut |_| ()),
                    1 => manage::defragment(handle, &mut |_| ()),
                    2 => manage::attach(handle, self.handle()),
                    _ => session::disk(handle).and_then(|disk| disk.flush()),
                });
            }
            22 => drop(session::close(self.handle())),
            _ => self.damage(),
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let (folder, connections) = start();
    let mut calls = Calls {
        input: Input(bytes),
        folder,
        connections: *connections,
        handles: Vec::new(),
        accepted: 0,
        ended: Arc::default(),
        damaged: false,
    };
    for _ in 0..MOST_CALLS {
        if calls.input.0.is_empty() {
            break;
        }
        calls.call();
    }
    for handle in std::mem::take(&mut calls.handles) {
        let _ = session::close(handle);
        assert!(session::disk(handle).is_err(), "a closed handle works");
    }
    assert_eq!(calls.ended.load(Ordering::SeqCst), calls.accepted, "a request has no end, or two");
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let _ = fs::remove_file(entry.path());
    }
});
