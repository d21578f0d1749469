//! Virtual machines and their disks: what a client names, and what the server calls it.

use std::fmt;

use roxmltree::Node;

use super::properties;
use super::session::Session;
use super::soap::{self, Moref, Request, Returned};
use crate::error::{Error, Kind, Result};

/// Most links of a backing that are followed.
const MAX_LINKS: usize = 256;

/// Most disks that an error names.
const MAX_NAMED: usize = 8;

/// How a client names a virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VmSpec {
    /// `moref=vm-42`, also `moid=`, whatever the case, or the id alone.
    Id(String),
    /// `uuid=`: that of the BIOS.
    Uuid(String),
    /// `instanceUuid=`: that of vCenter.
    InstanceUuid(String),
    /// `path=`: its place in the inventory, as `Datacenter/vm/folder/name`.
    InventoryPath(String),
    /// `dir/name.vmx?dcPath=Datacenter&dsName=datastore`.
    Datastore {
        /// The inventory path of the datacenter.
        datacenter: String,
        /// `[datastore] dir/name.vmx`.
        path: String,
    },
}

impl VmSpec {
    /// Reads a vmxSpec.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn parse(text: &str) -> Result<Self> {
        let refused = |why: &str| {
            let text = format!("the virtual machine '{}' (vmxSpec) {why}", soap::printable(text));
            Error::new(Kind::InvalidArgument, text)
        };
        let text = text.trim();
        if let Some((path, query)) = text.split_once('?') {
            return Self::parse_datastore(path, query)
                .ok_or_else(|| refused("needs a path, dcPath= and dsName="));
        }
        let (key, value) = text.split_once('=').unwrap_or(("moref", text));
        let value = value.trim();
        if value.is_empty() {
            return Err(refused("is empty"));
        }
        let form = match key.trim().to_ascii_lowercase().as_str() {
            "moref" | "moid" => {
                if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
                    return Err(refused("is no id"));
                }
                Self::Id
            }
            "uuid" => Self::Uuid,
            "instanceuuid" => Self::InstanceUuid,
            "path" => Self::InventoryPath,
            _ => {
                return Err(refused(
                    "is none of moref=, uuid=, instanceUuid=, path= and PATH?dcPath=&dsName=",
                ));
            }
        };
        Ok(form(value.to_owned()))
    }

    fn parse_datastore(path: &str, query: &str) -> Option<Self> {
        let value = |wanted: &str| {
            query.split('&').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                (name.eq_ignore_ascii_case(wanted) && !value.is_empty()).then_some(value)
            })
        };
        let (datacenter, datastore) = (value("dcPath")?, value("dsName")?);
        let path = path.trim().trim_start_matches('/');
        let path = if path.starts_with('[') { path.to_owned() } else { format!("[{datastore}] {path}") };
        (!path.ends_with(' ')).then(|| Self::Datastore { datacenter: datacenter.to_owned(), path })
    }

    /// Finds it. An id is taken as it is: the first call that uses it tells whether there is such a machine.
    ///
    /// # Errors
    /// `VmNotFound`, those of [`Session::content`].
    pub fn find(&self, session: &Session) -> Result<Moref> {
        let found = match self {
            Self::Id(id) => return Ok(Moref::new("VirtualMachine", id)),
            Self::Uuid(uuid) => by_uuid(session, uuid, false)?,
            Self::InstanceUuid(uuid) => by_uuid(session, uuid, true)?,
            Self::InventoryPath(path) => by_path(session, path)?,
            Self::Datastore { datacenter, path } => {
                let Some(datacenter) = by_path(session, datacenter)? else {
                    let text = format!("there is no datacenter '{}'", soap::printable(datacenter));
                    return Err(Error::new(Kind::VmNotFound, text));
                };
                search(session, "FindByDatastorePath", |request| {
                    request.moref("datacenter", &datacenter).text("path", path)
                })?
            }
        };
        match found {
            Some(found) if found.kind == "VirtualMachine" => Ok(found),
            Some(other) => {
                let text = format!("{self} is a {} and no virtual machine", soap::printable(&other.kind));
                Err(Error::new(Kind::VmNotFound, text))
            }
            None => Err(Error::new(Kind::VmNotFound, format!("there is no virtual machine {self}"))),
        }
    }
}

impl fmt::Display for VmSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value) = match self {
            Self::Id(id) => ("moref=", id),
            Self::Uuid(uuid) => ("uuid=", uuid),
            Self::InstanceUuid(uuid) => ("instanceUuid=", uuid),
            Self::InventoryPath(path) => ("path=", path),
            Self::Datastore { path, .. } => ("", path),
        };
        write!(formatter, "'{name}{}'", soap::printable(value))
    }
}

fn by_uuid(session: &Session, uuid: &str, instance: bool) -> Result<Option<Moref>> {
    search(session, "FindByUuid", |request| {
        let instance = if instance { "true" } else { "false" };
        request.text("uuid", uuid).text("vmSearch", "true").text("instanceUuid", instance)
    })
}

fn by_path(session: &Session, path: &str) -> Result<Option<Moref>> {
    search(session, "FindByInventoryPath", |request| request.text("inventoryPath", path))
}

/// Asks the search index.
fn search(
    session: &Session,
    method: &'static str,
    add: impl Fn(Request) -> Request,
) -> Result<Option<Moref>> {
    let request = |content: &super::session::Content| {
        let index = content.search_index.as_ref();
        let index = index.ok_or_else(|| Error::new(Kind::NotSupported, "the server has no search index"))?;
        Ok(add(Request::new(method, index)))
    };
    let read = |returned: Returned<'_, '_>| returned.values().next().map(soap::as_reference).transpose();
    session.call("looking for a virtual machine", request, read)
}

/// The id of a snapshot as a client names it, with or without `moref=`; `None` for "".
pub fn snapshot_id(text: &str) -> Option<&str> {
    let text = text.trim();
    let id = match text.split_once('=') {
        Some((key, id))
            if key.trim().eq_ignore_ascii_case("moref") || key.trim().eq_ignore_ascii_case("moid") =>
        {
            id.trim()
        }
        _ => text,
    };
    (!id.is_empty()).then_some(id)
}

/// Where a disk of a virtual machine is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The number of the device.
    pub device_key: i32,
    /// The host that the machine is on.
    pub host: Moref,
}

/// Finds the device whose disk, or one of whose disk's parents, is the file `path`; a snapshot's devices are looked
/// at when the machine has none.
///
/// # Errors
/// `FileNotFound`, `VmNotFound`, `SnapshotNotFound`, those of [`Session::content`].
pub fn attachment(session: &Session, vm: &Moref, snapshot: Option<&Moref>, path: &str) -> Result<Attachment> {
    let mut disks = Disks::default();
    let mut host = None;
    let what = format!("reading the devices of virtual machine '{vm}'");
    properties::retrieve(session, &what, vm, &["config.hardware.device", "runtime.host"], &mut |object| {
        disks.add(object.value("config.hardware.device"), path);
        host = object.value("runtime.host").map(soap::as_reference).transpose()?.or(host.take());
        Ok(())
    })?;
    if let (None, Some(snapshot)) = (disks.key, snapshot) {
        let what = format!("reading the devices of snapshot '{snapshot}'");
        properties::retrieve(session, &what, snapshot, &["config.hardware.device"], &mut |object| {
            disks.add(object.value("config.hardware.device"), path);
            Ok(())
        })?;
    }
    let Some(device_key) = disks.key else { return Err(disks.none(vm, path)) };
    let host = host.map(|host| Moref::new("HostSystem", &host.id)).ok_or_else(|| {
        let text = format!("the server does not tell on which host virtual machine '{vm}' is");
        Error::new(Kind::HostUnavailable, text)
    })?;
    Ok(Attachment { device_key, host })
}

/// The virtual disks in a list of devices.
pub(super) fn disks_among<'a, 'input>(
    devices: Option<Node<'a, 'input>>,
) -> impl Iterator<Item = Node<'a, 'input>> {
    // Servers name the elements of the list `VirtualDevice`, whatever the type of each.
    let devices = devices.into_iter().flat_map(|devices| devices.children().filter(Node::is_element));
    devices.filter(|device| soap::type_of(*device) == Some("VirtualDisk"))
}

/// The disks that were seen.
#[derive(Debug, Default)]
struct Disks {
    key: Option<i32>,
    names: Vec<String>,
}

impl Disks {
    fn add(&mut self, devices: Option<Node<'_, '_>>, path: &str) {
        for disk in disks_among(devices) {
            let mut backing = soap::child(disk, "backing");
            for link in 0..MAX_LINKS {
                let Some(file) = backing.and_then(|backing| soap::text(backing, "fileName")) else { break };
                if link == 0 && self.names.len() < MAX_NAMED {
                    self.names.push(soap::printable(file));
                }
                if file == path.trim() {
                    self.key = self.key.or(soap::text(disk, "key").and_then(|key| key.parse().ok()));
                }
                backing = backing.and_then(|backing| soap::child(backing, "parent"));
            }
        }
    }

    fn none(&self, vm: &Moref, path: &str) -> Error {
        let names =
            if self.names.is_empty() { "none".to_owned() } else { format!("'{}'", self.names.join("', '")) };
        let text =
            format!("'{path}' is no disk of virtual machine '{vm}', nor a parent of one; its disks: {names}");
        Error::new(Kind::FileNotFound, text)
    }
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
