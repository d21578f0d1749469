//! `vixen map`.

mod picture;

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::Context;
use crate::arguments::Source;
use crate::failure::{Code, Failure, Result};
use crate::image::{self, Run, SECTOR, for_each_run};
use crate::output::{Form, Paint, percent, say, size_of_sectors};
use crate::progress::Progress;
use picture::Cells;

/// Cells of the picture in SVG.
const SVG_CELLS: usize = 64 * 32;

/// Shows which parts of a disk are allocated
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The disk.
    #[command(flatten)]
    source: Source,
    /// Sectors that are looked at together
    #[arg(long, value_name = "SECTORS", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=131_072))]
    chunk: u64,
    /// Draw the disk in the terminal
    #[arg(long, conflicts_with = "json")]
    picture: bool,
    /// Draw the disk into an SVG file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// The form of the answer.
    #[command(flatten)]
    form: Form,
}

#[derive(Serialize)]
struct Extent {
    start: u64,
    sectors: u64,
}

#[derive(Serialize)]
struct Answer {
    path: String,
    capacity_sectors: u64,
    allocated_sectors: u64,
    chunk_sectors: u64,
    allocated: Vec<Extent>,
}

pub(crate) fn run(options: &Options, context: Context) -> Result<Code> {
    let content = image::open(&options.source)?;
    let capacity = content.sectors();
    let mut extents: Vec<Extent> = Vec::new();
    let mut progress = Progress::of_bytes("looking", capacity.saturating_mul(SECTOR), context.quiet);
    for_each_run(&*content, options.chunk, |run| {
        let Run { start, sectors, allocated } = run;
        progress.advance(sectors.saturating_mul(SECTOR));
        match extents.last_mut() {
            _ if !allocated => {}
            Some(last) if last.start + last.sectors == start => last.sectors += sectors,
            _ => extents.push(Extent { start, sectors }),
        }
        Ok(())
    })?;
    drop(progress);
    let cells = |count| {
        let mut cells = Cells::new(capacity, count);
        extents.iter().for_each(|extent| cells.add(extent.start, extent.sectors));
        cells
    };
    let path = options.source.path.display().to_string();
    if let Some(file) = &options.svg {
        fs::write(file, cells(SVG_CELLS).svg(&path)).map_err(|error| Failure::io(error, "writing", file))?;
    }
    if options.picture {
        say(&cells(picture::CELLS).terminal(&path, Paint::of_stdout()))?;
    } else if options.svg.is_none() || options.form.json {
        let allocated_sectors = extents.iter().map(|extent| extent.sectors).sum();
        let chunk_sectors = options.chunk;
        let answer =
            Answer { path, capacity_sectors: capacity, allocated_sectors, chunk_sectors, allocated: extents };
        options.form.say(&answer, text)?;
    }
    Ok(Code::Success)
}

fn text(answer: &Answer) -> String {
    let mut text = format!("{:>16} {:>16}  {}\n", "first sector", "sectors", "size");
    for extent in &answer.allocated {
        text +=
            &format!("{:>16} {:>16}  {}\n", extent.start, extent.sectors, size_of_sectors(extent.sectors));
    }
    let (allocated, capacity) = (answer.allocated_sectors, answer.capacity_sectors);
    text + &format!(
        "{} runs, {} of {} allocated ({})\n",
        answer.allocated.len(),
        size_of_sectors(allocated),
        size_of_sectors(capacity),
        percent(allocated, capacity)
    )
}
