//! Connections: where disks are looked for. This release has the local host.

use std::ffi::CString;
use std::sync::Arc;

use super::library;
use super::open_disk;
use super::table::{Handle, Table};
use crate::error::{Error, Kind, Result};
use crate::transport;
pub use crate::vsphere::secret::Secret;

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

impl ConnectParams {
    /// Without a server the local host is meant.
    fn check_local(&self, what: &str) -> Result<()> {
        let absent = |text: &Option<CString>| text.as_ref().is_none_or(|text| text.is_empty());
        if !absent(&self.server_name) {
            let name =
                self.server_name.as_ref().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let text = format!("{what} '{name}': vSphere servers are not supported by this release");
            return Err(Error::new(Kind::NotSupported, text));
        }
        Ok(())
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    params: ConnectParams,
    pub(super) read_only: bool,
}

static CONNECTIONS: Table<Connection> = Table::new(0x5a, "connection");

pub(super) fn connection(handle: Handle) -> Result<Arc<Connection>> {
    CONNECTIONS.get(handle)
}

/// Connects.
///
/// # Errors
/// `NotInitialized`, `NotSupported` for a server, `InvalidArgument` for a virtual machine without a server.
pub fn connect(
    params: ConnectParams,
    read_only: bool,
    snapshot: Option<&str>,
    modes: Option<&str>,
) -> Result<Handle> {
    let config = library::config()?;
    params.check_local("connecting to server")?;
    if params.vmx_spec.as_ref().is_some_and(|spec| !spec.is_empty()) {
        let text = "the parameters name a virtual machine (vmxSpec) but no server (serverName)";
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    if let Some(modes) = modes.filter(|modes| !transport::lists(modes, "file")) {
        log::info!(
            "transport modes '{modes}' do not apply to local disks, which are always reached by 'file'"
        );
    }
    if let Some(snapshot) = snapshot {
        log::info!("snapshot reference '{snapshot}' does not apply to local disks and is ignored");
    }
    let handle = CONNECTIONS.insert(Arc::new(Connection { params, read_only }))?;
    // An Exit that came meanwhile has not seen this connection.
    if !library::is_current(&config) {
        drop(CONNECTIONS.remove(handle));
        return Err(library::ended());
    }
    Ok(handle)
}

/// Disconnects, and closes the disks that are still open through the connection.
///
/// # Errors
/// `InvalidArgument`, `InvalidHandle`, `Busy` from a completion function of such a disk, the first error of closing.
pub fn disconnect(handle: Handle) -> Result<()> {
    CONNECTIONS.get(handle)?;
    open_disk::refuse_in_callback(|disk| disk.connection() == handle)?;
    CONNECTIONS.remove(handle)?;
    open_disk::close_all(|disk| disk.connection() == handle).map_or(Ok(()), Err)
}

/// Forgets every connection; their disks are closed already.
pub(super) fn forget_all() {
    for handle in CONNECTIONS.handles(|_| true) {
        drop(CONNECTIONS.remove(handle));
    }
}

/// The parameters that a connection was made with.
///
/// # Errors
/// `InvalidArgument`, `InvalidHandle`.
pub fn connect_params(handle: Handle) -> Result<ConnectParams> {
    Ok(CONNECTIONS.get(handle)?.params.clone())
}

/// Announces access; the local host needs no announcement.
///
/// # Errors
/// `NotSupported` for a server, `InvalidArgument` for an identity that is too long.
pub fn prepare_for_access(params: ConnectParams, identity: &[u8]) -> Result<()> {
    check_identity(identity)?;
    params.check_local("announcing access to server")
}

/// Takes an announcement back.
///
/// # Errors
/// As for [`prepare_for_access`].
pub fn end_access(params: ConnectParams, identity: &[u8]) -> Result<()> {
    check_identity(identity)?;
    params.check_local("ending access to server")
}

fn check_identity(identity: &[u8]) -> Result<()> {
    if identity.len() > MAX_IDENTITY {
        let text = format!("an identity of {} bytes is longer than {MAX_IDENTITY}", identity.len());
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    Ok(())
}

/// Removes what a client that died left behind; local disks leave nothing, as their locks end with the process.
///
/// # Errors
/// `NotSupported` for a server.
pub fn cleanup(params: ConnectParams) -> Result<()> {
    params.check_local("cleaning up on server")
}
