//! The disk service end to end: a disk of the host of `host_for_tests`, whatever that does.

use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::compress::Compression;
use super::host_for_tests::{COMPRESSIONS, DISK, Fault, Host, MODES, config};
use super::tests::hex;
use super::{Config, Encryption, Limits};
use crate::error::Kind;

#[test]
fn reads_and_writes_of_every_mode_and_compression() {
    for encryption in MODES {
        for compression in COMPRESSIONS {
            let host = Host::start();
            let disk = host.open(encryption, compression).expect("opened");
            assert_eq!(disk.info().sectors, DISK as u64 / 512);
            let mut all = vec![0; DISK];
            disk.read(0, &mut all).expect("read");
            assert!(all == *host.content.lock().expect("content"), "{encryption:?} {compression:?}");
            let data: Vec<u8> =
                (0..(3 << 20) + 512).map(|at: usize| if at % 4096 < 3000 { 0 } else { at as u8 }).collect();
            disk.write(7, &data).expect("written");
            all[7 * 512..][..data.len()].copy_from_slice(&data);
            assert!(all == *host.content.lock().expect("content"), "{encryption:?} {compression:?}");
            for (start, sectors) in [(0, 1), (0, 2), (1, 1), (8, 8), (0, 128), (0, 129), (256, 64)] {
                let mut part = vec![0; sectors * 512];
                disk.read(start, &mut part).expect("read");
                assert!(part == all[start as usize * 512..][..part.len()]);
            }
            assert_eq!(disk.metadata("adapterType").expect("asked").as_deref(), Some("lsilogic"));
            assert_eq!(disk.metadata("nothing").expect("asked"), None);
            let runs = disk.allocated(0, 1024, 128).expect("asked");
            assert_eq!(runs, [super::Allocated { start: 0, sectors: 512 }]);
            assert_eq!(
                disk.read(DISK as u64 / 512, &mut [0; 512]).expect_err("past the end").kind(),
                Kind::OutOfRange
            );
            disk.read(3, &mut []).expect("nothing");
            disk.close();
            assert_eq!(disk.read(0, &mut [0; 512]).expect_err("closed").kind(), Kind::InvalidHandle);
        }
    }
}

#[test]
fn sessions_are_those_of_the_original_byte_for_byte() {
    let host = Host::start();
    let config = Config { buffer_count: 1, ..config() };
    let disk = host.open_with(&config, Compression::None).expect("opened");
    let data: Vec<u8> = (0..66_048_usize).map(|at| (at / 512) as u8 ^ at as u8).collect();
    disk.write(1, &[0x41; 512]).expect("written");
    disk.read(1, &mut [0; 512]).expect("read");
    disk.write(0, &data).expect("written");
    let mut back = vec![0; data.len()];
    disk.read(0, &mut back).expect("read");
    assert!(back == data);
    let keys =
        ["geometry.biosCylinders", "geometry.biosHeads", "geometry.biosSectors", "adapterType", "uuid"];
    keys.iter().for_each(|key| drop(disk.metadata(key).expect("asked")));
    disk.allocated(128, 2048, 128).expect("asked");
    disk.close();
    let expected = [set_up(), requests(&data, &keys)].concat();
    let until = Instant::now() + Duration::from_secs(20);
    while host.heard.lock().expect("heard").len() < expected.len() && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(*host.heard.lock().expect("heard") == expected);
}

fn classic_message(text: &str) -> Vec<u8> {
    [hex(text), vec![0; 264 - hex(text).len()]].concat()
}

/// What the original sends until the disk is open.
fn set_up() -> Vec<u8> {
    [
        classic_message("2b000000 506c61696e54657874"),
        classic_message("21000000"),
        classic_message("33000000 0b000000"),
        classic_message("36000000 04000000 07000000"),
        b"vddknbdmode".to_vec(),
        classic_message("37000000 03000000"),
        classic_message("34000000"),
        hex("7ada00a1 02000000 10000000 00000000  00000000 00000100 01000000 00000000"),
        hex("7ada00a1 09000000 0c000000 01000000  000000000000000000000000"),
        hex("7ada00a1 16000000 04000000 02000000  01000000"),
        hex("7ada00a1 04000000 3c000000 03000000  0e000000 000000000000000000000000 02000000 1a000000"),
        vec![0; 36],
        b"[ds0] t/t.vmdk".to_vec(),
    ]
    .concat()
}

/// What it sends for a sector written and read, 129 of them, five keys, allocated blocks, and to close.
fn requests(data: &[u8], keys: &[&str; 5]) -> Vec<u8> {
    let io = |operation: u8, rest: &str| {
        hex(&format!("7ada00a1 07000000 2c000000 {operation:02x}000000  1f2a0080ffffffff {rest}"))
    };
    let key = |(operation, key): (u8, &&str)| {
        let length = key.len();
        let head = format!(
            "7ada00a1 0b000000 10000000 {operation:02x}000000  1f2a0080ffffffff {length:02x}000000 00000000"
        );
        [hex(&head), key.as_bytes().to_vec()].concat()
    };
    [
        io(4, "00000000 00000000 0002000000000000 00020000 00000000 00020000 00020000 00000000"),
        vec![0x41; 512],
        io(5, "01000000 00000000 0002000000000000 0002000000000000 00020000 00020000 00000000"),
        io(6, "00000000 00000000 0000000000000000 00020100 00000000 00000100 00000100 00000000"),
        data[..65_536].to_vec(),
        io(6, "00000000 00000000 0000000000000000 00020100 00000100 00020000 00020000 00000000"),
        data[65_536..].to_vec(),
        io(7, "01000000 00000000 0000000000000000 0002010000000000 00020100 00020100 00000000"),
        (8..).zip(keys).flat_map(key).collect(),
        hex("7ada00a1 0d000000 30000000 0d000000  1f2a0080ffffffff 0000000000000000 0000010000000000"),
        hex("0000010000000000 1000000000000000 0000000000000000"),
        hex("7ada00a1 05000000 08000000 0e000000  1f2a0080ffffffff"),
        hex("7ada00a1 03000000 04000000 0f000000  00000000"),
        classic_message("04000000"),
    ]
    .concat()
}

#[test]
fn sixteen_requests_are_under_way_and_answered_in_any_order() {
    for encryption in MODES {
        let host = Host::start();
        let disk = host.open(encryption, Compression::None).expect("opened");
        host.hold.store(16, Ordering::SeqCst);
        let (sender, receiver) = mpsc::channel();
        for index in 0..32u64 {
            let sender = sender.clone();
            disk.read_async(index * 100, vec![0; 51_200], move |result| {
                sender.send((index, result)).expect("sent")
            })
            .expect("accepted");
        }
        let mut ended: Vec<u64> = Vec::new();
        for _ in 0..32 {
            let (index, result) = receiver.recv_timeout(Duration::from_secs(60)).expect("an end");
            result.expect("read");
            ended.push(index);
        }
        assert_eq!(ended[0], 15, "the newest was answered first");
        ended.sort_unstable();
        assert_eq!(ended, (0..32).collect::<Vec<_>>());
        host.hold.store(1, Ordering::SeqCst);
    }
}

#[test]
fn broken_connections_heal_and_replay() {
    for encryption in MODES {
        for fault in [
            Fault::Cut,
            Fault::CutInData,
            Fault::Overlap,
            Fault::WrongTotal,
            Fault::WrongOffset,
            Fault::NoMagic,
        ] {
            let host = Host::start();
            let disk = host.open(encryption, Compression::None).expect("opened");
            host.will(&[Fault::None, fault.clone(), Fault::None, fault.clone()]);
            let mut all = vec![0; DISK];
            disk.read(0, &mut all).expect("healed");
            assert!(all == *host.content.lock().expect("content"), "{fault:?}");
            assert!(host.tickets.load(Ordering::SeqCst) > 1, "{fault:?}");
        }
        let host = Host::start();
        let disk = host.open(encryption, Compression::Zlib).expect("opened");
        disk.write(0, &[1; 1 << 20]).expect("written");
        host.will(&[Fault::None, Fault::Cut]);
        disk.write(0, &vec![2; 3 << 20]).expect("healed");
        assert!(host.content.lock().expect("content")[..3 << 20].iter().all(|byte| *byte == 2));
        let writes = host.writes.load(Ordering::SeqCst);
        assert!((5..=6).contains(&writes), "{writes} writes: only what was not acknowledged is replayed");
    }
}

#[test]
fn tries_are_bounded() {
    let host = Host::start();
    let disk = host.open_with(&Config { tries: 2, ..config() }, Compression::None).expect("opened");
    host.will(&[Fault::Cut, Fault::Cut, Fault::Cut]);
    assert_eq!(disk.read(0, &mut [0; 512]).expect_err("cut each time").kind(), Kind::ConnectionLost);
    disk.read(0, &mut [0; 512]).expect("the disk lives on");
}

#[test]
fn silence_ends() {
    let host = Host::start();
    let read_limits = Limits { silence: Duration::from_millis(300), whole: None };
    let disk = host.open_with(&Config { read_limits, ..config() }, Compression::None).expect("opened");
    host.will(&[Fault::Stall]);
    disk.read(0, &mut [0; 512]).expect("healed");
    assert_eq!(host.tickets.load(Ordering::SeqCst), 2);
}

#[test]
fn hosts_without_memory_are_asked_for_less() {
    let host = Host::start();
    let disk = host.open(Encryption::Clear, Compression::None).expect("opened");
    host.will(&[
        Fault::Error(5, "Failed to allocate the requested 1048576 bytes"),
        Fault::None,
        Fault::Error(1, "NFC error 5"),
    ]);
    let mut all = vec![0; DISK];
    disk.read(0, &mut all).expect("read");
    assert!(all == *host.content.lock().expect("content"));
    assert_eq!(host.tickets.load(Ordering::SeqCst), 1);
}

#[test]
fn errors_of_the_host_reach_their_request_alone() {
    let host = Host::start();
    let disk = host.open(Encryption::Tls, Compression::None).expect("opened");
    host.will(&[Fault::Error(13, "NfcAioReadFile failed")]);
    let error = disk.read(0, &mut [0; 512]).expect_err("reported");
    assert!(error.to_string().contains("NfcAioReadFile failed"), "{error}");
    disk.read(0, &mut [0; 512]).expect("the next one");
    host.will(&[Fault::Status]);
    assert_eq!(disk.read(0, &mut [0; 512]).expect_err("a status").kind(), Kind::ServerFault);
    disk.read(0, &mut [0; 512]).expect("the next one");
}

#[test]
fn a_connection_that_broke_is_replaced_however_long_the_disk_was_idle() {
    let host = Host::start();
    let disk = host.open(Encryption::Clear, Compression::None).expect("opened");
    host.will(&[Fault::Status]);
    disk.read(0, &mut [0; 512]).expect_err("a status, after which nothing is in flight");
    thread::sleep(Duration::from_millis(200)); // everybody has gone to wait
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(disk.read(0, &mut [0; 512])));
    receiver.recv_timeout(Duration::from_secs(60)).expect("it hangs").expect("healed");
}

#[test]
fn hosts_that_are_not_what_they_should_be_are_refused() {
    let host = Host::start();
    host.other_sha256.store(true, Ordering::SeqCst);
    let error = host.open(Encryption::Clear, Compression::None).expect_err("another SHA-256");
    assert_eq!(error.kind(), Kind::Untrusted, "{error}");
    let host = Host::start();
    host.old.store(true, Ordering::SeqCst);
    host.sha256.store(false, Ordering::SeqCst);
    let error = host.open(Encryption::Tls, Compression::None).expect_err("an old host");
    assert_eq!(error.kind(), Kind::NotSupported, "{error}");
    let host = Host::start();
    host.sha256.store(false, Ordering::SeqCst);
    host.open(Encryption::Clear, Compression::None).expect("a host without SHA-256");
}

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).expect("proc").count()
}

fn ours() -> usize {
    let names = std::fs::read_dir("/proc/self/task").expect("proc").filter_map(|task| {
        let path = task.ok()?.path().join("comm");
        std::fs::read_to_string(path).ok()
    });
    names.filter(|name| name.starts_with("vixen-nfc")).count()
}

/// Other tests run beside this one, so threads are counted in a process of its own.
#[test]
fn nothing_is_left_of_fifty_disks() {
    const NAME: &str = "transport::nfc::server_tests::nothing_is_left_of_fifty_disks";
    if std::env::var_os("VIXEN_NFC_ALONE").is_none() {
        let program = std::env::current_exe().expect("this program");
        let status =
            std::process::Command::new(program).args([NAME, "--exact"]).env("VIXEN_NFC_ALONE", "1").status();
        assert!(status.expect("run").success());
        return;
    }
    let host = Host::start();
    let once = || {
        let disk = host.open(Encryption::Tls, Compression::SkipZ).expect("opened");
        disk.write(0, &[7; 1024]).expect("written");
        let (sender, receiver) = mpsc::channel();
        disk.read_async(0, vec![0; 512], move |result| sender.send(result).expect("sent")).expect("accepted");
        receiver.recv().expect("an end").expect("read");
        drop(disk);
        assert_eq!(ours(), 0, "threads are left");
    };
    let at_first = count("/proc/self/fd");
    once();
    let settle = |most: usize| {
        let until = Instant::now() + Duration::from_secs(20);
        while count("/proc/self/fd") > most && Instant::now() < until {
            thread::sleep(Duration::from_millis(10)); // the host's side closes by itself
        }
        count("/proc/self/fd")
    };
    let before = settle(at_first);
    (0..50).for_each(|_| once());
    assert!(settle(before) <= before, "descriptors are left");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn a_disk_is_an_array_of_bytes(
        steps in proptest::collection::vec((any::<bool>(), 0usize..DISK / 512, 1usize..3000, any::<u8>()), 1..20),
        mode in 0usize..2,
        compression in 0usize..4,
        cut in 0usize..10,
    ) {
        let host = Host::start();
        let config = Config { encryption: MODES[mode], buffer_bytes: 128 << 10, request_bytes: 300 << 10, ..config() };
        let disk = host.open_with(&config, COMPRESSIONS[compression]).expect("opened");
        let mut model = host.content.lock().expect("content").clone();
        host.will(&vec![Fault::None; cut]);
        host.will(&[Fault::Cut]);
        for (writes, start, sectors, byte) in steps {
            let sectors = sectors.min(DISK / 512 - start);
            let range = start * 512..(start + sectors) * 512;
            if writes {
                let data: Vec<u8> = (0..range.len()).map(|at| if at % 700 < 300 { 0 } else { byte ^ at as u8 }).collect();
                disk.write(start as u64, &data).expect("written");
                model[range].copy_from_slice(&data);
            } else {
                let mut data = vec![0; range.len()];
                disk.read(start as u64, &mut data).expect("read");
                prop_assert!(data == model[range]);
            }
        }
        disk.close();
        prop_assert!(model == *host.content.lock().expect("content"));
    }
}
