//! What a simulator is told before it starts.

use std::path::PathBuf;

use serde::Deserialize;

use crate::fault::Planned;

/// What the host takes itself for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A vCenter: tickets name a host, managed objects have names such as `vm-13001`.
    #[default]
    Vcenter,
    /// A stand-alone host: tickets name none, virtual machines have numbers.
    Esxi,
}

/// The release of the host, as far as protocols tell releases apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Profile {
    /// 6.7: no SHA-256 in the greeting; message 43 ends the session.
    #[serde(rename = "6.7")]
    V67,
    /// 7.0 as first released: as 6.7.
    #[serde(rename = "7.0")]
    V70,
    /// 7.0 Update 3.
    #[serde(rename = "7.0.3")]
    V703,
    /// 8.0.
    #[default]
    #[serde(rename = "8.0")]
    V80,
}

impl Profile {
    /// The profile of this name: `6.7`, `7.0`, `7.0.3` or `8.0`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "6.7" => Some(Self::V67),
            "7.0" => Some(Self::V70),
            "7.0.3" => Some(Self::V703),
            "8.0" => Some(Self::V80),
            _ => None,
        }
    }

    /// Whether the greeting says `SHA256 supported`.
    pub(crate) fn has_sha256(self) -> bool {
        matches!(self, Self::V703 | Self::V80)
    }

    /// The answer of `NfcGetServerNfcLibVersion`.
    pub(crate) fn library_version(self) -> u32 {
        match self {
            Self::V67 => 2,
            Self::V70 => 7,
            Self::V703 => 9,
            Self::V80 => 11,
        }
    }

    /// The version in message 51. For 6.7 nobody has measured it; 3 is the least with which sessions of today work.
    pub(crate) fn session_version(self) -> u32 {
        self.library_version().max(3)
    }

    /// The version of the management interface.
    pub(crate) fn api(self) -> &'static str {
        match self {
            Self::V67 => "6.7.3",
            Self::V70 => "7.0.0.0",
            Self::V703 => "7.0.3.0",
            Self::V80 => "8.0.3.0",
        }
    }

    /// The version of the product.
    pub(crate) fn product(self) -> &'static str {
        match self {
            Self::V67 => "6.7.0",
            Self::V70 => "7.0.0",
            Self::V703 => "7.0.3",
            Self::V80 => "8.0.3",
        }
    }
}

/// A folder that is shown as a datastore.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Datastore {
    /// Its name, between the brackets of paths.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
}

/// A virtual machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VmConfig {
    /// Its name.
    pub name: String,
    /// Its disks, as paths below the folder of its datastore.
    pub disks: Vec<PathBuf>,
    /// Which datastore; the first one by default.
    #[serde(default)]
    pub datastore: Option<String>,
    /// Whether it runs: its leaves cannot be opened then.
    #[serde(default)]
    pub powered_on: bool,
    /// Its UUID; one made of its place by default.
    #[serde(default)]
    pub uuid: Option<String>,
}

/// Everything; `lab.toml` holds the same.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// vCenter or a host.
    pub kind: Kind,
    /// The release.
    pub profile: Profile,
    /// The address to listen on.
    pub listen: String,
    /// Port of HTTPS; 0 for a free one.
    pub soap_port: u16,
    /// Port of the authentication daemon; 0 for a free one.
    pub authd_port: u16,
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
    /// The manners of real hosts that a forgiving server does not have.
    pub strict: bool,
    /// Seconds after which an idle session is gone.
    pub session_timeout_s: u64,
    /// Seconds after which an unused ticket is gone.
    pub ticket_timeout_s: u64,
    /// Bytes that all disk sessions may have in flight and in buffers.
    pub memory_budget: u64,
    /// Pauses before every answer of the disk service, in milliseconds.
    pub latency_ms: u64,
    /// Limit of the disk service, in bytes a second and connection; 0 for none.
    pub bandwidth: u64,
    /// Privileges that the user lacks.
    pub missing_privileges: Vec<String>,
    /// Path of the control socket; none by default in the library, a temporary one in the program.
    pub control: Option<PathBuf>,
    /// Datastores.
    pub datastore: Vec<Datastore>,
    /// Virtual machines.
    pub vm: Vec<VmConfig>,
    /// Faults from the start.
    pub fault: Vec<Planned>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kind: Kind::default(),
            profile: Profile::default(),
            listen: "127.0.0.1".to_owned(),
            soap_port: 0,
            authd_port: 0,
            user: "root".to_owned(),
            password: "vmware".to_owned(),
            strict: false,
            session_timeout_s: 1800,
            ticket_timeout_s: 300,
            memory_budget: 48 << 20,
            latency_ms: 0,
            bandwidth: 0,
            missing_privileges: Vec::new(),
            control: None,
            datastore: Vec::new(),
            vm: Vec::new(),
            fault: Vec::new(),
        }
    }
}

impl Config {
    /// Whether the user has a privilege.
    pub(crate) fn has_privilege(&self, name: &str) -> bool {
        !self.missing_privileges.iter().any(|missing| missing == name)
    }

    /// Adds a virtual machine with one disk, the file at `path`; the folder above the file's folder becomes its
    /// datastore, as on a host every machine has a folder of its own.
    ///
    /// # Errors
    /// Those of the system when the path leads nowhere.
    pub fn add_vm_disk(&mut self, path: &std::path::Path) -> std::io::Result<()> {
        let path = path.canonicalize()?;
        let Some(folder) = path.parent() else {
            return Err(std::io::ErrorKind::IsADirectory.into());
        };
        let root = folder.parent().unwrap_or(folder).to_owned();
        let disk = path.strip_prefix(&root).unwrap_or(&path).to_owned();
        let known = self.datastore.iter().find(|store| store.folder == root).map(|store| store.name.clone());
        let store = known.unwrap_or_else(|| {
            let name = format!("datastore{}", self.datastore.len() + 1);
            self.datastore.push(Datastore { name: name.clone(), folder: root });
            name
        });
        let name =
            path.file_stem().map_or_else(|| "vm".to_owned(), |stem| stem.to_string_lossy().into_owned());
        let vm = VmConfig { name, disks: vec![disk], datastore: Some(store), powered_on: false, uuid: None };
        self.vm.push(vm);
        Ok(())
    }
}
