//! `vixen grow`.

use std::path::PathBuf;

use clap::Args;
use vixDiskLib::session::manage;

use super::Context;
use crate::arguments::Sectors;
use crate::disk::Connection;
use crate::failure::{Code, Result};
use crate::progress::Progress;

/// Gives a disk a larger capacity
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The disk, which nobody has open
    #[arg(value_name = "DISK")]
    path: PathBuf,
    /// Its new capacity, such as 64M, 10GiB or 2048s (sectors)
    #[arg(value_name = "SIZE")]
    capacity: Sectors,
    /// Leave the geometry in the descriptor as it is
    #[arg(long)]
    keep_geometry: bool,
}

pub(crate) fn run(options: &Options, context: Context) -> Result<Code> {
    let mut progress = Progress::of_percent("growing", context.quiet);
    let mut reach = |percent: u8| progress.reach(percent.into());
    let connection = Connection::local()?;
    let geometry = !options.keep_geometry;
    manage::grow(connection.handle(), &options.path, options.capacity.0, geometry, &mut reach)?;
    Ok(Code::Success)
}
