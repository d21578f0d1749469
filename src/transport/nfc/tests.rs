//! Messages byte for byte, and codecs against damaged input.

use proptest::prelude::*;

use super::aio::{self, Fragment, Header};
use super::compress::{Codec, Compression};
use super::covered::Covered;
use super::offline::{Sent, answers};
use super::{authd, classic, fastlz, skipz};
use crate::error::Kind;

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
    digits.chunks(2).map(pair).collect()
}

const HANDLE: u64 = 0xffff_ffff_8000_2a1f;

#[test]
fn requests_are_those_of_the_original() {
    let header = aio::message(4, 3, &[0; 60]);
    assert_eq!(header[..16], hex("7ada00a1 04000000 3c000000 03000000"));
    let open = aio::open_file(&"x".repeat(24), false, false);
    assert_eq!(open, [hex("18000000 000000000000000000000000 02000000 1e000000"), vec![0; 36]].concat());
    assert_eq!(aio::open_file("", true, false)[20..24], hex("1a000000"));
    assert_eq!(aio::open_file("", true, true)[20..24], hex("18000000"));
    let read = aio::read_request(HANDLE, Compression::None, 0x1_0010_0200, 0x10_0000);
    let expected =
        "1f2a0080ffffffff 01000000 00000000 0002100001000000 0000100000000000 00001000 00001000 00000000";
    assert_eq!(read[..], hex(expected));
    assert_eq!(aio::open_session(65536, 1)[..], hex("00000000 00000100 01000000 00000000"));
    assert_eq!(aio::ddb_get(HANDLE, "geometry.biosCylinders"), hex("1f2a0080ffffffff 16000000 00000000"));
    assert_eq!(aio::ddb_get(HANDLE, "geometry.sectors"), hex("1f2a0080ffffffff 10000000 00000000"));
    let question = aio::allocated_request(HANDLE, 128 * 512, 128 * 512, 16);
    let expected = "1f2a0080ffffffff 0000000000000000 0000010000000000 0000010000000000 1000000000000000 0000000000000000";
    assert_eq!(question, hex(expected));
    let write = Fragment {
        handle: 0,
        read: false,
        compression: 0,
        offset: 0,
        total: 66048,
        start: 65536,
        length: 512,
        wire: 512,
    };
    let expected =
        "0000000000000000 00000000 00000000 0000000000000000 00020100 00000100 00020000 00020000 00000000";
    assert_eq!(write.payload()[..], hex(expected));
    assert_eq!(aio::message(7, 4, &write.payload()).len() + 512, 572);
}

#[test]
fn answers_are_read() {
    let opened = "0000000000000000 8877665544332211 02000000 1e000000 00000000 0000008002000000 00020000 01000000 02000000 03000000 0000000000000000";
    let disk = aio::opened(&hex(opened)).expect("a disk");
    assert_eq!((disk.handle, disk.capacity_bytes), (0x1122_3344_5566_7788, 0x2_8000_0000));
    assert_eq!((disk.sector_bytes, disk.geometry), (512, [1, 2, 3]));
    for (place, byte) in [(0, 1), (16, 99), (36, 1), (35, 0xff)] {
        let mut wrong = hex(opened);
        wrong[place] = byte;
        assert_eq!(aio::opened(&wrong).expect_err("damaged").kind(), Kind::Handshake);
    }
    assert!(aio::opened(&[0; 40]).is_err());
    let mut zero_sectors = hex(opened);
    zero_sectors[37] = 0;
    assert_eq!(aio::opened(&zero_sectors).expect("a disk").sector_bytes, 512);
    let opened = "0000000000000000 3412000000000000 02000000 1e000000 00000000 0000000004000000 00020000 28080000 ff000000 3f000000 0000000000000000";
    let disk = aio::opened(&hex(opened)).expect("a disk");
    assert_eq!((disk.handle, disk.capacity_bytes / 512), (0x1234, 33_554_432));
    assert_eq!((disk.sector_bytes, disk.geometry), (512, [2088, 255, 63]));
    let fragment =
        "0300000000000000 01000000 03000000 0002100001000000 00001000 00000300 00000100 ffff0000 00000000";
    let read = Fragment::read(&hex(fragment)).expect("a fragment");
    assert_eq!((read.handle, read.read, read.compression, read.offset), (3, true, 3, 0x1_0010_0200));
    assert_eq!((read.total, read.start, read.length, read.wire), (0x10_0000, 0x3_0000, 0x1_0000, 0xffff));
    let record = hex("0b00000000000000 00000000 61000000");
    assert_eq!((aio::error_code(&record), aio::extra_bytes(1, &record).expect("a text")), (11, 97));
    assert!(aio::extra_bytes(1, &hex("0b00000000000000 00000000 ffffffff")).is_err());
    assert!(aio::extra_bytes(99, &[]).is_err());
    assert!(Header::read(&[0; 16]).is_err());
    let mut long = [0; 16];
    long.copy_from_slice(&hex("7ada00a1 04000000 00ffff00 03000000"));
    assert!(Header::read(&long).is_err());
}

#[test]
fn bitmaps_become_runs() {
    let runs = |bitmap: &[u8], chunks| {
        let mut runs = Vec::new();
        aio::runs(bitmap, chunks, |first, count| runs.push((first, count)));
        runs
    };
    assert_eq!(runs(&[0x0f, 0x03], 10), [(0, 4), (8, 2)]);
    assert_eq!(runs(&[0x0e], 4), [(1, 3)]);
    assert_eq!(runs(&[0x03, 0xff, 0xff, 0xff], 2), [(0, 2)]);
    assert_eq!([0, 1, 32, 33].map(aio::bitmap_bytes), [0, 4, 4, 8]);
}

#[test]
fn classic_messages_have_264_bytes() {
    let padded = |text: &str| [hex(text), vec![0; 264 - hex(text).len()]].concat();
    assert_eq!(classic::message(51, &[12, 1])[..], padded("33000000 0c000000 01000000"));
    assert_eq!(classic::message(54, &[7, 7])[..], padded("36000000 07000000 07000000"));
    assert_eq!(classic::tag("PlainText")[..], padded("2b000000 506c61696e54657874"));
    assert_eq!(classic::tag("ABCDEFGHIJKLMNOP")[..], padded("2b000000 41424344 45464748 494a4b4c 4d4e4f50"));
    let awaited = |message: [u8; 264]| classic::expect(&message, b"text", 36);
    assert!(awaited(classic::message(36, &[0, 0, 0, 1])).is_ok());
    assert_eq!(awaited(classic::message(4, &[])).expect_err("refused").kind(), Kind::Handshake);
    assert_eq!(awaited(classic::message(20, &[0, 5, 4])).expect_err("an error").kind(), Kind::OutOfMemory);
    assert!(classic::trailer(&classic::message(20, &[0, 5, u32::MAX])).is_err());
    let old = classic::check_asynchronous(&classic::message(36, &[]), None).expect_err("synchronous");
    assert_eq!(old.kind(), Kind::NotSupported);
}

#[test]
fn greetings_tell_capabilities() {
    let line = "220 VMware Authentication Daemon Version 1.10: SSL Required, ServerDaemonProtocol:SOAP, MKSDisplayProtocol:VNC , VMXARGS supported, NFCSSL supported/t, SHA256 supported";
    let greeting = authd::greeting(line).expect("a greeting");
    assert!(greeting.sha256 && greeting.nfcssl);
    let greeting = authd::greeting(line.trim_end_matches(", SHA256 supported")).expect("an older host");
    assert!(!greeting.sha256 && greeting.nfcssl);
    assert_eq!(authd::greeting("530 no").expect_err("refused").kind(), Kind::Handshake);
    assert_eq!(authd::answer("200 Connect ha-nfc", "200", "PROXY").expect("connected"), "Connect ha-nfc");
    assert!(authd::answer("2000", "200", "PROXY").is_err());
}

/// Four sectors with three runs that are not zero, and their encodings by other programs.
fn vector() -> (Vec<u8>, [(Compression, Vec<u8>); 3]) {
    let mut data = vec![0; 2048];
    data[137..157].fill(b'A');
    data[900..950].fill(b'B');
    data[1990..2000].fill(b'C');
    let a = "41".repeat(20) + "8403000032000000" + &"42".repeat(50) + "c60700000a000000" + &"43".repeat(10);
    let skipz = hex(&("00080000 00000000 89000000 14000000".to_owned() + &a));
    let fastlz = hex(
        "010000e07e010041e00a00e07e9ae0fd00e0fd00e04b000042e02800e2fd91e2fd91e24b91e0fd00e0a1000043e00000e122b9040000000000",
    );
    let zlib = hex("789c63601824c0110b1868378d82514007e044321868178f8251300a060f70860352750200e4331497");
    (data, [(Compression::SkipZ, skipz), (Compression::FastLz, fastlz), (Compression::Zlib, zlib)])
}

#[test]
fn encodings_of_other_programs_are_read() {
    let (data, encodings) = vector();
    let mut codec = Codec::default();
    for (compression, encoded) in encodings {
        let mut output = vec![1; data.len()];
        codec.decode(compression, &encoded, &mut output).expect("decoded");
        assert!(output == data, "{compression:?}");
        assert!(codec.decode(compression, &encoded, &mut output[1..]).is_err(), "{compression:?}");
        assert!(
            codec.decode(compression, &encoded[..encoded.len() - 1], &mut output).is_err(),
            "{compression:?}"
        );
    }
    let mut zeros = vec![1; 512];
    codec.decode(Compression::FastLz, &hex("010000e0fd01e0ea01040000000000"), &mut zeros).expect("decoded");
    assert_eq!(zeros, [0; 512]);
    let mut encoded = Vec::new();
    skipz::encode(&data, &mut encoded);
    assert_eq!(encoded, vector().1[0].1);
    encoded.clear();
    skipz::encode(&[0; 512], &mut encoded);
    assert_eq!(encoded, hex("0002000000000000"));
}

#[test]
fn stored_fragments_are_told_by_their_length() {
    let mut codec = Codec::default();
    let data: Vec<u8> = (0..=255).cycle().take(512).collect();
    for compression in [Compression::None, Compression::Zlib, Compression::FastLz, Compression::SkipZ] {
        let mut output = vec![0; 512];
        codec.decode(compression, &data, &mut output).expect("stored");
        assert_eq!(output, data);
    }
    // A segment that goes back, one that leaves the output, half a head.
    for wrong in [
        "08000000 00000000 04000000 01000000 aa 00000000 01000000 bb",
        "08000000 00000000 07000000 02000000 aabb",
        "08000000 00000000 00",
    ] {
        assert!(skipz::decode(&hex(wrong), &mut [0; 8]).is_err(), "{wrong}");
    }
    // Before the start of the output; without an end; level 3; far match of level 2.
    for wrong in ["00 aa 20 05", "00", "40 00", "20 aa ff ff ff ff", ""] {
        assert!(fastlz::decode(&hex(wrong), &mut [0; 64]).is_err(), "{wrong}");
    }
    let far = [hex("3f"), vec![7; 32], hex("ff ff ff 00")].concat();
    assert!(fastlz::decode(&far, &mut [0; 1000]).is_err());
}

#[test]
fn encoders_choose_level_and_header_as_hosts_expect() {
    let mut codec = Codec::default();
    for (length, level) in [(16, 0), (65_535, 0), (65_536, 1), (1 << 20, 1)] {
        let mut encoded = Vec::new();
        codec.encode(Compression::FastLz, &vec![7; length], &mut encoded).expect("encoded");
        assert_eq!(encoded[0] >> 5, level, "{length}");
    }
    let mut encoded = Vec::new();
    codec.encode(Compression::Zlib, &[7; 512], &mut encoded).expect("encoded");
    assert_eq!(encoded[..2], [0x78, 0x01]);
}

/// A frame of IO from a host: operation, offset, total, start, length, and what follows it, for a read.
fn frame(operation: u32, place: (u64, u32, u32, u32), compression: u32, data: &[u8]) -> Vec<u8> {
    let (offset, total, start, length) = place;
    let wire = data.len() as u32;
    let fragment = Fragment { handle: 0, read: true, compression, offset, total, start, length, wire };
    [&aio::message(aio::kind::IO, operation, &fragment.payload()), data].concat()
}

#[test]
fn a_read_of_129_sectors_is_two_fragments_and_a_write_has_one_answer() {
    let data: Vec<u8> = (0..66_048_u32).map(|at| (at / 512) as u8 ^ at as u8).collect();
    let asked: Vec<Sent> = (0..19)
        .map(|operation| match operation {
            14 => Sent::Write { offset: 0, length: 66_048 },
            18 => Sent::Read { offset: 0, length: 66_048 },
            _ => Sent::Question(aio::kind::CLOSE_FILE),
        })
        .collect();
    let head = "7ada00a1 07000000 2c000000 12000000  0000000000000000 01000000 00000000 0000000000000000";
    let input = [
        // Nothing follows this one, though it names a length.
        hex("7ada00a1 07000000 2c000000 0e000000  0000000000000000 00000000 00000000 0000000000000000"),
        hex("00020100 00000000 00020100 00020100 00000000"),
        [hex(head), hex("00020100 00000100 00020000 00020000 00000000"), data[65536..].to_vec()].concat(),
        [hex(head), hex("00020100 00000000 00000100 00000100 00000000"), data[..65536].to_vec()].concat(),
    ]
    .concat();
    let outcome = answers(&input[..], &asked, Compression::None, 0xff);
    assert!(outcome[14].is_ok());
    assert!(outcome[18].as_ref().is_ok_and(|read| *read == data));
    assert_eq!(outcome.iter().filter(|one| one.is_ok()).count(), 2);
    let input =
        [hex("7ada00a1 0b000000 10000000 00000000  000000000000000000000000 08000000"), b"lsilogic".to_vec()];
    let outcome = answers(&input.concat()[..], &[Sent::Question(aio::kind::DDB_GET)], Compression::None, 0);
    assert!(outcome[0].as_ref().is_ok_and(|reply| reply.ends_with(b"lsilogic") && reply.len() == 24));
}

#[test]
fn fragments_that_nobody_asked_for_do_not_count_as_read() {
    let mut zlib = Vec::new();
    Codec::default().encode(Compression::Zlib, &[7; 512], &mut zlib).expect("encoded");
    let one = [Sent::Read { offset: 512, length: 512 }];
    let place = (512, 512, 0, 512);
    let outcome = |input: &[u8], asked| answers(input, &one, asked, 0xff).remove(0);
    assert!(outcome(&frame(0, place, 0, &[7; 512]), Compression::Zlib).is_ok());
    assert!(outcome(&frame(0, place, 1, &zlib), Compression::Zlib).is_ok());
    // Without compression nobody is there who would decompress it.
    for asked in [Compression::None, Compression::FastLz, Compression::SkipZ] {
        assert!(outcome(&frame(0, place, 1, &zlib), asked).is_err(), "{asked:?}");
    }
    assert!(outcome(&frame(0, place, 4, &zlib), Compression::Zlib).is_err());
}

#[test]
fn requests_come_in_so_many_fragments_at_most() {
    let read = [Sent::Read { offset: 0, length: 65_536 }];
    let in_pieces = |bytes: u32| {
        let starts = (0..65_536).step_by(bytes as usize);
        let input: Vec<u8> = starts
            .flat_map(|start| frame(0, (0, 65_536, start, bytes), 0, &vec![7; bytes as usize]))
            .collect();
        answers(&input[..], &read, Compression::None, 0).remove(0)
    };
    assert!(in_pieces(512).is_ok_and(|data| data == vec![7; 65_536]));
    // Each takes memory, compressed or not.
    assert!(in_pieces(16).is_err());
}

#[test]
fn what_hosts_say_is_fit_for_one_line() {
    let text = format!("no such file\r\n\0 {}", "x".repeat(60_000));
    let error = aio::reported(1, &text);
    assert_eq!(error.kind(), Kind::FileNotFound);
    let shown = error.to_string();
    assert!(shown.len() < 500 && !shown.contains(char::is_control), "{shown:?}");
}

fn samples() -> impl Strategy<Value = Vec<u8>> {
    let run = (any::<u8>(), any::<bool>(), 1usize..3000).prop_map(|(byte, same, length)| {
        let noise = |index: usize| (index.wrapping_mul(2_654_435_761) >> 13) as u8 ^ byte;
        (0..length).map(|index| if same { byte } else { noise(index) }).collect::<Vec<u8>>()
    });
    proptest::collection::vec(run, 1..60).prop_map(|runs| runs.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_encoded_decodes(data in samples()) {
        let mut codec = Codec::default();
        for compression in [Compression::Zlib, Compression::FastLz, Compression::SkipZ] {
            let mut encoded = Vec::new();
            let used = codec.encode(compression, &data, &mut encoded).expect("encoded");
            if used != Compression::None {
                let mut output = vec![1; data.len()];
                codec.decode(used, &encoded, &mut output).expect("decoded");
                prop_assert!(output == data, "{compression:?}");
            }
        }
    }

    #[test]
    fn damage_never_panics(data in samples(), place in any::<usize>(), byte in any::<u8>(), cut in any::<usize>()) {
        let mut codec = Codec::default();
        for compression in [Compression::Zlib, Compression::FastLz, Compression::SkipZ] {
            let mut encoded = Vec::new();
            let used = codec.encode(compression, &data, &mut encoded).expect("encoded");
            if used != Compression::None {
                let place = place % encoded.len();
                encoded[place] = byte;
                let cut = cut % encoded.len() + 1;
                let _ = codec.decode(used, &encoded, &mut vec![1; data.len()]);
                let _ = codec.decode(used, &encoded[..cut], &mut vec![1; data.len()]);
            }
        }
    }

    #[test]
    fn ranges_never_overlap(ranges in proptest::collection::vec((0u32..40, 0u32..12), 0..40)) {
        let (mut covered, mut model) = (Covered::default(), [false; 32]);
        for (start, length) in ranges {
            let places = start as usize..(start + length) as usize;
            let fits = length > 0 && places.end <= 32 && !model[places.clone()].contains(&true);
            prop_assert_eq!(covered.add(start, length, 32), fits);
            if fits {
                model[places].fill(true);
            }
            prop_assert_eq!(covered.bytes() as usize, model.iter().filter(|place| **place).count());
        }
    }
}
