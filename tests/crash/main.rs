//! Processes that are killed (SIGKILL) while they change disks. The program is its own child: with a disk in the
//! environment it does what the environment says, until it is killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod calls;
#[path = "../common/mod.rs"]
mod common;
mod writes;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Environment of the child: the disk that it works on.
const DISK: &str = "CRASH_DISK";

fn main() {
    match std::env::var_os(DISK).map(PathBuf::from) {
        Some(disk) => match std::env::var(calls::CALL) {
            Ok(call) => calls::child(&call, &disk),
            Err(_) => writes::writer(&disk),
        },
        None => {
            writes::no_kill_loses_a_flushed_write_or_breaks_the_disk();
            calls::no_call_that_is_killed_breaks_a_disk();
            println!("crash: 2 passed, 0 failed");
        }
    }
}

/// Starts this program once more, as a child that talks to us.
fn spawn(environment: &[(&str, &str)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}
