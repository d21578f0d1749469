//! `vixen compare`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::Context;
use crate::arguments::{Format, Source};
use crate::failure::{Code, Result};
use crate::image::{self, Content, SECTOR};
use crate::output::{Form, size_of_sectors};
use crate::progress::Progress;

/// Sectors that are compared at a time.
const PIECE_SECTORS: u64 = 2048;

/// Compares the content of two disks; ends with 1 when they differ
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The first disk.
    #[command(flatten)]
    source: Source,
    /// The other disk, a local file
    #[arg(value_name = "OTHER")]
    other: PathBuf,
    /// How the other file is read; by its name without this
    #[arg(long, value_enum, value_name = "FORMAT")]
    other_format: Option<Format>,
    /// Disks of different capacity differ, even when the larger one goes on in zeros
    #[arg(long)]
    strict: bool,
    /// The form of the answer.
    #[command(flatten)]
    form: Form,
}

#[derive(Serialize, Default)]
struct Answer {
    equal: bool,
    capacity_sectors: [u64; 2],
    first_difference: Option<u64>,
    different_sectors: u64,
}

pub(crate) fn run(options: &Options, context: Context) -> Result<Code> {
    let first = image::open(&options.source)?;
    let other = image::open(&Source {
        path: options.other.clone(),
        format: options.other_format,
        single_link: false,
        remote: Default::default(),
    })?;
    let mut answer = Answer { capacity_sectors: [first.sectors(), other.sectors()], ..Answer::default() };
    compare(&*first, &*other, &mut answer, context)?;
    let [one, two] = answer.capacity_sectors;
    answer.equal = answer.different_sectors == 0 && (one == two || !options.strict);
    options.form.say(&answer, text)?;
    Ok(if answer.equal { Code::Success } else { Code::No })
}

fn compare(first: &dyn Content, other: &dyn Content, answer: &mut Answer, context: Context) -> Result<()> {
    let [one, two] = answer.capacity_sectors;
    let end = one.max(two);
    let mut progress = Progress::of_bytes("comparing", end.saturating_mul(SECTOR), context.quiet);
    let mut buffers =
        [vec![0; (PIECE_SECTORS * SECTOR) as usize], vec![0; (PIECE_SECTORS * SECTOR) as usize]];
    let mut sector = 0;
    while sector < end {
        let sectors = PIECE_SECTORS.min(end - sector);
        let length = (sectors * SECTOR) as usize;
        let [left, right] = &mut buffers;
        let (left, right) =
            (left.get_mut(..length).unwrap_or_default(), right.get_mut(..length).unwrap_or_default());
        read_or_zeros(first, sector, left)?;
        read_or_zeros(other, sector, right)?;
        if left != right {
            let pairs = left.chunks(SECTOR as usize).zip(right.chunks(SECTOR as usize));
            for (number, _) in pairs.enumerate().filter(|(_, (left, right))| left != right) {
                answer.different_sectors += 1;
                answer.first_difference.get_or_insert(sector + number as u64);
            }
        }
        progress.advance(sectors * SECTOR);
        sector += sectors;
    }
    Ok(())
}

/// Reads; what lies behind the end counts as zeros, and what is not allocated is not read.
pub(crate) fn read_or_zeros(content: &dyn Content, sector: u64, buffer: &mut [u8]) -> Result<()> {
    let sectors = (buffer.len() as u64 / SECTOR).min(content.sectors().saturating_sub(sector));
    let (inside, behind) = buffer.split_at_mut((sectors * SECTOR) as usize);
    behind.fill(0);
    if inside.is_empty() {
        return Ok(());
    }
    content.read(sector, inside)
}

fn text(answer: &Answer) -> String {
    let [one, two] = answer.capacity_sectors;
    let mut text = String::new();
    if one != two {
        text += &format!("capacities differ: {one} and {two} sectors\n");
    }
    text + &match answer.first_difference {
        None if answer.equal => "equal\n".to_owned(),
        None => "different\n".to_owned(),
        Some(first) => format!(
            "different: {} in {} sectors, the first is sector {first}\n",
            size_of_sectors(answer.different_sectors),
            answer.different_sectors
        ),
    }
}
