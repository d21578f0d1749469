//! `vixen verify`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::Context;
use crate::backup::{Repository, State, verify_point};
use crate::failure::{Code, Failure, Result};
use crate::output::{Form, Side, table};

/// Reads points of a backup and compares them with their hashes
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Folder of the backup
    #[arg(value_name = "REPOSITORY")]
    repository: PathBuf,
    /// The point; all of them without this
    #[arg(long, value_name = "NUMBER")]
    point: Option<u32>,
    /// The form of the answer.
    #[command(flatten)]
    form: Form,
}

#[derive(Serialize)]
struct Verdict {
    number: u32,
    sound: bool,
    detail: String,
}

pub(crate) fn run(options: &Options, context: Context) -> Result<Code> {
    let repository = Repository::open(&options.repository)?;
    let numbers = match options.point {
        Some(number) => vec![number],
        None => {
            // What cannot be read is damaged; what was interrupted is no point yet.
            let counts = |(number, state)| (!matches!(state, State::Interrupted)).then_some(number);
            repository.points()?.into_iter().filter_map(counts).collect()
        }
    };
    if numbers.is_empty() {
        let text = format!("'{}' has no points yet", options.repository.display());
        return Err(Failure::new(Code::Found, text).advise("'vixen backup' makes one"));
    }
    let verdict = |number| match verify_point(&repository, number, context.quiet) {
        Ok(()) => Verdict { number, sound: true, detail: "every block is what it was".into() },
        Err(failure) => Verdict { number, sound: false, detail: failure.to_string() },
    };
    let verdicts: Vec<Verdict> = numbers.into_iter().map(verdict).collect();
    options.form.say(&verdicts, |verdicts| text(verdicts))?;
    Ok(if verdicts.iter().all(|verdict| verdict.sound) { Code::Success } else { Code::No })
}

fn text(verdicts: &[Verdict]) -> String {
    let head = [("point", Side::Right), ("state", Side::Left), ("", Side::Left)];
    let row = |verdict: &Verdict| {
        let state = if verdict.sound { "sound" } else { "DAMAGED" };
        vec![
            verdict.number.to_string(),
            state.to_owned(),
            crate::output::printable(verdict.detail.as_bytes()),
        ]
    };
    table(&head, &verdicts.iter().map(row).collect::<Vec<_>>())
}
