//! Flat extents: those of VMFS, and parts of files.

use vixDiskLib::error::Kind;
use vixDiskLib::session::DiskKind;

use crate::common::esx::descriptor;
use crate::common::{self, *};
use crate::{CAPACITY, Folder, check_content, content_of, plainly, random};

#[test]
fn vmfs_disks_are_made_written_and_read_by_qemu() {
    for (kind, thin) in [(DiskKind::VmfsFlat, false), (DiskKind::VmfsThin, true)] {
        let folder = Folder::new();
        let path = folder.path("my disk.vmdk");
        create(&path, kind, CAPACITY);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("createType=\"vmfs\"\n"), "{text}");
        assert!(text.contains(&format!("\nRW {CAPACITY} VMFS \"my disk-flat.vmdk\"\n")), "{text}");
        assert_eq!(text.contains("\nddb.thinProvisioned = \"1\"\n"), thin, "{text}");
        let flat = folder.path("my disk-flat.vmdk");
        let metadata = std::fs::metadata(&flat).unwrap();
        assert_eq!(metadata.len(), CAPACITY * 512);
        let open = Open::writable(&path);
        assert_eq!(open.disk.metadata(b"thinProvisioned").is_ok(), thin);
        assert!(open.disk.allocated_blocks(0, CAPACITY, 128).unwrap().is_empty(), "it takes no space yet");
        let mut expected = vec![0; CAPACITY as usize * SECTOR];
        let data = random(300, 6);
        open.disk.write(700, &data).unwrap();
        open.close();
        expected[700 * SECTOR..][..data.len()].copy_from_slice(&data);
        check_content(&path, &expected, 1);
        let child = folder.path("child.vmdk");
        qemu_img(&["create", "-q", "-f", "vmdk", "-b", "my disk.vmdk", "-F", "vmdk", common::text(&child)]);
        check_content(&child, &expected, 2);
    }
}

#[test]
fn the_line_of_a_flat_extent_wins_over_a_longer_file() {
    let folder = Folder::new();
    let content = random(100, 1);
    let longer = [content.as_slice(), &[7; 3 * SECTOR + 11]].concat();
    for kind in ["vmfs", "vmfsThin", "vmfsPreallocated", "vmfsEagerZeroedThick", "vmfsThick", "custom"] {
        for end in ["", " 0"] {
            let line = format!("RW 100 VMFS \"FILE\"{end}");
            let path = folder.disk("disk", kind, &line, 0x22, None, &longer);
            assert!(content_of(&plainly(&path, true).unwrap()) == content, "{kind}{end}");
            let path = folder.disk("disk", kind, &line, 0x22, None, &content[1..]);
            assert_eq!(plainly(&path, true).unwrap_err().kind(), Kind::InvalidDisk, "{kind}{end}");
        }
    }
}

#[test]
fn parts_of_files_are_put_together_as_the_lines_say() {
    let folder = Folder::new();
    let (table, device) = (random(70, 1), random(400, 2));
    folder.put("disk-pt.vmdk", &table);
    folder.put("device.raw", &device);
    let lines = [
        "RW 63 FLAT \"disk-pt.vmdk\" 0",
        "RW 100 FLAT \"device.raw\" 63",
        "RW 7 FLAT \"disk-pt.vmdk\" 63",
        "NOACCESS 37 FLAT \"device.raw\" 163",
        "RW 20 ZERO",
        "RDONLY 150 FLAT \"device.raw\" 250 partitionUUID 01234567 \"9\"",
    ];
    let text = descriptor("partitionedDevice", 0x22, None, &lines.map(str::to_owned));
    let path = folder.put("disk.vmdk", text);
    let sectors =
        |bytes: &[u8], start: usize, count: usize| bytes[start * SECTOR..][..count * SECTOR].to_vec();
    let mut expected = [
        sectors(&table, 0, 63),
        sectors(&device, 63, 100),
        sectors(&table, 63, 7),
        vec![0; 57 * SECTOR],
        sectors(&device, 250, 150),
    ]
    .concat();
    let disk = plainly(&path, false).unwrap();
    assert!(content_of(&disk) == expected);
    // Across three files.
    let data = random(110, 3);
    disk.write(60, &data).unwrap();
    expected[60 * SECTOR..170 * SECTOR].copy_from_slice(&data);
    assert!(content_of(&disk) == expected);
    disk.finish().unwrap();
    drop(disk);
    assert!(content_of(&plainly(&path, true).unwrap()) == expected);
    let written = std::fs::read(folder.path("device.raw")).unwrap();
    assert!(
        written[..63 * SECTOR] == device[..63 * SECTOR] && written[163 * SECTOR..] == device[163 * SECTOR..]
    );
    let map = plainly(&path, true).unwrap().allocated_blocks(0, 377, 1).unwrap();
    let map: Vec<(u64, u64)> = map.iter().map(|block| (block.start, block.sectors)).collect();
    assert_eq!(map, [(0, 170), (227, 150)]);
}

#[test]
fn names_that_are_no_files_are_told_as_such() {
    let folder = Folder::new();
    let name = "vsan://4e1e2a52-1c3d-9b1e-a0d2-005056a1b2c3";
    let path = folder.put("disk.vmdk", descriptor("vmfs", 0x22, None, &[format!("RW 100 VMFS \"{name}\"")]));
    let error = plainly(&path, true).unwrap_err();
    assert!(error.kind() == Kind::FileNotFound && error.to_string().contains("vSAN"), "{error}");
}
