//! Tests of disks of other formats in chains, on files in memory.

use super::*;
use crate::disk::Disk;
use crate::disk::open::{Options, open};
use crate::error::Kind;
use crate::format::vhd::testing as small;
use crate::format::vhdx::extent::{PARTIAL, PRESENT};
use crate::format::vhdx::testing as large;
use crate::io::Files;
use crate::io::memory::MemoryFiles;

const MIB: u64 = 1 << 20;

fn open_in(files: &MemoryFiles, path: &str) -> Result<Disk> {
    let files: Arc<dyn Files> = Arc::new(files.clone());
    open(&files, Path::new(path), Options { read_only: true, single_link: false })
}

/// The first byte of every sector.
fn seen(disk: &Disk) -> Vec<u8> {
    let mut content = vec![0xEE; disk.sectors() as usize * 512];
    disk.read(0, &mut content).unwrap();
    content.chunks(512).map(|sector| sector[0]).collect()
}

fn family(path: &str, bytes: Vec<u8>) -> Family {
    let file = crate::io::memory::MemoryFile::new(bytes);
    Family::of(&file, Path::new(path)).unwrap()
}

const VMDK: Family = Family::Vmdk;
const VHD: Family = Family::Foreign(Format::Vhd);
const VHDX: Family = Family::Foreign(Format::Vhdx);

#[test]
fn formats_are_told_by_what_a_guest_cannot_write() {
    let growing = small::Image::new(8, 8, [1; 16], None).file();
    let fixed = |start: &[u8]| {
        let mut data = vec![0; 4096];
        data[..start.len()].copy_from_slice(start);
        small::fixed(&data, [1; 16])
    };
    assert_eq!(family("a.vhd", growing.clone()), VHD);
    assert_eq!(family("a", growing[..growing.len() - 512].to_vec()), VHD, "without a footer");
    assert_eq!(family("a", fixed(b"")), VHD);
    assert_eq!(family("a", fixed(b"# Disk DescriptorFile\nRW 1 FLAT \"x\"")), VHD);
    assert_eq!(family("a.vhdx", [&vhdx::MAGIC[..], &[0; 4096]].concat()), VHDX);
    for bytes in [vec![], b"short".to_vec(), b"# Disk DescriptorFile\n".to_vec(), vec![0; 4096]] {
        assert_eq!(family("a.vhd", bytes), VMDK, "it is what tells that it is no disk");
    }
    // Both at once: the guest of a fixed VHD has written the start, that of a growing VMDK the end.
    for start in [&MAGIC[..], &vhdx::MAGIC] {
        assert_eq!(family("a.vhd", fixed(start)), VHD);
        assert_eq!(family("b.AVHD", fixed(start)), VHD);
    }
    assert_eq!(family("a.vmdk", fixed(&MAGIC)), VMDK);
    assert_eq!(family("a.vhdx", fixed(&vhdx::MAGIC)), VHDX);
}

#[test]
fn a_vhd_chain_is_read_through() {
    let files = MemoryFiles::default();
    files.insert(
        "./base.vhd",
        small::fixed(&(1..=32u8).flat_map(|byte| [byte; 512]).collect::<Vec<_>>(), [1; 16]),
    );
    let mut middle = small::Image::new(32, 8, [2; 16], Some(([1; 16], r".\base.vhd")));
    middle.add_block(1, |sector| sector % 2 == 0, &[100; 8 * 512]);
    middle.add_block(2, |_| true, &[101; 8 * 512]);
    files.insert("./middle.vhd", middle.file());
    let mut leaf = small::Image::new(32, 8, [3; 16], Some(([2; 16], r"C:\elsewhere\middle.vhd")));
    leaf.add_block(2, |sector| sector == 3, &[102; 8 * 512]);
    files.insert("leaf.vhd", leaf.file());
    let disk = open_in(&files, "leaf.vhd").unwrap();
    let mut expected: Vec<u8> = (1..=32).collect();
    (8..16).step_by(2).for_each(|sector| expected[sector] = 100);
    expected[16..24].fill(101);
    expected[19] = 102;
    assert_eq!(seen(&disk), expected);
    let info = disk.info();
    assert_eq!((info.links, info.parent_hint), (3, Some(b"middle.vhd".to_vec())));
    assert_eq!((info.adapter, info.geometry.cylinders), (Adapter::Ide, 100));
    assert_eq!(info.uuid.as_deref(), Some("03 03 03 03 03 03 03 03-03 03 03 03 03 03 03 03"));
    assert_eq!(disk.metadata(b"logicalSectorSize").unwrap(), b"512");
}

#[test]
fn a_vhdx_chain_is_read_through() {
    let files = MemoryFiles::default();
    let options = large::Options { logical_sector: 4096, ..large::Options::new(2 * MIB) };
    let mut base = large::Image::new(&options);
    base.add_block(0, PRESENT, &[1; MIB as usize]);
    base.add_block(1, PRESENT, &[2; MIB as usize]);
    files.insert("./b.vhdx", base.file);
    let mut child = large::Image::new(&large::Options {
        data_id: [5; 16],
        parent: Some(([1; 16], r"missing\b.vhdx")),
        ..options
    });
    child.add_block(1, PARTIAL, &[3; MIB as usize]);
    child.add_bitmap(0, [256 + 1]);
    files.insert("c.vhdx", child.file);
    let disk = open_in(&files, "c.vhdx").unwrap();
    let mut expected = [[1; 2048], [2; 2048]].concat();
    expected[2048 + 8..2048 + 16].fill(3);
    assert_eq!(seen(&disk), expected);
    assert_eq!(disk.info().adapter, Adapter::LsiLogic);
    assert_eq!(disk.metadata(b"logicalSectorSize").unwrap(), b"4096");
    assert_eq!((disk.info().logical_sector_size, disk.info().physical_sector_size), (4096, 4096));
    assert_eq!(disk.info().capacity, 2 * MIB / 512, "counted in sectors of 512 bytes all the same");
}

#[test]
fn another_parent_and_no_parent_are_refused() {
    let files = MemoryFiles::default();
    let child = |name| small::Image::new(32, 8, [2; 16], Some(([1; 16], name))).file();
    files.insert("c.vhd", child("p.vhd"));
    let kind = |path: &str| open_in(&files, path).unwrap_err().kind();
    assert_eq!(kind("c.vhd"), Kind::OpenParent, "it is not there");
    files.insert("./p.vhd", small::fixed(&[0; 32 * 512], [9; 16]));
    assert_eq!(kind("c.vhd"), Kind::CidMismatch);
    files.insert("./p.vhd", small::fixed(&[0; 33 * 512], [1; 16]));
    assert_eq!(kind("c.vhd"), Kind::CapacityMismatch);
    files.insert("./p.vhd", b"# Disk DescriptorFile\nCID=12345678\nRW 32 ZERO\n".to_vec());
    assert_eq!(kind("c.vhd"), Kind::OpenParent, "never as another format");
    files.insert("nameless.vhd", child(r"..\.."));
    assert_eq!(kind("nameless.vhd"), Kind::OpenParent);
    files.insert("p.vhd", small::Image::new(32, 8, [1; 16], Some(([2; 16], "c.vhd"))).file());
    files.insert("./p.vhd", small::Image::new(32, 8, [1; 16], Some(([2; 16], "c.vhd"))).file());
    files.insert("./c.vhd", child("p.vhd"));
    assert_eq!(kind("p.vhd"), Kind::TooManyLinks, "a loop");
}

/// A hash of the parent's identity stands in the descriptor, but the identity itself counts.
#[test]
fn a_parent_of_another_identity_with_the_same_hash_is_refused() {
    // The polynomial of CRC-32C with its first term, lowest bits of a byte first: added to anything, it keeps the hash.
    let mut other: Id = [1; 16];
    for bit in 0..=32 {
        if 0x1_1EDC_6F41_u64 >> (32 - bit) & 1 == 1 {
            other[bit / 8] ^= 1 << (bit % 8);
        }
    }
    assert_eq!(content_id(&other), content_id(&[1; 16]));
    let files = MemoryFiles::default();
    files.insert("c.vhd", small::Image::new(32, 8, [2; 16], Some(([1; 16], "p.vhd"))).file());
    files.insert("./p.vhd", small::fixed(&[0; 32 * 512], other));
    assert_eq!(open_in(&files, "c.vhd").unwrap_err().kind(), Kind::CidMismatch);
    files.insert("./p.vhd", small::fixed(&[0; 32 * 512], [1; 16]));
    assert_eq!(open_in(&files, "c.vhd").unwrap().links().len(), 2);
}

#[test]
fn families_are_not_mixed_in_a_chain() {
    let files = MemoryFiles::default();
    // A VMDK over a VHD whose guest has written a descriptor with the right content id into it.
    let mut data = vec![0; 32 * 512];
    let text = b"# Disk DescriptorFile\nCID=12345678\nRW 32 ZERO\n";
    data[..text.len()].copy_from_slice(text);
    files.insert("./p.vhd", small::fixed(&data, [1; 16]));
    let vmdk = "CID=00000001\nparentCID=12345678\nparentFileNameHint=\"p.vhd\"\nRW 32 ZERO\n";
    files.insert("c.vmdk", vmdk.as_bytes().to_vec());
    // It is opened as a VMDK, which is what it is then, and not as a VHD.
    assert!(open_in(&files, "c.vmdk").unwrap().links().iter().all(|link| link.family() == VMDK));
    files.insert("./p.vhd", small::fixed(&[0; 32 * 512], [1; 16]));
    assert_eq!(open_in(&files, "c.vmdk").unwrap_err().kind(), Kind::OpenParent);
    // A fixed VHD is the parent of a VHD, whatever its guest has written.
    data[..4].copy_from_slice(&MAGIC);
    files.insert("./p.img", small::fixed(&data, [1; 16]));
    files.insert("c.vhd", small::Image::new(32, 8, [2; 16], Some(([1; 16], "p.img"))).file());
    assert_eq!(seen(&open_in(&files, "c.vhd").unwrap())[..2], [b'K', 0]);
}

#[test]
fn the_names_of_a_parent_are_tried_in_order() {
    let files = MemoryFiles::default();
    let mut child = small::Image::new(8, 8, [2; 16], Some(([1; 16], r"..\gone.vhd")));
    child.add_name(1, vhd::header::ABSOLUTE, r"C:\here.vhd");
    files.insert("c.vhd", child.file());
    files.insert("./here.vhd", small::fixed(&[7; 8 * 512], [1; 16]));
    assert_eq!(seen(&open_in(&files, "c.vhd").unwrap()), [7; 8]);
    files.insert("./gone.vhd", small::fixed(&[8; 8 * 512], [1; 16]));
    assert_eq!(seen(&open_in(&files, "c.vhd").unwrap()), [8; 8]);
}

#[test]
fn content_ids_are_never_those_with_a_meaning() {
    assert_ne!(content_id(&[1; 16]), content_id(&[2; 16]));
    for (hash, cid) in [(0, 0), (0xffff_fffd, 0xffff_fffd), (FRESH_CID, 0x7fff_fffe), (NO_CID, 0x7fff_ffff)] {
        assert_eq!(usable(hash), cid);
    }
}
