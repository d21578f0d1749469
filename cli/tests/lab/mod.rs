//! A simulated vCenter or host with one virtual machine, for tests of the command.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests, and every test program uses a part of it"
)]

use std::process::Command;

use esxi_sim::{Kind, Simulator};

use crate::common::{Ended, Folder};

pub const PASSWORD: &str = "secret word";

/// A machine with one disk, served.
pub struct Lab {
    pub folder: Folder,
    pub simulator: Simulator,
    pub vm: String,
    /// What the disk holds.
    pub model: Vec<u8>,
}

impl Lab {
    /// A disk of so many sectors, all zeros.
    pub fn new(kind: Kind, sectors: u64) -> Self {
        let folder = Folder::new();
        std::fs::create_dir_all(folder.join("lab/vm")).unwrap();
        folder.vixen(&format!("create lab/vm/disk.vmdk {sectors}s"));
        let builder = Simulator::builder().kind(kind).credentials("root", PASSWORD);
        let simulator = builder.vm_disk(&folder.join("lab/vm/disk.vmdk")).unwrap().start().unwrap();
        let vm = simulator.vm_ids()[0].clone();
        Self { folder, simulator, vm, model: vec![0; sectors as usize * 512] }
    }

    /// What the guest writes.
    pub fn write(&mut self, sector: u64, data: &[u8]) {
        self.simulator.guest_write(&self.vm, 0, sector, data).unwrap();
        let start = sector as usize * 512;
        self.model[start..start + data.len()].copy_from_slice(data);
    }

    /// Makes a snapshot; tells its id, and the path of the disk as it is there.
    pub fn snapshot(&self) -> (String, String) {
        let path = self.path();
        (self.simulator.create_snapshot(&self.vm).unwrap(), path)
    }

    /// The path of the disk as it is now.
    pub fn path(&self) -> String {
        self.simulator.disk_paths(&self.vm)[0].clone()
    }

    /// `vixen COMMAND PATH MORE..` on the server.
    pub fn command(&self, command: &str, path: &str, more: &str, snapshot: Option<&str>) -> Command {
        let port = self.simulator.soap_port().to_string();
        let mut process = self.folder.command(command);
        process.arg(path).args(more.split_whitespace());
        process.args(["--server", "127.0.0.1", "--port", &port, "--user", "root", "--vm", &self.vm]);
        process.args(["--thumbprint", self.simulator.thumbprint_sha1()]);
        process.args(snapshot.iter().flat_map(|id| ["--snapshot", id]));
        process.env("VIXEN_PASSWORD", PASSWORD);
        process
    }

    /// Runs it; it must succeed.
    pub fn vixen(&self, command: &str, path: &str, more: &str, snapshot: Option<&str>) -> String {
        let ended: Ended = self.command(command, path, more, snapshot).output().unwrap().into();
        assert_eq!(ended.code, 0, "{command} {path}: {}{}", ended.out, ended.err);
        assert_eq!(ended.err, "", "{command} {path}");
        ended.out
    }
}
