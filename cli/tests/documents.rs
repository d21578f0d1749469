//! The examples of docs/command.md and of the README are run, and say what they are said to say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::path::Path;
use std::process::Command;

use common::{Ended, Folder, VIXEN};

/// Runs lines as a script of a shell that knows the program.
fn shell(folder: &Folder, script: &str) -> Ended {
    let folders =
        format!("{}:{}", Path::new(VIXEN).parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(folder.path()).env("PATH", folders);
    command.env_remove("LD_LIBRARY_PATH").output().unwrap().into()
}

/// Whether a line is as the document has it, with `...` for anything.
fn fits(wanted: &str, line: &str) -> bool {
    let mut pieces = wanted.split("...");
    let first = pieces.next().unwrap_or("");
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut last = None;
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
        last = Some(piece);
    }
    rest.is_empty() || last == Some("")
}

/// Whether the lines are those of the document, where a line `...` stands for any number of them.
fn all_fit(wanted: &[&str], lines: &[&str]) -> bool {
    match (wanted.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((&"...", after)), _) => (0..=lines.len()).any(|skipped| all_fit(after, &lines[skipped..])),
        (Some((wanted, after)), Some((line, rest))) => fits(wanted, line) && all_fit(after, rest),
        _ => false,
    }
}

/// Runs every indented block with commands, all in one folder.
fn run_examples(document: &str) -> usize {
    let folder = Folder::new();
    let mut blocks: Vec<Vec<&str>> = vec![Vec::new()];
    for line in document.lines() {
        match line.strip_prefix("    ") {
            Some(line) => blocks.last_mut().unwrap().push(line),
            None => blocks.push(Vec::new()),
        }
    }
    let examples: Vec<_> =
        blocks.iter().filter(|block| block.iter().any(|line| line.starts_with("$ vixen"))).collect();
    for block in &examples {
        let commands: Vec<&str> = block.iter().filter_map(|line| line.strip_prefix("$ ")).collect();
        let wanted: Vec<&str> = block.iter().filter(|line| !line.starts_with("$ ")).copied().collect();
        let ended = shell(&folder, &commands.join("\n"));
        assert_eq!(ended.code, 0, "{commands:?}: {}{}", ended.out, ended.err);
        let lines: Vec<&str> = ended.out.lines().filter(|line| !line.is_empty()).collect();
        assert!(all_fit(&wanted, &lines), "{commands:?} said\n{}\nand not\n{}", ended.out, wanted.join("\n"));
    }
    examples.len()
}

#[test]
fn the_page_of_the_command_is_true_and_has_every_command() {
    let page = include_str!("../../docs/command.md");
    assert!(run_examples(page) >= 15);
    let folder = Folder::new();
    let help = folder.vixen("--help");
    let list = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    for name in list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()) {
        let shown = page.contains(&format!("$ vixen {name} "));
        assert!(shown || ["", "help"].contains(&name), "{name} has no example");
    }
}

#[test]
fn the_readme_is_true() {
    let simulator = Path::new(VIXEN).with_file_name("esxi-sim");
    assert!(simulator.exists(), "the simulator is not built: cargo build -p esxi-sim");
    assert_eq!(run_examples(include_str!("../../README.md")), 2);
}
