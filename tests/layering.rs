//! Keeps the arrows between the rooms: which module may use which (see ARCHITECTURE.md).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

/// For each room the rooms that it may use; `error` is open to all.
const ARROWS: [(&str, &[&str]); 7] = [
    ("ffi", &["session"]),
    ("session", &["disk", "transport", "vsphere"]),
    ("disk", &["format", "io"]),
    ("transport", &["vsphere", "io"]),
    ("format", &["io"]),
    ("vsphere", &["io"]),
    ("io", &[]),
];

/// Rooms in which `unsafe` may stand.
const MAY_BE_UNSAFE: [&str; 2] = ["ffi", "io"];

/// Rooms that may use libc; `error` compares numbers of the system's errors.
const MAY_USE_LIBC: [&str; 3] = ["ffi", "io", "error"];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The room of a file below `src`, and its lines without comments.
fn rooms() -> Vec<(String, PathBuf, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 20, "the sources were not found");
    files
        .into_iter()
        .map(|path| {
            let below = path.strip_prefix(&root).unwrap();
            let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
            let room = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.lines().map(|line| line.split("//").next().unwrap().to_owned()).collect();
            (room, path, code)
        })
        .collect()
}

#[test]
fn rooms_use_only_the_rooms_that_their_arrows_point_to() {
    let known: Vec<&str> = ARROWS.iter().map(|(room, _)| *room).chain(["error", "lib"]).collect();
    for (room, path, lines) in rooms() {
        assert!(known.contains(&room.as_str()), "{}: room '{room}' has no arrows", path.display());
        let allowed = ARROWS.iter().find(|(name, _)| *name == room).map_or(&[][..], |(_, allowed)| allowed);
        for (number, line) in lines.iter().enumerate() {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let fine = used == room || used == "error" || allowed.contains(&used.as_str());
                assert!(fine, "{}:{}: {room} may not use {used}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn unsafe_and_libc_stay_at_the_edges() {
    for (room, path, lines) in rooms() {
        for (number, line) in lines.iter().enumerate() {
            let words = || line.split(|c: char| !c.is_alphanumeric() && c != '_');
            let place = || format!("{}:{}: {line}", path.display(), number + 1);
            assert!(
                MAY_BE_UNSAFE.contains(&room.as_str()) || !words().any(|word| word == "unsafe"),
                "{}",
                place()
            );
            assert!(
                MAY_USE_LIBC.contains(&room.as_str()) || !words().any(|word| word == "libc"),
                "{}",
                place()
            );
            assert!(room == "ffi" || !line.contains("extern \"C\""), "{}", place());
        }
    }
}
