//! Backups of a virtual machine whose host tracks changes: only what it names is read, and every point comes back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;
mod lab;

use std::fs;

use common::Bytes;
use esxi_sim::Kind;
use lab::Lab;
use vixDiskLib::disk::open::{self as opening, Options};
use vixDiskLib::io::local::LocalFiles;

/// Not whole grains, and not whole blocks of a backup.
const SECTORS: u64 = 45_001;

/// Writes data, and zeros over some of what was there.
fn some_writes(lab: &mut Lab, bytes: &mut Bytes) {
    for _ in 0..1 + bytes.below(6) {
        let sectors = 1 + bytes.below(700);
        let start = bytes.below(SECTORS - sectors + 1);
        let mut data = vec![0; sectors as usize * 512];
        if bytes.below(3) > 0 {
            bytes.fill(&mut data);
        }
        lab.write(start, &data);
    }
}

/// Writes to the disk without the host noticing.
fn write_unseen(lab: &Lab, sector: u64, data: &[u8]) {
    let path = lab.path();
    let path = lab.folder.join("lab").join(path.split("] ").nth(1).unwrap());
    let files: std::sync::Arc<dyn vixDiskLib::io::Files> = std::sync::Arc::new(LocalFiles::default());
    let disk = opening::open(&files, &path, Options { read_only: false, single_link: false }).unwrap();
    disk.write(sector, data).unwrap();
    disk.finish().unwrap();
}

/// A backup of the disk as it is at a new snapshot, which goes afterwards.
fn backup(lab: &Lab, more: &str) -> String {
    let (snapshot, path) = lab.snapshot();
    let said = lab.vixen("backup", &path, &format!("repo {more}"), Some(&snapshot));
    lab.simulator.remove_snapshot(&lab.vm, &snapshot).unwrap();
    said
}

fn every_point_comes_back(lab: &Lab, contents: &[Vec<u8>]) {
    let folder = &lab.folder;
    for (number, content) in (1..).zip(contents) {
        fs::write(folder.join("wanted.raw"), content).unwrap();
        for order in ["forward", "backward"] {
            let target = format!("{order}{number}.vmdk");
            folder.vixen(&format!("restore repo {target} --point {number} --order {order}"));
            folder.vixen(&format!("compare {target} wanted.raw"));
            fs::remove_file(folder.join(&target)).unwrap();
        }
        folder.other(&format!("qemu-img compare -f vmdk -F raw repo/{number:06}.vmdk wanted.raw"));
    }
    let verdicts = folder.json("verify repo");
    assert!(verdicts.as_array().unwrap().iter().all(|point| point["sound"] == true), "{verdicts}");
}

#[test]
fn increments_are_what_the_server_names() {
    for kind in [Kind::Vcenter, Kind::Esxi] {
        let mut lab = Lab::new(kind, SECTORS);
        let mut bytes = Bytes(77);
        lab.simulator.track_changes(&lab.vm, true).unwrap();
        let mut contents = Vec::new();
        for round in 0..5 {
            some_writes(&mut lab, &mut bytes);
            let said = backup(&lab, "");
            assert!(said.contains(&format!("point {}: ", round + 1)), "{said}");
            assert_eq!(said.contains("the server names "), round > 0, "{said}");
            assert!(!said.contains("because"), "{said}");
            contents.push(lab.model.clone());
        }
        // Nothing has changed, and of nothing is read.
        let said = backup(&lab, "");
        assert!(
            said.starts_with("the server names 0 B as changed\npoint 6: 0 B of data, 0 B of zeros"),
            "{said}"
        );
        contents.push(lab.model.clone());
        every_point_comes_back(&lab, &contents);
    }
}

#[test]
fn what_the_server_does_not_name_is_not_read() {
    let mut lab = Lab::new(Kind::Vcenter, SECTORS);
    lab.simulator.track_changes(&lab.vm, true).unwrap();
    lab.write(0, &[1; 512 * 8192]);
    lab.write(20_000, &[2; 512 * 300]);
    backup(&lab, "");
    let first = lab.model.clone();
    // In the same block of 4 MiB as a change that is seen, and in another one.
    lab.write(1000, &[3; 512]);
    let seen = lab.model.clone();
    write_unseen(&lab, 4000, &[9; 512]);
    write_unseen(&lab, 20_100, &[9; 512]);
    let said = backup(&lab, "");
    assert!(said.starts_with("the server names 64 KiB as changed\npoint 2: 64 KiB of data, 0 B"), "{said}");
    every_point_comes_back(&lab, &[first.clone(), seen.clone()]);
    // A server that has forgotten the id: everything is read, and what is found out there as well.
    lab.simulator.track_changes(&lab.vm, false).unwrap();
    lab.simulator.track_changes(&lab.vm, true).unwrap();
    let said = backup(&lab, "");
    assert!(said.starts_with("read the whole disk, because ") && said.contains("changeId"), "{said}");
    assert!(said.contains("point 3: 128 KiB of data"), "{said}");
    let mut all = seen.clone();
    all[4000 * 512..4001 * 512].fill(9);
    all[20_100 * 512..20_101 * 512].fill(9);
    every_point_comes_back(&lab, &[first, seen, all]);
    // From there on, changes are known again.
    assert!(backup(&lab, "").starts_with("the server names 0 B as changed\n"));
}

#[test]
fn a_disk_that_nobody_tracks_is_read_as_a_whole() {
    let mut lab = Lab::new(Kind::Esxi, SECTORS);
    lab.write(5, &[1; 512]);
    // The machine is off, so there need not be a snapshot.
    let path = lab.path();
    lab.vixen("backup", &path, "repo", None);
    lab.write(6, &[2; 512]);
    let said = lab.vixen("backup", &path, "repo", None);
    assert!(said.starts_with("read the whole disk, because the server tracks no changes"), "{said}");
    lab.simulator.track_changes(&lab.vm, true).unwrap();
    let said = backup(&lab, "");
    assert!(said.starts_with("read the whole disk, because point 2 has no change id\n"), "{said}");
    lab.write(7, &[3; 512]);
    let third = lab.model.clone();
    let said = lab.vixen("backup", &path, "repo", None);
    assert!(said.starts_with("the server names 64 KiB as changed\n"), "{said}");
    // Without its snapshot, a disk that others are made over is not the content that the machine has.
    let (_, base) = lab.snapshot();
    let said = lab.vixen("backup", &base, "repo", None);
    assert!(said.contains("because '[datastore1] vm/disk.vmdk' is no disk of virtual machine"), "{said}");
    lab.folder.vixen("restore repo now.vmdk");
    fs::write(lab.folder.join("wanted.raw"), &third).unwrap();
    lab.folder.vixen("compare now.vmdk wanted.raw");
}

#[test]
fn an_interrupted_increment_and_a_damaged_point_are_made_good() {
    let mut lab = Lab::new(Kind::Vcenter, SECTORS);
    lab.simulator.track_changes(&lab.vm, true).unwrap();
    let mut bytes = Bytes(5);
    let mut data = vec![0; 512 * 9000];
    bytes.fill(&mut data);
    lab.write(0, &data);
    backup(&lab, "");
    let first = lab.model.clone();
    lab.write(100, &[7; 512 * 10]);
    backup(&lab, "");
    // As after a kill just before the end.
    fs::remove_file(lab.folder.join("repo/000002.json")).unwrap();
    lab.write(100, &first[100 * 512..110 * 512]);
    lab.write(30_000, &[8; 512]);
    let said = backup(&lab, "");
    assert!(said.starts_with("went on with a backup that was interrupted\npoint 2: "), "{said}");
    let second = lab.model.clone();
    // The first point loses a byte of a block in which something changes.
    let file = lab.folder.join("repo/000001.vmdk");
    let mut stored = fs::read(&file).unwrap();
    let place = stored.windows(64).position(|window| *window == data[2000 * 512..2000 * 512 + 64]).unwrap();
    stored[place] ^= 1;
    fs::write(&file, &stored).unwrap();
    lab.write(10, &[4; 512]);
    let said = backup(&lab, "");
    assert!(said.contains("point 2 is damaged in 1 blocks of 4 MiB"), "{said}");
    stored[place] ^= 1;
    let third = lab.model.clone();
    // The new point has what the damaged one has lost.
    fs::write(lab.folder.join("wanted.raw"), &third).unwrap();
    lab.folder.vixen("restore repo third.vmdk");
    lab.folder.vixen("compare third.vmdk wanted.raw");
    fs::write(&file, &stored).unwrap();
    every_point_comes_back(&lab, &[first, second, third]);
}

#[test]
fn a_server_that_goes_away_leaves_the_points_as_they_were() {
    let mut lab = Lab::new(Kind::Vcenter, SECTORS);
    lab.simulator.track_changes(&lab.vm, true).unwrap();
    lab.write(0, &[1; 512 * 5000]);
    backup(&lab, "");
    let first = lab.model.clone();
    lab.write(40_000, &[2; 512 * 100]);
    let (snapshot, path) = lab.snapshot();
    lab.simulator.inject(esxi_sim::Planned { times: 0, ..esxi_sim::Fault::Cut { bytes: 20_000 }.into() });
    let ended: common::Ended = lab.command("backup", &path, "repo", Some(&snapshot)).output().unwrap().into();
    assert_eq!(ended.code, 8, "{}{}", ended.out, ended.err);
    assert!(!ended.err.contains(lab::PASSWORD), "{}", ended.err);
    lab.simulator.clear_faults();
    every_point_comes_back(&lab, std::slice::from_ref(&first));
    lab.vixen("backup", &path, "repo", Some(&snapshot));
    every_point_comes_back(&lab, &[first, lab.model.clone()]);
}

#[test]
fn a_point_is_restored_onto_the_disk_of_the_server() {
    let mut lab = Lab::new(Kind::Vcenter, SECTORS);
    lab.simulator.track_changes(&lab.vm, true).unwrap();
    lab.write(3, &[1; 512 * 5000]);
    backup(&lab, "");
    let first = lab.model.clone();
    lab.write(1000, &[0; 512 * 2000]);
    lab.write(30_000, &[2; 512 * 300]);
    backup(&lab, "");
    let second = lab.model.clone();
    let path = lab.path();
    for (order, number, content) in
        [("backward", 1, &first), ("forward", 2, &second), ("backward", 2, &second), ("forward", 1, &first)]
    {
        lab.write(20_000, &[9; 512 * 1000]);
        let more = format!("--existing --order {order} --point {number}");
        let said = lab.vixen("restore repo", &path, &more, None);
        assert!(said.starts_with(&format!("point {number} restored: ")), "{said}");
        fs::write(lab.folder.join("wanted.raw"), content).unwrap();
        assert_eq!(lab.vixen("compare", &path, "wanted.raw", None), "equal\n", "{order} {number}");
    }
    // What is zeros in the backup and was never written takes no space: the disk stays thin.
    assert!(fs::metadata(lab.folder.join("lab/vm/disk.vmdk")).unwrap().len() < SECTORS * 512 / 2);
}
