//! Generates what is derived from the sources: the C headers and the table of functions.
//!
//! `cargo run -p xtask -- header|mount-header|compatibility [--check]`: writes the file, or with `--check` fails when the
//! committed one differs.

mod compatibility;
mod header;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What every task gives: the file and the content that it should have.
type Generated = Result<(PathBuf, String), String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        [task] => generate(task).and_then(|(path, content)| write(&path, &content)),
        [task, "--check"] => generate(task).and_then(|(path, content)| check(&path, &content)),
        _ => Err("usage: xtask header|mount-header|compatibility [--check]".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn generate(task: &str) -> Generated {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the workspace was not found")?;
    match task {
        "header" => header::disks(root),
        "mount-header" => header::mounts(root),
        "compatibility" => compatibility::generate(root),
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
