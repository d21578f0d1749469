//! Generates what is derived from the sources: the C headers, the table of functions, the error codes of the bindings.
//!
//! `cargo run -p xtask -- TASK [--check]`, with the tasks of `TASKS`, or `all` for every one: writes the file, or with
//! `--check` fails when the
//! committed one differs.

mod bindings;
mod compatibility;
mod header;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What every task gives: the file and the content that it should have.
type Generated = Result<(PathBuf, String), String>;

/// What can be generated.
const TASKS: [&str; 5] = ["header", "mount-header", "compatibility", "errors-python", "errors-go"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        [task] => each(task, write),
        [task, "--check"] => each(task, check),
        _ => Err(format!("usage: xtask {}|all [--check]", TASKS.join("|"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Hands what a task generates, or what all of them do, to `then`.
fn each(task: &str, then: fn(&Path, &str) -> Result<(), String>) -> Result<(), String> {
    let tasks = if task == "all" { &TASKS[..] } else { &[task] };
    tasks.iter().try_for_each(|task| generate(task).and_then(|(path, content)| then(&path, &content)))
}

fn generate(task: &str) -> Generated {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the workspace was not found")?;
    match task {
        "header" => header::disks(root),
        "mount-header" => header::mounts(root),
        "compatibility" => compatibility::generate(root),
        "errors-python" => bindings::python(root),
        "errors-go" => bindings::go(root),
        other => Err(format!("no task '{other}'")),
    }
}

fn write(path: &Path, content: &str) -> Result<(), String> {
    std::fs::write(path, content).map_err(|error| format!("{}: {error}", path.display()))
}

fn check(path: &Path, content: &str) -> Result<(), String> {
    match std::fs::read_to_string(path) {
        Ok(committed) if committed == content => Ok(()),
        Ok(_) => Err(format!("{} is not what the sources give: run `make header`", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// The files of the C interface that have functions or types for the header.
fn interface_files(root: &Path) -> Result<Vec<PathBuf>, String> {
    let folder = root.join("src/ffi");
    let names = [
        "codes",
        "types",
        "library",
        "connection",
        "open",
        "transfer",
        "blocks",
        "metadata",
        "manage",
        "errors",
    ];
    let paths: Vec<PathBuf> = names.iter().map(|name| folder.join(format!("{name}.rs"))).collect();
    match paths.iter().find(|path| !path.exists()) {
        Some(missing) => Err(format!("{} is missing", missing.display())),
        None => Ok(paths),
    }
}
