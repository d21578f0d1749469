//! The way to a disk of a server, step by step, for those who look for what is wrong with it.
//!
//! Opening a disk does the same steps at once, and tells of the first one that fails.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use super::config::Config;
use super::connection::{self, Connection};
use super::library;
use super::remote::Remote;
use super::table::Handle;
use crate::error::{Error, Kind, Result};
use crate::transport::nfc::authd;
use crate::transport::tcp;
pub use crate::transport::tls::{Certificate, Trust};
pub use crate::vsphere::examine::{Machine, MachineDisk};
use crate::vsphere::ticket::TicketSource;
use crate::vsphere::tickets::{DiskSpec, DiskTickets};
use crate::vsphere::{examine, inventory, soap::Moref};

/// A connection to a server, and what can be found out about it.
#[derive(Debug)]
pub struct Survey {
    connection: Arc<Connection>,
    config: Arc<Config>,
}

/// Looks at a connection to a server. Nothing goes over the network yet.
///
/// # Errors
/// `InvalidHandle`, `NotInitialized`, `InvalidArgument` for a connection to the local host.
pub fn survey(connection: Handle) -> Result<Survey> {
    let survey = Survey { connection: connection::connection(connection)?, config: library::config()? };
    survey.remote()?;
    Ok(survey)
}

impl Survey {
    fn remote(&self) -> Result<&Remote> {
        let local = || Error::new(Kind::InvalidArgument, "the connection is to the local host");
        self.connection.remote.as_ref().ok_or_else(local)
    }

    /// The server's certificate, once it was found to be in order, and how that was decided.
    ///
    /// # Errors
    /// `HostNotFound`, `ConnectionRefused`, `CannotConnect`, `TlsFailed`, `Untrusted`, `NotSupported` for TLS that is too
    /// old.
    pub fn certificate(&self) -> Result<(Certificate, Trust)> {
        let remote = self.remote()?;
        let trust = remote.trust(&self.config);
        Ok((remote.certificate(&self.config, &trust)?, trust))
    }

    /// The certificate that the server shows to anybody, whether it is in order or not. Nothing else is sent.
    ///
    /// # Errors
    /// Those of [`Survey::certificate`] but `Untrusted`.
    pub fn shown_certificate(&self) -> Result<Certificate> {
        self.remote()?.certificate(&self.config, &Trust::Anything)
    }

    /// What the server says it is.
    ///
    /// # Errors
    /// Those of [`Survey::certificate`]; `ServerFault`, `HostUnavailable`, `ConnectionLost`.
    pub fn server(&self) -> Result<String> {
        Ok(self.remote()?.session(&self.config).about()?.full_name)
    }

    /// Logs in.
    ///
    /// # Errors
    /// Those of [`Survey::server`]; `NoPermission`, `NotLoggedIn`.
    pub fn log_in(&self) -> Result<()> {
        self.remote()?.session(&self.config).content().map(drop)
    }

    /// The virtual machine.
    ///
    /// # Errors
    /// Those of [`Survey::log_in`]; `VmNotFound`.
    pub fn machine(&self) -> Result<Machine> {
        let remote = self.remote()?;
        examine::machine(&remote.session(&self.config), &remote.vm)
    }

    /// Those of `wanted` that the user does not have on the machine.
    ///
    /// # Errors
    /// Those of [`Survey::log_in`]; `NotSupported` when the server has nobody to ask.
    pub fn missing_privileges<'a>(&self, machine: &Machine, wanted: &[&'a str]) -> Result<Vec<&'a str>> {
        let has = examine::privileges(&self.remote()?.session(&self.config), &machine.id, wanted)?;
        Ok(wanted.iter().zip(has).filter(|(_, has)| !has).map(|(name, _)| *name).collect())
    }

    /// The disks of the snapshot that the connection names; `None` when it names none.
    ///
    /// # Errors
    /// Those of [`Survey::log_in`]; `SnapshotNotFound`.
    pub fn snapshot_disks(&self) -> Result<Option<Vec<MachineDisk>>> {
        let remote = self.remote()?;
        let id = remote.snapshot.as_deref();
        id.map(|id| examine::snapshot_disks(&remote.session(&self.config), id)).transpose()
    }

    /// The device of the machine that a disk, or a child of it, is attached as.
    ///
    /// # Errors
    /// Those of [`Survey::log_in`]; `FileNotFound`, whose text names the disks that there are.
    pub fn device(&self, machine: &Machine, path: &str) -> Result<i32> {
        let remote = self.remote()?;
        let snapshot = remote.snapshot.as_deref().map(|id| Moref::new("VirtualMachineSnapshot", id));
        let session = remote.session(&self.config);
        inventory::attachment(&session, &machine.id, snapshot.as_ref(), path).map(|found| found.device_key)
    }

    /// Asks for a ticket to read a disk, and tells the host and port that it is for.
    ///
    /// # Errors
    /// Those of [`Survey::log_in`]; `NoPermission`, `VmNotFound`, `Busy`, `NotSupported`.
    pub fn ticket(&self, path: &str) -> Result<(String, u16)> {
        let remote = self.remote()?;
        let disk = DiskSpec {
            vm: remote.vm.clone(),
            snapshot: remote.snapshot.clone(),
            path: path.to_owned(),
            writable: false,
            nfc_port: remote.nfc_port,
        };
        let tickets = DiskTickets::new(remote.session(&self.config), disk);
        let ticket = tickets.ticket()?;
        let (host, port) = ticket.endpoint(tickets.server());
        Ok((host.to_owned(), port))
    }

    /// Whether the authentication daemon of a host offers the disk service over TLS, by its greeting.
    ///
    /// # Errors
    /// `HostNotFound`, `ConnectionRefused`, `CannotConnect`, `ConnectionLost`, `Handshake`.
    pub fn offers_tls(&self, host: &str, port: u16) -> Result<bool> {
        let timeouts = self.config.timeouts();
        let place = format!("{host}:{port}");
        let socket = tcp::connect(host, port, timeouts.connect)?;
        let mut line = String::new();
        socket
            .set_read_timeout(Some(timeouts.handshake))
            .and_then(|()| BufReader::new(socket.take(authd::MAX_LINE as u64)).read_line(&mut line))
            .map_err(|error| Error::from_io(error, format!("authd: waiting for the greeting of {place}")))?;
        Ok(authd::greeting(line.trim_end())?.nfcssl)
    }
}
