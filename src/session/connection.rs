//! Connections: where disks are looked for, on the local host or on a server.

use std::ffi::CString;
use std::sync::Arc;

use super::library;
use super::open_disk;
use super::remote::Remote;
use super::table::{Handle, Table};
use crate::error::{Error, Kind, Result};
use crate::transport;
use crate::vsphere::access;
use crate::vsphere::inventory::VmSpec;
pub use crate::vsphere::secret::Secret;
use crate::vsphere::session::Session;

/// Longest identity of PrepareForAccess and EndAccess, in bytes.
const MAX_IDENTITY: usize = 50;

/// How to log in.
#[derive(Debug, Clone, Default)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// By user name and password.
    User {
        /// User name.
        user: Option<CString>,
        /// Password, wiped when it goes.
        password: Option<Secret>,
    },
    /// By a session that exists.
    Session {
        /// Value of the session cookie.
        cookie: Option<Secret>,
        /// User name.
        user: Option<CString>,
        /// Password or key, wiped when it goes.
        key: Option<Secret>,
    },
}

/// What a connection is for.
#[derive(Debug, Clone, Default)]
pub enum Spec {
    /// What `vmx_spec` says.
    #[default]
    Vmx,
    /// A first-class disk.
    VStorageObject {
        /// Its id.
        id: Option<CString>,
        /// Its datastore.
        datastore: Option<CString>,
        /// Its snapshot.
        snapshot: Option<CString>,
    },
    /// A folder of a datastore.
    Datastore {
        /// The datastore.
        datastore: Option<CString>,
        /// The folder.
        folder: Option<CString>,
    },
}

/// A copy of what a client passed; "" and NULL are kept apart, but mean the same.
#[derive(Debug, Clone, Default)]
pub struct ConnectParams {
    /// Virtual machine.
    pub vmx_spec: Option<CString>,
    /// Server.
    pub server_name: Option<CString>,
    /// Thumbprint of the server's certificate.
    pub thumb_print: Option<CString>,
    /// Kind of credentials as the client gave it, also when it is not known.
    pub cred_type: u32,
    /// Credentials.
    pub credentials: Credentials,
    /// Port of the server, 0 for the usual one.
    pub port: u32,
    /// Port of the disk service, 0 for the usual one.
    pub nfc_host_port: u32,
    /// What the connection is for.
    pub spec: Spec,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    params: ConnectParams,
    pub(super) read_only: bool,
    /// The server; `None` for the local host.
    pub(super) remote: Option<Remote>,
}

static CONNECTIONS: Table<Connection> = Table::new(0x5a, "connection");

pub(super) fn connection(handle: Handle) -> Result<Arc<Connection>> {
    CONNECTIONS.get(handle)
}

/// Connects. A server is not asked anything: what is wrong with it is told when a disk is opened, as in VDDK.
///
/// # Errors
/// `NotInitialized`, `InvalidArgument` for parameters that make no sense together, `NotSupported`.
pub fn connect(
    params: ConnectParams,
    read_only: bool,
    snapshot: Option<&str>,
    modes: Option<&str>,
) -> Result<Handle> {
    let config = library::config()?;
    let remote = Remote::new(&params, snapshot, modes)?;
    match &remote {
        Some(remote) => {
            log::info!("connection to server '{}', virtual machine {}", remote.host, remote.vm);
            if let Some(snapshot) = &remote.snapshot {
                log::debug!("snapshot '{snapshot}'");
            }
        }
        None => check_local(&params, snapshot, modes)?,
    }
    let handle = CONNECTIONS.insert(Arc::new(Connection { params, read_only, remote }))?;
    // An Exit that came meanwhile has not seen this connection.
    if !library::is_current(&config) {
        drop(CONNECTIONS.remove(handle));
        return Err(library::ended());
    }
    Ok(handle)
}

/// Checks the parameters of a connection to the local host.
fn check_local(params: &ConnectParams, snapshot: Option<&str>, modes: Option<&str>) -> Result<()> {
    if params.vmx_spec.as_ref().is_some_and(|spec| !spec.is_empty()) {
        let text = "the parameters name a virtual machine (vmxSpec) but no server (serverName)";
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    if let Some(modes) = modes.filter(|modes| !transport::lists(modes, transport::FILE)) {
        log::info!(
            "transport modes '{modes}' do not apply to local disks, which are always reached by 'file'"
        );
    }
    if let Some(snapshot) = snapshot {
        log::info!("snapshot reference '{snapshot}' does not apply to local disks and is ignored");
    }
    Ok(())
}

/// Disconnects, and closes the disks that are still open through the connection.
///
/// # Errors
/// `InvalidArgument`, `InvalidHandle`, `Busy` from a completion function of such a disk, the first error of closing.
pub fn disconnect(handle: Handle) -> Result<()> {
    CONNECTIONS.get(handle)?;
    open_disk::refuse_in_callback(|disk| disk.connection() == handle)?;
    let connection = CONNECTIONS.remove(handle)?;
    let result = open_disk::close_all(|disk| disk.connection() == handle).map_or(Ok(()), Err);
    connection.end();
    result
}

impl Connection {
    /// Logs out from the server.
    fn end(&self) {
        if let Some(remote) = &self.remote {
            remote.end();
        }
    }
}

/// Forgets every connection; their disks are closed already.
pub(super) fn forget_all() {
    for handle in CONNECTIONS.handles(|_| true) {
        if let Ok(connection) = CONNECTIONS.remove(handle) {
            connection.end();
        }
    }
}

/// The parameters that a connection was made with.
///
/// # Errors
/// `InvalidArgument`, `InvalidHandle`.
pub fn connect_params(handle: Handle) -> Result<ConnectParams> {
    Ok(CONNECTIONS.get(handle)?.params.clone())
}

/// Announces access, so that vCenter does not move the virtual machine; the local host needs no announcement.
///
/// # Errors
/// `InvalidArgument` for an identity that is too long, `NotSupported` for a single host, `NotInitialized`, those of
/// servers.
pub fn prepare_for_access(params: ConnectParams, identity: &[u8]) -> Result<()> {
    announce(&params, identity, access::prepare)
}

/// Takes an announcement back.
///
/// # Errors
/// As for [`prepare_for_access`].
pub fn end_access(params: ConnectParams, identity: &[u8]) -> Result<()> {
    announce(&params, identity, access::end)
}

/// Does either in a session of its own.
fn announce(
    params: &ConnectParams,
    identity: &[u8],
    act: impl FnOnce(&Session, &VmSpec, &str) -> Result<()>,
) -> Result<()> {
    let identity = check_identity(identity)?;
    let Some(remote) = Remote::new(params, None, None)? else { return Ok(()) };
    let session = remote.session(&*library::config()?);
    let result = act(&session, &remote.vm, identity);
    remote.end();
    result
}

fn check_identity(identity: &[u8]) -> Result<&str> {
    if identity.len() > MAX_IDENTITY {
        let text = format!("an identity of {} bytes is longer than {MAX_IDENTITY}", identity.len());
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    std::str::from_utf8(identity).map_err(|_| Error::new(Kind::InvalidArgument, "the identity is not UTF-8"))
}

/// Removes what a client that died left behind. There is never anything: locks of local disks end with the process,
/// and a host ends what it opened for a connection that has gone.
pub fn cleanup(params: &ConnectParams) {
    if params.server_name.as_ref().is_some_and(|name| !name.is_empty()) {
        log::debug!("nothing is left behind on servers, so there is nothing to clean up");
    }
}
