//! The library in the process of a test: start, faults, configuration, stop.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use esxi_sim::{Fault, Kind, Profile, Simulator};
use vixDiskLib::disk::create::{DiskKind, NewDisk, create};
use vixDiskLib::disk::geometry::Adapter;
use vixDiskLib::io::local::LocalFiles;

fn disk() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("vm")).unwrap();
    let path = folder.path().join("vm/disk.vmdk");
    let new = NewDisk {
        kind: DiskKind::MonolithicSparse,
        adapter: Adapter::LsiLogic,
        hardware: 19,
        capacity: 2048,
    };
    create(&LocalFiles::default(), &path, &new, &mut |_| {}).unwrap();
    (folder, path)
}

fn greeting(simulator: &Simulator) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", simulator.authd_port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut text = Vec::new();
    while text.last() != Some(&b'\n') {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn tells_what_clients_need() {
    let (_folder, path) = disk();
    let simulator = Simulator::builder().kind(Kind::Esxi).vm_disk(&path).unwrap().start().unwrap();
    assert_eq!(simulator.vm_ids(), ["1"]);
    assert_eq!(simulator.disk_paths("1"), ["[datastore1] vm/disk.vmdk"]);
    assert_eq!(simulator.thumbprint_sha1().len(), 59);
    assert_eq!(simulator.thumbprint_sha256().len(), 95);
    assert!(simulator.to_json().contains("\"soap_port\""));
}

#[test]
fn greetings_follow_profiles_and_faults() {
    let (_folder, path) = disk();
    let start = |profile| Simulator::builder().profile(profile).vm_disk(&path).unwrap().start().unwrap();
    let plain = "220 VMware Authentication Daemon Version 1.10: SSL Required, ServerDaemonProtocol:SOAP, \
                 MKSDisplayProtocol:VNC , VMXARGS supported, NFCSSL supported/t";
    for profile in [Profile::V67, Profile::V70] {
        assert_eq!(greeting(&start(profile)), format!("{plain}\r\n"));
    }
    for profile in [Profile::V703, Profile::V80] {
        let simulator = start(profile);
        assert_eq!(greeting(&simulator), format!("{plain}, SHA256 supported\r\n"));
        simulator.inject(Fault::GreetingWithoutSha256);
        assert_eq!(greeting(&simulator), format!("{plain}\r\n"));
        assert_eq!(greeting(&simulator), format!("{plain}, SHA256 supported\r\n"));
    }
}

#[test]
fn commands_in_clear_end_the_connection() {
    let (_folder, path) = disk();
    let simulator = Simulator::builder().vm_disk(&path).unwrap().start().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", simulator.authd_port())).unwrap();
    stream.write_all(b"SESSION abc\r\nPROXY vpxa-nfc\r\n").unwrap();
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    assert!(!String::from_utf8_lossy(&all).contains("200 Connect"));
}

#[test]
fn stops_with_connections_open() {
    let (_folder, path) = disk();
    let simulator = Simulator::builder().vm_disk(&path).unwrap().start().unwrap();
    let mut idle = TcpStream::connect(("127.0.0.1", simulator.soap_port())).unwrap();
    let port = simulator.soap_port();
    greeting(&simulator);
    let begin = Instant::now();
    drop(simulator);
    // Long before the time-outs of idle connections.
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert!(matches!(idle.read(&mut [0]), Ok(0) | Err(_)));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_missing_disk_is_an_error() {
    assert!(Simulator::builder().vm_disk("no/such.vmdk".as_ref()).is_err());
}
