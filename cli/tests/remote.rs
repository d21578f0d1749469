//! Commands on disks of a server, over TCP and TLS, and what `doctor` says about the way there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;
mod lab;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use common::{Bytes, Ended, Folder};
use esxi_sim::{Config, Fault, Kind, Planned, Simulator};
use lab::{Lab, PASSWORD};

const SECTORS: u64 = 20_000;

/// A laboratory whose disk holds something, with its content as source.raw.
fn filled(kind: Kind) -> Lab {
    let mut lab = Lab::new(kind, SECTORS);
    let mut bytes = Bytes(21);
    for (sector, sectors) in [(0, 1), (2048, 3000), (SECTORS - 5, 5)] {
        let mut data = vec![0; sectors * 512];
        bytes.fill(&mut data);
        lab.write(sector, &data);
    }
    std::fs::write(lab.folder.join("source.raw"), &lab.model).unwrap();
    lab
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap()
}

#[test]
fn every_command_that_reads_takes_a_disk_of_a_server() {
    for (kind, mode) in [(Kind::Vcenter, "nbdssl"), (Kind::Esxi, "nbd")] {
        let lab = filled(kind);
        let (path, transport) = (lab.path(), format!("--transport {mode}"));
        let run = |command: &str, more: &str| lab.vixen(command, &path, &format!("{more} {transport}"), None);
        let info: serde_json::Value = serde_json::from_str(&run("info", "--json")).unwrap();
        assert_eq!(
            (&info["capacity_sectors"], &info["transport"]),
            (&SECTORS.into(), &mode.into()),
            "{info}"
        );
        let wanted = lab.folder.vixen("hash source.raw");
        assert_eq!(first_word(&run("hash", "")), first_word(&wanted));
        let map: serde_json::Value = serde_json::from_str(&run("map", "--json")).unwrap();
        assert!(map.to_string().contains("2048"), "{map}");
        assert!(run("map", "--picture").lines().all(|line| line.chars().count() <= 80));
        assert_eq!(run("compare", "source.raw"), "equal\n");
        assert!(run("dump", "--count 1").contains("00000000"));
        let list = lab.command("meta list", &path, &transport, None).output().unwrap();
        assert!(String::from_utf8_lossy(&list.stdout).contains("adapterType"), "{list:?}");
        for target in ["copy.raw", "copy.qcow2", "copy.vmdk"] {
            run("convert", target);
            assert_eq!(lab.folder.vixen(&format!("compare {target} source.raw")), "equal\n");
        }
    }
}

#[test]
fn the_password_comes_from_a_file_too() {
    let lab = filled(Kind::Vcenter);
    std::fs::write(lab.folder.join("password"), format!("{PASSWORD}\n")).unwrap();
    let hash = |name: &str| {
        std::fs::write(lab.folder.join("wrong"), "wrong\n").unwrap();
        let mut command = lab.command("hash", &lab.path(), &format!("--password-file {name}"), None);
        let ended: Ended = command.env_remove("VIXEN_PASSWORD").output().unwrap().into();
        assert!(!ended.err.contains(PASSWORD), "{}", ended.err);
        ended
    };
    assert_eq!(hash("password").code, 0);
    let refused = hash("wrong");
    assert!(refused.code == 4 && refused.err.contains("InvalidLogin"), "{} {}", refused.code, refused.err);
    assert_ne!(hash("missing").code, 0);
}

#[test]
fn a_snapshot_stays_what_it_was() {
    let mut lab = filled(Kind::Vcenter);
    let (id, path) = lab.snapshot();
    lab.write(100, &[7; 512]);
    std::fs::write(lab.folder.join("now.raw"), &lab.model).unwrap();
    assert_eq!(lab.vixen("compare", &path, "source.raw", Some(&id)), "equal\n");
    assert_eq!(lab.vixen("compare", &lab.path(), "now.raw", None), "equal\n");
    lab.vixen("backup", &path, "repository", Some(&id));
    lab.folder.vixen("restore repository restored.vmdk");
    assert_eq!(lab.folder.vixen("compare restored.vmdk source.raw"), "equal\n");
}

#[test]
fn a_disk_of_a_server_takes_what_is_converted_and_restored() {
    let lab = filled(Kind::Vcenter);
    let other = lab.folder.raw("other.raw", SECTORS as usize * 512, 5);
    let convert = |source: &str, more: &str| {
        let mut command = lab.command("convert", source, more, None);
        command.args([&lab.path(), "--existing"]);
        Ended::from(command.output().unwrap())
    };
    let ended = convert("other.raw", "");
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    // Also where the target had data and the source has none.
    assert_eq!(lab.vixen("compare", &lab.path(), "other.raw", None), "equal\n");
    lab.folder.other("qemu-img compare -f raw -F vmdk other.raw lab/vm/disk.vmdk");
    std::fs::write(lab.folder.join("short.raw"), &other[..512]).unwrap();
    let ended = convert("short.raw", "");
    assert!(ended.code == 2 && ended.err.contains("sectors"), "{} {}", ended.code, ended.err);
    lab.folder.vixen("convert source.raw local.vmdk");
    lab.folder.vixen("backup local.vmdk repository");
    let target = format!("{} --existing", lab.path());
    let mut command = lab.command("restore", "repository", "", None);
    command.args([&lab.path(), "--existing"]);
    let ended = Ended::from(command.output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{target}");
    assert_eq!(lab.vixen("compare", &lab.path(), "source.raw", None), "equal\n");
}

#[test]
fn a_disk_of_a_server_is_served() {
    let lab = filled(Kind::Vcenter);
    let mut command = lab.command("serve", &lab.path(), "--socket s", None);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut uri = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut uri).unwrap();
    lab.folder.other(&format!("nbdcopy {} copy.raw", uri.trim()));
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    assert!(std::fs::read(lab.folder.join("copy.raw")).unwrap() == lab.model);
}

// ---- doctor

/// Runs it with the right options but these; an empty value takes an option away.
fn doctor(folder: &Folder, simulator: &Simulator, changes: &[(&str, &str)]) -> Ended {
    let port = simulator.soap_port().to_string();
    let vm = simulator.vm_ids()[0].clone();
    let mut options = vec![
        ("--server", "127.0.0.1"),
        ("--port", &port),
        ("--user", "root"),
        ("--vm", &vm),
        ("--thumbprint", simulator.thumbprint_sha1()),
    ];
    options.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    options.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    let mut command = folder.command("doctor");
    for (name, value) in options.into_iter().filter(|(name, _)| *name != "PASSWORD") {
        // The disk has no name of an option.
        command.args([name, value].into_iter().filter(|word| *word != "DISK"));
    }
    let password = changes.iter().find(|(name, _)| *name == "PASSWORD").map_or(PASSWORD, |(_, value)| value);
    let ended = Ended::from(command.env("VIXEN_PASSWORD", password).output().unwrap());
    assert!(ended.out.lines().all(|line| line.chars().count() <= 80), "{}", ended.out);
    assert!(!ended.out.contains(PASSWORD) && !ended.out.contains('\x1b'), "{}", ended.out);
    ended
}

/// The verdict of a stage.
fn verdict<'a>(out: &'a str, stage: &str) -> &'a str {
    // The verdicts stand one below the other, two blanks behind the longest name.
    let line = out.lines().find(|line| line.split("  ").next() == Some(stage) && line.len() > 20);
    let line = line.unwrap_or_else(|| panic!("no stage {stage} in\n{out}"));
    first_word(&line[stage.len()..])
}

#[test]
fn the_doctor_goes_all_the_way() {
    let lab = filled(Kind::Vcenter);
    let ended = doctor(&lab.folder, &lab.simulator, &[]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    for stage in ["server name", "server port", "certificate", "server", "login", "machine", "privileges"] {
        assert_eq!(verdict(&ended.out, stage), "ok", "{}", ended.out);
    }
    for stage in ["disk", "ticket", "disk port", "authd", "open", "first read"] {
        assert_eq!(verdict(&ended.out, stage), "ok", "{}", ended.out);
    }
    assert_eq!(verdict(&ended.out, "change tracking"), "remark");
    assert!(ended.out.contains("VMware vCenter Server") && ended.out.ends_with("\nNothing failed.\n"));
    let (id, path) = lab.snapshot();
    let ended = doctor(&lab.folder, &lab.simulator, &[("--snapshot", &id), ("DISK", &path)]);
    assert_eq!((ended.code, verdict(&ended.out, "snapshot")), (0, "ok"), "{}", ended.out);
    let ended = doctor(&lab.folder, &lab.simulator, &[("--user", "")]);
    assert_eq!((ended.code, verdict(&ended.out, "certificate")), (0, "ok"), "{}", ended.out);
    assert!(ended.out.contains("(--user)") && verdict(&ended.out, "first read") == "-", "{}", ended.out);
    let ended = doctor(&lab.folder, &lab.simulator, &[("--vm", "")]);
    assert!(ended.code == 0 && ended.out.contains("(--vm)"), "{}", ended.out);
}

/// The stage must be the first that fails, nothing behind it is tried, and the advice has a word.
fn fails_at(ended: &Ended, stage: &str, advice: &str) {
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    assert_eq!(verdict(&ended.out, stage), "FAILED", "{}", ended.out);
    assert_eq!(ended.out.matches("FAILED").count(), 1, "{}", ended.out);
    let (_, to_do) = ended.out.split_once("\nTo do    ").unwrap();
    let to_do = to_do.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(to_do.starts_with(&format!("{stage}: ")) && to_do.contains(advice), "{}", ended.out);
    assert!(stage == "first read" || verdict(&ended.out, "first read") == "-", "{}", ended.out);
}

#[test]
fn the_doctor_names_the_first_failure_and_what_to_do() {
    let lab = filled(Kind::Vcenter);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let wrong = "00:".repeat(19) + "00";
    let right = lab.simulator.thumbprint_sha1();
    // What to give beside the usual options, the stage that fails, and what is told.
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);
    let cases: [Case<'_>; 11] = [
        (&[("--server", "no-such-server.invalid")], "server name", "getent hosts no-such-server.invalid"),
        (&[("--port", &closed)], "server port", "firewalls"),
        (&[("--thumbprint", &wrong)], "certificate", right),
        (&[("--thumbprint", "")], "certificate", right),
        (&[("--transport", "file")], "certificate", "options"),
        (&[("PASSWORD", "wrong")], "login", "password"),
        (&[("--vm", "vm-99999")], "machine", "--vm vm-42"),
        (&[("--vm", "path=no/such/machine")], "machine", "path=DC/vm/NAME"),
        (&[("--snapshot", "snapshot-99999")], "snapshot", "snapshot-7"),
        (&[("DISK", "[datastore1] no/disk.vmdk")], "disk", "[datastore]"),
        (&[("--disk-port", &closed)], "disk port", &closed),
    ];
    for (changes, stage, advice) in cases {
        fails_at(&doctor(&lab.folder, &lab.simulator, changes), stage, advice);
    }
    for (fault, stage, advice) in [
        (Fault::NoPermission, "ticket", "role"),
        (Fault::Maintenance, "ticket", "maintenance"),
        (Fault::BadGreeting, "authd", "another program"),
        (Fault::Locked, "open", "--snapshot"),
        (Fault::WrongThumbprint, "open", "--snapshot"),
    ] {
        lab.simulator.inject(Planned { fault, times: 0, skip: 0 });
        fails_at(&doctor(&lab.folder, &lab.simulator, &[]), stage, advice);
        lab.simulator.clear_faults();
    }
}

#[test]
fn the_doctor_names_privileges_that_are_missing() {
    let lab = filled(Kind::Vcenter);
    let with_missing = |missing: &str| {
        let mut config = Config { password: PASSWORD.to_owned(), ..Config::default() };
        config.missing_privileges.push(format!("VirtualMachine.Provisioning.{missing}"));
        config.add_vm_disk(&lab.folder.join("lab/vm/disk.vmdk")).unwrap();
        let simulator = Simulator::builder().config(config).start().unwrap();
        doctor(&lab.folder, &simulator, &[])
    };
    let ended = with_missing("GetVmFiles");
    assert_eq!((ended.code, verdict(&ended.out, "privileges")), (1, "FAILED"), "{}", ended.out);
    assert!(ended.out.contains("\nTo do    privileges: give a role"), "{}", ended.out);
    assert_eq!(verdict(&ended.out, "ticket"), "FAILED", "{}", ended.out);
    let ended = with_missing("DiskRandomAccess");
    assert_eq!((ended.code, verdict(&ended.out, "privileges")), (0, "remark"), "{}", ended.out);
}
