//! Streams (streamOptimized): real ones of VMware's products, both directions against qemu-img and 7-Zip, and what
//! a client sees of the rules for writing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::*;
use proptest::prelude::*;
use vixDiskLib::error::Kind;
use vixDiskLib::session::open_disk::OpenDisk;
use vixDiskLib::session::{DiskKind, OpenFlags};

/// Capacities at the edges of sectors and grains, and one that takes three tables.
const CAPACITIES: [u64; 9] = [1, 7, 127, 128, 129, 256, 6144, 6145, 65_536 * 2 + 77];

/// Runs a program and returns what it prints.
fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program}: {error}; scripts/setup.sh test installs it"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// A real image, unpacked into a folder.
fn image(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images").join(format!("{name}.xz"));
    let path = in_folder(folder, name);
    std::fs::write(&path, run("xz", &["-dc", text(&packed)])).unwrap();
    path
}

/// The SHA-256 of bytes, by way of a file.
fn sha256(folder: &tempfile::TempDir, bytes: &[u8]) -> String {
    let path = in_folder(folder, "hashed");
    std::fs::write(&path, bytes).unwrap();
    let line = String::from_utf8(run("sha256sum", &[text(&path)])).unwrap();
    line.split_whitespace().next().unwrap().to_owned()
}

/// Content with holes, grains that compress and grains that do not.
fn content(capacity: u64, seed: u64) -> Vec<u8> {
    let mut random = Bytes(seed | 1);
    let mut content = vec![0; capacity as usize * SECTOR];
    // Few grains of a large disk have data.
    let most = if capacity > 10_000 { 20 } else { 4 };
    for grain in content.chunks_mut(128 * SECTOR) {
        match random.below(most) {
            0 => random.fill(grain),
            1 => grain.iter_mut().enumerate().for_each(|(index, byte)| *byte = (index / 90 % 200) as u8),
            2 => {
                let length = grain.len();
                random.fill(&mut grain[..length / 3]);
            }
            _ => {}
        }
    }
    content
}

/// Makes a stream of ours with this content, written `sectors` sectors at a time.
fn write_stream(path: &Path, content: &[u8], sectors: usize) {
    create(path, DiskKind::StreamOptimized, (content.len() / SECTOR) as u64);
    let open = Open::writable(path);
    for (index, piece) in content.chunks(sectors * SECTOR).enumerate() {
        open.disk.write((index * sectors) as u64, piece).unwrap();
    }
    open.close();
}

/// Makes a stream of QEMU's with this content.
fn qemu_stream(folder: &tempfile::TempDir, path: &Path, content: &[u8]) {
    let raw = in_folder(folder, "in.raw");
    std::fs::write(&raw, content).unwrap();
    qemu_img(&[
        "convert",
        "-f",
        "raw",
        "-O",
        "vmdk",
        "-o",
        "subformat=streamOptimized",
        text(&raw),
        text(path),
    ]);
}

/// The content of a stream as 7-Zip sees it; it reads those with a footer only.
fn seven_zip_content(path: &Path) -> Vec<u8> {
    run("7zz", &["x", "-tvmdk", "-so", text(path)])
}

/// All readers must see the content.
fn check_everywhere(path: &Path, content: &[u8]) {
    check_with_qemu(path, content);
    assert!(seven_zip_content(path) == content, "7-Zip");
}

fn check_with_qemu(path: &Path, content: &[u8]) {
    let open = Open::read_only(path);
    assert!(open.read_all() == content, "our own reading");
    open.close();
    qemu_check(path);
    assert!(qemu_content(path) == content, "qemu-img");
}

#[test]
fn real_exports_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let known: String =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images/streams.json"))
            .unwrap();
    for (name, bytes) in [("vsphere-sdk-plain-vm.vmdk", 52_428_800), ("vsphere-sdk-disk-0.vmdk", 1_048_576)] {
        let path = image(&folder, name);
        assert!(known.contains(&sha256(&folder, &std::fs::read(&path).unwrap())));
        let open = Open::read_only(&path);
        let content = open.read_all();
        assert_eq!(content.len(), bytes);
        assert!(known.contains(&sha256(&folder, &content)), "{name}");
        open.close();
    }
    // The keys of this one have no prefix.
    let open = Open::read_only(&in_folder(&folder, "vsphere-sdk-plain-vm.vmdk"));
    assert_eq!(open.disk.metadata(b"adapterType").unwrap(), b"lsilogic");
    open.close();
}

#[test]
fn real_exports_marked_read_only_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = image(&folder, "vsphere-sdk-disk-0.vmdk");
    let before = std::fs::read(&path).unwrap();
    let open = Open::writable(&path);
    assert_eq!(open.disk.write(0, &[1; SECTOR]).unwrap_err().kind(), Kind::ReadOnly);
    open.close();
    assert!(std::fs::read(&path).unwrap() == before, "not even the content id");
    let open = Open::read_only(&path);
    assert!(open.read_all() == vec![0; 1 << 20]);
    open.close();
}

#[test]
fn we_read_what_qemu_writes() {
    let folder = tempfile::tempdir().unwrap();
    for capacity in CAPACITIES {
        let expected = content(capacity, capacity * 31);
        let path = in_folder(&folder, &format!("q {capacity}.vmdk"));
        qemu_stream(&folder, &path, &expected);
        let open = Open::read_only(&path);
        assert_eq!(open.sectors(), capacity);
        assert!(open.read_all() == expected, "{capacity}");
        for (start, sectors) in [(capacity / 2, 1), (capacity - 1, 1), (capacity / 3, capacity / 2)] {
            let wanted = &expected[start as usize * SECTOR..(start + sectors) as usize * SECTOR];
            assert!(open.read(start, sectors) == wanted, "{sectors} at {start} of {capacity}");
        }
        open.close();
    }
}

#[test]
fn others_read_what_we_write() {
    let folder = tempfile::tempdir().unwrap();
    for capacity in CAPACITIES {
        for sectors in [100, 4096] {
            let expected = content(capacity, capacity * 17);
            let path = in_folder(&folder, &format!("v{capacity}-{sectors}.vmdk"));
            write_stream(&path, &expected, sectors);
            check_everywhere(&path, &expected);
        }
    }
    let path = in_folder(&folder, "empty.vmdk");
    create(&path, DiskKind::StreamOptimized, 100_000);
    check_everywhere(&path, &vec![0; 100_000 * SECTOR]);
    let info = qemu_img(&["info", text(&path)]);
    assert!(info.contains("create type: streamOptimized") && info.contains("compressed: true"), "{info}");
}

#[test]
fn streams_are_continued_ours_and_those_of_qemu() {
    let folder = tempfile::tempdir().unwrap();
    let capacity = 65_536 * 2 + 77;
    for ours in [true, false] {
        let mut expected = content(capacity, 5);
        expected[500 * 128 * SECTOR..].fill(0);
        let path = in_folder(&folder, if ours { "ours.vmdk" } else { "theirs.vmdk" });
        if ours {
            write_stream(&path, &expected, 999)
        } else {
            qemu_stream(&folder, &path, &expected)
        }
        for (start, sectors) in [(500 * 128, 3000), (90_001, 1), (capacity - 200, 200)] {
            let data = Bytes(start).vec(sectors * SECTOR);
            let open = Open::writable(&path);
            open.disk.write(start, &data).unwrap();
            expected[start as usize * SECTOR..][..data.len()].copy_from_slice(&data);
            let error = open.disk.write(0, &data[..SECTOR]).unwrap_err();
            assert_eq!(error.kind(), Kind::NotSupported);
            assert!(open.read_all() == expected);
            open.close();
            // 7-Zip refuses tables before the grains, which QEMU's streams keep.
            if ours { check_everywhere(&path, &expected) } else { check_with_qemu(&path, &expected) }
        }
    }
}

#[test]
fn what_a_killed_writer_leaves_is_no_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (path, left) = (in_folder(&folder, "killed.vmdk"), in_folder(&folder, "left.vmdk"));
    create(&path, DiskKind::StreamOptimized, 10_000);
    let open = Open::writable(&path);
    let data = Bytes(1).vec(1000 * SECTOR);
    open.disk.write(0, &data).unwrap();
    open.disk.flush().unwrap();
    // The file as it is now is what a kill would leave.
    std::fs::copy(&path, &left).unwrap();
    for flags in [OpenFlags::default(), OpenFlags { read_only: true, ..Default::default() }] {
        let error = Open::with(&left, flags).err().unwrap();
        assert_eq!(error.kind(), Kind::InvalidDisk);
        assert!(error.to_string().contains("a stream that was never finished"), "{error}");
    }
    assert!(open.read(0, 1000) == data, "who writes sees it");
    open.close();
    let open = Open::read_only(&path);
    assert!(open.read(0, 1000) == data);
    open.close();
}

#[test]
fn asynchronous_writes_do_not_overtake_each_other() {
    use std::sync::{Arc, Mutex};
    let folder = tempfile::tempdir().unwrap();
    let path = in_folder(&folder, "async.vmdk");
    let pieces: Vec<Vec<u8>> = (0..60).map(|index| Bytes(index + 1).vec(700 * SECTOR)).collect();
    create(&path, DiskKind::StreamOptimized, 60 * 700);
    let open = Open::writable(&path);
    let failures = Arc::new(Mutex::new(Vec::new()));
    for (index, piece) in pieces.iter().cloned().enumerate() {
        let failures = Arc::clone(&failures);
        let work = move |disk: &OpenDisk, _| disk.write(index as u64 * 700, &piece).map(|()| true);
        let done = move |result: vixDiskLib::error::Result<()>| failures.lock().unwrap().extend(result.err());
        open.disk.submit(700, work, done).unwrap();
    }
    open.disk.wait().unwrap();
    assert!(failures.lock().unwrap().is_empty(), "{failures:?}");
    open.close();
    check_everywhere(&path, &pieces.concat());
}

#[test]
fn the_map_has_the_grains_with_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = in_folder(&folder, "map.vmdk");
    let mut expected = vec![0; 10_000 * SECTOR];
    expected[130 * SECTOR..140 * SECTOR].fill(1);
    expected[1000 * SECTOR..1100 * SECTOR].fill(2);
    write_stream(&path, &expected, 77);
    let open = Open::read_only(&path);
    let blocks = open.disk.allocated_blocks(0, 10_000, 128).unwrap();
    let blocks: Vec<(u64, u64)> = blocks.iter().map(|block| (block.start, block.sectors)).collect();
    assert_eq!(blocks, [(128, 128), (896, 256)]);
    open.close();
}

#[test]
fn metadata_and_content_ids_change_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = in_folder(&folder, "keys.vmdk");
    let expected = content(5000, 3);
    write_stream(&path, &expected, 500);
    let before = std::fs::read(&path).unwrap();
    let open = Open::writable(&path);
    open.disk.set_metadata(b"note", b"kept in the stream").unwrap();
    let error = open.disk.set_metadata(b"long", &[b'x'; 11_000]).unwrap_err();
    assert_eq!(error.kind(), Kind::DiskFull);
    open.close();
    let after = std::fs::read(&path).unwrap();
    assert!(after.len() == before.len() && after[21 * 512..] == before[21 * 512..]);
    let open = Open::read_only(&path);
    assert_eq!(open.disk.metadata(b"note").unwrap(), b"kept in the stream");
    open.close();
    check_everywhere(&path, &expected);
    let text = String::from_utf8_lossy(&after[512..4096]).into_owned();
    assert!(
        text.contains("createType=\"streamOptimized\"") && text.contains("RW 5000 SPARSE \"keys.vmdk\""),
        "{text}"
    );
    assert!(!text.contains("CID=fffffffe"), "it was written");
}

#[test]
fn renamed_and_damaged_files_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = in_folder(&folder, "first.vmdk");
    let expected = content(5000, 4);
    write_stream(&path, &expected, 500);
    let renamed = in_folder(&folder, "second.vmdk");
    std::fs::rename(&path, &renamed).unwrap();
    check_everywhere(&renamed, &expected);
    let refused = |change: &dyn Fn(&mut Vec<u8>), wanted: &str| {
        let mut bytes = std::fs::read(&renamed).unwrap();
        change(&mut bytes);
        let damaged = in_folder(&folder, "damaged.vmdk");
        std::fs::write(&damaged, bytes).unwrap();
        let error = Open::with(&damaged, OpenFlags { read_only: true, ..Default::default() }).err().unwrap();
        assert!(error.to_string().contains(wanted), "{error}");
    };
    refused(&|bytes| bytes.truncate(bytes.len() - 2048), "a stream without an end");
    refused(&|bytes| bytes[..4].copy_from_slice(b"kdmv"), "never finished");
    refused(&|bytes| bytes[..4].copy_from_slice(b"\x1f\x8b\x08\0"), "compressed with gzip");
    refused(&|bytes| bytes[10] = 1, "no markers");
    refused(
        &|bytes| bytes[36..44].copy_from_slice(&(20_481u64).to_le_bytes()),
        "an embedded descriptor of 20481",
    );
    refused(&|bytes| bytes[36..44].copy_from_slice(&u64::MAX.to_le_bytes()), "an embedded descriptor of");
    let footer = std::fs::metadata(&renamed).unwrap().len() as usize - 1024;
    refused(&|bytes| bytes[footer + 12..footer + 20].fill(0xFF), "is not possible");
}

#[test]
fn a_descriptor_of_any_place_and_size_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = in_folder(&folder, "moved.vmdk");
    let expected = content(5000, 6);
    write_stream(&path, &expected, 500);
    let mut bytes = std::fs::read(&path).unwrap();
    let descriptor: Vec<u8> = bytes[512..].iter().copied().take_while(|byte| *byte != 0).collect();
    for (sector, sectors) in [(2usize, 3usize), (100, 2), (21, 100)] {
        bytes[512..128 * 512].fill(0xEE);
        bytes[sector * 512..(sector + sectors) * 512].fill(0);
        bytes[sector * 512..][..descriptor.len()].copy_from_slice(&descriptor);
        bytes[28..36].copy_from_slice(&(sector as u64).to_le_bytes());
        bytes[36..44].copy_from_slice(&(sectors as u64).to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        let open = Open::read_only(&path);
        assert!(open.read_all() == expected);
        open.close();
    }
}

/// The next writes: sectors left out before each, its sectors, and its content.
fn writes() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    let gap = prop_oneof![3 => Just(0u64), 1 => 1..600u64];
    let sectors = prop_oneof![3 => 1..9u64, 3 => 1..300u64, 1 => 1..3000u64];
    prop::collection::vec((gap, sectors, 0..5u64), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    #[test]
    fn ordered_writes_behave_like_an_array_of_bytes(capacity in 1..6146u64, writes in writes()) {
        let folder = tempfile::tempdir().unwrap();
        let path = in_folder(&folder, "disk.vmdk");
        create(&path, DiskKind::StreamOptimized, capacity);
        let mut model = vec![0u8; capacity as usize * SECTOR];
        let open = Open::writable(&path);
        let mut next = 0;
        for (gap, sectors, seed) in writes {
            let start = next + gap;
            let sectors = sectors.min(capacity.saturating_sub(start));
            if sectors > 0 {
                let mut data = vec![0; sectors as usize * SECTOR];
                if seed > 0 {
                    Bytes(seed * 1000 + start).fill(&mut data);
                }
                open.disk.write(start, &data).unwrap();
                model[start as usize * SECTOR..][..data.len()].copy_from_slice(&data);
                next = start + sectors;
            }
        }
        prop_assert!(open.read_all() == model);
        open.close();
        check_everywhere(&path, &model);
    }
}
