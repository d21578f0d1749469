//! The command `vixen`; called as `vix-disklib-sample` it takes the options of that program.

use std::process::ExitCode;

fn main() -> ExitCode {
    vixen_cli::main()
}
