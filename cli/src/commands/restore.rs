//! `vixen restore`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Context;
use crate::arguments::{Remote, Type};
use crate::backup::{self, Order, Repository, Target};
use crate::failure::{Code, Failure, Result};
use crate::output::{say, size_of_sectors};

/// Restores a point of a backup into a new disk, or into one that is there
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Folder of the backup
    #[arg(value_name = "REPOSITORY")]
    repository: PathBuf,
    /// The disk to be made, or with --existing the one that is there
    #[arg(value_name = "TARGET")]
    target: PathBuf,
    /// The point; the newest one without this
    #[arg(long, value_name = "NUMBER")]
    point: Option<u32>,
    /// Kind of the new disk
    #[arg(long = "type", value_enum, value_name = "TYPE", default_value = "monolithicSparse")]
    kind: Type,
    /// Write over a disk that is there, which must have the same capacity
    #[arg(long)]
    existing: bool,
    /// From the newest point back, each sector once, or from the full one forward
    #[arg(long, value_enum, value_name = "ORDER", default_value = "backward")]
    order: Direction,
    /// Do not read the disk back to compare it with the hashes of the point
    #[arg(long)]
    no_verify: bool,
    /// Where the existing disk is.
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Direction {
    /// From the full backup to the point
    Forward,
    /// From the point to the full backup
    Backward,
}

pub(crate) fn run(options: &Options, context: Context) -> Result<Code> {
    let repository = Repository::open(&options.repository)?;
    let order = match options.order {
        Direction::Forward => Order::Forward,
        Direction::Backward => Order::Backward,
    };
    let target = if options.existing {
        Target::Existing(&options.target, &options.remote)
    } else if options.remote.server.is_some() {
        let text = "disks on a server are not made here, only written";
        let advice = "make a disk of the same size for the virtual machine, and give --existing";
        return Err(Failure::new(Code::NotSupported, text).advise(advice));
    } else {
        Target::New(&options.target, options.kind)
    };
    let number = options.point.map_or_else(|| repository.newest(), Ok)?;
    let restored = backup::restore(&repository, number, target, order, context.quiet);
    let written = restored.map_err(|failure| match target {
        Target::New(path, _) if failure.code() == Code::Found && path.exists() => {
            failure.advise("choose another name, or write over the disk that is there with --existing")
        }
        _ => failure,
    })?;
    if !options.no_verify {
        backup::verify_disk(&repository, number, target, context.quiet)?;
    }
    say(&format!("point {number} restored: {} written\n", size_of_sectors(written)))?;
    Ok(Code::Success)
}
