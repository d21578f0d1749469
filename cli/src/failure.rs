//! Errors of the command: what was done to what, why it failed, and what to do about it; and the exit codes.

use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};
use std::path::Path;

use vixDiskLib::error::{Error, Kind};

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
            Self::Internal => 9,
        }
    }

    fn of(kind: Kind) -> Self {
        match kind {
            Kind::InvalidArgument | Kind::BadName | Kind::OutOfRange | Kind::BufferTooSmall => Self::Usage,
            Kind::FileNotFound | Kind::FileExists | Kind::KeyNotFound => Self::Found,
            Kind::AccessDenied | Kind::Locked | Kind::Busy | Kind::ReadOnly => Self::Denied,
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
}

/// The result of everything in this program.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// An error without advice.
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { text: text.into(), advice: None, code }
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
        Self { text: error.to_string(), advice: advice(kind).map(str::to_owned), code: Code::of(kind) }
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
