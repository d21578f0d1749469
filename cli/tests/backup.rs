//! Backups: every point comes back, whatever happened in between.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{Bytes, Folder};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// How long the property test may go on beginning new cases.
const TIME: Duration = Duration::from_secs(15);

/// Changes some of a raw file: data, zeros, nothing.
fn change(content: &mut [u8], bytes: &mut Bytes) {
    for _ in 0..bytes.below(6) {
        let length = (1 + bytes.below(300_000)).min(content.len() as u64) as usize;
        let start = bytes.below((content.len() - length) as u64 + 1) as usize;
        let piece = &mut content[start..start + length];
        match bytes.below(3) {
            0 => piece.fill(0),
            1 => piece.fill(0x5A),
            _ => bytes.fill(piece),
        }
    }
}

/// Starts a backup and kills it after so many milliseconds, unless it was faster.
fn backup_and_kill(folder: &Folder, delay: u64) {
    let mut child =
        folder.command("backup disk.raw repo").stdout(std::process::Stdio::null()).spawn().unwrap();
    sleep(Duration::from_millis(delay));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Whole points, as `list` has them.
fn points(folder: &Folder) -> Vec<u64> {
    let list = folder.json("list repo");
    let whole = list.as_array().unwrap().iter().filter(|point| point["kind"] != "interrupted");
    whole.map(|point| point["number"].as_u64().unwrap()).collect()
}

fn every_point_comes_back(folder: &Folder, contents: &[(u64, Vec<u8>)]) {
    fs::write(folder.join("other.raw"), vec![0xEE; contents[0].1.len()]).unwrap();
    folder.vixen("convert other.raw existing.vmdk");
    for (number, content) in contents {
        fs::write(folder.join("wanted.raw"), content).unwrap();
        // Over what was restored before, and what was never there.
        folder.vixen(&format!("restore repo existing.vmdk --existing --point {number} --order backward"));
        folder.vixen("compare existing.vmdk wanted.raw");
        folder.vixen(&format!(
            "restore repo existing.vmdk --existing --point {number} --order forward --no-verify"
        ));
        folder.vixen("compare existing.vmdk wanted.raw");
        for order in ["forward", "backward"] {
            folder.vixen(&format!(
                "restore repo {order}{number}.vmdk --point {number} --order {order} --no-verify"
            ));
            folder.vixen(&format!("compare {order}{number}.vmdk wanted.raw"));
        }
        // A point opens as a disk with any program.
        folder.other(&format!("qemu-img compare -f vmdk -F raw repo/{number:06}.vmdk wanted.raw"));
    }
}

/// One run of changes, backups and kills.
fn run(sectors: usize, seed: u64, rounds: usize) {
    let folder = Folder::new();
    let mut bytes = Bytes(seed | 1);
    let mut content = vec![0; sectors * 512];
    let mut contents: Vec<(u64, Vec<u8>)> = Vec::new();
    for _ in 0..rounds {
        change(&mut content, &mut bytes);
        fs::write(folder.join("disk.raw"), &content).unwrap();
        if bytes.below(2) == 0 {
            backup_and_kill(&folder, bytes.below(60));
            // What was whole stays so, and perhaps the new one is whole as well.
            let now = points(folder_or_new(&folder));
            let before: Vec<u64> = contents.iter().map(|(number, _)| *number).collect();
            assert!(now.starts_with(&before), "{before:?} {now:?}");
            if now.len() > before.len() {
                contents.push((now[before.len()], content.clone()));
            }
            // The disk has changed by the time the backup goes on.
            change(&mut content, &mut bytes);
            fs::write(folder.join("disk.raw"), &content).unwrap();
        }
        folder.vixen("backup disk.raw repo");
        contents.push((*points(&folder).last().unwrap(), content.clone()));
    }
    assert!(folder.json("verify repo").as_array().unwrap().iter().all(|point| point["sound"] == true));
    every_point_comes_back(&folder, &contents);
}

/// The kill may have come before there was a repository.
fn folder_or_new(folder: &Folder) -> &Folder {
    if !folder.join("repo/repository.json").exists() {
        fs::create_dir_all(folder.join("repo")).unwrap();
        fs::write(folder.join("repo/repository.json"), r#"{"kind":"vixen backup","version":1}"#).unwrap();
    }
    folder
}

#[test]
fn every_point_comes_back_after_random_changes_and_kills() {
    let began = Instant::now();
    let mut runner = TestRunner::new(Config { cases: 8, failure_persistence: None, ..Config::default() });
    let cases = (1usize..25_000, any::<u64>(), 2usize..5);
    let outcome = runner.run(&cases, |(sectors, seed, rounds)| {
        if began.elapsed() < TIME {
            run(sectors, seed, rounds);
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_backup_goes_on_where_it_was_interrupted_with_what_the_disk_holds_now() {
    let folder = Folder::new();
    let old = folder.raw("disk.raw", 13 << 20, 31);
    folder.vixen("backup disk.raw repo");
    folder.raw("disk.raw", 13 << 20, 32);
    folder.vixen("backup disk.raw repo");
    // As after a kill just before the end: the data is there, the manifest is not.
    fs::remove_file(folder.join("repo/000002.json")).unwrap();
    assert_eq!(points(&folder), [1]);
    // A part of the disk is as it was at the first point, another one is new.
    let mut now = old.clone();
    now[5 << 20..6 << 20].fill(0x33);
    fs::write(folder.join("disk.raw"), &now).unwrap();
    let said = folder.vixen("backup disk.raw repo");
    assert!(said.starts_with("went on with a backup that was interrupted\n"), "{said}");
    assert_eq!(points(&folder), [1, 2]);
    every_point_comes_back(&folder, &[(1, old), (2, now.clone())]);
    // What is no disk yet, or has another parent, is made anew.
    fs::write(folder.join("repo/000003.vmdk"), "torn").unwrap();
    now[0..512].fill(0x44);
    fs::write(folder.join("disk.raw"), &now).unwrap();
    assert!(folder.vixen("backup disk.raw repo").starts_with("point 3: 64 KiB of data"));
    every_point_comes_back_once(&folder, 3, &now);
}

fn every_point_comes_back_once(folder: &Folder, number: u64, content: &[u8]) {
    fs::write(folder.join("wanted.raw"), content).unwrap();
    folder.vixen(&format!("restore repo once{number}.vmdk --point {number}"));
    folder.vixen(&format!("compare once{number}.vmdk wanted.raw"));
}

#[test]
fn a_virtual_disk_comes_back_with_its_metadata_and_takes_no_more_space() {
    let folder = Folder::new();
    folder.raw("source.raw", 20 << 20, 21);
    folder.vixen("convert source.raw disk.vmdk --adapter ide");
    folder.vixen("meta set disk.vmdk comment kept");
    let said = folder.vixen("backup disk.vmdk repo");
    assert!(said.starts_with("point 1: "), "{said}");
    // Nothing has changed: nothing is stored.
    assert!(folder.vixen("backup disk.vmdk repo").starts_with("point 2: 0 B of data, 0 B of zeros"));
    folder.vixen("restore repo new.vmdk");
    assert_eq!(folder.vixen("meta get new.vmdk comment"), "kept\n");
    assert_eq!(folder.vixen("meta get new.vmdk uuid"), folder.vixen("meta get disk.vmdk uuid"));
    let (new, old) = (folder.json("info new.vmdk"), folder.json("info disk.vmdk"));
    for key in ["adapter", "geometry", "allocated_sectors", "capacity_sectors"] {
        assert_eq!(new[key], old[key], "{key}");
    }
}

#[test]
fn a_disk_that_grew_or_was_asked_for_is_stored_whole() {
    let folder = Folder::new();
    folder.raw("disk.raw", 3 << 20, 22);
    folder.vixen("backup disk.raw repo");
    folder.raw("disk.raw", 5 << 20, 23);
    let said = folder.vixen("backup disk.raw repo");
    assert!(said.starts_with("a full backup, because the capacity is 10240 sectors, it was 6144"), "{said}");
    folder.vixen("backup disk.raw repo");
    folder.vixen("backup disk.raw repo --full");
    folder.vixen("backup disk.raw repo --full-after 1");
    assert!(folder.vixen("backup disk.raw repo --full-after 1").contains("increments since the last one"));
    let list = folder.json("list repo");
    let kinds: Vec<_> = list.as_array().unwrap().iter().map(|point| point["kind"].clone()).collect();
    assert_eq!(kinds, ["full", "full", "increment", "full", "increment", "full"]);
}

#[test]
fn damage_in_a_backup_is_found() {
    let folder = Folder::new();
    let content = folder.raw("disk.raw", 3 << 20, 24);
    folder.vixen("backup disk.raw repo");
    let place = content.windows(8).position(|bytes| bytes.iter().all(|byte| *byte != 0)).unwrap();
    let mut stored = fs::read(folder.join("repo/000001.vmdk")).unwrap();
    let wanted = &content[place..place + 8];
    let at = stored.windows(8).position(|bytes| bytes == wanted).unwrap();
    stored[at] ^= 1;
    fs::write(folder.join("repo/000001.vmdk"), &stored).unwrap();
    let ended = folder.run("verify repo");
    assert_eq!(ended.code, 1);
    assert!(ended.out.contains("DAMAGED"), "{}", ended.out);
    folder.fails(1, "restore repo new.vmdk");
    // Manifests are not trusted either.
    let manifest = fs::read_to_string(folder.join("repo/000001.json")).unwrap();
    for (from, to) in [
        ("\"capacity_sectors\":6144", "\"capacity_sectors\":9999999999999"),
        ("\"number\":1", "\"number\":7"),
        ("\"start\":", "\"start\":18446744073709551615,\"x\":"),
        ("{\"version\":1", "{\"version\":"),
    ] {
        fs::write(folder.join("repo/000001.json"), manifest.replacen(from, to, 1)).unwrap();
        folder.fails(5, "list repo");
        folder.fails(5, "restore repo new.vmdk");
        assert_eq!(folder.run("verify repo").code, 1);
    }
    fs::write(folder.join("repo/000001.json"), manifest.replacen("{\"version\":1", "{\"version\":2", 1))
        .unwrap();
    folder.fails(6, "list repo");
    folder.fails(3, "list nope");
    folder.fails(2, "backup disk.raw .");
}
