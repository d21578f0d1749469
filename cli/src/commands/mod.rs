//! The commands, one a file: options in, answer out.

pub(crate) mod backup;
pub(crate) mod chain;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod convert;
pub(crate) mod create;
pub(crate) mod defragment;
pub(crate) mod doctor;
pub(crate) mod dump;
pub(crate) mod grow;
pub(crate) mod hash;
pub(crate) mod info;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod map;
pub(crate) mod meta;
pub(crate) mod restore;
pub(crate) mod serve;
pub(crate) mod shrink;
pub(crate) mod snapshot;
pub(crate) mod verify;

use crate::arguments::{Cli, Command, Common};
use crate::disk;
use crate::failure::{Code, Result};

/// What every command gets besides its options.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    /// Show no progress.
    pub(crate) quiet: bool,
}

/// Runs what stands on the command line.
pub(crate) fn run(cli: Cli) -> Result<Code> {
    let Cli { common, command } = cli;
    let context = Context { quiet: common.quiet };
    match command {
        // These two need no library.
        Command::Completions(options) => completions::run(options),
        Command::Man(options) => man::run(&options),
        command => run_with_library(&common, context, command),
    }
}

fn run_with_library(common: &Common, context: Context, command: Command) -> Result<Code> {
    // The doctor tells of a configuration that cannot be read instead of failing with it.
    if let Command::Doctor(options) = command {
        return doctor::run(&options, common);
    }
    disk::start(common)?;
    match command {
        Command::Info(options) => info::run(&options, context),
        Command::Map(options) => map::run(&options, context),
        Command::Meta(options) => meta::run(&options),
        Command::Dump(options) => dump::run(&options),
        Command::Check(options) => check::run(&options, context),
        Command::Chain(options) => chain::run(&options, context),
        Command::Compare(options) => compare::run(&options, context),
        Command::Hash(options) => hash::run(&options, context),
        Command::Create(options) => create::run(&options, context),
        Command::Convert(options) => convert::run(&options, context),
        Command::Grow(options) => grow::run(&options, context),
        Command::Shrink(options) => shrink::run(&options, context),
        Command::Defragment(options) => defragment::run(&options, context),
        Command::Snapshot(options) => snapshot::run(&options),
        Command::Backup(options) => backup::run(&options, context),
        Command::Restore(options) => restore::run(&options, context),
        Command::Verify(options) => verify::run(&options, context),
        Command::List(options) => list::run(&options),
        Command::Serve(options) => serve::run(&options),
        // Done above.
        Command::Doctor(_) | Command::Completions(_) | Command::Man(_) => Ok(Code::Success),
    }
}
