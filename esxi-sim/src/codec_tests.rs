//! Tests of the codecs.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn samples() -> Vec<Vec<u8>> {
    let mut seed = 1_u32;
    let mut noise = |count: usize| -> Vec<u8> {
        (0..count)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            })
            .collect()
    };
    let mut mixed = vec![0; 4096];
    mixed.extend(noise(300));
    mixed.extend([7; 5000]);
    mixed.extend(b"abcabcabcabcabc".repeat(700));
    let mut large = mixed.repeat(8);
    large.truncate(1 << 16);
    vec![
        vec![0; 512],
        vec![9; 1 << 16],
        noise(512),
        mixed,
        large.clone(),
        large.repeat(4),
        [noise(9000), vec![0; 70000]].concat(),
    ]
}

#[test]
fn everything_comes_back() {
    for method in [Method::Zlib, Method::FastLz, Method::SkipZ] {
        for data in samples() {
            let mut wire = Vec::new();
            if encode(method, &data, &mut wire) {
                let mut back = vec![1; data.len()];
                decode(method, &wire, &mut back).unwrap();
                assert!(back == data, "{method:?} {}", data.len());
            }
        }
    }
}

#[test]
fn vectors_of_others_are_understood() {
    let mut plain = vec![0; 2048];
    plain[137..157].fill(b'A');
    plain[900..950].fill(b'B');
    plain[1990..2000].fill(b'C');
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let fastlz = "010000e07e010041e00a00e07e9ae0fd00e0fd00e04b000042e02800e2fd91e2fd91e24b91e0fd00e0a1000043e00000e122b9040000000000";
    let zlib = "789c63601824c0110b1868378d82514007e044321868178f8251300a060f70860352750200e4331497";
    let mut out = vec![0; 2048];
    decode(Method::FastLz, &hex(fastlz), &mut out).unwrap();
    assert!(out == plain);
    decode(Method::Zlib, &hex(zlib), &mut out).unwrap();
    assert!(out == plain);
    let mut zeros = vec![1; 512];
    decode(Method::FastLz, &hex("010000e0fd01e0ea01040000000000"), &mut zeros).unwrap();
    assert!(zeros == [0; 512]);
    let mut wire = Vec::new();
    assert!(encode(Method::SkipZ, &plain, &mut wire));
    let expected = format!(
        "00080000000000008900000014000000{}8403000032000000{}c60700000a000000{}",
        "41".repeat(20),
        "42".repeat(50),
        "43".repeat(10)
    );
    assert_eq!(wire, hex(&expected));
}

#[test]
fn damaged_streams_are_refused() {
    let mut out = [0; 512];
    assert!(
        decode(Method::SkipZ, &[0, 2, 0, 0, 0, 0, 0, 0, 255, 1, 0, 0, 2, 0, 0, 0, 1, 1], &mut out).is_none()
    );
    assert!(decode(Method::FastLz, &[0x40, 1], &mut out).is_none());
    assert!(decode(Method::FastLz, &[0, 1, 0xe0, 0xff, 0xff], &mut out).is_none());
    assert!(decode(Method::Zlib, b"no zlib", &mut out).is_none());
    assert!(decode(Method::None, &[0; 511], &mut out).is_none());
}

#[test]
fn large_fragments_are_level_2() {
    let mut wire = Vec::new();
    assert!(encode(Method::FastLz, &vec![3; 1 << 16], &mut wire));
    assert_eq!(wire[0] & 32, 32);
}
