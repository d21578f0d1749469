//! `vixen snapshot`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use vixDiskLib::session::{DiskKind, manage};

use crate::disk::Disk;
use crate::failure::{Code, Result};

/// Makes a child of a disk, which takes what is written from now on
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The disk that must not change any more
    #[arg(value_name = "PARENT")]
    parent: PathBuf,
    /// The new disk
    #[arg(value_name = "CHILD")]
    child: PathBuf,
    /// Kind of the child
    #[arg(long = "type", value_enum, value_name = "TYPE", default_value = "monolithicSparse")]
    kind: ChildType,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ChildType {
    /// One growing file
    #[value(name = "monolithicSparse")]
    MonolithicSparse,
    /// Growing files of 2 GB
    #[value(name = "twoGbMaxExtentSparse")]
    SplitSparse,
}

pub(crate) fn run(options: &Options) -> Result<Code> {
    let kind = match options.kind {
        ChildType::MonolithicSparse => DiskKind::MonolithicSparse,
        ChildType::SplitSparse => DiskKind::SplitSparse,
    };
    let parent = Disk::local(&options.parent)?;
    manage::create_child(parent.handle(), &options.child, kind, &mut |_| ())?;
    parent.close()?;
    Ok(Code::Success)
}
