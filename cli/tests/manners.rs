//! What a new user does wrong, and what happens when a command is ended before it is done.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::Folder;

/// The command fails with this code, and its error has this text and this advice.
fn fails(folder: &Folder, code: i32, line: &str, text: &str, advice: &str) {
    let said = folder.fails(code, line);
    assert!(said.contains(text) && said.contains(advice), "vixen {line}: {said}");
}

#[test]
fn errors_say_what_to_do() {
    let folder = Folder::new();
    folder.raw("disk.raw", 3 << 20, 1);
    folder.vixen("convert disk.raw disk.vmdk");
    let cases = [
        (3, "info missing.vmdk", "missing.vmdk", "check the path"),
        (2, "info disk.raw --format raw", "not taken for a virtual disk", "'vixen convert'"),
        (5, "info disk.raw", "disk.raw", "try: "),
        (3, "convert disk.raw disk.vmdk", "there is a file of this name", "remove it first"),
        (3, "convert disk.vmdk disk.raw", "there is a file of this name", "--force"),
        (2, "create new.vmdk 5x", "none of the units", ""),
        (2, "create new.vmdk 0", "", ""),
        (2, "grow disk.vmdk 1M", "", ""),
        (2, "dump disk.vmdk --sector 6144", "no part of 6144", "'vixen info'"),
        (3, "meta get disk.vmdk nothing", "nothing", "'vixen meta list'"),
        (2, "info disk --server host --user me", "no virtual machine", "--vm"),
        (2, "info disk --server host --vm vm-1", "no user", "--user"),
        (2, "info disk --server host --vm vm-1 --user me", "no password", "--password-file"),
        (2, "hash disk.raw --server host --vm vm-1 --user me", "virtual disks only", "--server"),
        (2, "serve disk.vmdk", "--socket", ""),
        (3, "verify .", "no repository", "'vixen backup'"),
        (6, "restore repo disk --server host", "not made here", "--existing"),
    ];
    folder.vixen("backup disk.vmdk repo");
    for (code, line, text, advice) in cases {
        fails(&folder, code, line, text, advice);
    }
    fails(&folder, 3, "restore repo disk.vmdk", "disk.vmdk", "--existing");
    fails(&folder, 3, "restore repo new.vmdk --point 7", "no point 7", "'vixen list'");
    fs::create_dir(folder.join("empty")).unwrap();
    fs::copy(folder.join("repo/repository.json"), folder.join("empty/repository.json")).unwrap();
    fails(&folder, 3, "verify empty", "no points yet", "'vixen backup'");
}

#[test]
fn a_server_that_is_not_there_is_told_with_a_code_of_its_own() {
    let folder = Folder::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut command = folder.command(&format!("info --server 127.0.0.1 --port {port} --user u --vm vm-1"));
    let output = command.arg("[ds] vm/disk.vmdk").env("VIXEN_PASSWORD", "secret").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert!(said.contains(&port.to_string()) && said.contains("try: ") && !said.contains("secret"), "{said}");
}

#[test]
fn repositories_are_for_their_owner_and_for_one_backup_at_a_time() {
    let folder = Folder::new();
    folder.raw("disk.raw", 30 << 20, 2);
    folder.vixen("backup disk.raw repo");
    let mode = fs::metadata(folder.join("repo")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    folder.raw("disk.raw", 300 << 20, 3);
    let mut first = folder.command("backup disk.raw repo").stdout(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while !folder.join("repo/000002.vmdk").exists() {
        assert!(began.elapsed() < Duration::from_secs(30));
        sleep(Duration::from_millis(1));
    }
    let second = folder.run("backup disk.raw repo");
    assert!(first.wait().unwrap().success());
    // The first one may have ended within the second that the second one waits.
    if second.code != 0 {
        assert_eq!(second.code, 4, "{}", second.err);
        assert!(second.err.contains("another backup into 'repo' is running"), "{}", second.err);
    }
    let verdicts = folder.json("verify repo");
    assert!(verdicts.as_array().unwrap().iter().all(|point| point["sound"] == true), "{verdicts}");
}

#[test]
fn a_point_that_cannot_be_read_stops_nothing_but_itself() {
    let folder = Folder::new();
    let first = folder.raw("disk.raw", 3 << 20, 4);
    folder.vixen("backup disk.raw repo");
    folder.raw("disk.raw", 3 << 20, 5);
    folder.vixen("backup disk.raw repo");
    fs::write(folder.join("repo/000002.json"), "torn").unwrap();
    let ended = folder.run("list repo");
    assert_eq!(ended.code, 5);
    assert!(ended.out.contains("1  full") && ended.out.contains("2  unreadable"), "{}", ended.out);
    fails(&folder, 5, "restore repo new.vmdk", "000002.json", "--point");
    folder.vixen("restore repo new.vmdk --point 1");
    fs::write(folder.join("wanted.raw"), first).unwrap();
    folder.vixen("compare new.vmdk wanted.raw");
    let said = folder.vixen("backup disk.raw repo");
    assert!(said.starts_with("a full backup, because reading 'repo/000002.json'"), "{said}");
    assert!(said.contains("point 3: "), "{said}");
    folder.vixen("restore repo third.vmdk");
    folder.vixen("compare third.vmdk disk.raw");
}

#[test]
fn what_is_interrupted_has_no_name_yet() {
    let folder = Folder::new();
    folder.raw("disk.raw", 400 << 20, 6);
    folder.vixen("backup disk.raw repo");
    for (line, target) in [
        ("convert disk.raw converted.vmdk", "converted.vmdk"),
        ("convert disk.raw flat.vmdk --type monolithicFlat", "flat.vmdk"),
        ("restore repo restored.vmdk --no-verify", "restored.vmdk"),
        ("convert disk.raw converted.qcow2", "converted.qcow2"),
    ] {
        let mut child = folder.command(line).spawn().unwrap();
        let began = Instant::now();
        let partial = match target.strip_suffix(".vmdk") {
            Some(stem) => folder.join(&format!("{stem}.partial.vmdk")),
            None => folder.join(&format!("{target}.partial")),
        };
        while !partial.exists() && child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_secs(30), "{line}");
            sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        // Unless it was faster.
        if !child.wait().unwrap().success() {
            assert!(!folder.join(target).exists(), "{line}");
            // What was left of it is in nobody's way.
            folder.vixen(line);
        }
        assert!(!partial.exists(), "{line}");
        folder.vixen(&format!("compare {target} disk.raw"));
    }
    let left: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("partial"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn json_of_sectors_comes_one_by_one() {
    let folder = Folder::new();
    folder.vixen("create disk.vmdk 1M");
    let answer = folder.json("dump disk.vmdk -n 3");
    let sectors: Vec<u64> =
        answer.as_array().unwrap().iter().map(|sector| sector["sector"].as_u64().unwrap()).collect();
    assert_eq!(sectors, [0, 1, 2]);
    assert_eq!(answer[2]["hex"].as_str().unwrap().len(), 1024);
    assert_eq!(folder.json("dump disk.vmdk -n 0"), serde_json::json!([]));
}
