//! The configuration file of InitEx: `name = value` lines.
//!
//! Names are compared whatever their case, values may stand in double quotes, `#` begins a comment line, unknown
//! names are ignored: the file is shared with other programs. What each name does stands in
//! `docs/configuration.md`.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use log::LevelFilter;

use crate::error::{Error, Kind, Result};

/// Longest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// Level of messages when none is configured: what a client usually wants to see of a backup.
const DEFAULT_LEVEL: u64 = 3;

/// A configuration.
#[derive(Debug, Clone, Default)]
pub struct Config {
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

    /// The value of the first of several spellings that is there.
    fn value(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.values.get(&name.to_ascii_lowercase())).map(String::as_str)
    }

    fn number(&self, names: &[&str]) -> Option<u64> {
        self.value(names)?.trim().parse().ok()
    }

    fn flag(&self, names: &[&str]) -> bool {
        match self.value(names) {
            Some(value) => value.trim() == "1" || value.trim().eq_ignore_ascii_case("true"),
            None => false,
        }
    }

    /// The level of messages, from `vixDiskLib.transport.LogLevel`: 0 panic, 1 error, 2 warning, 3 audit, 4 info,
    /// 5 verbose, 6 trivia.
    pub fn log_level(&self) -> LevelFilter {
        match self.number(&["vixDiskLib.transport.LogLevel", "transport.LogLevel"]).unwrap_or(DEFAULT_LEVEL) {
            0 => LevelFilter::Off,
            1 => LevelFilter::Error,
            2 => LevelFilter::Warn,
            3 | 4 => LevelFilter::Info,
            5 => LevelFilter::Debug,
            _ => LevelFilter::Trace,
        }
    }

    /// Whether names inside disks may lead out of the disk's folder.
    pub fn allow_outside_folder(&self) -> bool {
        self.flag(&["vixen.allowOutsideFolder", "vixDiskLib.vixen.allowOutsideFolder"])
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
        assert!(config.allow_outside_folder());
        assert_eq!(config.value(&["OTHER"]), Some("x = y"));
        assert_eq!(config.value(&["# a comment"]), None);
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
}
