//! The library against the simulator, over real TCP and TLS: connect, open, read, write, what goes wrong and how it is
//! told. The two were written from the same facts, but apart.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::Once;

use esxi_sim::{Kind, Simulator};
use vixDiskLib::disk::create::{DiskKind, NewDisk, create};
use vixDiskLib::disk::geometry::Adapter;
use vixDiskLib::error::{Error, Kind as ErrorKind, Result};
use vixDiskLib::io::local::LocalFiles;
use vixDiskLib::session::connection::{Credentials, Secret};
use vixDiskLib::session::table::Handle;
use vixDiskLib::session::{self, ConnectParams, OpenFlags};

const CAPACITY: u64 = 40_000;
const SECTOR: usize = 512;

/// A virtual machine with a disk of its own, served.
struct Lab {
    _folder: tempfile::TempDir,
    simulator: Simulator,
}

impl Lab {
    fn new(kind: Kind) -> Self {
        static START: Once = Once::new();
        START.call_once(|| session::library::init(8, 0, None, None, || ()).unwrap());
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("vm")).unwrap();
        let path = folder.path().join("vm/disk.vmdk");
        let new = NewDisk {
            kind: DiskKind::MonolithicSparse,
            adapter: Adapter::LsiLogic,
            hardware: 19,
            capacity: CAPACITY,
        };
        create(&LocalFiles::default(), &path, &new, &mut |_| {}).unwrap();
        let builder = Simulator::builder().kind(kind).credentials("root", "secret word");
        let simulator = builder.vm_disk(&path).unwrap().start().unwrap();
        Self { _folder: folder, simulator }
    }

    fn params(&self) -> ConnectParams {
        let text = |text: &str| Some(CString::new(text).unwrap());
        let vm = &self.simulator.vm_ids()[0];
        ConnectParams {
            vmx_spec: text(&format!("moref={vm}")),
            server_name: text("127.0.0.1"),
            thumb_print: text(self.simulator.thumbprint_sha1()),
            cred_type: 1,
            credentials: Credentials::User {
                user: text("root"),
                password: Some(Secret::new(b"secret word")),
            },
            port: self.simulator.soap_port().into(),
            ..ConnectParams::default()
        }
    }

    fn path(&self) -> PathBuf {
        self.simulator.disk_paths(&self.simulator.vm_ids()[0])[0].clone().into()
    }

    fn connect(&self, params: ConnectParams, mode: &str) -> Handle {
        session::connect(params, false, None, Some(mode)).unwrap()
    }

    fn open(&self, mode: &str, read_only: bool) -> Result<Handle> {
        let flags = OpenFlags { read_only, ..OpenFlags::default() };
        session::open(self.connect(self.params(), mode), &self.path(), flags)
    }

    fn refusal(&self, params: ConnectParams) -> Error {
        let connection = self.connect(params, "nbdssl");
        let flags = OpenFlags { read_only: true, ..OpenFlags::default() };
        let error = session::open(connection, &self.path(), flags).unwrap_err();
        let _ = session::disconnect(connection);
        error
    }
}

fn pattern(seed: u64, sectors: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..sectors as usize * SECTOR / 8).flat_map(|_| next().to_le_bytes()).collect()
}

#[test]
fn what_is_written_is_read() {
    for kind in [Kind::Vcenter, Kind::Esxi] {
        for mode in ["nbd", "nbdssl"] {
            let lab = Lab::new(kind);
            let handle = lab.open(mode, false).unwrap();
            let disk = session::disk(handle).unwrap();
            assert_eq!(disk.transport_mode(), mode);
            assert_eq!(disk.info().unwrap().capacity, CAPACITY);
            let mut model = vec![0; CAPACITY as usize * SECTOR];
            for (start, sectors) in
                [(0, 1), (1, 1), (8, 8), (0, 128), (1000, 129), (5000, 4097), (CAPACITY - 3, 3)]
            {
                let data = pattern(start + sectors, sectors);
                disk.write(start, &data).unwrap();
                model[start as usize * SECTOR..][..data.len()].copy_from_slice(&data);
            }
            let mut content = vec![0xAA; model.len()];
            disk.read(0, &mut content).unwrap();
            assert!(content == model, "{mode}");
            disk.flush().unwrap();
            session::close(handle).unwrap();
            // Another session sees it, and which parts have data.
            let handle = lab.open(mode, true).unwrap();
            let disk = session::disk(handle).unwrap();
            for (start, sectors) in [(0, 300), (4999, 5000), (CAPACITY - 200, 200)] {
                let mut content = vec![0xAA; sectors as usize * SECTOR];
                disk.read(start, &mut content).unwrap();
                assert!(content == model[start as usize * SECTOR..][..content.len()], "{mode} at {start}");
            }
            let blocks = disk.allocated_blocks(0, CAPACITY / 128 * 128, 128).unwrap();
            assert!(!blocks.is_empty() && blocks.iter().all(|block| block.start % 128 == 0), "{blocks:?}");
            assert_eq!(disk.metadata(b"adapterType").unwrap(), b"lsilogic");
            assert_eq!(disk.metadata(b"no such key").unwrap_err().kind(), ErrorKind::KeyNotFound);
            assert_eq!(disk.write(0, &[0; SECTOR]).unwrap_err().kind(), ErrorKind::ReadOnly);
            let mut past = vec![0; SECTOR];
            assert_eq!(disk.read(CAPACITY, &mut past).unwrap_err().kind(), ErrorKind::OutOfRange);
            session::close(handle).unwrap();
        }
    }
}

#[test]
fn what_goes_wrong_is_told() {
    let lab = Lab::new(Kind::Vcenter);
    let told = |error: &Error, words: &[&str]| {
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(!text.contains("secret word") && !text.contains("wrong word"), "{text}");
    };
    let wrong = Secret::new(b"wrong word");
    let user = CString::new("root").unwrap();
    let credentials = Credentials::User { user: Some(user), password: Some(wrong) };
    let error = lab.refusal(ConnectParams { credentials, ..lab.params() });
    told(&error, &["127.0.0.1"]);
    let bad = CString::new("00:".repeat(19) + "00").unwrap();
    let error = lab.refusal(ConnectParams { thumb_print: Some(bad), ..lab.params() });
    told(&error, &["thumbprint", "127.0.0.1"]);
    let none = CString::new("moref=vm-99999").unwrap();
    let error = lab.refusal(ConnectParams { vmx_spec: Some(none), ..lab.params() });
    told(&error, &["vm-99999"]);
    // A port at which nobody listens.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = lab.refusal(ConnectParams { port: port.into(), ..lab.params() });
    told(&error, &["127.0.0.1", &port.to_string()]);
    let connection = lab.connect(lab.params(), "nbdssl");
    let missing = Path::new("[datastore1] vm/missing.vmdk");
    let error = session::open(connection, missing, OpenFlags { read_only: true, ..OpenFlags::default() })
        .unwrap_err();
    told(&error, &["missing.vmdk"]);
    session::disconnect(connection).unwrap();
}
