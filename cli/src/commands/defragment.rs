//! `vixen defragment`.

use std::path::PathBuf;

use clap::Args;
use vixDiskLib::session::manage;

use super::Context;
use crate::disk::Disk;
use crate::failure::{Code, Result};
use crate::progress::Progress;

/// Puts the grains of a disk into the order of the disk
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The disk
    #[arg(value_name = "DISK")]
    path: PathBuf,
}

pub(crate) fn run(options: &Options, context: Context) -> Result<Code> {
    let mut progress = Progress::of_percent("tidying", context.quiet);
    let disk = Disk::writable(&options.path)?;
    manage::defragment(disk.handle(), &mut |percent| progress.reach(percent.into()))?;
    disk.close()?;
    Ok(Code::Success)
}
