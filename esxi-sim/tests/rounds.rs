//! Round trips of every size, with every buffer, compression and mode, beyond 2^32 bytes, with many requests and many
//! handles at once, and fragments in any order.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod lab;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use esxi_sim::{Fault, Planned};
use lab::{COMPRESSIONS, Lab, MODES, SECTOR, pattern};
use vixDiskLib::session::{self, OpenFlags};
use vixDiskLib::transport::nfc::compress::Compression;
use vixDiskLib::transport::nfc::{Config, Encryption};

const GIB: u64 = 2_097_152; // sectors
/// 10 GiB.
const CAPACITY: u64 = 10 * GIB;

/// First sectors and sectors: one, two, as many as a buffer of 64 KiB, one more, and places beyond 2^32 bytes.
const RANGES: [(u64, u64); 11] = [
    (0, 1),
    (0, 2),
    (1, 1),
    (8, 8),
    (0, 128),
    (0, 129),
    (256, 64),
    (GIB, 1),
    (5 * GIB, 4097),
    (8 * GIB - 1, 2),
    (CAPACITY - 3, 3),
];

fn writable(compression: Compression) -> OpenFlags {
    OpenFlags { compression, ..OpenFlags::default() }
}

/// The buffers are keys of the configuration, which is one for the process: so one test has all that needs the library.
#[test]
fn every_size_with_every_buffer_compression_and_mode() {
    for (buffers, count) in [(1, 1), (16, 1), (32, 1), (32, 4)] {
        lab::start_library("");
        session::library::exit(|| ());
        lab::restart_library(&format!(
            "vixDiskLib.nfcAio.Session.BufSizeIn64KB = {buffers}\nvixDiskLib.nfcAio.Session.BufCount = {count}\n"
        ));
        let lab = Lab::new(1, CAPACITY, |_| ());
        for (number, compression) in COMPRESSIONS.into_iter().enumerate() {
            // Each compression in one of the modes, the other way round with the next buffer.
            let mode = MODES[(number + buffers / 16) % 2];
            let disk = lab.open(0, mode, writable(compression)).unwrap();
            for (round, (start, sectors)) in RANGES.into_iter().enumerate() {
                let data = pattern((number * 100 + round) as u64, start, sectors);
                disk.write(start, &data).unwrap();
                assert!(
                    disk.read(start, sectors).unwrap() == data,
                    "{mode} {compression:?} {start} {sectors}"
                );
            }
            // Runs of other bytes than zeros in four sectors.
            let mut sparse = vec![0; 4 * SECTOR];
            for (place, length, byte) in [(137, 20, b'A'), (900, 50, b'B'), (1990, 10, b'C')] {
                sparse[place..place + length].fill(byte);
            }
            disk.write(8888, &sparse).unwrap();
            assert!(disk.read(8888, 4).unwrap() == sparse);
            disk.close();
            // What one compression has written every other one reads.
            let other = COMPRESSIONS[(number + 1) % 4];
            let disk = lab.open(0, mode, OpenFlags { read_only: true, ..writable(other) }).unwrap();
            let (start, sectors) = RANGES[8];
            assert!(disk.read(start, sectors).unwrap() == pattern((number * 100 + 8) as u64, start, sectors));
            disk.close();
        }
    }
    // 16 and 32 MiB are more than hosts have.
    for buffers in [256, 512] {
        session::library::exit(|| ());
        lab::restart_library(&format!("vixDiskLib.nfcAio.Session.BufSizeIn64KB = {buffers}\n"));
        let lab = Lab::new(1, 2048, |_| ());
        let error = lab.open(0, "nbd", writable(Compression::None)).unwrap_err();
        assert!(lab::told(&error).contains("NFC session"), "{error}");
    }
    session::library::exit(|| ());
    lab::restart_library("");
    large_requests();
    eight_handles_at_once();
}

/// 32 MiB at once with each mode, and 64 MiB beyond 2^32 bytes.
fn large_requests() {
    let lab = Lab::new(1, CAPACITY, |_| ());
    for (mode, compression, start, sectors) in [
        ("nbd", Compression::None, 5 * GIB, 131_072),
        ("nbdssl", Compression::None, 1, 65_536),
        ("nbd", Compression::SkipZ, 3, 65_536),
        ("nbdssl", Compression::FastLz, GIB, 16_384),
    ] {
        let disk = lab.open(0, mode, writable(compression)).unwrap();
        let data = pattern(7, start, sectors);
        disk.write(start, &data).unwrap();
        assert!(disk.read(start, sectors).unwrap() == data, "{mode} {compression:?}");
        disk.close();
    }
}

fn config(encryption: Encryption, buffer_bytes: u32) -> Config {
    Config { encryption, buffer_bytes, ..Config::default() }
}

#[test]
fn sixteen_requests_are_under_way_with_fragments_in_any_order() {
    for (strict, encryption, compression) in [
        (true, Encryption::Clear, Compression::None),
        (true, Encryption::Tls, Compression::SkipZ),
        (false, Encryption::Tls, Compression::Zlib),
    ] {
        let lab = Lab::new(1, CAPACITY, |config| config.strict = strict);
        if !strict {
            lab.simulator.inject(Planned { fault: Fault::Shuffle, times: 0, skip: 0 });
        }
        let disk = lab.transport(0, compression, &config(encryption, 64 << 10));
        let (sender, receiver) = mpsc::channel();
        let place = |index: u64| (4 * GIB - 4096 + index * 1000, 997);
        for index in 0..16 {
            let (start, sectors) = place(index);
            let sender = sender.clone();
            let done = move |result| sender.send((index, result)).unwrap();
            disk.write_async(start, pattern(index, start, sectors), done).unwrap();
        }
        let ended = || receiver.recv_timeout(Duration::from_secs(120)).expect("an end");
        for _ in 0..16 {
            let (index, result) = ended();
            result.unwrap_or_else(|error| panic!("write {index}: {error}"));
        }
        // The buffer goes to the request, so a second read sees what the asynchronous ones saw.
        for index in 0..16 {
            let (start, sectors) = place(index);
            let sender = sender.clone();
            let buffer = vec![0; sectors as usize * SECTOR];
            disk.read_async(start, buffer, move |result| sender.send((index, result)).unwrap()).unwrap();
        }
        for _ in 0..16 {
            let (index, result) = ended();
            result.unwrap_or_else(|error| panic!("read {index}: {error}"));
        }
        for index in 0..16 {
            let (start, sectors) = place(index);
            let mut buffer = vec![0; sectors as usize * SECTOR];
            disk.read(start, &mut buffer).unwrap();
            assert!(buffer == pattern(index, start, sectors), "{index}");
        }
        disk.close();
    }
}

fn eight_handles_at_once() {
    let lab = Lab::new(8, 4 * GIB + 100_000, |_| ());
    thread::scope(|scope| {
        for number in 0..8 {
            let lab = &lab;
            scope.spawn(move || {
                let disk = lab.open(number, MODES[number % 2], writable(COMPRESSIONS[number / 2])).unwrap();
                for round in 0..12 {
                    let start = 4 * GIB - 10_000 + round * 8000;
                    let data = pattern(number as u64 * 100 + round, start, 3000);
                    disk.write(start, &data).unwrap();
                    assert!(disk.read(start, 3000).unwrap() == data, "disk {number}");
                }
                let blocks = disk.get().allocated_blocks(4 * GIB - 12_800, 12_800, 128).unwrap();
                assert!(!blocks.is_empty());
                disk.close();
            });
        }
    });
}
