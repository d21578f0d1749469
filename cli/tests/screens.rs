//! What people see: lines that fit 80 columns, and nothing that only a terminal understands when there is none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;

use common::{Ended, Folder};

/// Columns of a terminal.
const COLUMNS: usize = 80;

/// No escape codes, no carriage returns, no line too long.
fn fits(line: &str, ended: &Ended) {
    for text in [&ended.out, &ended.err] {
        let control = text.chars().find(|character| character.is_control() && *character != '\n');
        assert_eq!(control, None, "vixen {line}: {text:?}");
    }
    for shown in ended.out.lines() {
        assert!(shown.chars().count() <= COLUMNS, "vixen {line}: {shown}");
    }
}

/// A folder with disks whose names are as long as names are.
fn long_names() -> (Folder, String) {
    let folder = Folder::new();
    let nested = format!("{}/{}", "d".repeat(90), "e".repeat(90));
    fs::create_dir_all(folder.join(&nested)).unwrap();
    let name = format!("{nested}/a-disk-with-a-name-that-is-longer-than-a-line-{}.vmdk", "x".repeat(60));
    folder.raw("source.raw", 20 << 20, 3);
    folder.vixen(&format!("convert source.raw {name}"));
    (folder, name)
}

#[test]
fn every_answer_for_people_fits_a_terminal() {
    let (folder, disk) = long_names();
    let child = disk.replace("a-disk", "a-child");
    folder.vixen(&format!("snapshot {disk} {child}"));
    folder.vixen(&format!("backup {disk} repo"));
    folder.vixen(&format!("backup {disk} repo"));
    for line in [
        format!("info {child}"),
        format!("map {disk}"),
        format!("map {disk} --picture"),
        format!("chain {child}"),
        format!("chain {child} --single-link"),
        format!("check {disk}"),
        format!("dump {disk} -n 20"),
        format!("compare {disk} source.raw"),
        format!("meta list {disk}"),
        format!("doctor {disk}"),
        format!("doctor {disk} --library {}", disk.rsplit_once('/').unwrap().0),
        "list repo".to_owned(),
        "verify repo".to_owned(),
        format!("restore repo {}", disk.replace("a-disk", "restored")),
    ] {
        fits(&line, &folder.run(&line));
    }
    // What is damaged has the longest lines.
    let bytes = fs::read(folder.join(&disk)).unwrap();
    fs::write(folder.join(&disk), &bytes[..bytes.len() / 2]).unwrap();
    fs::write(folder.join("repo/000002.json"), "{").unwrap();
    for line in [format!("check {disk}"), format!("doctor {disk}"), "list repo".into(), "verify repo".into()]
    {
        fits(&line, &folder.run(&line));
    }
}

#[test]
fn no_help_is_wider_than_a_page() {
    let folder = Folder::new();
    let help = folder.vixen("--help");
    let list = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    for name in list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()) {
        let ended = folder.run(&format!("help {name}"));
        for line in ended.out.lines() {
            assert!(line.chars().count() <= 100, "vixen help {name}: {line}");
        }
    }
}

#[test]
fn progress_and_colours_are_for_terminals() {
    let (folder, disk) = long_names();
    // `script` gives the program a terminal.
    for (terminal, line) in
        [(false, format!("map {disk} --picture")), (true, format!("map {disk} --picture"))]
    {
        let mut command = folder.command(&line);
        if terminal {
            let program = format!("{} {line}", common::VIXEN);
            command = std::process::Command::new("script");
            command.args(["-qec", &program, "/dev/null"]).current_dir(folder.path());
        }
        let ended: Ended = command.env("TERM", "xterm").env_remove("NO_COLOR").output().unwrap().into();
        assert_eq!(ended.out.contains("\x1b["), terminal, "{}", ended.out);
        let program = format!("NO_COLOR=1 {} {line}", common::VIXEN);
        let mut command = std::process::Command::new("script");
        command.args(["-qec", &program, "/dev/null"]).current_dir(folder.path()).env("TERM", "xterm");
        let ended: Ended = command.output().unwrap().into();
        assert!(!ended.out.contains('\x1b'), "{}", ended.out);
    }
}
