//! Any bytes as compressed data, and any bytes compressed: nothing is written past the room for it, and a second
//! decoder agrees.
//!
//! The first byte gives the room for the output, in steps of 4 KiB.
//!
//! Run: `fuzz/smoke.sh 20 codec`, or longer with `cargo fuzz run codec`.
#![no_main]

use flate2::{Decompress, FlushDecompress, Status};
use libfuzzer_sys::fuzz_target;
use vixDiskLib::io::zlib::{Decoder, Encoder};

fn decode(data: &[u8], room: usize) -> Option<Vec<u8>> {
    // What stands behind the room must not change.
    let mut output = vec![0x5A; room + 64];
    let decoded = Decoder::default().decode(data, &mut output[..room]);
    assert!(output[room..].iter().all(|byte| *byte == 0x5A));
    let length = decoded.ok()?;
    assert!(length <= room);
    output.truncate(length);
    Some(output)
}

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

fuzz_target!(|bytes: &[u8]| {
    let Some((first, data)) = bytes.split_first() else { return };
    let room = usize::from(*first) << 12;
    // Both check the sum over the content; one is more patient with codes that are never used.
    if let Some(expected) = decode_elsewhere(data, room) {
        assert!(decode(data, room) == Some(expected), "the decoders differ");
    } else {
        let _ = decode(data, room);
    }
    let mut encoded = Vec::new();
    Encoder::default().encode(data, &mut encoded).expect("cannot fail");
    assert!(encoded.len() <= data.len() + 11 + data.len() / 65_535 * 5 + 5);
    assert!(decode(&encoded, data.len()).as_deref() == Some(data));
    assert!(decode_elsewhere(&encoded, data.len().max(1)).as_deref() == Some(data));
});
