//! What has changed in a disk since an earlier time, as the host tracks it (changed block tracking).

use std::ops::Range;

use roxmltree::Node;

use super::inventory::{self, VmSpec};
use super::properties;
use super::session::{Content, Session};
use super::soap::{self, Moref, Request, Returned};
use crate::error::{Error, Kind, Result};

/// Most parts that the changes of one disk come in.
const MAX_PARTS: usize = 10_000;

/// Most areas of one disk; what has more is better read as a whole.
const MAX_AREAS: usize = 1 << 20;

/// A disk of a virtual machine, as it is now or as it was at a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackedDisk {
    vm: Moref,
    snapshot: Option<Moref>,
    device_key: i32,
    /// Its capacity in bytes.
    pub capacity_bytes: u64,
    /// What stands for its content at this time; `None` when the host does not track changes. Not to be read any
    /// meaning into.
    pub change_id: Option<String>,
}

impl TrackedDisk {
    /// Finds the disk whose file is `path`: among those of a snapshot if one is named, else among those that the
    /// machine has now. A parent of such a file is another content, so it is not found.
    ///
    /// # Errors
    /// `FileNotFound`, `VmNotFound`, `SnapshotNotFound`, those of [`Session::content`].
    pub fn find(session: &Session, vm: &VmSpec, snapshot: Option<&str>, path: &str) -> Result<Self> {
        let vm = vm.find(session)?;
        let snapshot = snapshot.map(|id| Moref::new("VirtualMachineSnapshot", id));
        let (owner, what) = match &snapshot {
            Some(snapshot) => (snapshot, format!("snapshot '{snapshot}'")),
            None => (&vm, format!("virtual machine '{vm}'")),
        };
        let mut found = None;
        let doing = format!("reading the disks of {what}");
        properties::retrieve(session, &doing, owner, &["config.hardware.device"], &mut |object| {
            let devices = object.value("config.hardware.device");
            if let Some(disk) = inventory::disks_among(devices).find(|disk| file_of(*disk) == Some(path)) {
                found = Some(Self::read(disk, vm.clone(), snapshot.clone())?);
            }
            Ok(())
        })?;
        found.ok_or_else(|| Error::new(Kind::FileNotFound, format!("'{path}' is no disk of {what}")))
    }

    fn read(disk: Node<'_, '_>, vm: Moref, snapshot: Option<Moref>) -> Result<Self> {
        let number = |name: &'static str| soap::text(disk, name).and_then(|text| text.parse::<u64>().ok());
        // Servers before 5.5 do not know the first one.
        let capacity = number("capacityInBytes")
            .or_else(|| number("capacityInKB").and_then(|kib| kib.checked_mul(1024)))
            .ok_or_else(|| soap::senseless("a disk has no capacity"))?;
        let key = soap::text(disk, "key").and_then(|key| key.parse().ok());
        let id = soap::child(disk, "backing").and_then(|backing| soap::text(backing, "changeId"));
        Ok(Self {
            vm,
            snapshot,
            device_key: key.ok_or_else(|| soap::senseless("a disk has no key"))?,
            capacity_bytes: capacity,
            change_id: id.map(str::to_owned),
        })
    }

    /// The bytes that may have changed since the disk had this change id, sorted and disjoint. Everything else has not.
    ///
    /// # Errors
    /// `InvalidArgument` and `ServerFault` when the host does not know the id (any more), `ServerFault` for an answer
    /// that makes no sense, those of [`Session::content`].
    pub fn changed_since(&self, session: &Session, change_id: &str) -> Result<Vec<Range<u64>>> {
        let what = format!("asking what has changed in disk {} of '{}'", self.device_key, self.vm);
        let mut areas = Vec::new();
        let mut start = 0;
        for _ in 0..MAX_PARTS {
            if start >= self.capacity_bytes {
                return Ok(joined(areas));
            }
            let request = |_: &Content| Ok(self.request(start, change_id));
            let read = |returned: Returned<'_, '_>| self.part(returned.value()?, start);
            let (end, part) = session.call(&what, request, read)?;
            areas.extend(part);
            if areas.len() > MAX_AREAS {
                break;
            }
            start = end;
        }
        Err(soap::senseless("it has too many parts").context(what))
    }

    fn request(&self, start: u64, change_id: &str) -> Request {
        let request = Request::new("QueryChangedDiskAreas", &self.vm);
        let request = match &self.snapshot {
            Some(snapshot) => request.moref("snapshot", snapshot),
            None => request,
        };
        let (key, start) = (self.device_key.to_string(), start.to_string());
        request.text("deviceKey", &key).text("startOffset", &start).text("changeId", change_id)
    }

    /// Reads an answer about the disk from byte `start` on: up to where it is, and the areas in it.
    fn part(&self, answer: Node<'_, '_>, start: u64) -> Result<(u64, Vec<Range<u64>>)> {
        let range = |node: Node<'_, '_>, first: &'static str| {
            let number = |name| soap::text(node, name).and_then(|text| text.parse::<u64>().ok());
            let (start, length) = (number(first)?, number("length")?);
            Some(start..start.checked_add(length)?)
        };
        let whole = range(answer, "startOffset").filter(|whole| whole.start == start && whole.end > start);
        let whole = whole.ok_or_else(|| soap::senseless("it is about another part of the disk"))?;
        let mut areas = Vec::new();
        for area in soap::children(answer, "changedArea") {
            let fits = |area: &Range<u64>| area.start >= start && area.end <= self.capacity_bytes;
            let area = range(area, "start").filter(fits);
            areas.push(area.ok_or_else(|| soap::senseless("a changed area leaves the disk"))?);
        }
        Ok((whole.end, areas))
    }
}

/// The file of a disk.
fn file_of<'a>(disk: Node<'a, '_>) -> Option<&'a str> {
    soap::text(soap::child(disk, "backing")?, "fileName")
}

/// Sorts areas and joins those that touch.
fn joined(mut areas: Vec<Range<u64>>) -> Vec<Range<u64>> {
    areas.sort_by_key(|area| area.start);
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(areas.len());
    for area in areas.into_iter().filter(|area| !area.is_empty()) {
        match joined.last_mut() {
            Some(last) if last.end >= area.start => last.end = last.end.max(area.end),
            _ => joined.push(area),
        }
    }
    joined
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
