//! Any bytes as what a client sends to the NBD server. The first byte chooses whether the export takes writes.
//!
//! Run: `fuzz/smoke.sh 20 nbd_server`.
#![no_main]

use std::io::{self, Read, Write};
use std::sync::Mutex;

use libfuzzer_sys::fuzz_target;
use vixen_cli::nbd::{Export, ExportError, Run, serve_client};

const BYTES: u64 = 1 << 20;

/// A disk in memory.
struct Memory {
    bytes: Mutex<Vec<u8>>,
    writable: bool,
}

impl Export for Memory {
    fn name(&self) -> &str {
        "disk"
    }

    fn bytes(&self) -> u64 {
        BYTES
    }

    fn writable(&self) -> bool {
        self.writable
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ExportError> {
        // Slicing panics when a range leaves the disk, as it must not.
        buffer.copy_from_slice(&self.bytes.lock().unwrap()[offset as usize..][..buffer.len()]);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), ExportError> {
        assert!(self.writable);
        self.bytes.lock().unwrap()[offset as usize..][..data.len()].copy_from_slice(data);
        Ok(())
    }

    fn flush(&self) -> Result<(), ExportError> {
        Ok(())
    }

    fn runs(&self, offset: u64, bytes: u64) -> Result<Vec<Run>, ExportError> {
        assert!(offset + bytes <= BYTES);
        Ok(vec![Run { bytes, allocated: offset % 1024 == 0 }])
    }
}

/// What a client sends; what it gets is counted.
struct Pipe<'a> {
    sent: &'a [u8],
    got: usize,
}

impl Read for Pipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.sent.read(buffer)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.got += data.len();
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, sent)) = bytes.split_first() else { return };
    let export = Memory { bytes: Mutex::new(vec![0x5A; BYTES as usize]), writable: choice % 2 == 1 };
    let _ = serve_client(&mut Pipe { sent, got: 0 }, &export);
});
