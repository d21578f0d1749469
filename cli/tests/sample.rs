//! The program under the name `vix-disklib-sample`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::process::Command;

use common::{Ended, Folder, VIXEN};

fn sample(folder: &Folder, line: &str) -> Ended {
    let name = folder.join("vix-disklib-sample");
    if !name.exists() {
        std::os::unix::fs::symlink(VIXEN, &name).unwrap();
    }
    Command::new(name).args(line.split_whitespace()).current_dir(folder.path()).output().unwrap().into()
}

fn good(folder: &Folder, line: &str) -> String {
    let ended = sample(folder, line);
    assert_eq!(ended.code, 0, "{line}: {}{}", ended.out, ended.err);
    ended.out
}

#[test]
fn the_known_options_do_what_they_do() {
    let folder = Folder::new();
    good(&folder, "-create -cap 8 a.vmdk");
    good(&folder, "-fill -start 4 -count 300 -val 0x41 a.vmdk");
    let info = good(&folder, "-info a.vmdk");
    assert!(info.starts_with("capacity             = 16384 sectors\n"), "{info}");
    assert!(info.contains("adapter type         = BusLogic SCSI\n"), "{info}");
    let dump = good(&folder, "-dump -start 3 -count 2 a.vmdk");
    assert!(dump.contains("\n\n0000 : 41 41 "), "{dump}");
    good(&folder, "-wmeta key value a.vmdk");
    assert_eq!(good(&folder, "-rmeta key a.vmdk"), "key = value\n");
    assert!(good(&folder, "-meta a.vmdk").contains("adapterType = buslogic\n"));
    good(&folder, "-redo a.vmdk child.vmdk");
    assert!(good(&folder, "-info child.vmdk").contains("number of links      = 2\n"));
    let cloned = good(&folder, "-clone a.vmdk b.vmdk");
    assert!(cloned.contains("\rCloning : 100% Done") && cloned.ends_with(" Done\n"), "{cloned}");
    folder.other("qemu-img compare a.vmdk b.vmdk");
    let blocks = good(&folder, "-getallocatedblocks a.vmdk");
    assert!(
        blocks.contains("Number of blocks: 1\n") && blocks.contains("0x000000000000  0x000000000180\n"),
        "{blocks}"
    );
    assert!(good(&folder, "-multithread 3 a.vmdk").lines().all(|line| line.ends_with("succeeded.")));
    good(&folder, "-check 0 a.vmdk");
}

#[test]
fn benchmarks_tell_how_much_was_done() {
    let folder = Folder::new();
    good(&folder, "-create -cap 70 a.vmdk");
    for command in ["-writebench", "-readbench", "-writeasyncbench", "-readasyncbench"] {
        let text = good(&folder, &format!("{command} 256 a.vmdk"));
        assert!(text.starts_with("Disk[0] - Processing 560 buffers of 131072 bytes.\n"), "{text}");
        let did = if command.contains("write") { "Wrote" } else { "Read" };
        assert!(text.contains(&format!("Disk[0] - {did} 64 MBytes in ")), "{text}");
        assert!(text.contains(&format!("Disk[0] - {did} 70 MBytes in ")), "{text}");
    }
}

#[test]
fn errors_are_lines_of_standard_output() {
    let folder = Folder::new();
    let ended = sample(&folder, "a.vmdk");
    assert_eq!(ended.code, 1);
    assert!(ended.out.starts_with("Error: Missing command\n"), "{}", ended.out);
    // The codes are those of the C interface.
    let ended = sample(&folder, "-info nope.vmdk");
    assert!(ended.code == 1 && ended.out.starts_with("Error: [vixen]  4 "), "{}", ended.out);
    good(&folder, "-create -cap 1 a.vmdk");
    for (code, line) in [
        ("6 -mount needs vixMntapi", "-mount a.vmdk"),
        ("6 a disk with sectors of 4096 bytes", "-create -cap 1 -lssize 4096 b.vmdk"),
        ("c ", "-create -cap 1 a.vmdk"),
        ("3e87 ", "-dump -start 5000 a.vmdk"),
    ] {
        let ended = sample(&folder, line);
        let wanted = format!("Error: [vixen]  {code}");
        assert!(ended.code == 1 && ended.out.starts_with(&wanted), "{line}: {}", ended.out);
    }
    for line in ["-info -compress lzma a.vmdk", "-info -adapter sata a.vmdk", "-info -cookie c a.vmdk"] {
        assert!(sample(&folder, line).out.contains("usage: "), "{line}");
    }
    let ended = sample(&folder, "-info -host h -user u -password secret-word -vm moref=vm-1 [ds]a.vmdk");
    assert!(ended.code == 1 && !ended.out.contains("secret-word"), "{}", ended.out);
}
