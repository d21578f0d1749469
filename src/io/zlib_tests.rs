//! Tests of the codec, beside a second decoder and encoder.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use proptest::prelude::*;

use super::*;

const GRAIN: usize = 65_536;

fn encode(data: &[u8]) -> Vec<u8> {
    let mut output = b"before".to_vec();
    Encoder::default().encode(data, &mut output).unwrap();
    assert!(output.starts_with(b"before"), "what was there stays");
    output.split_off(6)
}

fn decode(data: &[u8], room: usize) -> Result<Vec<u8>> {
    let mut output = vec![0xAA; room];
    let length = Decoder::default().decode(data, &mut output)?;
    output.truncate(length);
    Ok(output)
}

/// The second decoder; `None` when it refuses or wants more room.
fn decode_elsewhere(data: &[u8], room: usize) -> Option<Vec<u8>> {
    let mut output = vec![0; room];
    let mut decoder = Decompress::new(true);
    match decoder.decompress(data, &mut output, FlushDecompress::Finish) {
        Ok(Status::StreamEnd) => {
            output.truncate(decoder.total_out() as usize);
            Some(output)
        }
        _ => None,
    }
}

fn encode_elsewhere(data: &[u8], level: u32) -> Vec<u8> {
    let mut output = vec![0; data.len() * 2 + 1000];
    let mut encoder = Compress::new(Compression::new(level), true);
    assert_eq!(encoder.compress(data, &mut output, FlushCompress::Finish).unwrap(), Status::StreamEnd);
    output.truncate(encoder.total_out() as usize);
    output
}

/// Bytes that nothing can compress.
fn random(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn text(length: usize) -> Vec<u8> {
    (0u32..).flat_map(|line| format!("{line}: a line of text\n").into_bytes()).take(length).collect()
}

#[test]
fn both_decoders_read_what_is_encoded() {
    for data in [text(GRAIN), random(GRAIN, 5), vec![0; GRAIN], text(512), random(1000, 6), vec![7]] {
        let encoded = encode(&data);
        assert!(decode(&encoded, data.len()).unwrap() == data);
        assert!(decode_elsewhere(&encoded, data.len()).unwrap() == data);
    }
}

#[test]
fn what_does_not_shrink_is_stored_and_grows_by_a_few_bytes_only() {
    for seed in 1..50 {
        let data = random(GRAIN, seed);
        assert!(looks_random(&data), "seed {seed}");
        let encoded = encode(&data);
        assert!(encoded.len() <= GRAIN + 32, "{}", encoded.len());
        assert_eq!(encoded[..2], [0x78, 0x01]);
    }
    // Too short to be sure, so the attempt is made; the result is stored all the same.
    let data = random(1000, 3);
    assert!(!looks_random(&data));
    assert!(encode(&data).len() <= 1000 + 16);
}

#[test]
fn random_bytes_that_repeat_are_compressed() {
    let mut data = random(GRAIN, 9);
    data.copy_within(1000..9000, 20_004);
    assert!(!looks_random(&data));
    assert!(encode(&data).len() < GRAIN - 7000);
    // An eighth of a grain that is not random counts as well.
    let mut data = random(GRAIN, 10);
    data[8192..16_384].fill(b'x');
    assert!(!looks_random(&data));
}

#[test]
fn output_never_exceeds_its_room() {
    let encoded = encode(&text(GRAIN));
    for room in [0, 1, GRAIN - 1] {
        let error = decode(&encoded, room).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidDisk);
        assert!(error.to_string().contains(&format!("more than {room} bytes")), "{error}");
    }
    // A bomb: 8 MiB of zeros in 8 KiB.
    let bomb = encode_elsewhere(&vec![0; 8 << 20], 9);
    assert!(bomb.len() < 9000);
    assert_eq!(decode(&bomb, GRAIN).unwrap_err().kind(), Kind::InvalidDisk);
}

#[test]
fn shorter_content_and_what_follows_the_end_are_fine() {
    let mut encoded = encode_elsewhere(b"short", 6);
    encoded.extend_from_slice(&[0; 500]);
    assert_eq!(decode(&encoded, GRAIN).unwrap(), b"short");
}

#[test]
fn damage_is_found() {
    let encoded = encode(&text(GRAIN));
    for index in [0, 1, 2, encoded.len() / 2, encoded.len() - 1] {
        let mut damaged = encoded.clone();
        damaged[index] ^= 0x40;
        assert_eq!(decode(&damaged, GRAIN).unwrap_err().kind(), Kind::InvalidDisk, "byte {index}");
    }
    for length in [0, 1, 5, encoded.len() / 2, encoded.len() - 1] {
        assert!(decode(&encoded[..length], GRAIN).is_err(), "{length} bytes");
    }
    // A preset dictionary, which nobody has.
    assert!(decode(&[0x78, 0x20, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1], GRAIN).is_err());
}

#[test]
fn the_same_bytes_always_become_the_same_bytes() {
    let mut encoder = Encoder::default();
    let (first, second) = (text(GRAIN), random(GRAIN, 4));
    let mut outputs = Vec::new();
    for _ in 0..3 {
        for data in [&first, &second] {
            let mut output = Vec::new();
            encoder.encode(data, &mut output).unwrap();
            outputs.push(output);
        }
    }
    assert!(outputs.chunks(2).all(|pair| pair[0] == encode(&first) && pair[1] == encode(&second)));
}

proptest! {
    #[test]
    fn any_content_survives(seed in 0u64..1000, length in 0usize..GRAIN, share in 0usize..100, level in 0u32..10) {
        let mut data = random(length, seed);
        data[..length * share / 100].fill(b'-');
        let encoded = encode(&data);
        prop_assert!(decode_elsewhere(&encoded, length + 1).unwrap() == data);
        prop_assert!(decode(&encode_elsewhere(&data, level), length).unwrap() == data);
    }

    #[test]
    fn both_decoders_agree_about_damage(at in 0usize..3000, value in any::<u8>(), level in 0u32..10) {
        let data = text(9000);
        let mut encoded = encode_elsewhere(&data, level);
        let length = encoded.len();
        encoded[at % length] = value;
        prop_assert_eq!(decode(&encoded, 9000).ok(), decode_elsewhere(&encoded, 9000));
    }
}
