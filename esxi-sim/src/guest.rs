//! What happens to virtual machines besides the network, for tests: change tracking, snapshots, writes of a guest.

use std::io;

use crate::Simulator;
use crate::host::now;
use crate::vm::{self, Vm};

impl Simulator {
    /// Switches change tracking of a machine on or off; off forgets what has changed.
    ///
    /// # Errors
    /// `NotFound` when there is no such machine.
    pub fn track_changes(&self, vm: &str, tracked: bool) -> io::Result<()> {
        self.machine(vm)?.track(tracked);
        Ok(())
    }

    /// Makes a snapshot of a machine and tells its id.
    ///
    /// # Errors
    /// `NotFound` when there is no such machine, those of making child disks.
    pub fn create_snapshot(&self, vm: &str) -> io::Result<String> {
        let id = format!("snapshot-{}", self.host.next());
        self.machine(vm)?.create_snapshot(id.clone(), &id, "", now()).map_err(io::Error::other)?;
        Ok(id)
    }

    /// Removes a snapshot of a machine.
    ///
    /// # Errors
    /// `NotFound` when there is no such machine or snapshot, those of merging disks.
    pub fn remove_snapshot(&self, vm: &str, snapshot: &str) -> io::Result<()> {
        match self.machine(vm)?.remove_snapshot(snapshot).map_err(io::Error::other)? {
            true => Ok(()),
            false => Err(missing(snapshot)),
        }
    }

    /// Writes to a disk of a machine as its guest does; `disk` counts from 0, `start` is a sector.
    ///
    /// # Errors
    /// `NotFound` when there is no such machine or disk, those of writing.
    pub fn guest_write(&self, vm: &str, disk: usize, start: u64, data: &[u8]) -> io::Result<()> {
        let machine = self.machine(vm)?;
        let (key, leaf) = {
            let state = machine.state();
            let disk = state.disks.get(disk).ok_or_else(|| missing("the disk"))?;
            (disk.key, machine.folder.join(disk.leaf()))
        };
        let leaf = vm::open(&leaf, false).map_err(io::Error::other)?;
        leaf.write(start, data).and_then(|()| leaf.finish()).map_err(io::Error::other)?;
        machine.wrote(key, start * 512, data.len() as u64);
        Ok(())
    }

    fn machine(&self, id: &str) -> io::Result<&Vm> {
        self.host.vms.iter().find(|vm| vm.id == id).ok_or_else(|| missing(id))
    }
}

fn missing(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{what} is not there"))
}
