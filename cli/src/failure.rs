//! Errors of the command: what was done to what, why it failed, and what to do about it; and the exit codes.

use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};
use std::path::Path;

use vixDiskLib::error::{Error, Kind};
use vixDiskLib::ffi::code_of;
use vixDiskLib::ffi::codes::VIX_E_FAIL;

use crate::output::printable;

/// How the program ends; `docs/command.md` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// It did what was asked for.
    Success,
    /// The answer is no: disks differ, damage was found, a stage of the doctor failed.
    No,
    /// The arguments make no sense.
    Usage,
    /// Something is not there, or is there already.
    Found,
    /// In use, or not allowed.
    Denied,
    /// No disk, or a damaged one.
    Damaged,
    /// Not supported, or encrypted.
    NotSupported,
    /// Reading or writing failed, or there is no room.
    Storage,
    /// A server cannot be reached, or does not answer as it must.
    Server,
    /// A bug.
    Internal,
}

impl Code {
    /// The number for the shell.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Found => 3,
            Self::Denied => 4,
            Self::Damaged => 5,
            Self::NotSupported => 6,
            Self::Storage => 7,
            Self::Server => 8,
            Self::Internal => 9,
        }
    }

    fn of(kind: Kind) -> Self {
        match kind {
            Kind::InvalidArgument | Kind::BadName | Kind::OutOfRange | Kind::BufferTooSmall => Self::Usage,
            Kind::FileNotFound
            | Kind::FileExists
            | Kind::KeyNotFound
            | Kind::VmNotFound
            | Kind::SnapshotNotFound => Self::Found,
            Kind::AccessDenied
            | Kind::Locked
            | Kind::Busy
            | Kind::ReadOnly
            | Kind::Untrusted
            | Kind::NoPermission
            | Kind::NotLoggedIn => Self::Denied,
            Kind::InvalidDisk
            | Kind::OpenParent
            | Kind::CidMismatch
            | Kind::CapacityMismatch
            | Kind::TooManyLinks
            | Kind::PartialChain
            | Kind::InvalidChain
            | Kind::AttachRoot
            | Kind::CannotRepair => Self::Damaged,
            Kind::NotSupported | Kind::UnsupportedVersion | Kind::NeedsKey => Self::NotSupported,
            Kind::DiskFull | Kind::FileTooBig | Kind::TooManyFiles | Kind::Io | Kind::OutOfMemory => {
                Self::Storage
            }
            Kind::HostNotFound
            | Kind::ConnectionRefused
            | Kind::CannotConnect
            | Kind::ConnectionLost
            | Kind::TlsFailed
            | Kind::Handshake
            | Kind::HostUnavailable
            | Kind::ServerFault => Self::Server,
            _ => Self::Internal,
        }
    }
}

/// What to do about errors of a kind, where there is something that helps.
fn advice(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::FileNotFound => "check the path; extents and parents must lie where the descriptor names them",
        Kind::FileExists => "choose another name, or remove the file first",
        Kind::AccessDenied => "run as a user who may read (and for changes write) the file and its folder",
        Kind::Locked | Kind::Busy => "close the program that uses the disk, or wait until it has ended",
        Kind::ReadOnly => "only growing, flat and ESX disks on a writable file system take writes",
        Kind::InvalidDisk => "'vixen check' says more; for raw and qcow2 files give --format raw or qcow2",
        Kind::OpenParent => {
            "'vixen chain --single-link' shows which parent is wanted; put it beside the child"
        }
        Kind::CidMismatch => "use the parent as it was when the child was made, e.g. from a backup",
        Kind::NeedsKey => "decrypt the disk with the product that encrypted it",
        Kind::DiskFull => "free some space, or choose another file system",
        Kind::TooManyFiles => "raise the limit of open files, e.g. with 'ulimit -n 4096'",
        Kind::KeyNotFound => "'vixen meta list' shows the keys that there are",
        Kind::CannotRepair => "copy what can be read with 'vixen convert', or restore a backup",
        Kind::HostNotFound => "correct the name, or let it be known: 'getent hosts NAME' must find it",
        Kind::ConnectionRefused | Kind::CannotConnect => {
            "let firewalls pass TCP 443 to the server and 902 to its hosts, and look whether they run"
        }
        Kind::ConnectionLost => {
            "try again; 'vixen doctor' with the same options measures the way to the server"
        }
        Kind::TlsFailed | Kind::Handshake => "'vixen doctor' with the same options shows which stage fails",
        Kind::Untrusted => "if the certificate is the server's, give its thumbprint: --thumbprint XX:XX:..",
        Kind::NoPermission | Kind::NotLoggedIn => {
            "check user and password, and that the user may read disks of the virtual machine"
        }
        Kind::VmNotFound => "name the machine by its id (--vm vm-42), or by uuid=, path= or instanceUuid=",
        Kind::SnapshotNotFound => {
            "name the snapshot by its id (--snapshot snapshot-7), and its own disk file"
        }
        Kind::HostUnavailable => "wait until the host has left maintenance, or is less busy",
        Kind::Internal => "this is a bug; please report it with the command line",
        _ => return None,
    })
}

/// An error that ends the program.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    advice: Option<String>,
    code: Code,
    /// The library's kind, if the error is the library's.
    kind: Option<Kind>,
}

/// The result of everything in this program.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// An error without advice.
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { text: text.into(), advice: None, code, kind: None }
    }

    /// An error of the system.
    pub(crate) fn io(error: io::Error, what: &str, path: &Path) -> Self {
        Error::from_io(error, format!("{what} '{}'", path.display())).into()
    }

    /// The same with what to do about it.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The same, seen from one step further out.
    pub(crate) fn context(mut self, what: impl Display) -> Self {
        self.text = format!("{what}: {}", self.text);
        self
    }

    /// How the program ends with it.
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// The code of the C interface for it.
    pub(crate) fn vix_error(&self) -> u64 {
        self.kind.map_or(VIX_E_FAIL, code_of)
    }

    /// Tells the user, on standard error.
    pub(crate) fn print(&self) {
        let mut stderr = io::stderr().lock();
        // There is nobody left to tell when this fails.
        let _ = writeln!(stderr, "vixen: {}", printable(self.text.as_bytes()));
        if let Some(advice) = &self.advice {
            let _ = writeln!(stderr, "  try: {advice}");
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = error.kind();
        let advice = advice(kind).map(str::to_owned);
        Self { text: error.to_string(), advice, code: Code::of(kind), kind: Some(kind) }
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
