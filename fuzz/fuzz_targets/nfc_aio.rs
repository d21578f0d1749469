//! Any bytes as the answers of a disk service to some requests that are under way. What is told to be read was written
//! to the buffer byte for byte, whatever stood there before.
//!
//! The first byte chooses the compression and the pieces in which the rest comes.
//!
//! Run: `fuzz/smoke.sh 20 nfc_aio`, or longer with `cargo fuzz run nfc_aio`.
#![no_main]

mod wire;

use libfuzzer_sys::fuzz_target;
use vixDiskLib::transport::nfc::aio::kind;
use vixDiskLib::transport::nfc::compress::Compression;
use vixDiskLib::transport::nfc::offline::{Sent, answers};

const SENT: [Sent; 7] = [
    Sent::Read { offset: 0, length: 512 },
    Sent::Read { offset: 0x1_0010_0200, length: 66048 },
    Sent::Write { offset: 512, length: 66048 },
    Sent::Question(kind::DDB_GET),
    Sent::Question(kind::ALLOCATED),
    Sent::Question(kind::CLOSE_FILE),
    Sent::Read { offset: 1 << 40, length: 8192 },
];

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, input)) = bytes.split_first() else { return };
    let compression = [Compression::None, Compression::Zlib, Compression::FastLz, Compression::SkipZ]
        [usize::from(choice % 4)];
    let once = |blank| answers(wire::Wire::new(input, choice >> 2), &SENT, compression, blank);
    for (one, other) in once(0).into_iter().zip(once(0xff)) {
        match (one, other) {
            (Ok(one), Ok(other)) => assert!(one == other, "bytes that no answer has set"),
            (Err(error), Err(_)) => {
                let text = error.to_string();
                assert!(text.len() < 4000 && !text.contains(char::is_control), "{text:?}");
            }
            _ => panic!("what stood in the buffer counts"),
        }
    }
});
