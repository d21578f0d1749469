//! What stands on the command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use vixDiskLib::session::{Adapter, DiskKind};

use crate::commands;

/// Looks at, makes, converts, backs up and serves virtual disks
#[derive(Debug, Parser)]
#[command(name = "vixen", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) common: Common,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Show no progress
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Show what the library does, on standard error; twice for details
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Configuration file of the library
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Info(commands::info::Options),
    Map(commands::map::Options),
    Meta(commands::meta::Options),
    Dump(commands::dump::Options),
    Check(commands::check::Options),
    Chain(commands::chain::Options),
    Compare(commands::compare::Options),
    Hash(commands::hash::Options),
    Create(commands::create::Options),
    Convert(commands::convert::Options),
    Grow(commands::grow::Options),
    Shrink(commands::shrink::Options),
    Defragment(commands::defragment::Options),
    Snapshot(commands::snapshot::Options),
    Backup(commands::backup::Options),
    Restore(commands::restore::Options),
    Verify(commands::verify::Options),
    List(commands::list::Options),
    Serve(commands::serve::Options),
    Doctor(commands::doctor::Options),
    Completions(commands::completions::Options),
    Man(commands::man::Options),
}

/// Where a disk on a server is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Disks on a server")]
pub(crate) struct Remote {
    /// Server with the disk; local files without it
    #[arg(long, value_name = "HOST")]
    pub(crate) server: Option<String>,
    /// User name
    #[arg(long, value_name = "NAME", requires = "server")]
    pub(crate) user: Option<String>,
    /// File whose first line is the password; else VIXEN_PASSWORD, else a prompt
    #[arg(long, value_name = "FILE", requires = "server")]
    pub(crate) password_file: Option<PathBuf>,
    /// SHA-1 or SHA-256 thumbprint of the server's certificate
    #[arg(long, value_name = "XX:XX:..", requires = "server")]
    pub(crate) thumbprint: Option<String>,
    /// Virtual machine: its managed object id (vm-42) or moref=..
    #[arg(long, value_name = "VM", requires = "server")]
    pub(crate) vm: Option<String>,
    /// Snapshot: its managed object id
    #[arg(long, value_name = "SNAPSHOT", requires = "server")]
    pub(crate) snapshot: Option<String>,
    /// Transport modes, best first, such as nbdssl:nbd
    #[arg(long, value_name = "MODES")]
    pub(crate) transport: Option<String>,
    /// Port of the server
    #[arg(long, value_name = "PORT", requires = "server", default_value_t = 0, hide_default_value = true)]
    pub(crate) port: u16,
}

/// A disk to look at.
#[derive(Debug, Clone, Args)]
pub(crate) struct Source {
    /// The disk: its descriptor or only file
    #[arg(value_name = "DISK")]
    pub(crate) path: PathBuf,
    /// How the file is read; by its name without this (.raw and .img, .qcow2, else a virtual disk)
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Open this link alone, without its parents
    #[arg(long)]
    pub(crate) single_link: bool,
    /// Where it is.
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// What the bytes of a file mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A virtual disk of any kind that the library reads
    Disk,
    /// The content itself
    Raw,
    /// A qcow2 image without a backing file
    Qcow2,
}

/// Kinds of disk that can be made, by their names in descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Type {
    /// One growing file
    #[value(name = "monolithicSparse")]
    MonolithicSparse,
    /// A descriptor and one file of the full size
    #[value(name = "monolithicFlat")]
    MonolithicFlat,
    /// Growing files of 2 GB
    #[value(name = "twoGbMaxExtentSparse")]
    SplitSparse,
    /// Files of 2 GB in full size
    #[value(name = "twoGbMaxExtentFlat")]
    SplitFlat,
    /// A flat extent in the form of ESXi
    #[value(name = "vmfs")]
    VmfsFlat,
    /// The same, marked as thin
    #[value(name = "vmfsThin")]
    VmfsThin,
    /// One file of compressed grains, for archives
    #[value(name = "streamOptimized")]
    StreamOptimized,
}

impl From<Type> for DiskKind {
    fn from(kind: Type) -> Self {
        match kind {
            Type::MonolithicSparse => Self::MonolithicSparse,
            Type::MonolithicFlat => Self::MonolithicFlat,
            Type::SplitSparse => Self::SplitSparse,
            Type::SplitFlat => Self::SplitFlat,
            Type::VmfsFlat => Self::VmfsFlat,
            Type::VmfsThin => Self::VmfsThin,
            Type::StreamOptimized => Self::StreamOptimized,
        }
    }
}

/// Adapters of new disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AdapterType {
    /// IDE
    Ide,
    /// SCSI, BusLogic
    Buslogic,
    /// SCSI, LSI Logic and whatever is newer
    Lsilogic,
}

impl From<AdapterType> for Adapter {
    fn from(adapter: AdapterType) -> Self {
        match adapter {
            AdapterType::Ide => Self::Ide,
            AdapterType::Buslogic => Self::BusLogic,
            AdapterType::Lsilogic => Self::LsiLogic,
        }
    }
}

/// What a new disk is like.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Made {
    /// Kind of the new disk
    #[arg(long = "type", value_enum, value_name = "TYPE", default_value = "monolithicSparse")]
    pub(crate) kind: Type,
    /// Its adapter
    #[arg(long, value_enum, default_value = "lsilogic")]
    pub(crate) adapter: AdapterType,
    /// Its virtual hardware version
    #[arg(long, value_name = "VERSION", default_value_t = 13)]
    pub(crate) hardware: u16,
}

/// A size in sectors, written as 64M, 10GiB, 2048s (sectors) or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sectors(pub(crate) u64);

impl FromStr for Sectors {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
        let unit = text.get(digits.len()..).unwrap_or("");
        let number: u64 =
            digits.parse().map_err(|_| "a number with a unit such as 64M, 10GiB or 2048s".to_owned())?;
        let unit = unit.to_ascii_lowercase();
        let letter = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit);
        let bytes: u64 = match (letter, unit.as_str()) {
            ("s", "s") => 512,
            ("", "" | "b") => 1,
            ("k", _) => 1 << 10,
            ("m", _) => 1 << 20,
            ("g", _) => 1 << 30,
            ("t", _) => 1 << 40,
            _ => return Err(format!("'{unit}' is none of the units s, K, M, G, T (times 1024)")),
        };
        let bytes = number.checked_mul(bytes).ok_or("more bytes than 64 bits can count")?;
        if bytes % 512 == 0 {
            Ok(Self(bytes / 512))
        } else {
            Err(format!("{bytes} bytes are no whole sectors of 512"))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_have_units() {
        for (text, sectors) in [
            ("512", 1),
            ("2048s", 2048),
            ("64M", 131_072),
            ("64MiB", 131_072),
            ("1gb", 2_097_152),
            ("1024b", 2),
        ] {
            assert_eq!(text.parse::<Sectors>().unwrap().0, sectors, "{text}");
        }
        for text in ["", "x", "1x", "513", "-1", "99999999999999999999", "99999999T", "1ib", "1sb"] {
            assert!(text.parse::<Sectors>().is_err(), "{text}");
        }
    }
}
