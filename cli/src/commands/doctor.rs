//! `vixen doctor`.

mod local;
mod remote;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::arguments::{Common, Remote};
use crate::failure::{Code, Result};
use crate::output::{COLUMNS, Form, Paint, printable, wrapped};

/// Checks this host, and the way to a server stage by stage, and says what to do about the first failure
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A disk to be opened and read
    #[arg(value_name = "DISK")]
    path: Option<PathBuf>,
    /// Folder with libvixDiskLib.so, as clients get it
    #[arg(long, value_name = "FOLDER")]
    library: Option<PathBuf>,
    /// Port of the disk service; without this, the one that the server names
    #[arg(long, value_name = "PORT")]
    disk_port: Option<u16>,
    /// The server.
    #[command(flatten)]
    remote: Remote,
    /// The form of the answer.
    #[command(flatten)]
    form: Form,
}

/// How a stage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Good,
    /// Something to know, which stops nothing.
    Remark,
    Failed,
    /// Not looked at.
    Skipped,
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct Stage {
    stage: &'static str,
    verdict: Verdict,
    detail: String,
    /// What to do about it.
    advice: Option<String>,
}

impl Stage {
    fn new(stage: &'static str, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { stage, verdict, detail: detail.into(), advice: None }
    }

    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    fn skipped(stage: &'static str, detail: &str) -> Self {
        Self::new(stage, Verdict::Skipped, detail)
    }
}

pub(crate) fn run(options: &Options, common: &Common) -> Result<Code> {
    let mut stages = local::stages(options, common);
    if options.remote.server.is_some() {
        stages.extend(remote::stages(options));
    }
    options.form.say(&stages, |stages| text(stages, Paint::of_stdout()))?;
    let failed = stages.iter().any(|stage| stage.verdict == Verdict::Failed);
    Ok(if failed { Code::No } else { Code::Success })
}

fn text(stages: &[Stage], paint: Paint) -> String {
    let width = stages.iter().map(|stage| stage.stage.len()).max().unwrap_or(0);
    let room = COLUMNS.saturating_sub(width + 10);
    let mut text = String::new();
    for stage in stages {
        let verdict = match stage.verdict {
            Verdict::Good => paint.green("ok    "),
            Verdict::Remark => paint.yellow("remark"),
            Verdict::Failed => paint.red("FAILED"),
            Verdict::Skipped => "-     ".to_owned(),
        };
        let detail = wrapped(&printable(stage.detail.as_bytes()), room);
        let indent = format!("\n{:1$}", "", width + 10);
        text += &format!("{:width$}  {verdict}  {}\n", stage.stage, detail.join(&indent));
    }
    if let Some(first) = stages.iter().find(|stage| stage.verdict == Verdict::Failed) {
        let advice = first.advice.as_deref().unwrap_or("see the documents of the command");
        let advice = wrapped(&format!("{}: {}", first.stage, printable(advice.as_bytes())), COLUMNS - 9);
        text += &format!("\nTo do    {}\n", advice.join("\n         "));
    } else {
        text += "\nNothing failed.\n";
    }
    text
}
