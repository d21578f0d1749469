//! The error of every room below `ffi`: a stable kind, what was being done to what, and the cause behind it.
//!
//! ```text
//!  Error { kind: CidMismatch,  context: "opening parent '/d/base.vmdk' of '/d/child.vmdk'",  source: Some(..) }
//!            │                   │
//!            │                   └─ for people: operation, path, place; outermost last added, first read
//!            └─ for programs: `ffi` maps it to one VixError; a new cause never needs a new kind
//! ```

use std::fmt::{self, Write};
use std::io;
use std::path::Path;

/// What went wrong, as far as a program can act on it. `ffi` maps each kind to one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// An argument of the caller makes no sense.
    InvalidArgument,
    /// A handle is stale or of another kind.
    InvalidHandle,
    /// The library has not been started.
    NotInitialized,
    /// The object is in use by an operation that must end first.
    Busy,
    /// Whom the operation is for wants no more of it.
    Cancelled,
    /// Something that this build does not do.
    NotSupported,
    /// A file does not exist.
    FileNotFound,
    /// A file exists already.
    FileExists,
    /// The operating system denies access to a file.
    AccessDenied,
    /// Somebody else has locked the disk.
    Locked,
    /// A write to something opened read-only, or on a read-only file system.
    ReadOnly,
    /// No space is left.
    DiskFull,
    /// A file would exceed what the file system or the format can hold.
    FileTooBig,
    /// Too many files are open.
    TooManyFiles,
    /// A name cannot be used.
    BadName,
    /// Reading or writing a file failed.
    Io,
    /// No memory is left.
    OutOfMemory,
    /// A buffer of the caller is too small.
    BufferTooSmall,
    /// Sectors past the end of the disk.
    OutOfRange,
    /// A file is no virtual disk, or is damaged.
    InvalidDisk,
    /// A format version or feature from the future.
    UnsupportedVersion,
    /// The data is encrypted.
    NeedsKey,
    /// The parent of a link cannot be opened.
    OpenParent,
    /// The parent changed after its child was made.
    CidMismatch,
    /// The links of a chain differ in capacity.
    CapacityMismatch,
    /// A chain has too many links, or loops.
    TooManyLinks,
    /// A chain lacks its end.
    PartialChain,
    /// An operation that a link of a chain does not allow.
    InvalidChain,
    /// A disk that has no parent was to be attached to one.
    AttachRoot,
    /// A disk is damaged in a way that cannot be mended.
    CannotRepair,
    /// The disk database has no such key.
    KeyNotFound,
    /// A server's name leads nowhere.
    HostNotFound,
    /// A server refuses connections.
    ConnectionRefused,
    /// A server does not answer, or cannot be reached.
    CannotConnect,
    /// A connection broke, or the other side fell silent.
    ConnectionLost,
    /// The TLS handshake failed for another reason than the certificate.
    TlsFailed,
    /// A server's certificate is not the one that was expected, or nobody trusted signed it.
    Untrusted,
    /// The disk service did not answer as it must.
    Handshake,
    /// A user is not known, the password is wrong, or a right is missing.
    NoPermission,
    /// A session with a server is not, or no longer, known there.
    NotLoggedIn,
    /// There is no such virtual machine.
    VmNotFound,
    /// There is no such snapshot.
    SnapshotNotFound,
    /// A server is there, but does not serve: maintenance, overload.
    HostUnavailable,
    /// A server answered with something that cannot be understood, or that says only that it failed.
    ServerFault,
    /// A bug of ours.
    Internal,
}

/// An error: its kind, its context and its cause.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    context: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error without a cause behind it.
    pub fn new(kind: Kind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// An error of the operating system; its number decides the kind.
    pub fn from_io(source: io::Error, context: impl Into<String>) -> Self {
        Self { kind: kind_of(&source), context: context.into(), source: Some(Box::new(source)) }
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The same error seen from one step further out.
    #[must_use]
    pub fn context(mut self, context: impl AsRef<str>) -> Self {
        self.context = format!("{}: {}", context.as_ref(), self.context);
        self
    }

    /// As [`Error::context`] with what was being done to which file, unless the file is named already.
    #[must_use]
    pub fn naming(self, what: &str, path: &Path) -> Self {
        let named = format!("'{}'", path.display());
        if self.context.contains(&named) { self } else { self.context(format!("{what} {named}")) }
    }

    /// The same cause under another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }
}

/// Adds context to the error of a result.
pub trait ResultExt<T> {
    /// As [`Error::context`], made only when there is an error.
    ///
    /// # Errors
    /// Those of `self`.
    fn context<C: AsRef<str>>(self, context: impl FnOnce() -> C) -> Result<T>;

    /// As [`Error::naming`].
    ///
    /// # Errors
    /// Those of `self`.
    fn naming(self, what: &str, path: &Path) -> Result<T>;
}

impl<T> ResultExt<T> for Result<T> {
    fn context<C: AsRef<str>>(self, context: impl FnOnce() -> C) -> Result<T> {
        self.map_err(|error| error.context(context()))
    }

    fn naming(self, what: &str, path: &Path) -> Result<T> {
        self.map_err(|error| error.naming(what, path))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names of files and texts of servers are in it, and those come from anybody.
        self.context.chars().try_for_each(|character| formatter.write_char(harmless(character)))?;
        let Some(source) = &self.source else { return Ok(()) };
        formatter.write_str(": ")?;
        source.to_string().chars().try_for_each(|character| formatter.write_char(harmless(character)))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// What stands for a character in texts that people read: itself, or `?` for one that ends a line, that a terminal acts
/// on, or that changes the order in which text is shown.
pub fn harmless(character: char) -> char {
    let acts = character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if acts { '?' } else { character }
}

/// The kind of an error of the operating system.
fn kind_of(error: &io::Error) -> Kind {
    match error.raw_os_error() {
        Some(libc::ENFILE | libc::EMFILE) => return Kind::TooManyFiles,
        Some(libc::EFBIG) => return Kind::FileTooBig,
        Some(libc::EDQUOT) => return Kind::DiskFull,
        Some(libc::ENAMETOOLONG) => return Kind::BadName,
        _ => {}
    }
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Kind::FileNotFound,
        io::ErrorKind::AlreadyExists => Kind::FileExists,
        io::ErrorKind::PermissionDenied => Kind::AccessDenied,
        io::ErrorKind::ReadOnlyFilesystem => Kind::ReadOnly,
        io::ErrorKind::StorageFull => Kind::DiskFull,
        io::ErrorKind::OutOfMemory => Kind::OutOfMemory,
        _ => Kind::Io,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_reads_from_outside_in_and_ends_with_the_cause() {
        let cause = io::Error::from_raw_os_error(libc::ENOENT);
        let error = Error::from_io(cause, "reading '/d/a.vmdk'").context("opening the parent");
        assert_eq!(error.kind(), Kind::FileNotFound);
        let text = error.to_string();
        assert!(text.starts_with("opening the parent: reading '/d/a.vmdk': No such file"), "{text}");
    }

    #[test]
    fn an_error_is_one_line_whatever_its_names_are() {
        let cause = io::Error::other("no\r\n2026-01-01 forged");
        let error = Error::from_io(cause, "opening 'a\nb\x1b[2J\u{202e}c\u{e9}'");
        assert_eq!(error.to_string(), "opening 'a?b?[2J?c\u{e9}': no??2026-01-01 forged");
    }

    #[test]
    fn a_file_is_named_once() {
        let path = Path::new("/d/a.vmdk");
        let cause = || Error::new(Kind::InvalidDisk, "no descriptor");
        let named = cause().naming("opening", path);
        assert_eq!(named.to_string(), "opening '/d/a.vmdk': no descriptor");
        assert_eq!(named.naming("opening", path).to_string(), "opening '/d/a.vmdk': no descriptor");
        let other = cause().naming("opening", Path::new("/d/b.vmdk")).naming("opening", path);
        assert_eq!(other.to_string(), "opening '/d/a.vmdk': opening '/d/b.vmdk': no descriptor");
    }

    #[test]
    fn errors_of_the_system_keep_their_meaning() {
        for (number, kind) in [
            (libc::ENOSPC, Kind::DiskFull),
            (libc::EDQUOT, Kind::DiskFull),
            (libc::EACCES, Kind::AccessDenied),
            (libc::EROFS, Kind::ReadOnly),
            (libc::EMFILE, Kind::TooManyFiles),
            (libc::EFBIG, Kind::FileTooBig),
            (libc::EEXIST, Kind::FileExists),
            (libc::EIO, Kind::Io),
        ] {
            assert_eq!(kind_of(&io::Error::from_raw_os_error(number)), kind);
        }
    }
}
