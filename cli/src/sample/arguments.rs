//! The command line of the sample: words with one dash.

use std::path::PathBuf;

use vixDiskLib::session::Compression;

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Create,
    Redo(PathBuf),
    Info,
    Dump,
    Fill,
    WriteMeta(String, String),
    ReadMeta(String),
    Meta,
    Clone(PathBuf),
    Bench { sectors: u64, write: bool, asynchronous: bool },
    Multithread(u64),
    Check(bool),
    AllocatedBlocks,
    Mount,
}

/// The command line.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) command: Command,
    pub(super) paths: Vec<PathBuf>,
    pub(super) ide: bool,
    pub(super) start: u64,
    pub(super) count: u64,
    pub(super) value: u8,
    /// In MB.
    pub(super) capacity: u64,
    pub(super) chunk: u64,
    pub(super) single: bool,
    pub(super) unbuffered: bool,
    pub(super) compression: Compression,
    /// Sector sizes of a new disk in bytes, 0 for the usual ones: logical, physical.
    pub(super) sector_sizes: [u64; 2],
    pub(super) config: Option<PathBuf>,
    pub(super) host: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) cookie: Option<String>,
    pub(super) thumbprint: Option<String>,
    pub(super) port: u32,
    pub(super) nfc_port: u32,
    pub(super) vm: Option<String>,
    pub(super) fcd: Option<String>,
    pub(super) datastore: Option<String>,
    pub(super) fcd_snapshot: Option<String>,
    pub(super) snapshot: Option<String>,
    pub(super) modes: Option<String>,
}

/// A number, also with 0x.
fn number(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("'{text}' is no number"))
}

fn small<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    T::try_from(number(text)?).map_err(|_| format!("'{text}' is too large"))
}

struct Words<'a>(std::slice::Iter<'a, String>);

impl<'a> Words<'a> {
    fn value(&mut self, of: &str) -> Result<&'a str, String> {
        self.0.next().map(String::as_str).ok_or_else(|| format!("{of} needs a value"))
    }

    /// The command of a word, if it is one.
    fn command(&mut self, word: &str) -> Result<Option<Command>, String> {
        let bench = |words: &mut Self, write, asynchronous| {
            let sectors = number(words.value(word)?)?;
            if !(1..=1 << 16).contains(&sectors) {
                return Err(format!("{word}: blocks have 1 to 65536 sectors"));
            }
            Ok(Command::Bench { sectors, write, asynchronous })
        };
        Ok(Some(match word {
            "-create" => Command::Create,
            "-redo" => Command::Redo(self.value(word)?.into()),
            "-info" => Command::Info,
            "-dump" => Command::Dump,
            "-fill" => Command::Fill,
            "-wmeta" => Command::WriteMeta(self.value(word)?.into(), self.value(word)?.into()),
            "-rmeta" => Command::ReadMeta(self.value(word)?.into()),
            "-meta" => Command::Meta,
            "-clone" => Command::Clone(self.value(word)?.into()),
            "-readbench" => bench(self, false, false)?,
            "-writebench" => bench(self, true, false)?,
            "-readasyncbench" => bench(self, false, true)?,
            "-writeasyncbench" => bench(self, true, true)?,
            "-multithread" => Command::Multithread(number(self.value(word)?)?.clamp(1, 64)),
            // The original reads a number, so that "true" is 0.
            "-check" => Command::Check(number(self.value(word)?).unwrap_or(0) != 0),
            "-getallocatedblocks" => Command::AllocatedBlocks,
            "-mount" => Command::Mount,
            _ => return Ok(None),
        }))
    }
}

impl Arguments {
    fn new() -> Self {
        Self {
            command: Command::Info,
            paths: Vec::new(),
            ide: false,
            start: 0,
            count: 1,
            value: 255,
            capacity: 100,
            chunk: 128,
            single: false,
            unbuffered: false,
            compression: Compression::None,
            sector_sizes: [0; 2],
            config: None,
            host: None,
            user: None,
            password: None,
            cookie: None,
            thumbprint: None,
            port: 0,
            nfc_port: 0,
            vm: None,
            fcd: None,
            datastore: None,
            fcd_snapshot: None,
            snapshot: None,
            modes: None,
        }
    }

    /// Reads the words behind the name of the program.
    pub(super) fn parse(words: &[String]) -> Result<Self, String> {
        let mut arguments = Self::new();
        let mut command = None;
        let mut words = Words(words.iter());
        while let Some(word) = words.0.next() {
            if !word.starts_with('-') {
                arguments.paths.push(word.into());
            } else if let Some(found) = words.command(word)? {
                if command.replace(found).is_some() {
                    return Err("more than one command".into());
                }
            } else if !arguments.flag(word) && !arguments.number(word, &mut words)? {
                arguments.text(word, &mut words)?;
            }
        }
        arguments.command = command.ok_or("Missing command")?;
        if arguments.paths.is_empty() {
            return Err("no disk is named".into());
        }
        arguments.check_remote()?;
        Ok(arguments)
    }

    fn flag(&mut self, word: &str) -> bool {
        match word {
            "-single" => self.single = true,
            "-unbuffered" => self.unbuffered = true,
            _ => return false,
        }
        true
    }

    fn number(&mut self, word: &str, words: &mut Words<'_>) -> Result<bool, String> {
        match word {
            "-start" => self.start = number(words.value(word)?)?,
            "-count" => self.count = number(words.value(word)?)?,
            "-val" => self.value = small(words.value(word)?)?,
            "-cap" => self.capacity = number(words.value(word)?)?,
            "-chunksize" => self.chunk = number(words.value(word)?)?,
            "-port" => self.port = small(words.value(word)?)?,
            "-nfchostport" => self.nfc_port = small(words.value(word)?)?,
            "-lssize" => self.sector_sizes[0] = number(words.value(word)?)?,
            "-pssize" => self.sector_sizes[1] = number(words.value(word)?)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn text(&mut self, word: &str, words: &mut Words<'_>) -> Result<(), String> {
        let value = words.value(word)?;
        let filled = || Some(value.to_owned());
        match word {
            "-adapter" => {
                self.ide = match value.to_ascii_lowercase().as_str() {
                    "ide" => true,
                    "scsi" => false,
                    _ => return Err(format!("-adapter: '{value}' is neither ide nor scsi")),
                }
            }
            "-initex" => self.config = (!value.is_empty()).then(|| value.into()),
            "-host" => self.host = filled(),
            "-user" => self.user = filled(),
            "-password" => self.password = filled(),
            "-cookie" => self.cookie = filled(),
            "-thumb" => self.thumbprint = filled(),
            "-vm" => self.vm = filled(),
            "-fcdid" => self.fcd = filled(),
            "-ds" | "-fcdds" => self.datastore = filled(),
            "-fcdssid" => self.fcd_snapshot = filled(),
            "-ssmoref" => self.snapshot = filled(),
            "-mode" => self.modes = filled(),
            "-compress" => {
                self.compression = match value {
                    "zlib" => Compression::Zlib,
                    "fastlz" => Compression::FastLz,
                    "skipz" => Compression::SkipZ,
                    _ => return Err(format!("-compress: '{value}' is none of zlib, fastlz, skipz")),
                }
            }
            // Accepted: nothing here depends on them.
            "-libdir" | "-vimapiver" => {}
            _ => return Err(format!("unknown option '{word}'")),
        }
        Ok(())
    }

    /// Whoever names a server says who logs in.
    fn check_remote(&mut self) -> Result<(), String> {
        if self.password.is_none() {
            self.password = std::env::var("VIXEN_PASSWORD").ok();
        }
        let remote =
            [&self.host, &self.user, &self.vm, &self.fcd, &self.thumbprint, &self.cookie, &self.snapshot];
        let any = remote.iter().any(|text| text.is_some());
        let all = self.host.is_some() && self.user.is_some() && self.password.is_some();
        if any && !all { Err("-host, -user and -password are needed together".into()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn one_command_and_a_disk_are_needed() {
        assert_eq!(parse("a.vmdk").unwrap_err(), "Missing command");
        assert!(parse("-info").is_err());
        assert!(parse("-info -meta a.vmdk").is_err());
        assert!(parse("-info -nope 1 a.vmdk").is_err());
        assert!(parse("-readbench 0 a.vmdk").is_err());
        assert!(parse("-info -host esx a.vmdk").is_err());
        let parsed = parse("-dump -start 0x10 -count 2 a.vmdk b.vmdk").unwrap();
        assert_eq!(
            (parsed.command, parsed.start, parsed.count, parsed.paths.len()),
            (Command::Dump, 16, 2, 2)
        );
        assert_eq!(parse("-check true a").unwrap().command, Command::Check(false));
    }
}
