//! `vixen completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments::Cli;
use crate::failure::{Code, Result};
use crate::output::say;

/// Writes a script that completes the command line in a shell
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(options: Options) -> Result<Code> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "vixen", &mut script);
    say(&String::from_utf8_lossy(&script))?;
    Ok(Code::Success)
}
