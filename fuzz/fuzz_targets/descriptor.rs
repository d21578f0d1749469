//! Any bytes as a descriptor: no panic, and what is accepted survives being written and read again.
//!
//! Run: `fuzz/smoke.sh 20 descriptor`, or longer with `cargo fuzz run descriptor`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vixDiskLib::format::vmdk::descriptor::Descriptor;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut descriptor) = Descriptor::parse(bytes) else { return };
    let again = Descriptor::parse(&descriptor.to_bytes()).expect("its own text");
    assert_eq!(descriptor.extents(), again.extents());
    assert_eq!(descriptor.cid().unwrap(), again.cid().unwrap());
    descriptor.set_cid(0x1234_5678);
    descriptor.set_database(b"fuzz.key", b"value").expect("an ordinary key");
    let changed = Descriptor::parse(&descriptor.to_bytes()).expect("its own text, changed");
    assert_eq!(changed.extents(), descriptor.extents());
    assert_eq!(changed.cid().unwrap(), 0x1234_5678);
    assert_eq!(changed.database(b"fuzz.key"), Some(b"value".as_slice()));
});
