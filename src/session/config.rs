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

const READ_TIMEOUT: Key = Key {
    alias: Some("vixDiskLib.nfc.ReadTimeoutsMs"),
    ..used("vixDiskLib.nfc.ReadTimeoutMs", Form::Number)
};

const WRITE_TIMEOUT: Key = Key {
    alias: Some("vixDiskLib.nfc.WriteTimeoutsMs"),
    ..used("vixDiskLib.nfc.WriteTimeoutMs", Form::Number)
};

const WHOLE_READ_TIMEOUT: Key = used("vixDiskLib.nfcFssrvr.TimeoutMs", Form::Number);

const WHOLE_WRITE_TIMEOUT: Key = used("vixDiskLib.nfcFssrvrWrite.TimeoutMs", Form::Number);

const REQUEST_SIZE: Key =
    Key { alias: Some("vixDiskLib.vixen.nfcRequestKB"), ..used("vixen.nfcRequestKB", Form::Number) };

const DEPTH: Key = Key { alias: Some("vixDiskLib.vixen.nfcDepth"), ..used("vixen.nfcDepth", Form::Number) };

const HOST_SIZE: Key =
    Key { alias: Some("vixDiskLib.vixen.nfcHostMB"), ..used("vixen.nfcHostMB", Form::Number) };

const BUFFER_SIZE: Key = Key {
    alias: Some("vixDiskLib.nfcAio.Session.BufSizeIn64K"),
    ..used("vixDiskLib.nfcAio.Session.BufSizeIn64KB", Form::Number)
};

const BUFFER_COUNT: Key = used("vixDiskLib.nfcAio.Session.BufCount", Form::Number);

/// Longest request in KiB, and most requests in flight: what every host takes, and more than any link needs.
const MAX_REQUEST_KB: u32 = 1024;
const MAX_DEPTH: u32 = 256;

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
    READ_TIMEOUT,
    WRITE_TIMEOUT,
    WHOLE_READ_TIMEOUT,
    WHOLE_WRITE_TIMEOUT,
    REQUEST_SIZE,
    DEPTH,
    HOST_SIZE,
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

    /// A number; 0 is as good as none.
    fn number(&self, key: &Key) -> Option<u32> {
        self.value(key).and_then(|value| value.trim().parse().ok()).filter(|number| *number > 0)
    }

    /// How long reads or writes may take. No limit is the default of the whole time, and what 0 means for it.
    fn limits(&self, silence: &Key, whole: &Key, default: nfc::Limits) -> nfc::Limits {
        let whole = self.number(whole).map(|millis| Duration::from_millis(u64::from(millis)));
        nfc::Limits { silence: self.milliseconds(silence).unwrap_or(default.silence), whole }
    }

    /// How the disk service of a host is used. Sizes of buffers that no host takes are left to the host to refuse.
    pub fn nfc(&self, encryption: nfc::Encryption) -> nfc::Config {
        let default = nfc::Config::default();
        let buffer = self.number(&BUFFER_SIZE).map(|size| size.saturating_mul(64 << 10));
        let request = self.number(&REQUEST_SIZE).map(|size| size.min(MAX_REQUEST_KB) << 10);
        let depth = self.number(&DEPTH).and_then(|depth| usize::try_from(depth.min(MAX_DEPTH)).ok());
        let host = self.number(&HOST_SIZE).map(|size| u64::from(size) << 20);
        nfc::Config {
            encryption,
            buffer_bytes: buffer.unwrap_or(default.buffer_bytes),
            buffer_count: self.number(&BUFFER_COUNT).unwrap_or(default.buffer_count),
            request_bytes: request.unwrap_or(default.request_bytes),
            depth: depth.unwrap_or(default.depth),
            host_bytes: host.unwrap_or(default.host_bytes),
            timeouts: self.timeouts(),
            read_limits: self.limits(&READ_TIMEOUT, &WHOLE_READ_TIMEOUT, default.read_limits),
            write_limits: self.limits(&WRITE_TIMEOUT, &WHOLE_WRITE_TIMEOUT, default.write_limits),
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
#[path = "config_tests.rs"]
mod tests;
