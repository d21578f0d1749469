//! Many requests on one connection: asynchronous ones and their completion functions, hosts that run out of memory, that
//! stall, that are far away; and what is replayed when the connection breaks.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::ffi::CString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use esxi_sim::{Config, Fault, Planned, Simulator};
use vixDiskLib::disk::create::{DiskKind, NewDisk, create};
use vixDiskLib::disk::geometry::Adapter;
use vixDiskLib::error::Kind as ErrorKind;
use vixDiskLib::io::local::LocalFiles;
use vixDiskLib::session::connection::{Credentials, Secret};
use vixDiskLib::session::open_disk::OpenDisk;
use vixDiskLib::session::table::Handle;
use vixDiskLib::session::{self, ConnectParams, OpenFlags};

/// Sectors: 40 MiB.
const CAPACITY: u64 = 80 << 10;
const SECTOR: usize = 512;
const MODES: [&str; 2] = ["nbd", "nbdssl"];

/// Limits that are short enough for a test, and long enough for a machine that is busy.
const SILENCE: Duration = Duration::from_secs(1);
const STALL: Duration = Duration::from_millis(2500);

/// A virtual machine with a disk of its own, served.
struct Lab {
    _folder: tempfile::TempDir,
    simulator: Simulator,
}

impl Lab {
    fn new(config: Config) -> Self {
        static START: Once = Once::new();
        START.call_once(|| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            let text = format!(
                "vixDiskLib.nfc.ReadTimeoutMs = {0}\nvixDiskLib.nfc.WriteTimeoutMs = {0}\n",
                SILENCE.as_millis()
            );
            std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
            session::library::init(8, 0, None, Some(file.path()), || ()).unwrap();
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("vm")).unwrap();
        let path = folder.path().join("vm/disk.vmdk");
        let new = NewDisk {
            kind: DiskKind::MonolithicSparse,
            adapter: Adapter::LsiLogic,
            hardware: 19,
            capacity: CAPACITY,
        };
        create(&LocalFiles::default(), &path, &new, &mut |_| {}).unwrap();
        let simulator = Simulator::builder().config(config).vm_disk(&path).unwrap().start().unwrap();
        Self { _folder: folder, simulator }
    }

    fn open(&self, mode: &str, writable: bool) -> Opened {
        let text = |text: &str| Some(CString::new(text).unwrap());
        let vm = &self.simulator.vm_ids()[0];
        let params = ConnectParams {
            vmx_spec: text(&format!("moref={vm}")),
            server_name: text("127.0.0.1"),
            thumb_print: text(self.simulator.thumbprint_sha1()),
            cred_type: 1,
            credentials: Credentials::User { user: text("root"), password: Some(Secret::new(b"vmware")) },
            port: self.simulator.soap_port().into(),
            ..ConnectParams::default()
        };
        let path: PathBuf = self.simulator.disk_paths(vm)[0].clone().into();
        let connection = session::connect(params, !writable, None, Some(mode)).unwrap();
        let flags = OpenFlags { read_only: !writable, ..OpenFlags::default() };
        let handle = session::open(connection, &path, flags).unwrap();
        Opened { connection, handle, disk: session::disk(handle).unwrap() }
    }
}

/// An open disk, which is closed in the end.
struct Opened {
    connection: Handle,
    handle: Handle,
    disk: Arc<OpenDisk>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        let _ = session::close(self.handle);
        let _ = session::disconnect(self.connection);
    }
}

fn pattern(seed: u64, sectors: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..sectors as usize * SECTOR / 8).flat_map(|_| next().to_le_bytes()).collect()
}

/// A buffer that is handed back when the library lets go of it.
struct Returned(Vec<u8>, Arc<Mutex<Option<Vec<u8>>>>);

impl AsMut<[u8]> for Returned {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl AsRef<[u8]> for Returned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Returned {
    fn drop(&mut self) {
        *self.1.lock().unwrap() = Some(std::mem::take(&mut self.0));
    }
}

/// Writes pieces of many sizes asynchronously, and reads them likewise.
fn round_trip(disk: &Arc<OpenDisk>, seed: u64) {
    let sizes = [1, 8, 127, 128, 129, 2048, 2049, 5000];
    let mut at = seed % 7;
    let mut places = Vec::new();
    for (number, sectors) in sizes.iter().cycle().enumerate() {
        if at + sectors > CAPACITY {
            break;
        }
        places.push((number as u64, at, *sectors));
        at += sectors;
    }
    for (number, start, sectors) in &places {
        let data = pattern(seed + number, *sectors);
        disk.write_async(*start, data, |result| result.unwrap()).unwrap();
    }
    disk.wait().unwrap();
    let results: Vec<_> = places
        .iter()
        .map(|(_, start, sectors)| {
            let slot = Arc::new(Mutex::new(None));
            let buffer = Returned(vec![0; *sectors as usize * SECTOR], Arc::clone(&slot));
            disk.read_async(*start, buffer, |result| result.unwrap()).unwrap();
            slot
        })
        .collect();
    disk.wait().unwrap();
    for ((number, start, sectors), slot) in places.iter().zip(results) {
        let read = slot.lock().unwrap().take().expect("the buffer has gone before Wait returned");
        assert!(read == pattern(seed + number, *sectors), "{sectors} sectors at {start}");
    }
}

#[test]
fn asynchronous_requests_of_every_size_come_back_right() {
    for mode in MODES {
        let lab = Lab::new(Config::default());
        round_trip(&lab.open(mode, true).disk, 1);
    }
}

#[test]
fn a_strict_host_answers_in_any_order() {
    for mode in MODES {
        let lab = Lab::new(Config { strict: true, ..Config::default() });
        round_trip(&lab.open(mode, true).disk, 2);
    }
}

#[test]
fn synchronous_and_asynchronous_requests_share_a_connection() {
    let lab = Lab::new(Config::default());
    let opened = lab.open("nbdssl", true);
    let threads: Vec<_> = (0..8u64)
        .map(|number| {
            let disk = Arc::clone(&opened.disk);
            thread::spawn(move || {
                let (start, mut buffer) = (number * 5000, vec![0; 3000 * SECTOR]);
                for round in 0..6 {
                    let data = pattern(number * 100 + round, 3000);
                    if round % 2 == 0 {
                        disk.write(start, &data).unwrap();
                    } else {
                        let (sender, receiver) = mpsc::channel();
                        disk.write_async(start, data.clone(), move |result| sender.send(result).unwrap())
                            .unwrap();
                        receiver.recv().unwrap().unwrap();
                    }
                    disk.read(start, &mut buffer).unwrap();
                    assert!(buffer == data, "thread {number}, round {round}");
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn completion_functions_may_ask_for_more_but_not_wait_for_their_disk() {
    let lab = Lab::new(Config::default());
    let opened = lab.open("nbd", false);
    let other = lab.open("nbd", false);
    let (disk, second) = (Arc::clone(&opened.disk), Arc::clone(&other.disk));
    let caller = thread::current().id();
    let ended = Arc::new(AtomicUsize::new(0));
    let (inner, handle) = (Arc::clone(&ended), opened.handle);
    let done = move |result: vixDiskLib::error::Result<()>| {
        result.unwrap();
        assert_ne!(thread::current().id(), caller);
        assert_eq!(disk.wait().unwrap_err().kind(), ErrorKind::Busy);
        assert_eq!(session::close(handle).unwrap_err().kind(), ErrorKind::Busy);
        // Both disks may be used, and the other one be waited for.
        disk.read(0, &mut vec![0; 2 << 20]).unwrap();
        second.read_async(0, vec![0; 2 << 20], |result| result.unwrap()).unwrap();
        second.wait().unwrap();
        let last = Arc::clone(&inner);
        let count = move |result: vixDiskLib::error::Result<()>| {
            result.unwrap();
            last.fetch_add(1, Ordering::SeqCst);
        };
        disk.read_async(0, vec![0; SECTOR], count).unwrap();
        inner.fetch_add(1, Ordering::SeqCst);
    };
    opened.disk.read_async(0, vec![0; 2 << 20], done).unwrap();
    opened.disk.wait().unwrap();
    assert_eq!(ended.load(Ordering::SeqCst), 2);
    // What is out of range is refused, and nobody is told.
    let refused = opened.disk.read_async(CAPACITY, vec![0; SECTOR], |_| ended_by_mistake());
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::OutOfRange);
    let refused = opened.disk.write_async(0, vec![0; SECTOR], |_| ended_by_mistake());
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ReadOnly);
}

fn ended_by_mistake() {
    std::process::abort();
}

#[test]
fn close_waits_for_what_is_under_way() {
    let lab = Lab::new(Config { latency_ms: 100, ..Config::default() });
    let opened = lab.open("nbdssl", true);
    let ended = Arc::new(AtomicUsize::new(0));
    for number in 0..20 {
        let ended = Arc::clone(&ended);
        let count = move |result: vixDiskLib::error::Result<()>| {
            result.unwrap();
            ended.fetch_add(1, Ordering::SeqCst);
        };
        opened.disk.write_async(number * 300, pattern(number, 300), count).unwrap();
    }
    session::close(opened.handle).unwrap();
    assert_eq!(ended.load(Ordering::SeqCst), 20);
    let refused = opened.disk.read_async(0, vec![0; SECTOR], |_| ended_by_mistake());
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidHandle);
}

#[test]
fn a_host_without_memory_is_asked_for_less_and_then_for_more() {
    for mode in MODES {
        let lab = Lab::new(Config::default());
        let opened = lab.open(mode, true);
        for round in 0..3 {
            lab.simulator.inject(Planned { fault: Fault::NoMemory, times: 5, skip: 3 * round });
            round_trip(&opened.disk, u64::from(round));
        }
    }
    // And one that has a little for everybody, however many there are.
    let lab = Lab::new(Config { memory_budget: 6 << 20, ..Config::default() });
    let disks: Vec<_> = (0..8).map(|_| lab.open("nbd", false)).collect();
    let ended = Arc::new(AtomicUsize::new(0));
    for opened in &disks {
        for start in (0..CAPACITY).step_by(2048) {
            let ended = Arc::clone(&ended);
            let count = move |result: vixDiskLib::error::Result<()>| {
                result.unwrap();
                ended.fetch_add(1, Ordering::SeqCst);
            };
            opened.disk.read_async(start, vec![1; 2048 * SECTOR], count).unwrap();
        }
    }
    disks.iter().for_each(|opened| opened.disk.wait().unwrap());
    assert_eq!(ended.load(Ordering::SeqCst), 8 * (CAPACITY / 2048) as usize);
}

#[test]
fn reads_and_writes_that_stall_are_made_anew() {
    for (mode, writes) in [("nbd", true), ("nbdssl", false)] {
        let lab = Lab::new(Config::default());
        let opened = lab.open(mode, true);
        let data = pattern(5, 3000);
        opened.disk.write(9, &data).unwrap();
        lab.simulator.inject(Fault::Stall { millis: STALL.as_millis() as u64 });
        let began = Instant::now();
        if writes {
            opened.disk.write(9, &data).unwrap();
        }
        let mut buffer = vec![0; data.len()];
        opened.disk.read(9, &mut buffer).unwrap();
        assert!(buffer == data);
        assert!(began.elapsed() >= SILENCE, "it must have waited for its limit");
    }
}

#[test]
fn data_is_not_needed_when_its_completion_function_runs() {
    for mode in MODES {
        let lab = Lab::new(Config::default());
        let opened = lab.open(mode, true);
        // A host that says it has all of a write when it has a part of it.
        lab.simulator.inject(Planned { fault: Fault::EarlyAnswer, times: 0, skip: 0 });
        let early = Arc::new(AtomicBool::new(false));
        for start in (0..CAPACITY / 2).step_by(2048) {
            let gone = Arc::new(Mutex::new(None));
            let (returned, early) = (Arc::clone(&gone), Arc::clone(&early));
            let data = Returned(pattern(start, 2048), gone);
            let done = move |result: vixDiskLib::error::Result<()>| {
                result.unwrap();
                early.fetch_or(returned.lock().unwrap().is_none(), Ordering::SeqCst);
            };
            opened.disk.write_async(start, data, done).unwrap();
        }
        opened.disk.wait().unwrap();
        assert!(!early.load(Ordering::SeqCst), "the client may have used its buffer for something else");
    }
}

#[test]
fn a_broken_connection_is_replaced_under_load() {
    for mode in MODES {
        let lab = Lab::new(Config::default());
        let opened = lab.open(mode, true);
        let stop = Arc::new(AtomicBool::new(false));
        let watch = Arc::clone(&stop);
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..4 {
                    thread::sleep(Duration::from_millis(150));
                    if watch.load(Ordering::SeqCst) {
                        break;
                    }
                    lab.simulator.cut_connections();
                }
            });
            for seed in 0..3 {
                round_trip(&opened.disk, seed);
            }
            stop.store(true, Ordering::SeqCst);
        });
    }
}
