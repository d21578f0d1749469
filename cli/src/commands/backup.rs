//! `vixen backup`.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use crate::arguments::{Format, Source};
use crate::backup::{self, Hashes, Origin, Repository, Terms};
use crate::disk::Disk;
use crate::failure::{Code, Result};
use crate::image::{self, Content};
use crate::output::{say, size_of_sectors};

/// Backs a disk up: the whole first, then what has changed
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The disk.
    #[command(flatten)]
    source: Source,
    /// Folder of the backup; it is made when it is not there
    #[arg(value_name = "REPOSITORY")]
    repository: PathBuf,
    /// Store everything, not only what has changed
    #[arg(long)]
    full: bool,
    /// Begin anew with a full backup after so many increments
    #[arg(long, value_name = "NUMBER", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=200))]
    full_after: u32,
}

pub(crate) fn run(options: &Options, context: Context) -> Result<Code> {
    let format = options.source.format.unwrap_or_else(|| image::format_of(&options.source.path));
    let (content, origin): (Box<dyn Content>, Origin) = if format == Format::Disk {
        let disk = Disk::of(&options.source)?;
        let origin = Origin::of_disk(&options.source.path, &disk)?;
        (Box::new(disk), origin)
    } else {
        (image::open(&options.source)?, Origin::of_file(&options.source.path))
    };
    let repository = Repository::make(&options.repository)?;
    let terms = Terms { full: options.full, full_after: options.full_after, quiet: context.quiet };
    let outcome = backup::backup(&repository, &*content, origin, &Hashes, terms)?;
    if let Some(reason) = outcome.reason_for_full {
        say(&format!("a full backup, because {reason}\n"))?;
    }
    if outcome.resumed {
        say("went on with a backup that was interrupted\n")?;
    }
    let manifest = outcome.manifest;
    say(&format!(
        "point {}: {} of data, {} of zeros, of {}\n",
        manifest.number,
        size_of_sectors(manifest.sectors_of(true)),
        size_of_sectors(manifest.sectors_of(false)),
        size_of_sectors(manifest.capacity_sectors)
    ))?;
    Ok(Code::Success)
}
