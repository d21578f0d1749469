//! `vixen backup`.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use crate::arguments::{Format, Source};
use crate::backup::{self, Changes, Hashes, Origin, Outcome, Repository, Terms, Tracking};
use crate::disk::{Connection, Disk};
use crate::failure::{Code, Result};
use crate::image::{self, Content};
use crate::output::{printable, say, size_of_sectors};

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

/// What is backed up, and who knows what has changed in it.
struct Subject {
    content: Box<dyn Content>,
    origin: Origin,
    changes: Box<dyn Changes>,
}

impl Subject {
    fn open(source: &Source) -> Result<Self> {
        if source.format.unwrap_or_else(|| image::format_of(&source.path)) != Format::Disk {
            let (content, origin) = (image::open(source)?, Origin::of_file(&source.path));
            return Ok(Self { content, origin, changes: Box::new(Hashes) });
        }
        let connection = Connection::to(&source.remote, true)?;
        let changes: Box<dyn Changes> = match source.remote.server {
            Some(_) => Box::new(Tracking::begin(connection.handle(), &source.path)),
            None => Box::new(Hashes),
        };
        let disk = Disk::through(connection, source)?;
        let origin = Origin::of_disk(&source.path, &disk)?;
        Ok(Self { content: Box::new(disk), origin, changes })
    }
}

pub(crate) fn run(options: &Options, context: Context) -> Result<Code> {
    let Subject { content, origin, changes } = Subject::open(&options.source)?;
    let repository = Repository::make(&options.repository)?;
    let terms = Terms { full: options.full, full_after: options.full_after, quiet: context.quiet };
    let outcome = backup::backup(&repository, &*content, origin, &*changes, terms)?;
    tell(&outcome)?;
    Ok(Code::Success)
}

fn tell(outcome: &Outcome) -> Result<()> {
    if let Some(reason) = &outcome.reason_for_full {
        say(&format!("a full backup, because {}\n", printable(reason.as_bytes())))?;
    }
    if outcome.resumed {
        say("went on with a backup that was interrupted\n")?;
    }
    if let Some(reason) = &outcome.reason_to_read_all {
        say(&format!("read the whole disk, because {}\n", printable(reason.as_bytes())))?;
    }
    if let Some(sectors) = outcome.changed_sectors {
        say(&format!("the server names {} as changed\n", size_of_sectors(sectors)))?;
    }
    if outcome.damaged > 0 {
        let parent = outcome.manifest.parent.unwrap_or_default();
        say(&format!(
            "point {parent} is damaged in {} blocks of 4 MiB, which were read from the disk again\n",
            outcome.damaged
        ))?;
    }
    let manifest = &outcome.manifest;
    say(&format!(
        "point {}: {} of data, {} of zeros, of {}\n",
        manifest.number,
        size_of_sectors(manifest.sectors_of(true)),
        size_of_sectors(manifest.sectors_of(false)),
        size_of_sectors(manifest.capacity_sectors)
    ))
}
