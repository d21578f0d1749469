//! What the integration tests share: disks through the session, and the real qemu-img.

#![allow(dead_code, unreachable_pub, reason = "every test program uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Once};

use vixDiskLib::session::open_disk::OpenDisk;
use vixDiskLib::session::table::Handle;
use vixDiskLib::session::{self, Adapter, ConnectParams, DiskKind, NewDisk, OpenFlags};

pub mod esx;

pub const SECTOR: usize = 512;

/// The kinds that qemu-img makes too.
pub const KINDS: [DiskKind; 4] =
    [DiskKind::MonolithicSparse, DiskKind::MonolithicFlat, DiskKind::SplitSparse, DiskKind::SplitFlat];

/// The name of a kind for qemu-img, which makes none of the last two.
pub fn qemu_name(kind: DiskKind) -> &'static str {
    match kind {
        DiskKind::MonolithicSparse => "monolithicSparse",
        DiskKind::MonolithicFlat => "monolithicFlat",
        DiskKind::SplitSparse => "twoGbMaxExtentSparse",
        DiskKind::SplitFlat => "twoGbMaxExtentFlat",
        DiskKind::VmfsFlat => "vmfs",
        DiskKind::VmfsThin => "vmfs-thin",
        DiskKind::StreamOptimized => "streamOptimized",
    }
}

/// A connection to the local host; starts the library once for the whole program.
pub fn connection() -> Handle {
    static START: Once = Once::new();
    START.call_once(|| session::library::init(8, 0, None, None, || ()).unwrap());
    session::connect(ConnectParams::default(), false, None, None).unwrap()
}

/// An open disk that closes itself.
pub struct Open {
    handle: Handle,
    pub disk: Arc<OpenDisk>,
}

impl Open {
    pub fn with(path: &Path, flags: OpenFlags) -> vixDiskLib::error::Result<Self> {
        let handle = session::open(connection(), path, flags)?;
        Ok(Self { handle, disk: session::disk(handle)? })
    }

    pub fn writable(path: &Path) -> Self {
        Self::with(path, OpenFlags::default()).unwrap()
    }

    pub fn read_only(path: &Path) -> Self {
        Self::with(path, OpenFlags { read_only: true, ..OpenFlags::default() }).unwrap()
    }

    pub fn handle(&self) -> Handle {
        self.handle
    }

    pub fn close(self) {
        session::close(self.handle).unwrap();
    }

    pub fn sectors(&self) -> u64 {
        self.disk.info().unwrap().capacity
    }

    pub fn read(&self, start: u64, sectors: u64) -> Vec<u8> {
        let mut content = vec![0xAA; sectors as usize * SECTOR];
        self.disk.read(start, &mut content).unwrap();
        content
    }

    pub fn read_all(&self) -> Vec<u8> {
        self.read(0, self.sectors())
    }
}

pub fn create(path: &Path, kind: DiskKind, capacity: u64) {
    let disk = NewDisk { kind, adapter: Adapter::LsiLogic, hardware: 13, capacity };
    session::create(connection(), path, &disk, &mut |_| ()).unwrap();
}

/// Runs qemu-img; a failure ends the test with what it said.
pub fn qemu_img(arguments: &[&str]) -> String {
    let output = Command::new("qemu-img").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("qemu-img: {error}; apt-get install qemu-utils"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "qemu-img {arguments:?}: {text}{errors}");
    text
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The content of a disk as qemu-img sees it.
pub fn qemu_content(disk: &Path) -> Vec<u8> {
    let raw = disk.with_extension("qemu.raw");
    qemu_img(&["convert", "-f", "vmdk", "-O", "raw", text(disk), text(&raw)]);
    let content = std::fs::read(&raw).unwrap();
    std::fs::remove_file(raw).unwrap();
    content
}

/// qemu-img must find nothing wrong.
pub fn qemu_check(disk: &Path) {
    qemu_img(&["check", "-f", "vmdk", text(disk)]);
}

/// A generator of test bytes that needs no state of the system.
pub struct Bytes(pub u64);

impl Bytes {
    pub fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }

    pub fn vec(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes);
        bytes
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

pub fn in_folder(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

/// The content id of the descriptor that a file begins with or has in its text.
pub fn cid_of(path: &Path) -> u32 {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("CID=")).unwrap();
    u32::from_str_radix(line, 16).unwrap()
}

/// Puts a redo log into a folder; `parent` is the content id and the name of its parent.
pub fn put_redo_log(
    folder: &tempfile::TempDir,
    name: &str,
    cid: u32,
    parent: (u32, &str),
    image: &esx::Cowd,
) -> PathBuf {
    std::fs::write(in_folder(folder, &format!("{name}-delta.vmdk")), image.bytes()).unwrap();
    let line = format!("RW {} VMFSSPARSE \"{name}-delta.vmdk\"", image.capacity);
    let path = in_folder(folder, &format!("{name}.vmdk"));
    std::fs::write(&path, esx::descriptor("vmfsSparse", cid, Some(parent), &[line])).unwrap();
    path
}
