//! The configuration file of InitEx: `name = value` lines.
//!
//! Names are compared whatever their case, values may stand in double quotes, `#` begins a comment line, unknown
//! names are ignored: the file is shared with other programs. What each name does stands in
//! `docs/configuration.md`.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;

use crate::error::{Error, Kind, Result};
use crate::transport::file::{DeviceAccess, LocalFiles};
use crate::transport::nfc;
use crate::transport::tcp::Timeouts;

/// Longest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// How long a session may be idle when nothing is configured: servers forget it after half an hour.
const SESSION_IDLE_LIMIT: Duration = Duration::from_secs(600);

/// Level of messages when none is configured: what a client usually wants to see of a backup.
const DEFAULT_LEVEL: u64 = 3;

/// What a value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Number,
    Flag,
    Text,
}

/// A name that this library, or the one that it stands in for, knows.
#[derive(Debug, Clone, Copy)]
struct Key {
    /// The name as it is documented.
    name: &'static str,
    /// Another spelling that is in use.
    alias: Option<&'static str>,
    form: Form,
    /// Whether it changes anything.
    used: bool,
}

const fn key(name: &'static str, form: Form) -> Key {
    Key { name, alias: None, form, used: false }
}

const LOG_LEVEL: Key = Key {
    alias: Some("transport.LogLevel"),
    used: true,
    ..key("vixDiskLib.transport.LogLevel", Form::Number)
};

const ALLOW_OUTSIDE_FOLDER: Key = Key {
    alias: Some("vixDiskLib.vixen.allowOutsideFolder"),
    used: true,
    ..key("vixen.allowOutsideFolder", Form::Flag)
};

const ALLOW_DEVICES: Key =
    Key { alias: Some("vixDiskLib.vixen.allowDevices"), used: true, ..key("vixen.allowDevices", Form::Flag) };

const ALLOW_DEVICE_WRITES: Key = Key {
    alias: Some("vixDiskLib.vixen.allowDeviceWrites"),
    used: true,
    ..key("vixen.allowDeviceWrites", Form::Flag)
};

const fn used(name: &'static str, form: Form) -> Key {
    Key { used: true, ..key(name, form) }
}

const ALLOW_UNVERIFIED: Key = Key {
    alias: Some("vixDiskLib.vixen.allowUnverifiedCertificates"),
    ..used("vixen.allowUnverifiedCertificates", Form::Flag)
};

const CONNECT_TIMEOUT: Key =
    Key { alias: Some("vixDiskLib.vixen.connectTimeoutMs"), ..used("vixen.connectTimeoutMs", Form::Number) };

const SESSION_IDLE: Key =
    Key { alias: Some("vixDiskLib.vixen.sessionIdleMs"), ..used("vixen.sessionIdleMs", Form::Number) };

const ACCEPT_TIMEOUT: Key = used("vixDiskLib.nfc.AcceptTimeoutMs", Form::Number);

const REQUEST_TIMEOUT: Key = used("vixDiskLib.nfc.RequestTimeoutMs", Form::Number);

const BUFFER_SIZE: Key = Key {
    alias: Some("vixDiskLib.nfcAio.Session.BufSizeIn64K"),
    ..used("vixDiskLib.nfcAio.Session.BufSizeIn64KB", Form::Number)
};

const BUFFER_COUNT: Key = used("vixDiskLib.nfcAio.Session.BufCount", Form::Number);

/// Longest time-out that is taken as it stands, one day.
const MAX_TIMEOUT_MS: u64 = 24 * 3600 * 1000;

const PROGRESS_CANCELS: Key = Key {
    alias: Some("vixDiskLib.vixen.progressCancels"),
    used: true,
    ..key("vixen.progressCancels", Form::Flag)
};

/// What stands before the path of a raw device mapping's file, in small letters.
const RAW_DEVICE: [&str; 2] = ["vixen.rawdevice.", "vixdisklib.vixen.rawdevice."];

/// Every name that is known; the file may have others.
const KEYS: &[Key] = &[
    LOG_LEVEL,
    ALLOW_OUTSIDE_FOLDER,
    ALLOW_DEVICES,
    ALLOW_DEVICE_WRITES,
    PROGRESS_CANCELS,
    key("tmpDirectory", Form::Text),
    key("vixDiskLib.nfc.LogLevel", Form::Number),
    key("vixDiskLib.disklib.EnableCache", Form::Number),
    Key {
        alias: Some("linuxSSL.verifyCertificates"),
        ..key("vixDiskLib.linuxSSL.verifyCertificates", Form::Number)
    },
    ALLOW_UNVERIFIED,
    CONNECT_TIMEOUT,
    SESSION_IDLE,
    ACCEPT_TIMEOUT,
    REQUEST_TIMEOUT,
    Key { alias: Some("vixDiskLib.nfc.ReadTimeoutsMs"), ..key("vixDiskLib.nfc.ReadTimeoutMs", Form::Number) },
    Key {
        alias: Some("vixDiskLib.nfc.WriteTimeoutsMs"),
        ..key("vixDiskLib.nfc.WriteTimeoutMs", Form::Number)
    },
    key("vixDiskLib.nfcFssrvr.TimeoutMs", Form::Number),
    key("vixDiskLib.nfcFssrvrWrite.TimeoutMs", Form::Number),
    BUFFER_SIZE,
    BUFFER_COUNT,
    Key {
        alias: Some("vixDiskLib.transport.san.blacklist"),
        ..key("vixDiskLib.transport.san.denyList", Form::Text)
    },
    Key {
        alias: Some("vixDiskLib.transport.san.whitelist"),
        ..key("vixDiskLib.transport.san.allowList", Form::Text)
    },
    key("vixDiskLib.transport.san.RefreshScsiListCount", Form::Number),
    key("vixDiskLib.transport.hotadd.NoNfcSession", Form::Number),
    key("vixDiskLib.phoneHome.EnablePhoneHome", Form::Number),
    key("vixDiskLib.phoneHome.ProductName", Form::Text),
    key("vixDiskLib.phoneHome.ProductVersion", Form::Text),
    key("vixDiskLib.phoneHome.DatabaseDir", Form::Text),
    key("vixDiskLib.ssl.enableSslFIPS", Form::Number),
    key("log.fileName", Form::Text),
    key("log.fileLevel", Form::Text),
];

impl Key {
    fn is_named(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(self.name)
            || self.alias.is_some_and(|alias| name.eq_ignore_ascii_case(alias))
    }
}

/// What is to be said of one line of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// The value is in force.
    InForce(String),
    /// The value is well-formed, and without effect in this library.
    NoEffect(String),
    /// The value is not what the name wants, and its default is in force.
    Malformed(String),
    /// Nobody here knows the name.
    Unknown(String),
}

/// A configuration.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Names in small letters.
    values: HashMap<String, String>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// `FileNotFound`, `AccessDenied`, `InvalidArgument` for a file that is too long, those of the system.
    pub fn load(path: &Path) -> Result<Self> {
        let failed =
            |error| Error::from_io(error, format!("reading the configuration file '{}'", path.display()));
        let mut bytes = Vec::new();
        // The file may be a device such as /dev/null, so its length says nothing.
        File::open(path).map_err(failed)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_BYTES {
            let text = format!("the configuration file '{}' has more than {MAX_BYTES} bytes", path.display());
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        Ok(Self::parse(&bytes))
    }

    /// Reads a text; lines that are no assignment are ignored.
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let assignment = |line: &str| {
            let line = line.trim();
            let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
            let value = value.trim();
            let value =
                value.strip_prefix('"').map_or(value, |quoted| quoted.split('"').next().unwrap_or(""));
            Some((name.trim().to_ascii_lowercase(), value.to_owned()))
        };
        Self { values: text.lines().filter_map(assignment).collect() }
    }

    /// What each line means to this library, sorted by name: a value that has no effect should not look like one
    /// that has.
    pub fn remarks(&self) -> Vec<Remark> {
        let mut names: Vec<&String> = self.values.keys().collect();
        names.sort_unstable();
        names.into_iter().map(|name| self.remark(name)).collect()
    }

    fn remark(&self, name: &str) -> Remark {
        if let Some(mapping) = raw_device(name) {
            let value = self.values.get(name).map(String::as_str).unwrap_or_default();
            return Remark::InForce(format!("vixen.rawDevice.{mapping} = {value}"));
        }
        let Some(known) = KEYS.iter().find(|key| key.is_named(name)) else {
            return Remark::Unknown(name.to_owned());
        };
        let value = self.values.get(name).map(String::as_str).unwrap_or_default();
        let shown = format!("{} = {value}", known.name);
        let well_formed = match known.form {
            Form::Number => value.trim().parse::<u64>().is_ok(),
            Form::Flag => parse_flag(value).is_some(),
            Form::Text => true,
        };
        match (well_formed, known.used) {
            (false, _) => Remark::Malformed(shown),
            (true, true) => Remark::InForce(shown),
            (true, false) => Remark::NoEffect(shown),
        }
    }

    /// The value of a name, in either spelling.
    fn value(&self, key: &Key) -> Option<&str> {
        [Some(key.name), key.alias]
            .into_iter()
            .flatten()
            .find_map(|name| self.values.get(&name.to_ascii_lowercase()))
            .map(String::as_str)
    }

    /// The level of messages, from `vixDiskLib.transport.LogLevel`: 0 panic, 1 error, 2 warning, 3 audit, 4 info,
    /// 5 verbose, 6 trivia.
    pub fn log_level(&self) -> LevelFilter {
        let level = self.value(&LOG_LEVEL).and_then(|value| value.trim().parse().ok());
        match level.unwrap_or(DEFAULT_LEVEL) {
            0 => LevelFilter::Off,
            1 => LevelFilter::Error,
            2 => LevelFilter::Warn,
            3 | 4 => LevelFilter::Info,
            5 => LevelFilter::Debug,
            _ => LevelFilter::Trace,
        }
    }

    /// A time-out in milliseconds; 0 is as good as none.
    fn milliseconds(&self, key: &Key) -> Option<Duration> {
        let number: u64 = self.value(key)?.trim().parse().ok()?;
        Some(Duration::from_millis(if number == 0 { MAX_TIMEOUT_MS } else { number.min(MAX_TIMEOUT_MS) }))
    }

    /// How long each stage of a connection to a server may take.
    pub fn timeouts(&self) -> Timeouts {
        let default = Timeouts::default();
        Timeouts {
            connect: self.milliseconds(&CONNECT_TIMEOUT).unwrap_or(default.connect),
            handshake: self.milliseconds(&ACCEPT_TIMEOUT).unwrap_or(default.handshake),
            request: self.milliseconds(&REQUEST_TIMEOUT).unwrap_or(default.request),
        }
    }

    /// How the disk service of a host is used. Sizes that no host takes are left to the host to refuse.
    pub fn nfc(&self, encryption: nfc::Encryption) -> nfc::Config {
        let default = nfc::Config::default();
        let number =
            |key| self.value(key).and_then(|value| value.trim().parse::<u32>().ok()).filter(|n| *n > 0);
        nfc::Config {
            encryption,
            buffer_bytes: number(&BUFFER_SIZE)
                .map_or(default.buffer_bytes, |size| size.saturating_mul(64 << 10)),
            buffer_count: number(&BUFFER_COUNT).unwrap_or(default.buffer_count),
            timeouts: self.timeouts(),
            ..default
        }
    }

    /// How long a session with a server may be without a call before one is made to keep it.
    pub fn session_idle_limit(&self) -> Duration {
        self.milliseconds(&SESSION_IDLE).unwrap_or(SESSION_IDLE_LIMIT)
    }

    /// Whether servers for which no thumbprint is given may show any certificate.
    pub fn allows_unverified(&self) -> bool {
        self.flag(&ALLOW_UNVERIFIED)
    }

    fn flag(&self, key: &Key) -> bool {
        self.value(key).and_then(parse_flag).unwrap_or(false)
    }

    /// Whether a progress function that answers FALSE cancels. VDDK ignores the answer, so clients may return
    /// anything, and this is off unless they ask for it.
    pub fn progress_cancels(&self) -> bool {
        self.flag(&PROGRESS_CANCELS)
    }

    /// What names inside disks may lead to.
    pub fn local_files(&self) -> LocalFiles {
        let mapping =
            |(name, value): (&String, &String)| Some((raw_device(name)?.to_owned(), PathBuf::from(value)));
        LocalFiles {
            allow_outside_folder: self.flag(&ALLOW_OUTSIDE_FOLDER),
            devices: match (self.flag(&ALLOW_DEVICES), self.flag(&ALLOW_DEVICE_WRITES)) {
                (false, _) => DeviceAccess::Refused,
                (true, false) => DeviceAccess::ReadOnly,
                (true, true) => DeviceAccess::ReadWrite,
            },
            raw_devices: self.values.iter().filter_map(mapping).collect(),
            unbuffered: false,
        }
    }
}

/// The path of the raw device mapping that a name is about, in small letters as all names.
fn raw_device(name: &str) -> Option<&str> {
    RAW_DEVICE.iter().find_map(|prefix| name.strip_prefix(prefix)).filter(|mapping| !mapping.is_empty())
}

/// 0 and 1, in the spellings that are in use.
fn parse_flag(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_several_spellings() {
        let config = Config::parse(
            b"# a comment = 1\n\n VixDiskLib.Transport.LOGLEVEL=\"5\"\r\nother = x = y\nvixen.allowOutsideFolder = TRUE\nnonsense\n",
        );
        assert_eq!(config.log_level(), LevelFilter::Debug);
        assert!(config.local_files().allow_outside_folder);
        assert_eq!(config.values.get("other").map(String::as_str), Some("x = y"));
        assert_eq!(config.values.len(), 3, "neither comments nor nonsense");
    }

    #[test]
    fn every_name_stands_in_the_documents() {
        let page = include_str!("../../docs/configuration.md");
        let servers = include_str!("../../docs/vsphere.md");
        for name in KEYS.iter().flat_map(|key| [Some(key.name), key.alias]).flatten() {
            // Lists of names leave out what names have in common.
            let last = name.rsplit('.').next().unwrap();
            assert!(page.contains(last), "{name}");
        }
        for key in [ALLOW_UNVERIFIED, CONNECT_TIMEOUT, ACCEPT_TIMEOUT, REQUEST_TIMEOUT] {
            assert!(servers.contains(key.name), "{}", key.name);
        }
        for key in [BUFFER_SIZE, BUFFER_COUNT, SESSION_IDLE] {
            assert!(servers.contains(key.name), "{}", key.name);
        }
    }

    #[test]
    fn levels_have_a_default_and_survive_nonsense() {
        for (text, level) in [
            ("", LevelFilter::Info),
            ("vixDiskLib.transport.LogLevel=", LevelFilter::Info),
            ("vixDiskLib.transport.LogLevel=loud", LevelFilter::Info),
            ("vixDiskLib.transport.LogLevel = 0", LevelFilter::Off),
            ("vixDiskLib.transport.LogLevel=99", LevelFilter::Trace),
        ] {
            assert_eq!(Config::parse(text.as_bytes()).log_level(), level, "{text}");
        }
    }

    #[test]
    fn a_missing_file_is_an_error_that_names_it() {
        let error = Config::load(Path::new("/nowhere/vixen.conf")).unwrap_err();
        assert_eq!(error.kind(), Kind::FileNotFound);
        assert!(error.to_string().contains("/nowhere/vixen.conf"), "{error}");
        assert_eq!(Config::load(Path::new("/dev/null")).unwrap().log_level(), LevelFilter::Info);
        assert_eq!(Config::load(Path::new("/dev/zero")).unwrap_err().kind(), Kind::InvalidArgument);
    }

    #[test]
    fn every_line_is_told_what_it_does() {
        let config = Config::parse(
            b"vixDiskLib.transport.LogLevel = 4\nVIXDISKLIB.NFC.ReadTimeoutsMs=\"60000\"\n\
              vixDiskLib.nfcAio.Session.BufCount = many\nvixen.allowOutsideFolder = perhaps\nfoo.bar=1\n",
        );
        assert_eq!(
            config.remarks(),
            [
                Remark::Unknown("foo.bar".into()),
                Remark::NoEffect("vixDiskLib.nfc.ReadTimeoutMs = 60000".into()),
                Remark::Malformed("vixDiskLib.nfcAio.Session.BufCount = many".into()),
                Remark::InForce("vixDiskLib.transport.LogLevel = 4".into()),
                Remark::Malformed("vixen.allowOutsideFolder = perhaps".into()),
            ]
        );
        assert!(!config.local_files().allow_outside_folder);
    }

    #[test]
    fn progress_cancels_only_when_asked_for() {
        for (text, cancels) in [("", false), ("vixen.progressCancels = perhaps", false)] {
            assert_eq!(Config::parse(text.as_bytes()).progress_cancels(), cancels, "{text}");
        }
        assert!(Config::parse(b"vixdisklib.VIXEN.progressCancels=\"yes\"\n").progress_cancels());
    }

    #[test]
    fn devices_are_named_and_allowed_one_by_one() {
        let config = Config::parse(
            b"vixen.rawDevice./vms/A/Data-RDM.vmdk = /dev/sdb\nvixDiskLib.vixen.rawDevice./vms/b-rdmp.vmdk=\"/images/b raw\"\n\
              vixen.rawDevice. = nothing\nvixen.allowDeviceWrites = 1\n",
        );
        let files = config.local_files();
        let device = |name: &str| files.raw_devices.get(name).map(|path| path.to_str().unwrap());
        assert_eq!(device("/vms/a/data-rdm.vmdk"), Some("/dev/sdb"));
        assert_eq!(device("/vms/b-rdmp.vmdk"), Some("/images/b raw"));
        assert_eq!(files.raw_devices.len(), 2);
        assert!(
            config
                .remarks()
                .contains(&Remark::InForce("vixen.rawDevice./vms/a/data-rdm.vmdk = /dev/sdb".into()))
        );
        // To write to devices they must be allowed at all.
        assert_eq!(files.devices, DeviceAccess::Refused);
        for (text, devices) in [
            ("", DeviceAccess::Refused),
            ("vixen.allowDevices = yes", DeviceAccess::ReadOnly),
            ("vixen.allowDevices = yes\nvixen.allowDeviceWrites = perhaps", DeviceAccess::ReadOnly),
            ("vixen.allowDevices = 1\nvixDiskLib.vixen.allowDeviceWrites = 1", DeviceAccess::ReadWrite),
        ] {
            assert_eq!(Config::parse(text.as_bytes()).local_files().devices, devices, "{text}");
        }
    }

    #[test]
    fn time_outs_have_defaults_and_a_longest() {
        let default = Config::default();
        assert_eq!(
            (default.timeouts(), default.session_idle_limit()),
            (Timeouts::default(), SESSION_IDLE_LIMIT)
        );
        let config = Config::parse(
            b"vixDiskLib.nfc.RequestTimeoutMs = 1500\nvixen.connectTimeoutMs = 0\nvixen.sessionIdleMs = 99999999999999\n\
              vixDiskLib.nfc.AcceptTimeoutMs = soon\n",
        );
        let day = Duration::from_millis(MAX_TIMEOUT_MS);
        assert_eq!(config.timeouts().request, Duration::from_millis(1500));
        assert_eq!((config.timeouts().connect, config.session_idle_limit()), (day, day));
        assert_eq!(config.timeouts().handshake, Timeouts::default().handshake);
        assert!(!default.allows_unverified());
    }

    #[test]
    fn names_are_known_once() {
        let spellings = |key: &Key| [Some(key.name), key.alias].into_iter().flatten();
        for spelling in KEYS.iter().flat_map(spellings) {
            assert_eq!(KEYS.iter().filter(|key| key.is_named(spelling)).count(), 1, "{spelling}");
        }
    }
}
