//! The command `vixen`: looks at, makes, converts, backs up and serves virtual disks.
//!
//! ```text
//!   arguments ──> commands/*   one file a command: options in, answer out
//!                    │
//!                    ├─ image     a disk, a raw file or a qcow2 image as content: read, map, fill
//!                    ├─ backup    points in a folder, each a link of a chain with a manifest
//!                    ├─ nbd       the server of `serve`
//!                    ├─ disk      connections and open disks, over the session of the library
//!                    └─ unfinished   files that get their name when they are whole
//!
//!   output, progress, failure   tables and JSON, bars, errors with what to do: shared by all
//! ```
//!
//! It is a library so that `fuzz/` can reach the parser of the NBD server; the program is `main.rs`.

mod arguments;
mod backup;
mod commands;
mod disk;
mod failure;
mod image;
pub mod nbd;
mod output;
mod progress;
mod sample;
mod unfinished;

use std::ffi::OsString;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use arguments::Cli;
use failure::Code;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let name = arguments.first().and_then(|name| Path::new(name).file_stem());
    if name.is_some_and(|name| name == "vix-disklib-sample") {
        return sample::run(&arguments);
    }
    let cli = Cli::parse();
    // A panic has told about itself already; its exit code is that of a bug.
    let code = catch_unwind(|| match commands::run(cli) {
        Ok(code) => code,
        Err(failure) => {
            failure.print();
            failure.code()
        }
    });
    ExitCode::from(code.unwrap_or(Code::Internal).number())
}
