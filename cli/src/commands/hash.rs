//! `vixen hash`.

use clap::Args;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Context;
use crate::arguments::Source;
use crate::failure::{Code, Result};
use crate::image::{self, SECTOR, for_each_run};
use crate::output::{Form, printable};
use crate::progress::Progress;

/// Sectors that are hashed at a time.
const PIECE_SECTORS: u64 = 2048;

/// Shows the SHA-256 of the content, as sha256sum does of a raw copy
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The disk.
    #[command(flatten)]
    source: Source,
    /// The form of the answer.
    #[command(flatten)]
    form: Form,
}

#[derive(Serialize)]
struct Answer {
    path: String,
    bytes: u64,
    sha256: String,
}

pub(crate) fn run(options: &Options, context: Context) -> Result<Code> {
    let content = image::open(&options.source)?;
    let bytes = content.sectors().saturating_mul(SECTOR);
    let mut progress = Progress::of_bytes("hashing", bytes, context.quiet);
    let mut hash = Sha256::new();
    let zeros = vec![0; (PIECE_SECTORS * SECTOR) as usize];
    let mut buffer = zeros.clone();
    for_each_run(&*content, image::GRAIN_SECTORS, |run| {
        let end = run.start + run.sectors;
        let mut sector = run.start;
        while sector < end {
            let sectors = PIECE_SECTORS.min(end - sector);
            let length = (sectors * SECTOR) as usize;
            if run.allocated {
                let piece = buffer.get_mut(..length).unwrap_or_default();
                content.read(sector, piece)?;
                hash.update(piece);
            } else {
                hash.update(zeros.get(..length).unwrap_or_default());
            }
            progress.advance(sectors * SECTOR);
            sector += sectors;
        }
        Ok(())
    })?;
    drop(progress);
    let answer =
        Answer { path: options.source.path.display().to_string(), bytes, sha256: hex(&hash.finalize()) };
    options
        .form
        .say(&answer, |answer| format!("{}  {}\n", answer.sha256, printable(answer.path.as_bytes())))?;
    Ok(Code::Success)
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
