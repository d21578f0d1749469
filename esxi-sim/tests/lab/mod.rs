//! A virtual machine with disks of its own, served, and the library that connects to it. What the library logs, at every
//! level, is kept; at the end of each lab no secret of its may be in it.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "tests use what they need of it")]

use std::collections::HashSet;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use esxi_sim::{Config, Datastore, Simulator, VmConfig};
use vixDiskLib::error::{Error, Result};
use vixDiskLib::session::connection::{Credentials, Secret};
use vixDiskLib::session::table::Handle;
use vixDiskLib::session::{self, ConnectParams, OpenFlags};
use vixDiskLib::transport::nfc;
use vixDiskLib::transport::nfc::compress::Compression;
use vixDiskLib::transport::tcp::Timeouts;
use vixDiskLib::transport::tls::{Thumbprint, TlsDial, Trust};
use vixDiskLib::vsphere::inventory::VmSpec;
use vixDiskLib::vsphere::session::{Login, Server, Session};
use vixDiskLib::vsphere::ticket::TicketSource;
use vixDiskLib::vsphere::tickets::{DiskSpec, DiskTickets};

pub(crate) const SECTOR: usize = 512;
pub(crate) const PASSWORD: &str = "correct horse <battery> staple";
pub(crate) const COMPRESSIONS: [Compression; 4] =
    [Compression::None, Compression::Zlib, Compression::FastLz, Compression::SkipZ];
pub(crate) const MODES: [&str; 2] = ["nbd", "nbdssl"];

/// Everything that was logged or reported.
static TEXTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Keeper;

impl log::Log for Keeper {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        keep(record.args().to_string());
    }

    fn flush(&self) {}
}

/// Keeps a text for the search at the end.
pub(crate) fn keep(text: String) {
    TEXTS.lock().unwrap().push(text);
}

/// Keeps everything that an error says, and says it.
pub(crate) fn told(error: &Error) -> String {
    keep(format!("{error:?}"));
    let text = error.to_string();
    keep(text.clone());
    text
}

/// Starts the library once, with lines of a configuration, and logs everything.
pub(crate) fn start_library(lines: &str) {
    static START: Once = Once::new();
    START.call_once(|| {
        log::set_logger(&Keeper).unwrap();
        restart_library(lines);
    });
}

/// Starts the library after it has ended, or for the first time.
pub(crate) fn restart_library(lines: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vixen.conf");
    std::fs::write(&path, format!("vixDiskLib.transport.LogLevel = 6\n{lines}")).unwrap();
    session::library::init(8, 0, None, Some(&path), || ()).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
}

/// Bytes of so many sectors, no two of which are alike, whatever the seed.
pub(crate) fn pattern(seed: u64, start: u64, sectors: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(sectors as usize * SECTOR);
    for sector in start..start + sectors {
        let mut state = (seed << 40 ^ sector).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        // A third of them compress well, a third are mostly zeros.
        let noise = match sector % 3 {
            0 => 64,
            1 => 2,
            _ => 8,
        };
        for word in 0..64 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend(if word < noise { state } else { 0 }.to_le_bytes());
        }
    }
    bytes
}

/// A virtual machine, served.
pub(crate) struct Lab {
    _folder: tempfile::TempDir,
    pub(crate) simulator: Simulator,
    /// Texts that there were before it.
    since: usize,
}

impl Lab {
    /// One with as many empty disks of so many sectors, in the datastore `ds0`; `change` has the last word.
    pub(crate) fn new(disks: usize, sectors: u64, change: impl FnOnce(&mut Config)) -> Self {
        start_library("");
        let since = TEXTS.lock().unwrap().len();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("t")).unwrap();
        let names: Vec<PathBuf> = (0..disks)
            .map(|number| if number == 0 { "t/t.vmdk".into() } else { format!("t/t_{number}.vmdk").into() })
            .collect();
        names.iter().for_each(|name| make_disk(&folder.path().join(name), sectors));
        let mut config = Config {
            user: "root".to_owned(),
            password: PASSWORD.to_owned(),
            datastore: vec![Datastore { name: "ds0".to_owned(), folder: folder.path().to_owned() }],
            vm: vec![VmConfig {
                name: "t".to_owned(),
                disks: names,
                datastore: None,
                powered_on: false,
                uuid: None,
            }],
            ..Config::default()
        };
        change(&mut config);
        let simulator = Simulator::builder().config(config).start().unwrap();
        Self { _folder: folder, simulator, since }
    }

    pub(crate) fn vm(&self) -> String {
        self.simulator.vm_ids()[0].clone()
    }

    pub(crate) fn params(&self) -> ConnectParams {
        let text = |text: &str| Some(CString::new(text).unwrap());
        ConnectParams {
            vmx_spec: text(&format!("moref={}", self.vm())),
            server_name: text("127.0.0.1"),
            thumb_print: text(self.simulator.thumbprint_sha1()),
            cred_type: 1,
            credentials: Credentials::User {
                user: text("root"),
                password: Some(Secret::new(PASSWORD.as_bytes())),
            },
            port: self.simulator.soap_port().into(),
            ..ConnectParams::default()
        }
    }

    /// The path of a disk by its number.
    pub(crate) fn path(&self, disk: usize) -> PathBuf {
        self.simulator.disk_paths(&self.vm())[disk].clone().into()
    }

    /// Connects and opens a disk as a client does.
    pub(crate) fn open(&self, disk: usize, mode: &str, flags: OpenFlags) -> Result<Disk> {
        let connection = session::connect(self.params(), false, None, Some(mode)).unwrap();
        let opened = session::open(connection, &self.path(disk), flags);
        if opened.is_err() {
            session::disconnect(connection).unwrap();
        }
        Ok(Disk { connection, handle: opened? })
    }

    /// Tickets for a disk, below the session of clients.
    pub(crate) fn tickets(&self, disk: usize, writable: bool) -> DiskTickets {
        let seconds = Duration::from_secs;
        let timeouts = Timeouts { connect: seconds(60), handshake: seconds(60), request: seconds(60) };
        let server = Server {
            host: "127.0.0.1".to_owned(),
            port: self.simulator.soap_port(),
            login: Login::Password { user: "root".to_owned(), password: Secret::new(PASSWORD.as_bytes()) },
            call_limit: seconds(60),
            idle_limit: seconds(600),
        };
        let trust = Trust::Thumbprint(Thumbprint::parse(self.simulator.thumbprint_sha256()).unwrap());
        let session = Session::new(server, Arc::new(TlsDial { trust, timeouts }));
        let spec = DiskSpec {
            vm: VmSpec::parse(&self.vm()).unwrap(),
            snapshot: None,
            path: self.path(disk).to_str().unwrap().to_owned(),
            writable,
            nfc_port: None,
        };
        DiskTickets::new(Arc::new(session), spec)
    }

    /// Opens a disk by the transport itself, which has requests that are not waited for.
    pub(crate) fn transport(
        &self,
        disk: usize,
        compression: Compression,
        config: &nfc::Config,
    ) -> nfc::RemoteDisk {
        let source: Arc<dyn TicketSource> = Arc::new(self.tickets(disk, true));
        let open = nfc::Open { writable: true, single_link: false, compression };
        nfc::RemoteDisk::open(source, self.path(disk).to_str().unwrap(), open, config).unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            no_secret_was_told(&self.simulator.secrets(), self.since);
        }
    }
}

/// An open disk and its connection.
#[derive(Debug)]
pub(crate) struct Disk {
    connection: Handle,
    handle: Handle,
}

impl Disk {
    pub(crate) fn read(&self, start: u64, sectors: u64) -> Result<Vec<u8>> {
        let mut buffer = vec![0xAA; sectors as usize * SECTOR];
        session::disk(self.handle)?.read(start, &mut buffer)?;
        Ok(buffer)
    }

    pub(crate) fn write(&self, start: u64, data: &[u8]) -> Result<()> {
        session::disk(self.handle)?.write(start, data)
    }

    pub(crate) fn get(&self) -> Arc<session::open_disk::OpenDisk> {
        session::disk(self.handle).unwrap()
    }

    /// Closes and disconnects, whatever they say.
    pub(crate) fn close(self) {
        let results = [session::close(self.handle), session::disconnect(self.connection)];
        results.iter().filter_map(|result| result.as_ref().err()).for_each(|error| drop(told(error)));
    }
}

/// A flat disk of zeros that takes no space.
pub(crate) fn make_disk(path: &Path, sectors: u64) {
    let stem = path.file_stem().unwrap().to_str().unwrap();
    let flat = std::fs::File::create(path.with_file_name(format!("{stem}-flat.vmdk"))).unwrap();
    flat.set_len(sectors * SECTOR as u64).unwrap();
    let text = format!(
        "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID=12345678\nparentCID=ffffffff\n\
         createType=\"monolithicFlat\"\n\nRW {sectors} FLAT \"{stem}-flat.vmdk\" 0\n\nddb.adapterType = \"lsilogic\"\n\
         ddb.geometry.cylinders = \"{cylinders}\"\nddb.geometry.heads = \"255\"\nddb.geometry.sectors = \"63\"\n\
         ddb.geometry.biosCylinders = \"{cylinders}\"\nddb.virtualHWVersion = \"19\"\n",
        cylinders = sectors / (255 * 63)
    );
    std::fs::write(path, text).unwrap();
}

/// Bytes of a secret that in a row give it away.
const TELLING: usize = 12;

/// Looks for parts of secrets in what was logged or reported since so many texts.
pub(crate) fn no_secret_was_told(secrets: &[String], since: usize) {
    let parts: HashSet<&[u8]> =
        secrets.iter().flat_map(|secret| secret.as_bytes().windows(TELLING)).collect();
    assert!(!parts.is_empty());
    for text in TEXTS.lock().unwrap().iter().skip(since) {
        let part = text.as_bytes().windows(TELLING).find(|window| parts.contains(window));
        assert!(part.is_none(), "a secret was told: {text}");
    }
}

/// Whether some text with these words was logged or reported: the search would find nothing in nothing.
pub(crate) fn was_told(words: &str) -> bool {
    TEXTS.lock().unwrap().iter().any(|text| text.contains(words))
}
