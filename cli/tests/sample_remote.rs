//! `vix-disklib-sample` with the options for disks on a server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;
mod lab;

use std::process::Command;

use common::{Ended, VIXEN};
use esxi_sim::Kind;
use lab::{Lab, PASSWORD};

/// Runs the sample with these words and the options for the server before the path.
fn sample(lab: &Lab, words: &str, path: &str) -> Ended {
    let name = lab.folder.join("vix-disklib-sample");
    if !name.exists() {
        std::os::unix::fs::symlink(VIXEN, &name).unwrap();
    }
    let (port, nfc) = (lab.simulator.soap_port().to_string(), lab.simulator.authd_port().to_string());
    let mut command = Command::new(name);
    command.args(words.split_whitespace()).current_dir(lab.folder.path());
    command.args(["-host", "127.0.0.1", "-user", "root", "-port", &port, "-nfchostport", &nfc]);
    command.args(["-vm", &format!("moref={}", lab.vm), "-thumb", lab.simulator.thumbprint_sha1()]);
    command.args(["-libdir", "/nowhere", path]).env("VIXEN_PASSWORD", PASSWORD);
    command.output().unwrap().into()
}

fn good(lab: &Lab, words: &str, path: &str) -> String {
    let ended = sample(lab, words, path);
    assert_eq!(ended.code, 0, "{words}: {}{}", ended.out, ended.err);
    ended.out
}

#[test]
fn the_known_options_work_with_a_server() {
    for kind in [Kind::Vcenter, Kind::Esxi] {
        let lab = Lab::new(kind, 4096);
        let path = lab.path();
        assert!(good(&lab, "-info", &path).starts_with("capacity             = 4096 sectors\n"));
        for (mode, value, packed) in
            [("nbd", 65, "zlib"), ("nbdssl", 66, "fastlz"), ("nbdssl:nbd", 67, "skipz")]
        {
            good(&lab, &format!("-mode {mode} -fill -start 10 -count 300 -val {value}"), &path);
            let dump =
                good(&lab, &format!("-mode {mode} -compress {packed} -dump -start 309 -count 2"), &path);
            let hex = format!("0000 : {value:x} {value:x} ");
            assert!(dump.starts_with(&hex) && dump.contains("\n\n0000 : 00 00 "), "{dump}");
        }
        let blocks = good(&lab, "-getallocatedblocks", &path);
        assert!(blocks.contains("0x000000000000  0x000000000180\n"), "{blocks}");
        assert_eq!(good(&lab, "-rmeta adapterType", &path), "adapterType = lsilogic\n");
        assert!(good(&lab, "-meta", &path).contains("geometry.sectors = "));
        for bench in ["-readbench 256", "-readasyncbench 256", "-writebench 256", "-writeasyncbench 256"] {
            let text = good(&lab, bench, &path);
            assert!(text.contains("Processing 16 buffers of 131072 bytes."), "{text}");
        }
        let copies = good(&lab, "-multithread 2", &path);
        assert_eq!(copies.lines().filter(|line| line.ends_with("succeeded.")).count(), 2, "{copies}");
    }
}

#[test]
fn a_snapshot_is_named_by_ssmoref() {
    let lab = Lab::new(Kind::Vcenter, 4096);
    good(&lab, "-fill -val 65", &lab.path());
    let (snapshot, path) = lab.snapshot();
    good(&lab, "-fill -val 66", &lab.path());
    let dump = good(&lab, &format!("-dump -ssmoref {snapshot}"), &path);
    assert!(dump.starts_with("0000 : 41 41 "), "{dump}");
    assert!(good(&lab, "-dump", &lab.path()).starts_with("0000 : 42 42 "));
}

#[test]
fn what_goes_wrong_is_told_without_the_password() {
    let lab = Lab::new(Kind::Vcenter, 4096);
    let path = lab.path();
    let bad = |words: &str, path: &str, code: u64, text: &str| {
        let ended = sample(&lab, words, path);
        let wanted = format!("Error: [vixen]  {code:x} ");
        assert!(ended.code == 1 && ended.out.starts_with(&wanted), "{words}: {} not {code:x}", ended.out);
        assert!(ended.out.contains(text) && !ended.out.contains(PASSWORD), "{words}: {}", ended.out);
    };
    bad("-info", "[datastore1] vm/none.vmdk", 13, "none.vmdk");
    bad("-check 0", &path, 6, "the connection is to a server");
    bad("-mode file -info", &path, 3, "none of the transport modes");
    let mut wrong = Command::new(lab.folder.join("vix-disklib-sample"));
    let port = lab.simulator.soap_port().to_string();
    wrong.args(["-info", "-host", "127.0.0.1", "-port", &port, "-user", "root", "-password", "wrong word"]);
    wrong.args(["-vm", &format!("moref={}", lab.vm), "-thumb", lab.simulator.thumbprint_sha1(), &path]);
    let ended: Ended = wrong.output().unwrap().into();
    assert_eq!(ended.code, 1);
    assert!(ended.out.contains("InvalidLogin") && !ended.out.contains("wrong word"), "{}", ended.out);
}
