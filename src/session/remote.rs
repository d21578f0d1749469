//! A connection to a server: what a client asked for, checked, and the session that its disks share.

use std::ffi::CString;
use std::sync::{Arc, Mutex, PoisonError};

use super::config::Config;
use super::connection::{ConnectParams, Credentials, Spec};
use crate::error::{Error, Kind, Result};
use crate::transport::tls::{Certificate, Thumbprint, TlsDial, TlsStream, Trust};
use crate::transport::{self, tcp};
use crate::vsphere::inventory::{VmSpec, snapshot_id};
use crate::vsphere::secret::Secret;
use crate::vsphere::session::{HTTPS_PORT, Login, Server, Session};

/// A connection to a server. Nothing goes over the network before the first disk is opened.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) host: String,
    pub(super) vm: VmSpec,
    pub(super) snapshot: Option<String>,
    pub(super) nfc_port: Option<u16>,
    /// The modes that may be tried, best first.
    pub(super) modes: Vec<&'static str>,
    /// The client has named modes: then one in clear may follow one in TLS.
    pub(super) modes_named: bool,
    params: RemoteParams,
    session: Mutex<Option<Arc<Session>>>,
}

/// What a session is made of.
#[derive(Debug)]
struct RemoteParams {
    port: u16,
    login: Login,
    thumbprint: Option<String>,
}

/// A text of the client; `None` for NULL and "".
fn text(value: &Option<CString>, name: &str) -> Result<Option<String>> {
    let Some(value) = value.as_ref().filter(|value| !value.is_empty()) else { return Ok(None) };
    let text = value.to_str().map_err(|_| invalid(format!("{name} is not UTF-8")))?;
    Ok(Some(text.to_owned()))
}

fn invalid(text: String) -> Error {
    Error::new(Kind::InvalidArgument, text)
}

fn port(value: u32, name: &str) -> Result<Option<u16>> {
    match u16::try_from(value) {
        Ok(0) => Ok(None),
        Ok(port) => Ok(Some(port)),
        Err(_) => Err(invalid(format!("{name} {value} is more than 65535"))),
    }
}

impl Remote {
    /// Checks the parameters of a connection; `None` when they mean the local host.
    ///
    /// # Errors
    /// `InvalidArgument`, `NotSupported` for first-class disks and folders of datastores.
    pub(super) fn new(
        params: &ConnectParams,
        snapshot: Option<&str>,
        modes: Option<&str>,
    ) -> Result<Option<Self>> {
        let Some(host) = text(&params.server_name, "serverName")? else { return Ok(None) };
        let host = host.trim().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || host.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/') {
            return Err(invalid(format!("serverName '{}' is no name of a server", host.escape_debug())));
        }
        let (vm, snapshot) = (vm(params)?, snapshot.and_then(snapshot_id).map(str::to_owned));
        let (modes, modes_named) = pick_modes(modes)?;
        Ok(Some(Self {
            vm,
            snapshot,
            nfc_port: port(params.nfc_host_port, "nfcHostPort")?,
            modes,
            modes_named,
            params: RemoteParams {
                port: port(params.port, "port")?.unwrap_or(HTTPS_PORT),
                login: login(params)?,
                thumbprint: text(&params.thumb_print, "thumbPrint")?,
            },
            host,
            session: Mutex::default(),
        }))
    }

    /// The session of this connection, made now if there is none.
    ///
    /// # Errors
    /// None yet: the first call tells.
    pub(super) fn session(&self, config: &Config) -> Arc<Session> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(session.get_or_insert_with(|| Arc::new(self.new_session(config))))
    }

    fn new_session(&self, config: &Config) -> Session {
        let timeouts = config.timeouts();
        let server = Server {
            host: self.host.clone(),
            port: self.params.port,
            login: self.params.login.clone(),
            call_limit: timeouts.request,
            idle_limit: config.session_idle_limit(),
        };
        Session::new(server, Arc::new(TlsDial { trust: self.trust(config), timeouts }))
    }

    /// Connects for nothing but the certificate.
    ///
    /// # Errors
    /// Those of [`TlsStream::handshake`] and of connecting.
    pub(super) fn certificate(&self, config: &Config, trust: &Trust) -> Result<Certificate> {
        let timeouts = config.timeouts();
        let socket = tcp::connect(&self.host, self.params.port, timeouts.connect)?;
        let stream = TlsStream::handshake(socket, &self.host, trust, timeouts.handshake)?;
        Ok(stream.certificate().clone())
    }

    /// Which certificate the server must have.
    pub(super) fn trust(&self, config: &Config) -> Trust {
        match &self.params.thumbprint {
            Some(text) => Trust::Thumbprint(Thumbprint::parse(text).unwrap_or_else(|error| {
                // No certificate has this one: opening fails and tells the right one, which is how some find it out.
                log::info!("{error}");
                Thumbprint::Sha1([0; 20])
            })),
            None if config.allows_unverified() => {
                log::info!(
                    "vixen.allowUnverifiedCertificates: the certificate of '{}' is not checked",
                    self.host
                );
                Trust::Anything
            }
            None => Trust::SystemRoots,
        }
    }

    /// Logs out.
    pub(super) fn end(&self) {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(session) = session {
            session.end();
        }
    }
}

/// The virtual machine that is meant.
fn vm(params: &ConnectParams) -> Result<VmSpec> {
    match &params.spec {
        Spec::Vmx => {}
        Spec::VStorageObject { .. } => {
            let text = "first-class disks (VIXDISKLIB_SPEC_VSTORAGE_OBJECT) are not supported: name a virtual machine";
            return Err(Error::new(Kind::NotSupported, text));
        }
        Spec::Datastore { .. } => {
            let text =
                "folders of datastores (VIXDISKLIB_SPEC_DATASTORE) are not supported: name a virtual machine";
            return Err(Error::new(Kind::NotSupported, text));
        }
    }
    let spec = text(&params.vmx_spec, "vmxSpec")?;
    let spec = spec
        .ok_or_else(|| invalid("a server (serverName) but no virtual machine (vmxSpec) is named".into()))?;
    VmSpec::parse(&spec)
}

fn login(params: &ConnectParams) -> Result<Login> {
    let empty = || Secret::new(b"");
    match &params.credentials {
        Credentials::User { user, password } => Ok(Login::Password {
            user: text(user, "userName")?.ok_or_else(|| invalid("no userName is given".into()))?,
            password: password.clone().unwrap_or_else(empty),
        }),
        Credentials::Session { cookie, user, key } => {
            let cookie = cookie.clone().filter(|cookie| !cookie.bytes().is_empty());
            let user = text(user, "userName")?;
            Ok(Login::Cookie {
                cookie: cookie.ok_or_else(|| invalid("no cookie of a session is given".into()))?,
                then: user.zip(key.clone().filter(|key| !key.bytes().is_empty())),
            })
        }
        Credentials::None => {
            let text =
                format!("credentials of kind {} (credType) cannot be used with a server", params.cred_type);
            Err(invalid(text))
        }
    }
}

/// The modes of a client's list that lead to a server, and whether it has named any. A list with none of them, but
/// with one that this build lacks, ends up with nbdssl, as in VDDK.
fn pick_modes(list: Option<&str>) -> Result<(Vec<&'static str>, bool)> {
    let list = list.unwrap_or_default();
    let words: Vec<String> = list
        .split(':')
        .map(|word| word.trim().to_ascii_lowercase())
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() {
        return Ok((vec![transport::NBDSSL, transport::NBD], false));
    }
    let remote = [transport::NBDSSL, transport::NBD];
    let picked: Vec<_> =
        words.iter().filter_map(|word| remote.into_iter().find(|mode| mode == word)).collect();
    for word in words.iter().filter(|word| !transport::MODES.contains(&word.as_str())) {
        log::info!("transport mode '{word}' is not one of this library, and is left out");
    }
    match picked.is_empty() {
        false => Ok((picked, true)),
        true if words.iter().any(|word| word == "san" || word == "hotadd") => {
            Ok((vec![transport::NBDSSL], true))
        }
        true => Err(invalid(format!("none of the transport modes '{list}' leads to a server"))),
    }
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
