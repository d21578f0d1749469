//! Any bytes as a host's part of the set-up of a disk session: classic messages, the session, the open file.
//!
//! The first byte chooses the pieces in which the rest comes, and whether the host took a tag.
//!
//! Run: `fuzz/smoke.sh 20 nfc_classic`, or longer with `cargo fuzz run nfc_classic`.
#![no_main]

mod wire;

use libfuzzer_sys::fuzz_target;
use vixDiskLib::transport::nfc::compress::Compression;
use vixDiskLib::transport::nfc::setup::Setup;
use vixDiskLib::transport::nfc::{Config, Open};

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, input)) = bytes.split_first() else { return };
    let mut wire = wire::Wire::new(input, choice >> 1);
    let open = Open { writable: true, single_link: false, compression: Compression::None };
    let mut setup = Setup::new(&mut wire, Vec::new(), &|_| Ok(()), "host:902");
    match setup.run(choice % 2 == 1, "[ds0] t/t.vmdk", open, &Config::default()) {
        Ok(disk) => assert!(disk.sector_bytes % 512 == 0 && disk.capacity_bytes <= i64::MAX as u64),
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() < 4000 && !text.contains(char::is_control), "{text:?}");
        }
    }
});
