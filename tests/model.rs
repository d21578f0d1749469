//! Random operations against a plain array of bytes; each disk is then checked by qemu-img.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod common;

use std::path::PathBuf;

use common::esx::Cowd;
use common::*;
use proptest::prelude::*;
use vixDiskLib::session::{DiskKind, OpenFlags};

#[derive(Debug, Clone)]
enum Operation {
    /// Write sectors of a pattern; 0 writes zeros.
    Write {
        start: u64,
        sectors: u64,
        seed: u64,
    },
    Read {
        start: u64,
        sectors: u64,
    },
    Flush,
    Reopen,
    Metadata {
        key: u8,
        value: String,
    },
    Map {
        start: u64,
        sectors: u64,
    },
}

fn operation(capacity: u64) -> impl Strategy<Value = Operation> {
    // Lengths from one sector to many grains, small ones more often.
    let sectors = || prop_oneof![4 => 1..9u64, 3 => 1..300u64, 1 => 1..3000u64];
    let range = move || {
        (0..capacity, sectors()).prop_map(move |(start, sectors)| (start, sectors.min(capacity - start)))
    };
    prop_oneof![
        8 => (range(), 0..6u64).prop_map(|((start, sectors), seed)| Operation::Write { start, sectors, seed }),
        4 => range().prop_map(|(start, sectors)| Operation::Read { start, sectors }),
        1 => Just(Operation::Flush),
        1 => Just(Operation::Reopen),
        1 => (0..4u8, "[ -!#-~]{0,20}").prop_map(|(key, value)| Operation::Metadata { key, value }),
        1 => range().prop_map(|(start, sectors)| Operation::Map { start, sectors }),
    ]
}

/// What stands over the disk that was made.
#[derive(Debug, Clone, Copy)]
enum Over {
    /// Nothing.
    Nothing,
    /// A hosted child of qemu-img's.
    Child,
    /// Redo logs with grains of so many sectors, the lower one with content.
    RedoLogs(u32),
}

fn scenario() -> impl Strategy<Value = (DiskKind, Over, bool, u64, Vec<Operation>)> {
    let kind = prop_oneof![
        Just(DiskKind::MonolithicSparse),
        Just(DiskKind::MonolithicFlat),
        Just(DiskKind::SplitSparse),
        Just(DiskKind::SplitFlat),
        Just(DiskKind::VmfsFlat),
        Just(DiskKind::VmfsThin),
    ];
    let grain = prop_oneof![Just(1u32), Just(1), Just(8), Just(128), Just(2048), 1..2049u32];
    let over =
        prop_oneof![2 => Just(Over::Nothing), 2 => Just(Over::Child), 3 => grain.prop_map(Over::RedoLogs)];
    let capacity = prop_oneof![Just(1u64), Just(129), 1..6146u64, Just(6145)];
    (kind, over, any::<bool>(), capacity).prop_flat_map(|(kind, over, unbuffered, capacity)| {
        let operations = prop::collection::vec(operation(capacity), 1..40);
        (Just(kind), Just(over), Just(unbuffered), Just(capacity), operations)
    })
}

/// Puts something over the disk at `path`, whose content is `model` afterwards; returns the path of the new leaf.
fn put_over(over: Over, folder: &tempfile::TempDir, path: PathBuf, model: &mut [u8]) -> PathBuf {
    if matches!(over, Over::Nothing) {
        return path;
    }
    // A base with content, so that what is not written shows the parent.
    Bytes(77).fill(model);
    let base = Open::writable(&path);
    base.disk.write(0, model).unwrap();
    base.close();
    let child = in_folder(folder, "child.vmdk");
    let Over::RedoLogs(grain) = over else {
        qemu_img(&["create", "-q", "-f", "vmdk", "-b", "disk.vmdk", "-F", "vmdk", text(&child)]);
        return child;
    };
    let capacity = (model.len() / SECTOR) as u32;
    let mut content = model.to_vec();
    Bytes(78).fill(&mut content);
    let mut lower = Cowd::new(capacity, grain);
    lower.add_grains(&content, |grain| grain % 3 == 1);
    let size = grain as usize * SECTOR;
    for (old, new) in model.chunks_mut(size).zip(content.chunks(size)).skip(1).step_by(3) {
        old.copy_from_slice(new);
    }
    let cid = cid_of(&path);
    put_redo_log(folder, "middle", 0x1234, (cid, "disk.vmdk"), &lower);
    put_redo_log(folder, "child", 0x1234, (0x1234, "middle.vmdk"), &Cowd::new(capacity, grain))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_disk_behaves_like_an_array_of_bytes((kind, over, unbuffered, capacity, operations) in scenario()) {
        let folder = tempfile::tempdir().unwrap();
        let path = in_folder(&folder, "disk.vmdk");
        let mut model = vec![0u8; capacity as usize * SECTOR];
        create(&path, kind, capacity);
        let path = put_over(over, &folder, path, &mut model);
        let flags = OpenFlags { unbuffered, ..OpenFlags::default() };
        let mut open = Open::with(&path, flags).unwrap();
        let mut database = std::collections::HashMap::new();
        for operation in operations {
            match operation {
                Operation::Write { start, sectors, seed } => {
                    let mut data = vec![0; sectors as usize * SECTOR];
                    if seed > 0 {
                        Bytes(seed * 1000 + start + 1).fill(&mut data);
                    }
                    open.disk.write(start, &data).unwrap();
                    model[start as usize * SECTOR..][..data.len()].copy_from_slice(&data);
                }
                Operation::Read { start, sectors } => {
                    let expected = &model[start as usize * SECTOR..][..sectors as usize * SECTOR];
                    prop_assert!(open.read(start, sectors) == expected);
                }
                Operation::Flush => open.disk.flush().unwrap(),
                Operation::Reopen => {
                    open.close();
                    open = Open::with(&path, flags).unwrap();
                }
                Operation::Metadata { key, value } => {
                    let key = format!("test.key{key}");
                    open.disk.set_metadata(key.as_bytes(), value.as_bytes()).unwrap();
                    database.insert(key, value);
                }
                Operation::Map { start, sectors } => {
                    let blocks = open.disk.allocated_blocks(start, sectors, 128).unwrap();
                    let mut next = start;
                    for block in &blocks {
                        prop_assert!(block.start >= next && block.sectors > 0);
                        prop_assert!(model_is_zero(&model, next, block.start), "a hole has content");
                        next = block.start + block.sectors;
                    }
                    prop_assert!(next <= start + sectors);
                    prop_assert!(model_is_zero(&model, next, start + sectors), "a hole has content");
                }
            }
        }
        for (key, value) in &database {
            prop_assert_eq!(&open.disk.metadata(key.as_bytes()).unwrap(), value.as_bytes());
        }
        prop_assert!(open.read_all() == model);
        open.close();
        let open = Open::read_only(&path);
        prop_assert!(open.read_all() == model);
        open.close();
        qemu_check(&path);
        prop_assert!(qemu_content(&path) == model);
    }
}

fn model_is_zero(model: &[u8], from: u64, to: u64) -> bool {
    model[from as usize * SECTOR..to as usize * SECTOR].iter().all(|byte| *byte == 0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// The other direction: qemu-img makes a disk, qemu-io writes to it, and it is read here.
    #[test]
    fn what_qemu_writes_is_read(
        (kind, capacity, writes) in (0..4usize, prop_oneof![Just(1u64), Just(129), 1..6146u64, Just(6145)])
            .prop_flat_map(|(kind, capacity)| {
                let write = (0..capacity, 1..700u64, 0..4u8)
                    .prop_map(move |(start, sectors, pattern)| (start, sectors.min(capacity - start), pattern));
                (Just(kind), Just(capacity), prop::collection::vec(write, 1..12))
            })
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = in_folder(&folder, "theirs.vmdk");
        let (subformat, size) = (format!("subformat={}", qemu_name(KINDS[kind])), (capacity * 512).to_string());
        qemu_img(&["create", "-q", "-f", "vmdk", "-o", &subformat, text(&path), &size]);
        let mut model = vec![0u8; capacity as usize * SECTOR];
        let mut commands = vec!["-f".to_owned(), "vmdk".to_owned()];
        for (start, sectors, pattern) in writes {
            model[start as usize * SECTOR..][..sectors as usize * SECTOR].fill(pattern);
            // Pattern 0 is also written as what qemu makes of zeros.
            let how = if pattern == 0 && start % 2 == 0 { "write -z".to_owned() } else { format!("write -P {pattern}") };
            commands.extend(["-c".to_owned(), format!("{how} {} {}", start * 512, sectors * 512)]);
        }
        commands.push(text(&path).to_owned());
        let output = std::process::Command::new("qemu-io").args(&commands).output();
        let output = output.unwrap_or_else(|error| panic!("qemu-io: {error}; apt-get install qemu-utils"));
        prop_assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let open = Open::read_only(&path);
        prop_assert!(open.read_all() == model);
        // What is not listed as allocated reads as zeros.
        let blocks = open.disk.allocated_blocks(0, capacity, 128).unwrap();
        for (sector, content) in model.chunks(SECTOR).enumerate() {
            let sector = sector as u64;
            let listed = blocks.iter().any(|block| (block.start..block.start + block.sectors).contains(&sector));
            prop_assert!(listed || content.iter().all(|byte| *byte == 0));
        }
        open.close();
    }
}
