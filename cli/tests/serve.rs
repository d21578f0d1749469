//! `vixen serve`, with the clients that people use.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::Folder;

/// A server that ends with the test.
struct Server {
    child: Child,
    uri: String,
}

impl Server {
    fn start(folder: &Folder, options: &str) -> Self {
        let mut child = folder.command(&format!("serve {options}")).stdout(Stdio::piped()).spawn().unwrap();
        let mut uri = String::new();
        // The line is printed once the server listens.
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut uri).unwrap();
        Self { child, uri: uri.trim().to_owned() }
    }

    /// Ends it as people do.
    fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn clients_read_the_disk_and_its_map() {
    let folder = Folder::new();
    folder.raw("source.raw", 5 << 20, 11);
    folder.vixen("convert source.raw disk.vmdk");
    folder.vixen("snapshot disk.vmdk child.vmdk");
    let server = Server::start(&folder, "child.vmdk --socket s");
    let mode = std::fs::metadata(folder.join("s")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let info: serde_json::Value =
        serde_json::from_str(&folder.other(&format!("nbdinfo --json {}", server.uri))).unwrap();
    let export = &info["exports"][0];
    assert_eq!((&export["export-size"], &export["is_read_only"]), (&(5 << 20).into(), &true.into()));
    assert_eq!(info["structured"], true, "{info}");
    let map: serde_json::Value =
        serde_json::from_str(&folder.other(&format!("nbdinfo --map --json {}", server.uri))).unwrap();
    let data = map.as_array().unwrap().iter().filter(|run| run["type"] == 0);
    let bytes: u64 = data.map(|run| run["length"].as_u64().unwrap()).sum();
    assert_eq!(folder.json("map child.vmdk")["allocated_sectors"].as_u64().unwrap() * 512, bytes);
    folder.other(&format!("nbdcopy {} copy.raw", server.uri));
    assert!(
        std::fs::read(folder.join("copy.raw")).unwrap() == std::fs::read(folder.join("source.raw")).unwrap()
    );
    folder.other(&format!("qemu-img compare -f raw -F raw {} source.raw", server.uri));
    server.stop();
    assert!(!folder.join("s").exists());
}

#[test]
fn clients_write_when_they_may() {
    let folder = Folder::new();
    folder.raw("source.raw", 4 << 20, 12);
    folder.vixen("create disk.vmdk 4M");
    let server = Server::start(&folder, "disk.vmdk --socket s --writable");
    folder.other(&format!("nbdcopy --flush source.raw {}", server.uri));
    folder.other(&format!("qemu-img compare -f raw -F raw {} source.raw", server.uri));
    server.stop();
    folder.vixen("compare disk.vmdk source.raw");
    assert_eq!(folder.vixen("check disk.vmdk"), "sound\n");
    let server = Server::start(&folder, "disk.vmdk --socket s");
    let refused = Command::new("nbdcopy")
        .args([&folder.join("source.raw").display().to_string(), &server.uri])
        .output();
    assert!(!refused.unwrap().status.success());
    drop(server);
    folder.vixen("compare disk.vmdk source.raw");
}

#[test]
fn a_port_is_served_on_request_and_a_socket_that_is_there_stays() {
    let folder = Folder::new();
    folder.raw("source.raw", 1 << 20, 13);
    let server = Server::start(&folder, "source.raw --tcp 127.0.0.1:0 --name other");
    assert!(server.uri.starts_with("nbd://127.0.0.1:"), "{}", server.uri);
    folder.other(&format!("nbdcopy {} copy.raw", server.uri));
    assert!(
        std::fs::read(folder.join("copy.raw")).unwrap() == std::fs::read(folder.join("source.raw")).unwrap()
    );
    std::fs::write(folder.join("s"), "mine").unwrap();
    folder.fails(3, "serve source.raw --socket s");
    assert_eq!(std::fs::read(folder.join("s")).unwrap(), b"mine");
    folder.fails(2, "serve source.raw");
}

#[test]
fn the_number_of_clients_has_a_bound() {
    const CLIENTS: usize = 32;
    let folder = Folder::new();
    folder.raw("source.raw", 1 << 20, 14);
    let server = Server::start(&folder, "source.raw --socket s");
    // The first 8 bytes that a client hears, if it is served.
    let come = || {
        let mut client = UnixStream::connect(folder.join("s")).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut hello = [0; 8];
        client.read_exact(&mut hello).ok().filter(|()| hello == *b"NBDMAGIC").map(|()| client)
    };
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| come().expect("there is room")).collect();
    assert!(come().is_none(), "one more than {CLIENTS}");
    // Whoever leaves makes room, as soon as the server has seen it.
    clients.pop();
    let limit = Instant::now() + Duration::from_secs(60);
    while come().is_none() {
        assert!(Instant::now() < limit, "nobody is served any more");
    }
    drop(clients);
    server.stop();
}
