//! Tickets for one disk of a virtual machine.

use std::sync::{Arc, Mutex, PoisonError};

use super::inventory::{self, VmSpec};
use super::secret::Secret;
use super::session::Session;
use super::soap::{self, Moref, Request, Returned};
use super::ticket::{Ticket, TicketSource};
use crate::error::{Error, Kind, Result};

/// The disk that tickets are for.
#[derive(Debug, Clone)]
pub struct DiskSpec {
    /// Its virtual machine.
    pub vm: VmSpec,
    /// The id of the snapshot that the client reads.
    pub snapshot: Option<String>,
    /// `[datastore] dir/name.vmdk`.
    pub path: String,
    /// Whether it is to be written.
    pub writable: bool,
    /// The port of the disk service, in place of the one that the ticket names.
    pub nfc_port: Option<u16>,
}

/// A source of tickets for one disk.
#[derive(Debug)]
pub struct DiskTickets {
    session: Arc<Session>,
    disk: DiskSpec,
    /// The virtual machine, once it was found.
    vm: Mutex<Option<Moref>>,
}

impl DiskTickets {
    /// A source; nothing is asked yet.
    pub fn new(session: Arc<Session>, disk: DiskSpec) -> Self {
        Self { session, disk, vm: Mutex::default() }
    }

    fn vm(&self) -> Result<Moref> {
        let mut known = self.vm.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(vm) = &*known {
            return Ok(vm.clone());
        }
        let found = self.disk.vm.find(&self.session)?;
        Ok(known.insert(found).clone())
    }

    fn read_only(&self, nfc: &Moref, vm: &Moref) -> Result<Ticket> {
        let what = format!("asking for a ticket to read virtual machine '{vm}'");
        self.session.call(&what, |_| Ok(Request::new("NfcGetVmFiles", nfc).moref("vm", vm)), read)
    }

    fn writable(&self, nfc: &Moref, vm: &Moref) -> Result<Ticket> {
        let snapshot = self.disk.snapshot.as_deref().map(|id| Moref::new("VirtualMachineSnapshot", id));
        // Looked up each time: the machine may have moved to another host.
        let at = inventory::attachment(&self.session, vm, snapshot.as_ref(), &self.disk.path)?;
        let what = format!("asking for a ticket to write disk {} of virtual machine '{vm}'", at.device_key);
        let request = |_: &super::session::Content| {
            Ok(Request::new("NfcRandomAccessOpenDisk", nfc)
                .moref("vm", vm)
                .text("diskDeviceKey", &at.device_key.to_string())
                .moref("hostForAccess", &at.host))
        };
        self.session.call(&what, request, read)
    }
}

impl TicketSource for DiskTickets {
    fn ticket(&self) -> Result<Ticket> {
        let nfc = self.session.nfc_service()?;
        let vm = self.vm()?;
        let mut ticket =
            if self.disk.writable { self.writable(&nfc, &vm) } else { self.read_only(&nfc, &vm) }?;
        ticket.port = self.disk.nfc_port.or(ticket.port);
        let (host, port) = ticket.endpoint(self.session.host());
        log::debug!("ticket for '{}' of '{vm}': {} at '{host}' port {port}", self.disk.path, ticket.service);
        Ok(ticket)
    }

    fn server(&self) -> &str {
        self.session.host()
    }
}

/// Reads a ticket.
fn read(returned: Returned<'_, '_>) -> Result<Ticket> {
    let value = returned.value()?;
    let missing = |name: &str| soap::senseless(&format!("the ticket has no '{name}'"));
    let word = |name: &'static str| {
        let text = soap::text(value, name).ok_or_else(|| missing(name))?;
        // These go into lines of the protocol of the authentication daemon.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(soap::senseless(&format!("the ticket's '{name}' has blanks or worse")));
        }
        Ok(text)
    };
    let port = soap::text(value, "port").map(|port| match port.parse() {
        Ok(port) if port != 0 => Ok(port),
        _ => Err(Error::new(Kind::ServerFault, "the ticket's port is none")),
    });
    Ok(Ticket {
        host: soap::text(value, "host").map(soap::printable),
        port: port.transpose()?,
        ssl_thumbprint: soap::text(value, "sslThumbprint").map(soap::printable),
        service: word("service")?.to_owned(),
        session_id: Secret::new(word("sessionId")?.as_bytes()),
    })
}

#[cfg(test)]
#[path = "tickets_tests.rs"]
mod tests;
