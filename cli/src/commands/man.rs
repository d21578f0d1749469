//! `vixen man`.

use std::fs;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use crate::arguments::Cli;
use crate::failure::{Code, Failure, Result};

/// Writes the manual pages into a folder: vixen.1, vixen-info.1 and so on
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The folder, which must exist
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

pub(crate) fn run(options: &Options) -> Result<Code> {
    let mut command = Cli::command();
    command.build();
    write_all(options, &command, "vixen")?;
    Ok(Code::Success)
}

/// Writes the page of a command, and those of its own commands.
fn write_all(options: &Options, command: &clap::Command, name: &str) -> Result<()> {
    write(options, command, name)?;
    command
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .try_for_each(|command| write_all(options, command, &format!("{name}-{}", command.get_name())))
}

fn write(options: &Options, command: &clap::Command, name: &str) -> Result<()> {
    let path = options.folder.join(format!("{name}.1"));
    let failed = |error| Failure::io(error, "writing", &path);
    let mut page = Vec::new();
    // The page is found by its name, which is that of the command with a dash.
    Man::new(command.clone().name(name.to_owned()).display_name(name.to_owned()))
        .render(&mut page)
        .map_err(failed)?;
    fs::write(&path, page).map_err(failed)
}
