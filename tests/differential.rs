//! Both directions against qemu-img: what it writes we read, what we write it reads; all formats, awkward sizes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod common;

use std::path::Path;

use common::*;
use vixDiskLib::session::{DiskKind, OpenFlags};

/// Capacities at the edges of sectors, grains and allocation steps, up to 3 MiB and a sector.
const CAPACITIES: [u64; 12] = [1, 2, 7, 8, 127, 128, 129, 255, 256, 2048, 6144, 6145];

/// Content with holes, so that sparse formats have something to leave out.
fn content(capacity: u64, seed: u64) -> Vec<u8> {
    let mut random = Bytes(seed | 1);
    let mut content = vec![0; capacity as usize * SECTOR];
    for grain in content.chunks_mut(128 * SECTOR) {
        match random.below(3) {
            0 => {}
            1 => random.fill(grain),
            _ => {
                let length = grain.len();
                random.fill(&mut grain[..length / 3]);
            }
        }
    }
    content
}

#[test]
fn we_read_what_qemu_writes() {
    let folder = tempfile::tempdir().unwrap();
    for kind in KINDS {
        for capacity in CAPACITIES {
            let expected = content(capacity, capacity * 31);
            let raw = in_folder(&folder, "in.raw");
            std::fs::write(&raw, &expected).unwrap();
            let disk = in_folder(&folder, &format!("q {}-{capacity}.vmdk", qemu_name(kind)));
            let option = format!("subformat={}", qemu_name(kind));
            qemu_img(&["convert", "-f", "raw", "-O", "vmdk", "-o", &option, text(&raw), text(&disk)]);
            let open = Open::read_only(&disk);
            assert_eq!(open.sectors(), capacity, "{kind:?}");
            assert!(open.read_all() == expected, "{kind:?} {capacity}");
            open.close();
        }
    }
}

#[test]
fn qemu_reads_what_we_write() {
    let folder = tempfile::tempdir().unwrap();
    for kind in KINDS {
        for capacity in CAPACITIES {
            let expected = content(capacity, capacity * 17);
            let disk = in_folder(&folder, &format!("v-{}-{capacity}.vmdk", qemu_name(kind)));
            create(&disk, kind, capacity);
            let open = Open::writable(&disk);
            for (index, piece) in expected.chunks(100 * SECTOR).enumerate() {
                open.disk.write(index as u64 * 100, piece).unwrap();
            }
            open.close();
            qemu_check(&disk);
            assert!(qemu_content(&disk) == expected, "{kind:?} {capacity}");
        }
    }
}

#[test]
fn we_write_into_what_qemu_made() {
    let folder = tempfile::tempdir().unwrap();
    for kind in KINDS {
        let capacity = 6145;
        let mut expected = content(capacity, 99);
        let raw = in_folder(&folder, "in.raw");
        std::fs::write(&raw, &expected).unwrap();
        let disk = in_folder(&folder, &format!("w-{}.vmdk", qemu_name(kind)));
        let option = format!("subformat={}", qemu_name(kind));
        qemu_img(&["convert", "-f", "raw", "-O", "vmdk", "-o", &option, text(&raw), text(&disk)]);
        let open = Open::writable(&disk);
        let mut random = Bytes(5);
        for _ in 0..60 {
            let start = random.below(capacity);
            let sectors = (1 + random.below(300)).min(capacity - start);
            let data = random.vec(sectors as usize * SECTOR);
            open.disk.write(start, &data).unwrap();
            expected[start as usize * SECTOR..][..data.len()].copy_from_slice(&data);
        }
        open.close();
        qemu_check(&disk);
        assert!(qemu_content(&disk) == expected, "{kind:?}");
    }
}

#[test]
fn split_disks_go_on_in_the_next_file() {
    let folder = tempfile::tempdir().unwrap();
    // Our extents have 2047 MiB, those of qemu 2048: both borders are written across.
    for (name, border) in [("ours.vmdk", 4_192_256u64), ("theirs.vmdk", 4_194_304)] {
        for kind in [DiskKind::SplitSparse, DiskKind::SplitFlat] {
            let disk = in_folder(&folder, &format!("{}-{name}", qemu_name(kind)));
            let capacity = 2 * border + 333;
            if name == "ours.vmdk" {
                create(&disk, kind, capacity);
            } else {
                let option = format!("subformat={}", qemu_name(kind));
                let size = (capacity * 512).to_string();
                qemu_img(&["create", "-f", "vmdk", "-o", &option, text(&disk), &size]);
            }
            let data = Bytes(3).vec(400 * SECTOR);
            let open = Open::writable(&disk);
            for place in [0, border - 200, 2 * border - 67, capacity - 400] {
                open.disk.write(place, &data).unwrap();
            }
            open.close();
            qemu_check(&disk);
            let open = Open::read_only(&disk);
            // Where pieces overlap the later one wins, so they are read in the order of the last writes.
            assert!(
                open.read(border - 200, 400) == data && open.read(capacity - 400, 400) == data,
                "{kind:?} {name}"
            );
            for place in [0, border - 200, capacity - 400] {
                let raw = in_folder(&folder, "piece.raw");
                let skip = format!("skip={place}");
                qemu_img(&[
                    "dd",
                    "-f",
                    "vmdk",
                    "-O",
                    "raw",
                    "bs=512",
                    &skip,
                    &format!("count={}", place + 400),
                    &format!("if={}", text(&disk)),
                    &format!("of={}", text(&raw)),
                ]);
                assert!(std::fs::read(&raw).unwrap() == data, "{kind:?} {name} at {place}");
            }
            open.close();
        }
    }
}

#[test]
fn chains_are_read_through_and_written_to_the_leaf() {
    let folder = tempfile::tempdir().unwrap();
    let capacity = 6145;
    for kind in KINDS {
        let base = in_folder(&folder, &format!("base-{}.vmdk", qemu_name(kind)));
        let mut expected = content(capacity, 7);
        create(&base, kind, capacity);
        let open = Open::writable(&base);
        open.disk.write(0, &expected).unwrap();
        open.close();
        let mut parent = base.clone();
        for link in 1..4 {
            let child = in_folder(&folder, &format!("child-{}-{link}.vmdk", qemu_name(kind)));
            let name = parent.file_name().unwrap().to_str().unwrap().to_owned();
            qemu_img(&["create", "-q", "-f", "vmdk", "-b", &name, "-F", "vmdk", text(&child)]);
            let open = Open::writable(&child);
            assert_eq!(open.disk.info().unwrap().links, link + 1);
            let mut random = Bytes(link as u64 + 100);
            for _ in 0..8 {
                let start = random.below(capacity);
                let sectors = (1 + random.below(200)).min(capacity - start);
                let data = random.vec(sectors as usize * SECTOR);
                open.disk.write(start, &data).unwrap();
                expected[start as usize * SECTOR..][..data.len()].copy_from_slice(&data);
            }
            // Zeros over data of a parent must hide it.
            open.disk.write(1000, &[0; 128 * SECTOR]).unwrap();
            expected[1000 * SECTOR..1128 * SECTOR].fill(0);
            assert!(open.read_all() == expected, "{kind:?} link {link}");
            open.close();
            qemu_check(&child);
            assert!(qemu_content(&child) == expected, "{kind:?} link {link}");
            parent = child;
        }
        let open =
            Open::with(&parent, OpenFlags { read_only: true, single_link: true, ..Default::default() })
                .unwrap();
        assert_eq!(open.disk.info().unwrap().links, 1);
        open.close();
    }
}

/// Runs commands of qemu-io on a disk; a pattern that is not found ends the test.
fn qemu_io(disk: &Path, writable: bool, commands: &[String]) {
    let mut arguments = vec!["-f", "vmdk"];
    arguments.extend((!writable).then_some("-r"));
    commands.iter().for_each(|command| arguments.extend(["-c", command]));
    let output = std::process::Command::new("qemu-io").args(&arguments).arg(disk).output();
    let output = output.unwrap_or_else(|error| panic!("qemu-io: {error}; apt-get install qemu-utils"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !said.contains("failed"), "{arguments:?}: {said}{output:?}");
}

#[test]
fn disks_of_62_tib_are_read_and_written_by_qemu_and_by_us() {
    let folder = tempfile::tempdir().unwrap();
    let capacity = 62u64 << 31;
    let data = vec![0x5A; 129 * SECTOR];
    for (name, ours) in [("ours.vmdk", true), ("theirs.vmdk", false)] {
        let disk = in_folder(&folder, name);
        if ours {
            create(&disk, DiskKind::MonolithicSparse, capacity);
        } else {
            qemu_img(&["create", "-q", "-f", "vmdk", text(&disk), "62T"]);
        }
        let places = [0, capacity / 2 + 5, capacity - 129];
        let open = Open::writable(&disk);
        places.iter().for_each(|place| open.disk.write(*place, &data).unwrap());
        open.close();
        let open = Open::read_only(&disk);
        let blocks = open.disk.allocated_blocks(0, capacity, 131_072).unwrap();
        assert_eq!(blocks.len(), 3, "{blocks:?}");
        for place in places {
            assert!(open.read(place, 129) == data);
        }
        open.close();
        use std::os::unix::fs::MetadataExt;
        let taken = std::fs::metadata(&disk).unwrap().blocks() * 512;
        assert!(taken < 40 << 20, "the file takes {taken} bytes");
        qemu_img(&["info", text(&disk)]);
        // What we wrote, what is around it, and what nobody wrote.
        let read = |pattern, sector, sectors| {
            format!("read -P {pattern} {} {}", sector * SECTOR as u64, sectors * SECTOR as u64)
        };
        let mut commands: Vec<String> = places.iter().map(|place| read(0x5A, *place, 129)).collect();
        commands.extend([
            read(0, 129, 4000),
            read(0, capacity / 2 - 1000, 1005),
            read(0, capacity - 1129, 1000),
        ]);
        commands.push(read(0, capacity / 3, 4096));
        qemu_io(&disk, false, &commands);
        let theirs = [100, capacity / 2 + 60, capacity / 3, capacity - 50];
        let write = |sector| format!("write -P 0xa5 {} {}", sector * SECTOR as u64, 50 * SECTOR);
        qemu_io(&disk, true, &theirs.map(write));
        let open = Open::read_only(&disk);
        assert!(theirs.iter().all(|place| open.read(*place, 50) == [0xA5; 50 * SECTOR]));
        assert!(open.read(0, 100) == [0x5A; 100 * SECTOR]);
        assert!(open.read(capacity - 129, 79) == [0x5A; 79 * SECTOR]);
        assert!(open.read(capacity / 3 - 4000, 4000).iter().all(|byte| *byte == 0));
        let blocks = open.disk.allocated_blocks(0, capacity, 131_072).unwrap();
        assert_eq!(blocks.len(), 4, "{blocks:?}");
        open.close();
        if ours {
            // It reads every table, which takes a minute.
            qemu_check(&disk);
        }
    }
}

#[test]
fn a_reader_sees_what_a_writer_of_the_same_process_has_flushed() {
    let folder = tempfile::tempdir().unwrap();
    for kind in KINDS {
        let path = in_folder(&folder, &format!("seen-{}.vmdk", qemu_name(kind)));
        create(&path, kind, 5000);
        let reader = Open::read_only(&path);
        assert!(reader.read_all() == vec![0; 5000 * SECTOR]);
        let map = |reader: &Open| reader.disk.allocated_blocks(0, 5000, 128).unwrap().len();
        assert_eq!(map(&reader), 0);
        for round in 1..4u8 {
            let writer = Open::writable(&path);
            let start = 700 * u64::from(round);
            writer.disk.write(start, &[round; 3 * SECTOR]).unwrap();
            writer.disk.flush().unwrap();
            assert!(reader.read(start, 3) == [round; 3 * SECTOR], "{kind:?}: after a flush");
            assert_eq!(map(&reader), usize::from(round));
            writer.disk.write(start + 1, &[0xEE; SECTOR]).unwrap();
            writer.disk.set_metadata(b"note", &[b'0' + round]).unwrap();
            assert_eq!(reader.disk.metadata(b"note").unwrap(), [b'0' + round]);
            writer.close();
            assert!(reader.read(start + 1, 1) == [0xEE; SECTOR], "{kind:?}: after a close");
        }
        reader.close();
    }
}

#[test]
fn writable_handles_of_one_process_share_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    for kind in KINDS {
        let path = in_folder(&folder, &format!("{}.vmdk", qemu_name(kind)));
        create(&path, kind, 5000);
        let (first, second) = (Open::writable(&path), Open::writable(&path));
        first.disk.write(0, &[1; 128 * SECTOR]).unwrap();
        second.disk.write(64, &[2; 128 * SECTOR]).unwrap();
        assert!(first.read(0, 64).iter().all(|byte| *byte == 1));
        assert!(first.read(64, 128).iter().all(|byte| *byte == 2));
        first.close();
        second.disk.write(4999, &[3; SECTOR]).unwrap();
        second.close();
        qemu_check(&path);
        let content = qemu_content(&path);
        assert!(content[64 * SECTOR..192 * SECTOR].iter().all(|byte| *byte == 2));
        assert!(content[4999 * SECTOR..].iter().all(|byte| *byte == 3));
        Open::writable(&path).close();
    }
}
