//! Any bytes as a fragment of a compressed read, and any bytes compressed as those of a write: nothing is left unset,
//! nothing is written past the room, and what was encoded comes back.
//!
//! Three bytes give the method and the length of the fragment; the rest is its data.
//!
//! Run: `fuzz/smoke.sh 20 nfc_codecs`, or longer with `cargo fuzz run nfc_codecs`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vixDiskLib::transport::nfc::compress::{Codec, Compression, longest};

const METHODS: [Compression; 4] =
    [Compression::None, Compression::Zlib, Compression::FastLz, Compression::SkipZ];

/// Decodes over bytes that are all `blank`.
fn decode(codec: &mut Codec, method: Compression, data: &[u8], length: usize, blank: u8) -> Option<Vec<u8>> {
    let mut output = vec![blank; length + 64];
    let decoded = codec.decode(method, data, &mut output[..length]);
    assert!(output[length..].iter().all(|byte| *byte == blank), "written past the room");
    output.truncate(length);
    decoded.ok().map(|()| output)
}

fuzz_target!(|bytes: &[u8]| {
    let Some(([choice, low, high], data)) = bytes.split_first_chunk() else { return };
    let method = METHODS[usize::from(choice % 4)];
    let length = usize::from(u16::from_le_bytes([*low, *high])) << (choice >> 6);
    let mut codec = Codec::default();
    let zeros = decode(&mut codec, method, data, length, 0);
    assert!(zeros == decode(&mut codec, method, data, length, 0xff), "bytes that the data has not set");
    for method in METHODS {
        let mut wire = Vec::new();
        let used = codec.encode(method, data, &mut wire).expect("cannot fail");
        let sent = if used == Compression::None { data } else { &wire };
        assert!(used == Compression::None || wire.len() < data.len(), "longer than what it stands for");
        assert!(sent.len() as u64 <= u64::from(longest(data.len() as u32)));
        assert!(decode(&mut codec, used, sent, data.len(), 0x5a).as_deref() == Some(data), "{method:?}");
    }
});
