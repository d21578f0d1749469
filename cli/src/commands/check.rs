//! `vixen check`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use vixDiskLib::session::manage;

use super::Context;
use crate::disk::Connection;
use crate::failure::{Code, Result};
use crate::output::{Form, printable, size_of_sectors, wrapped};
use crate::progress::Progress;

/// Checks the structure of one link, and repairs it
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The disk
    #[arg(value_name = "DISK")]
    path: PathBuf,
    /// Repair what can be repaired
    #[arg(long)]
    repair: bool,
    /// The form of the answer.
    #[command(flatten)]
    form: Form,
}

#[derive(Serialize)]
struct Answer {
    path: String,
    sound: bool,
    damage: u64,
    damage_left: u64,
    lost_sectors: u64,
    findings: Vec<String>,
}

pub(crate) fn run(options: &Options, context: Context) -> Result<Code> {
    let progress = Progress::of_time("checking", context.quiet);
    let connection = Connection::local()?;
    let mut findings = Vec::new();
    let mut tell = |finding: &str| findings.push(finding.to_owned());
    let health = manage::check_and_tell(connection.handle(), &options.path, options.repair, &mut tell);
    let health = health.inspect_err(|_| {
        // What was found is worth knowing even when the repair failed.
        findings.iter().for_each(|finding| crate::output::remark(finding));
    })?;
    drop(progress);
    let answer = Answer {
        path: options.path.display().to_string(),
        sound: health.left == 0,
        damage: health.damage,
        damage_left: health.left,
        lost_sectors: health.lost_sectors,
        findings,
    };
    options.form.say(&answer, text)?;
    Ok(if answer.sound { Code::Success } else { Code::No })
}

fn text(answer: &Answer) -> String {
    let mut text = String::new();
    for finding in &answer.findings {
        text += &wrapped(&printable(finding.as_bytes()), 78).join("\n  ");
        text.push('\n');
    }
    if answer.lost_sectors > 0 {
        text += &format!("lost: {} of data\n", size_of_sectors(answer.lost_sectors));
    }
    text + &match (answer.damage, answer.damage_left) {
        (0, _) => "sound\n".to_owned(),
        (damage, 0) => format!("repaired: {damage} findings of damage, none left\n"),
        (damage, left) => {
            format!("damaged: {damage} findings, {left} of them left; 'vixen check --repair' repairs\n")
        }
    }
}
