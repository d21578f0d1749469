//! `vixen dump`.

use clap::Args;
use serde::Serialize;

use super::hash::hex;
use crate::arguments::Source;
use crate::failure::{Code, Failure, Result};
use crate::image::{self, SECTOR};
use crate::output::{Form, say};

/// Bytes of a line.
const LINE: usize = 16;

/// Shows sectors as hexadecimal numbers and text
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The disk.
    #[command(flatten)]
    source: Source,
    /// First sector
    #[arg(long, short, default_value_t = 0)]
    sector: u64,
    /// Number of sectors
    #[arg(long, short = 'n', default_value_t = 1)]
    count: u64,
    /// The form of the answer.
    #[command(flatten)]
    form: Form,
}

#[derive(Serialize)]
struct Sector {
    sector: u64,
    hex: String,
}

pub(crate) fn run(options: &Options) -> Result<Code> {
    let content = image::open(&options.source)?;
    let (start, sectors) = (options.sector, content.sectors());
    let Some(end) = start.checked_add(options.count).filter(|end| *end <= sectors) else {
        let text = format!("{} sectors from sector {start} on are no part of {sectors}", options.count);
        return Err(Failure::new(Code::Usage, text).advise("'vixen info' shows the capacity"));
    };
    let mut last = None;
    let mut bytes = [0; SECTOR as usize];
    for sector in start..end {
        content.read(sector, &mut bytes)?;
        if options.form.json {
            // One by one, since there may be more than fit into memory.
            say(&format!("{}{}", if sector == start { "[\n" } else { ",\n" }, json(sector, &bytes)?))?;
        } else {
            say(&lines(sector * SECTOR, &bytes, &mut last))?;
        }
    }
    match options.form.json {
        true if start == end => say("[]\n")?,
        true => say("\n]\n")?,
        false => say(&format!("{:012x}\n", end.saturating_mul(SECTOR)))?,
    }
    Ok(Code::Success)
}

fn json(sector: u64, bytes: &[u8]) -> Result<String> {
    serde_json::to_string(&Sector { sector, hex: hex(bytes) })
        .map_err(|error| Failure::new(Code::Internal, format!("writing the answer as JSON: {error}")))
}

/// Lines of a sector; those that repeat the one before are left out, with one star for all of them.
fn lines(offset: u64, bytes: &[u8], last: &mut Option<(Vec<u8>, bool)>) -> String {
    let mut text = String::new();
    for (number, line) in bytes.chunks(LINE).enumerate() {
        if let Some((_, starred)) = last.as_mut().filter(|(before, _)| before == line) {
            if !std::mem::replace(starred, true) {
                text += "*\n";
            }
            continue;
        }
        let byte = |(at, byte): (usize, &u8)| format!("{}{byte:02x}", if at == 8 { "  " } else { " " });
        let hex: String = line.iter().enumerate().map(byte).collect();
        let shown = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
        let characters: String = line.iter().map(shown).collect();
        text += &format!("{:012x}{hex} |{characters}|\n", offset + (number * LINE) as u64);
        *last = Some((line.to_vec(), false));
    }
    text
}
