//! `vixen create`.

use std::path::PathBuf;

use clap::Args;
use vixDiskLib::session::{self, NewDisk};

use super::Context;
use crate::arguments::{Made, Sectors};
use crate::disk::Connection;
use crate::failure::{Code, Result};
use crate::progress::Progress;

/// Makes a disk
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The new disk
    #[arg(value_name = "DISK")]
    path: PathBuf,
    /// Its capacity, such as 64M, 10GiB or 2048s (sectors)
    #[arg(value_name = "SIZE")]
    capacity: Sectors,
    /// What it is like.
    #[command(flatten)]
    made: Made,
}

impl Made {
    /// The disk to be made with a capacity in sectors.
    pub(crate) fn with_capacity(self, capacity: u64) -> NewDisk {
        NewDisk { kind: self.kind.into(), adapter: self.adapter.into(), hardware: self.hardware, capacity }
    }
}

pub(crate) fn run(options: &Options, context: Context) -> Result<Code> {
    let new = options.made.with_capacity(options.capacity.0);
    let mut progress = Progress::of_percent("creating", context.quiet);
    let connection = Connection::local()?;
    session::create(connection.handle(), &options.path, &new, &mut |percent| progress.reach(percent.into()))?;
    Ok(Code::Success)
}
