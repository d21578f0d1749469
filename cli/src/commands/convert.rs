//! `vixen convert`.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use vixDiskLib::session::{OpenFlags, manage};

use super::Context;
use crate::arguments::{Format, Made, Remote, Source};
use crate::disk::{Connection, Disk};
use crate::failure::{Code, Failure, Result};
use crate::image::{self, Content, DiskSink, Qcow2Sink, RawSink, SECTOR, Sink};
use crate::progress::Progress;
use crate::unfinished::{UnfinishedDisk, partial_name};

/// Copies a disk into a new one of any kind, a raw file or a qcow2 image
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The disk to be copied.
    #[command(flatten)]
    source: Source,
    /// The new file
    #[arg(value_name = "TARGET")]
    target: PathBuf,
    /// What the new file is; by its name without this (.raw and .img, .qcow2, else a virtual disk)
    #[arg(long, value_enum, value_name = "FORMAT")]
    target_format: Option<Format>,
    /// What a new virtual disk is like.
    #[command(flatten)]
    made: Made,
    /// Replace what is there, once the copy is whole
    #[arg(long)]
    force: bool,
    /// Write over a disk that is there, of the same capacity: with --server it is the one on the server
    #[arg(long, conflicts_with_all = ["force", "target_format", "kind", "adapter", "hardware", "snapshot"])]
    existing: bool,
}

pub(crate) fn run(options: &Options, context: Context) -> Result<Code> {
    if options.existing {
        into_existing(options, context)?;
        return Ok(Code::Success);
    }
    let from = options.source.format.unwrap_or_else(|| image::format_of(&options.source.path));
    let to = options.target_format.unwrap_or_else(|| image::format_of(&options.target));
    let local = options.source.remote.server.is_none();
    if from == Format::Disk && to == Format::Disk && local && !options.source.single_link {
        clone(options, context)?;
        return Ok(Code::Success);
    }
    let source = image::open(&options.source)?;
    if options.target.symlink_metadata().is_ok() && (to == Format::Disk || !options.force) {
        let text = format!("creating '{}': there is a file of this name", options.target.display());
        let advice = match to {
            Format::Disk => "remove it first with all its extents",
            _ => "use --force to replace it",
        };
        return Err(Failure::new(Code::Found, text).advise(advice));
    }
    match to {
        Format::Disk => into_disk(options, &*source, context)?,
        Format::Raw | Format::Qcow2 => into_file(options, to, &*source, context)?,
    }
    Ok(Code::Success)
}

/// Over a disk that is there, on the server if one is named; then the source is local.
fn into_existing(options: &Options, context: Context) -> Result<()> {
    let source = image::open(&Source { remote: Remote::default(), ..options.source.clone() })?;
    let connection = Connection::to(&options.source.remote, false)?;
    let target = Disk::open(connection, &options.target, OpenFlags::default())?;
    let (has, needs) = (Content::sectors(&target), source.sectors());
    if has != needs {
        let text = format!("'{}' has {has} sectors, and not {needs}", options.target.display());
        return Err(Failure::new(Code::Usage, text).advise("convert into a new disk"));
    }
    let bytes = needs.saturating_mul(SECTOR);
    let mut progress = Progress::of_bytes("converting", bytes, context.quiet);
    image::overwrite(&*source, &target, &mut progress)?;
    target.close()
}

/// From virtual disk to virtual disk the library copies, metadata of the content included.
fn clone(options: &Options, context: Context) -> Result<()> {
    let mut progress = Progress::of_percent("converting", context.quiet);
    let mut reach = |percent: u8| {
        progress.reach(percent.into());
        true
    };
    let (to, from) = (Connection::local()?, Connection::to(&options.source.remote, true)?);
    let new = options.made.with_capacity(0);
    let (target, source) = ((to.handle(), &*options.target), (from.handle(), &*options.source.path));
    Ok(manage::clone(target, source, &new, options.force, &mut reach)?)
}

fn fill(source: &dyn Content, mut sink: Box<dyn Sink>, context: Context) -> Result<()> {
    let bytes = source.sectors().saturating_mul(SECTOR);
    let mut progress = Progress::of_bytes("converting", bytes, context.quiet);
    image::copy(source, &mut *sink, &mut progress)?;
    sink.finish()
}

fn into_disk(options: &Options, source: &dyn Content, context: Context) -> Result<()> {
    let new = options.made.with_capacity(source.sectors());
    let unfinished = UnfinishedDisk::create(&options.target, &new, &mut |_| ())?;
    let disk = Disk::writable(unfinished.path())?;
    fill(source, Box::new(DiskSink(disk)), context)?;
    unfinished.finish()
}

/// Into a file beside the target, which gets its name when it is whole.
fn into_file(options: &Options, format: Format, source: &dyn Content, context: Context) -> Result<()> {
    let target = &options.target;
    let partial = partial_name(target);
    // What a copy left that was interrupted.
    drop(fs::remove_file(&partial));
    let make = || -> Result<Box<dyn Sink>> {
        Ok(match format {
            Format::Qcow2 => Box::new(Qcow2Sink::create(&partial, source.sectors())?),
            Format::Raw | Format::Disk => Box::new(RawSink::create(&partial, source.sectors())?),
        })
    };
    let made = make()
        .and_then(|sink| fill(source, sink, context))
        .and_then(|()| fs::rename(&partial, target).map_err(|error| Failure::io(error, "naming", target)));
    made.inspect_err(|_| drop(fs::remove_file(&partial)))
}
