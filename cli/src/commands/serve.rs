//! `vixen serve`.

use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use vixDiskLib::error::{Error, Kind};
use vixDiskLib::session::{self, OpenFlags};

use crate::arguments::{Format, Source};
use crate::disk::{Connection, Disk};
use crate::failure::{Code, Failure, Result};
use crate::image::{self, Content, GRAIN_SECTORS, SECTOR};
use crate::nbd::{self, Address, Export, ExportError, Run};
use crate::output::{remark, say};

/// Serves a disk to NBD clients, until SIGTERM or Ctrl-C
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The disk.
    #[command(flatten)]
    source: Source,
    /// Unix socket to be made, which only this user can reach
    #[arg(long, value_name = "PATH", required_unless_present = "tcp")]
    socket: Option<PathBuf>,
    /// Serve at a port instead, without encryption and passwords; 127.0.0.1:10809 keeps it on this host
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "socket")]
    tcp: Option<SocketAddr>,
    /// Let clients write
    #[arg(long)]
    writable: bool,
    /// Name of the export
    #[arg(long, default_value = "disk")]
    name: String,
}

/// A disk, or other content, as an export.
struct Served {
    content: Box<dyn Content>,
    /// The disk, where clients may write.
    disk: Option<Disk>,
    name: String,
}

impl Served {
    fn open(options: &Options) -> Result<Self> {
        let name = options.name.clone();
        if !options.writable {
            return Ok(Self { content: image::open(&options.source)?, disk: None, name });
        }
        let source = &options.source;
        if source.format.unwrap_or_else(|| image::format_of(&source.path)) != Format::Disk {
            let text = "only virtual disks are served writable";
            return Err(Failure::new(Code::NotSupported, text).advise("leave --writable out"));
        }
        let flags = OpenFlags { single_link: source.single_link, ..OpenFlags::default() };
        let open = || Disk::open(Connection::to(&source.remote, false)?, &source.path, flags);
        let disk = open()?;
        disk.check_writable()?;
        // Writable handles of one process share the disk.
        Ok(Self { content: Box::new(open()?), disk: Some(disk), name })
    }
}

fn export_error(failure: &Failure) -> ExportError {
    remark(&failure.to_string());
    ExportError { full: false, text: failure.to_string() }
}

fn disk_error(error: &Error) -> ExportError {
    remark(&error.to_string());
    ExportError { full: error.kind() == Kind::DiskFull, text: error.to_string() }
}

impl Export for Served {
    fn name(&self) -> &str {
        &self.name
    }

    fn bytes(&self) -> u64 {
        self.content.sectors().saturating_mul(SECTOR)
    }

    fn writable(&self) -> bool {
        self.disk.is_some()
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> std::result::Result<(), ExportError> {
        self.content.read(offset / SECTOR, buffer).map_err(|failure| export_error(&failure))
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::result::Result<(), ExportError> {
        // The server asks whether it is writable first.
        let Some(disk) = &self.disk else { return Ok(()) };
        (**disk).write(offset / SECTOR, data).map_err(|error| disk_error(&error))
    }

    fn flush(&self) -> std::result::Result<(), ExportError> {
        self.disk.as_ref().map_or(Ok(()), |disk| disk.flush()).map_err(|error| disk_error(&error))
    }

    fn runs(&self, offset: u64, bytes: u64) -> std::result::Result<Vec<Run>, ExportError> {
        let (start, end) = (offset / SECTOR, (offset + bytes) / SECTOR);
        let blocks = self.content.allocated(start, end - start, GRAIN_SECTORS);
        let mut runs = Vec::new();
        let mut position = start;
        for block in blocks.map_err(|failure| export_error(&failure))? {
            if block.start > position {
                runs.push(Run { bytes: (block.start - position) * SECTOR, allocated: false });
            }
            runs.push(Run { bytes: block.sectors * SECTOR, allocated: true });
            position = block.start + block.sectors;
        }
        if position < end {
            runs.push(Run { bytes: (end - position) * SECTOR, allocated: false });
        }
        Ok(runs)
    }
}

/// Bytes as they may stand in a URI.
fn encoded(bytes: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    bytes
        .iter()
        .map(|byte| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

pub(crate) fn run(options: &Options) -> Result<Code> {
    let address = match (&options.socket, options.tcp) {
        (Some(socket), _) => Address::Unix(socket.clone()),
        (None, Some(address)) => Address::Tcp(address),
        (None, None) => return Err(Failure::new(Code::Usage, "neither --socket nor --tcp is given")),
    };
    // Before the first client, so that no signal is missed.
    let mut signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|error| Failure::new(Code::Internal, format!("waiting for signals: {error}")))?;
    let served = Arc::new(Served::open(options)?);
    let listening = nbd::serve(&address, Arc::clone(&served))?;
    match (&address, listening.port) {
        (Address::Unix(path), _) => say(&format!(
            "nbd+unix:///{}?socket={}\n",
            encoded(options.name.as_bytes()),
            encoded(path.as_os_str().as_bytes())
        ))?,
        (Address::Tcp(_), Some(port)) => {
            if !port.ip().is_loopback() {
                remark("anybody who reaches this port can read the disk, and what is sent is not encrypted");
            }
            say(&format!("nbd://{port}/{}\n", encoded(options.name.as_bytes())))?;
        }
        (Address::Tcp(_), None) => {}
    }
    signals.forever().next();
    drop(listening);
    served.flush().map_err(|error| Failure::new(Code::Storage, error.text))?;
    // Threads of clients still hold the disk; this waits for what they do and ends it in order.
    session::library::exit(|| ());
    Ok(Code::Success)
}
