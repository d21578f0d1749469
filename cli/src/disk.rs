//! Connections and open disks: the session of the library, with an end that cannot be forgotten.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use log::LevelFilter;
use vixDiskLib::session::connection::Secret;
use vixDiskLib::session::open_disk::OpenDisk;
use vixDiskLib::session::table::Handle;
use vixDiskLib::session::{self, ConnectParams, Credentials, OpenFlags};
use zeroize::Zeroizing;

use crate::arguments::{Common, Format, Remote, Source};
use crate::failure::{Code, Failure, Result};
use crate::output::printable;

/// The version of the interface that is asked for.
const INTERFACE: (u32, u32) = (8, 0);

/// Credentials by user name and password, as the C interface counts them.
const BY_USER: u32 = 1;

/// Longest password that is read from a file, in bytes.
const MAX_PASSWORD: u64 = 4096;

/// Writes what the library tells to standard error.
struct Told;

impl log::Log for Told {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("vixDiskLib") && metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            // A log that nobody reads is no reason to stop.
            let _ = writeln!(io::stderr().lock(), "{}", printable(record.args().to_string().as_bytes()));
        }
    }

    fn flush(&self) {}
}

/// Starts the library.
pub(crate) fn start(common: &Common) -> Result<()> {
    let level = match common.verbose {
        0 => LevelFilter::Off,
        1 => LevelFilter::Info,
        _ => LevelFilter::Trace,
    };
    if common.verbose > 0 {
        // There can be only one, and it is ours.
        drop(log::set_logger(&Told));
    }
    session::library::init(INTERFACE.0, INTERFACE.1, None, common.config.as_deref(), || ())?;
    log::set_max_level(level);
    Ok(())
}

/// A connection that ends itself.
#[derive(Debug)]
pub(crate) struct Connection(Handle);

impl Connection {
    /// Connects to a server, or to the local host.
    pub(crate) fn to(remote: &Remote, read_only: bool) -> Result<Self> {
        Self::with(parameters(remote)?, read_only, remote.snapshot.as_deref(), remote.transport.as_deref())
    }

    /// Connects with parameters of any kind.
    pub(crate) fn with(
        parameters: ConnectParams,
        read_only: bool,
        snapshot: Option<&str>,
        modes: Option<&str>,
    ) -> Result<Self> {
        let to_server = parameters.server_name.is_some();
        let advice = "'vixen doctor' with the same options shows which stage fails";
        let connected = session::connect(parameters, read_only, snapshot, modes).map(Self);
        connected.map_err(Failure::from).map_err(
            |failure| {
                if to_server { failure.advise(advice) } else { failure }
            },
        )
    }

    /// Connects to the local host, for changes.
    pub(crate) fn local() -> Result<Self> {
        Self::to(&Remote::default(), false)
    }

    /// The handle for calls of the session.
    pub(crate) fn handle(&self) -> Handle {
        self.0
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Disks are closed before; what is left concerns nobody.
        drop(session::disconnect(self.0));
    }
}

/// The parameters of a connection; asks for the password when it is nowhere else.
fn parameters(remote: &Remote) -> Result<ConnectParams> {
    let Some(server) = &remote.server else { return Ok(ConnectParams::default()) };
    for (value, option, what) in
        [(&remote.user, "--user NAME", "no user"), (&remote.vm, "--vm VM", "no virtual machine")]
    {
        if value.is_none() {
            let text = format!("the server '{}' is named, but {what}", printable(server.as_bytes()));
            return Err(Failure::new(Code::Usage, text).advise(format!("give {option}")));
        }
    }
    partial_parameters(remote)
}

/// The same as far as they were named.
pub(crate) fn partial_parameters(remote: &Remote) -> Result<ConnectParams> {
    let text = |value: &Option<String>| value.as_deref().map(c_string).transpose();
    let vm = remote.vm.as_ref().map(|vm| if vm.contains('=') { vm.clone() } else { format!("moref={vm}") });
    let password = remote.user.is_some().then(|| password(remote)).transpose()?;
    Ok(ConnectParams {
        vmx_spec: text(&vm)?,
        server_name: text(&remote.server)?,
        thumb_print: text(&remote.thumbprint)?,
        cred_type: BY_USER,
        credentials: Credentials::User { user: text(&remote.user)?, password },
        port: u32::from(remote.port),
        ..ConnectParams::default()
    })
}

/// Text for parameters of a connection.
pub(crate) fn c_string(text: &str) -> Result<CString> {
    CString::new(text)
        .map_err(|_| Failure::new(Code::Usage, format!("'{}' has a NUL in it", printable(text.as_bytes()))))
}

/// The password: from the file, else from the environment, else from the terminal.
fn password(remote: &Remote) -> Result<Secret> {
    if let Some(path) = &remote.password_file {
        let failed = |error| Failure::io(error, "reading the password from", path);
        let mut line = Zeroizing::new(Vec::new());
        BufReader::new(File::open(path).map_err(failed)?.take(MAX_PASSWORD))
            .read_until(b'\n', &mut line)
            .map_err(failed)?;
        while line.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            line.pop();
        }
        return Ok(Secret::new(&line));
    }
    if let Ok(password) = std::env::var("VIXEN_PASSWORD") {
        return Ok(Secret::new(&Zeroizing::new(password.into_bytes())));
    }
    if !io::stdin().is_terminal() {
        let failure = Failure::new(Code::Usage, "a user is named, but there is no password");
        return Err(failure.advise("give --password-file FILE, or set VIXEN_PASSWORD"));
    }
    let user = remote.user.as_deref().unwrap_or("");
    let typed = rpassword::prompt_password(format!("Password of {}: ", printable(user.as_bytes())));
    let typed =
        typed.map_err(|error| Failure::new(Code::Storage, format!("reading the password: {error}")))?;
    Ok(Secret::new(&Zeroizing::new(typed.into_bytes())))
}

/// An open disk; what it can do is [`OpenDisk`]'s.
#[derive(Debug)]
pub(crate) struct Disk {
    handle: Handle,
    disk: Arc<OpenDisk>,
    open: bool,
    /// Goes after the disk.
    _connection: Connection,
}

impl Disk {
    /// Opens what a user named, to be read.
    pub(crate) fn of(source: &Source) -> Result<Self> {
        Self::through(Connection::to(&source.remote, true)?, source)
    }

    /// Opens what a user named, to be read, through a connection to where it is.
    pub(crate) fn through(connection: Connection, source: &Source) -> Result<Self> {
        if matches!(source.format, Some(Format::Raw | Format::Qcow2)) {
            let text = format!(
                "'{}' is not taken for a virtual disk, and this is about such",
                source.path.display()
            );
            return Err(Failure::new(Code::Usage, text).advise("'vixen convert' makes a virtual disk of it"));
        }
        let flags = OpenFlags { read_only: true, single_link: source.single_link, ..OpenFlags::default() };
        Self::open(connection, &source.path, flags)
    }

    /// Opens a local disk with its parents, to be read.
    pub(crate) fn local(path: &Path) -> Result<Self> {
        let flags = OpenFlags { read_only: true, ..OpenFlags::default() };
        Self::open(Connection::local()?, path, flags)
    }

    /// Opens a local disk, to be changed.
    pub(crate) fn writable(path: &Path) -> Result<Self> {
        Self::open(Connection::local()?, path, OpenFlags::default())
    }

    /// Opens a disk through a connection.
    pub(crate) fn open(connection: Connection, path: &Path, flags: OpenFlags) -> Result<Self> {
        let handle = session::open(connection.handle(), path, flags)?;
        let disk = session::disk(handle)?;
        Ok(Self { handle, disk, open: true, _connection: connection })
    }

    /// The handle for calls of the session.
    pub(crate) fn handle(&self) -> Handle {
        self.handle
    }

    /// The disk for requests that outlive a call.
    pub(crate) fn shared(&self) -> &Arc<OpenDisk> {
        &self.disk
    }

    /// Ends it, and tells whether everything written is durable.
    pub(crate) fn close(mut self) -> Result<()> {
        self.open = false;
        Ok(session::close(self.handle)?)
    }
}

impl Deref for Disk {
    type Target = OpenDisk;

    fn deref(&self) -> &OpenDisk {
        &self.disk
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.open {
            // Only on the way out of an error, or of a disk that was read.
            drop(session::close(self.handle));
        }
    }
}
