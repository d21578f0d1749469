//! A simulated vCenter or ESXi host: it serves VMDK files over the management interface (SOAP) and the network block
//! device protocol (NFC), so that programs which back up virtual machines can be tested without a lab.
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! use esxi_sim::{Fault, Simulator};
//!
//! let simulator = Simulator::builder().vm_disk("vm/disk.vmdk".as_ref())?.start()?;
//! let url = format!("https://{}:{}/sdk", "127.0.0.1", simulator.soap_port());
//! simulator.inject(Fault::NoMemory);
//! # drop(url); Ok(())
//! # }
//! ```
//!
//! Nothing of it is shared with the client of this repository but the engine of disks: what one of them gets wrong,
//! the other one notices.

mod authd;
mod codec;
pub mod config;
mod control;
pub mod fault;
mod guest;
mod host;
mod http;
mod nfc;
mod soap;
mod tls;
mod vm;

use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

pub use config::{Config, Datastore, Kind, Profile, VmConfig};
pub use fault::{Fault, Planned};
use host::Host;

/// What a simulator is to be.
#[derive(Debug, Clone, Default)]
pub struct Builder(Config);

impl Builder {
    /// Another configuration from the start.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.0 = config;
        self
    }

    /// vCenter or a host.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The release.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.0.profile = profile;
        self
    }

    /// User and password.
    #[must_use]
    pub fn credentials(mut self, user: &str, password: &str) -> Self {
        self.0.user = user.to_owned();
        self.0.password = password.to_owned();
        self
    }

    /// The manners of real hosts.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.0.strict = strict;
        self
    }

    /// Adds a virtual machine with one disk; see [`Config::add_vm_disk`].
    ///
    /// # Errors
    /// Those of the system when the path leads nowhere.
    pub fn vm_disk(mut self, path: &Path) -> io::Result<Self> {
        self.0.add_vm_disk(path)?;
        Ok(self)
    }

    /// Starts it.
    ///
    /// # Errors
    /// `InvalidInput` for a disk that cannot be opened, those of sockets.
    pub fn start(self) -> io::Result<Simulator> {
        Simulator::start(self.0)
    }
}

/// A running simulator; it stops when it is dropped.
#[derive(Debug)]
pub struct Simulator {
    host: Arc<Host>,
    soap_port: u16,
    threads: Vec<JoinHandle<()>>,
}

type Service = fn(&Arc<Host>, &TcpStream) -> io::Result<()>;

fn listen(host: &Arc<Host>, listener: TcpListener, service: Service) -> JoinHandle<()> {
    let host = Arc::clone(host);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            if host.stopping.load(Ordering::Relaxed) {
                return;
            }
            match stream {
                Ok(stream) => host.serve(stream, service),
                // Such as no more file descriptors: some may come free.
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    })
}

impl Simulator {
    /// What is to be started, with defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn start(config: Config) -> io::Result<Self> {
        let address = config.listen.clone();
        let soap = TcpListener::bind((address.as_str(), config.soap_port))?;
        let authd = TcpListener::bind((address.as_str(), config.authd_port))?;
        let (soap_port, authd_port) = (soap.local_addr()?.port(), authd.local_addr()?.port());
        let host = Arc::new(Host::new(config, authd_port)?);
        if let Some(path) = &host.config.control {
            control::start(&host, path)?;
        }
        let threads = vec![listen(&host, soap, http::serve), listen(&host, authd, authd::serve)];
        Ok(Self { host, soap_port, threads })
    }

    /// Port of the management interface.
    pub fn soap_port(&self) -> u16 {
        self.soap_port
    }

    /// Port of the authentication daemon.
    pub fn authd_port(&self) -> u16 {
        self.host.authd_port
    }

    /// SHA-1 of the certificate, in upper-case hexadecimal with colons.
    pub fn thumbprint_sha1(&self) -> &str {
        &self.host.identity.sha1
    }

    /// SHA-256 of the certificate, in upper-case hexadecimal with colons.
    pub fn thumbprint_sha256(&self) -> &str {
        &self.host.identity.sha256
    }

    /// The id of every virtual machine, in the order of the configuration.
    pub fn vm_ids(&self) -> Vec<String> {
        self.host.vms.iter().map(|vm| vm.id.clone()).collect()
    }

    /// The paths of the leaves of a machine's disks, as clients name them.
    pub fn disk_paths(&self, vm: &str) -> Vec<String> {
        let vm = self.host.vms.iter().find(|candidate| candidate.id == vm);
        vm.map(|vm| vm.state().disks.iter().map(|disk| vm.datastore_path(disk.leaf())).collect())
            .unwrap_or_default()
    }

    /// The control socket, if there is one.
    pub fn control_socket(&self) -> Option<PathBuf> {
        self.host.config.control.clone()
    }

    /// Lets a fault happen: a [`Fault`] once, a [`Planned`] one as it says.
    pub fn inject(&self, fault: impl Into<Planned>) {
        self.host.faults.add(fault.into());
    }

    /// Forgets all faults.
    pub fn clear_faults(&self) {
        self.host.faults.clear();
    }

    /// How many faults are still to happen.
    pub fn planned_faults(&self) -> usize {
        self.host.faults.count()
    }

    /// What no log and no message of a client may show: the password, and every cookie, key of a session and ticket
    /// that was given out (the last ten thousand).
    pub fn secrets(&self) -> Vec<String> {
        self.host.secrets()
    }

    /// Ends all sessions of the management interface.
    pub fn expire_sessions(&self) {
        self.host.end_sessions();
    }

    /// Cuts all connections.
    pub fn cut_connections(&self) {
        self.host.cut_all();
    }

    /// Delays every answer of the disk service.
    pub fn set_latency(&self, latency: Duration) {
        let millis = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        self.host.latency_ms.store(millis, Ordering::Relaxed);
    }

    /// Limits the disk service to so many bytes a second, connection and direction; 0 for no limit.
    pub fn set_bandwidth(&self, bytes: u64) {
        self.host.bandwidth.store(bytes, Ordering::Relaxed);
    }

    /// Everything that a client has to know, as one line of JSON.
    pub fn to_json(&self) -> String {
        let vms: Vec<serde_json::Value> = self
            .host
            .vms
            .iter()
            .map(|vm| {
                let disks = self.disk_paths(&vm.id);
                serde_json::json!({"id": vm.id, "name": vm.name, "uuid": vm.uuid, "disks": disks})
            })
            .collect();
        serde_json::json!({
            "address": self.host.config.listen,
            "soap_port": self.soap_port,
            "authd_port": self.host.authd_port,
            "thumbprint_sha1": self.host.identity.sha1,
            "thumbprint_sha256": self.host.identity.sha256,
            "control": self.host.config.control,
            "vms": vms,
        })
        .to_string()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.host.stop();
        if let Some(path) = &self.host.config.control {
            control::stop(path);
        }
        for port in [self.soap_port, self.host.authd_port] {
            let _ = TcpStream::connect((self.host.config.listen.as_str(), port));
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        self.host.stop();
    }
}
