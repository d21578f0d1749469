//! `vixen shrink`.

use std::path::PathBuf;

use clap::Args;
use vixDiskLib::session::manage;

use super::Context;
use crate::disk::Disk;
use crate::failure::{Code, Result};
use crate::progress::Progress;

/// Gives the space of zeros back to the file system
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The disk
    #[arg(value_name = "DISK")]
    path: PathBuf,
}

pub(crate) fn run(options: &Options, context: Context) -> Result<Code> {
    let mut progress = Progress::of_percent("shrinking", context.quiet);
    let disk = Disk::writable(&options.path)?;
    manage::shrink(disk.handle(), &mut |percent| progress.reach(percent.into()))?;
    disk.close()?;
    Ok(Code::Success)
}
