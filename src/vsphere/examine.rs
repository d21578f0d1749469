//! What a server tells of a virtual machine and of what a user may do to it: for people who look for what is wrong.

use roxmltree::Node;
use zeroize::Zeroizing;

use super::inventory::{self, VmSpec};
use super::properties;
use super::session::{Content, Session};
use super::soap::{self, Moref, Request, Returned};
use crate::error::{Error, Kind, Result};

/// Most disks of a machine that are told of.
const MAX_DISKS: usize = 256;

/// A disk, as a machine has it now or had it at a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineDisk {
    /// The number of its device.
    pub device_key: i32,
    /// Its file: `[datastore] folder/name.vmdk`.
    pub file: String,
}

/// A virtual machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// What the server calls it.
    pub id: Moref,
    /// Its name, for people.
    pub name: String,
    /// The host that it is on, by its name.
    pub host: String,
    /// Whether it runs: what a running machine writes to cannot be opened.
    pub powered_on: bool,
    /// Whether the server is in touch with it.
    pub connected: bool,
    /// Whether its host tracks what changes in its disks.
    pub tracked: bool,
    /// Its disks, as they are now.
    pub disks: Vec<MachineDisk>,
}

/// The disks in a list of devices.
fn disks(devices: Option<Node<'_, '_>>) -> impl Iterator<Item = MachineDisk> {
    inventory::disks_among(devices).filter_map(|disk| {
        let file = soap::text(soap::child(disk, "backing")?, "fileName")?;
        Some(MachineDisk { device_key: soap::text(disk, "key")?.parse().ok()?, file: soap::printable(file) })
    })
}

/// Finds a machine, and tells of it.
///
/// # Errors
/// `VmNotFound`, those of [`Session::content`].
pub fn machine(session: &Session, spec: &VmSpec) -> Result<Machine> {
    let id = spec.find(session)?;
    let mut found = Machine {
        name: id.id.clone(),
        id,
        host: String::new(),
        powered_on: false,
        connected: true,
        tracked: false,
        disks: Vec::new(),
    };
    let paths = [
        "name",
        "runtime.host",
        "runtime.powerState",
        "runtime.connectionState",
        "config.changeTrackingEnabled",
        "config.hardware.device",
    ];
    let what = format!("reading virtual machine {spec}");
    let (vm, mut host) = (found.id.clone(), None);
    properties::retrieve(session, &what, &vm, &paths, &mut |object| {
        let text = |path: &str| object.value(path).and_then(|value| value.text()).map(str::trim);
        if let Some(name) = text("name") {
            found.name = soap::printable(name);
        }
        found.powered_on |= text("runtime.powerState") == Some("poweredOn");
        found.connected &= text("runtime.connectionState").is_none_or(|state| state == "connected");
        found.tracked |= matches!(text("config.changeTrackingEnabled"), Some("true" | "1"));
        let room = MAX_DISKS.saturating_sub(found.disks.len());
        found.disks.extend(disks(object.value("config.hardware.device")).take(room));
        host = object.value("runtime.host").map(soap::as_reference).transpose()?.or(host.take());
        Ok(())
    })?;
    if let Some(host) = host {
        found.host = name_of(session, &Moref::new("HostSystem", &host.id))?;
    }
    Ok(found)
}

/// The name of a host.
fn name_of(session: &Session, host: &Moref) -> Result<String> {
    let mut name = soap::printable(&host.id);
    properties::retrieve(session, &format!("reading host '{host}'"), host, &["name"], &mut |object| {
        if let Some(text) = object.value("name").and_then(|value| value.text()) {
            name = soap::printable(text);
        }
        Ok(())
    })?;
    Ok(name)
}

/// The disks that a machine had at a snapshot.
///
/// # Errors
/// `SnapshotNotFound`, those of [`Session::content`].
pub fn snapshot_disks(session: &Session, id: &str) -> Result<Vec<MachineDisk>> {
    let snapshot = Moref::new("VirtualMachineSnapshot", id);
    let mut found = Vec::new();
    let what = format!("reading the disks of snapshot '{snapshot}'");
    properties::retrieve(session, &what, &snapshot, &["config.hardware.device"], &mut |object| {
        let room = MAX_DISKS.saturating_sub(found.len());
        found.extend(disks(object.value("config.hardware.device")).take(room));
        Ok(())
    })?;
    Ok(found)
}

/// Whether the user of the session has each of these privileges on an object.
///
/// # Errors
/// `NotSupported` when the server has nobody to ask, those of [`Session::content`].
pub fn privileges(session: &Session, object: &Moref, wanted: &[&str]) -> Result<Vec<bool>> {
    let key = session_key(session)?;
    let request = |content: &Content| {
        let manager = content.authorization_manager.as_ref();
        let none = || Error::new(Kind::NotSupported, "the server has no authorization manager");
        let request = Request::new("HasPrivilegeOnEntity", manager.ok_or_else(none)?)
            .moref("entity", object)
            .text("sessionId", &key);
        Ok(wanted.iter().fold(request, |request, privilege| request.text("privId", privilege)))
    };
    let read = |returned: Returned<'_, '_>| {
        let answers = returned.values().map(|value| matches!(value.text(), Some("true" | "1")));
        let answers: Vec<bool> = answers.take(wanted.len() + 1).collect();
        if answers.len() == wanted.len() {
            Ok(answers)
        } else {
            Err(soap::senseless("it has another number of privileges"))
        }
    };
    session.call(&format!("asking for privileges on '{object}'"), request, read)
}

/// What names the session to the server. Whoever knows it is the user.
fn session_key(session: &Session) -> Result<Zeroizing<String>> {
    let manager = session.content()?.session_manager;
    let mut key = Zeroizing::default();
    properties::retrieve(session, "reading the session", &manager, &["currentSession"], &mut |object| {
        let current = object.value("currentSession");
        if let Some(text) = current.and_then(|current| soap::text(current, "key")) {
            key = Zeroizing::new(text.to_owned());
        }
        Ok(())
    })?;
    Ok(key)
}

#[cfg(test)]
#[path = "examine_tests.rs"]
mod tests;
