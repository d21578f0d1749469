//! Chains: children, parents and how they are found.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::common::*;
use crate::generate::{Sparse, linked, random};
use crate::{READ_ONLY, content, open, refused};
use vixDiskLib::error::Kind;

const CAPACITY: u64 = 600;

/// Writes a link of one sparse file. Its name in the descriptor does not matter: it is its own extent.
fn link(path: &Path, cid: u32, parent: Option<(u32, &str)>, capacity: u64, grains: &[(u64, &[u8])]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let text = linked(cid, parent, &format!("RW {capacity} SPARSE \"{name}\""));
    let mut sparse = Sparse::new(capacity).descriptor(text, 20);
    for (grain, data) in grains {
        sparse = sparse.data(*grain, data);
    }
    sparse.write(path);
}

/// A base disk with random content in every grain, at a path; returns its content.
fn base(path: &Path, cid: u32, seed: u64) -> Vec<u8> {
    let whole = random(seed, CAPACITY);
    let grains: Vec<(u64, &[u8])> = (0..).zip(whole.chunks(128 * SECTOR)).collect();
    link(path, cid, None, CAPACITY, &grains);
    whole
}

/// A child with the given hint, with nothing of its own.
fn child(path: &Path, parent_cid: u32, hint: &str) {
    link(path, parent_cid, Some((parent_cid, hint)), CAPACITY, &[]);
}

fn folder() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["base.vmdk", "child.vmdk"].map(|name| in_folder(&folder, name));
    let [base, child] = paths;
    (folder, base, child)
}

/// Trap 37: the chain comes back to a disk that is in it already: to itself, over another one, by another name.
#[test]
fn a_chain_that_loops_is_refused_at_once() {
    let (folder, first, second) = folder();
    for hint in ["child.vmdk", "./child.vmdk", "././/child.vmdk", "C:\\vm\\child.vmdk", "same.vmdk"] {
        child(&second, 7, hint);
        if hint == "same.vmdk" {
            symlink("child.vmdk", in_folder(&folder, hint)).unwrap();
        }
        refused(&second, Kind::TooManyLinks);
    }
    for (hint, back) in [("child.vmdk", "base.vmdk"), ("./child.vmdk", "./base.vmdk")] {
        child(&first, 7, hint);
        child(&second, 7, back);
        refused(&first, Kind::TooManyLinks);
        refused(&second, Kind::TooManyLinks);
    }
    // Two names of one file, and a symbolic link to itself.
    fs::remove_file(&first).unwrap();
    fs::hard_link(&second, &first).unwrap();
    refused(&second, Kind::TooManyLinks);
    fs::remove_file(&first).unwrap();
    symlink("base.vmdk", &first).unwrap();
    refused(&second, Kind::OpenParent);
}

/// Trap 38: the parent was written after its child was made.
#[test]
fn a_changed_parent_is_found_out_when_the_disk_is_opened() {
    let (_folder, first, second) = folder();
    let whole = base(&first, 7, 1);
    child(&second, 7, "base.vmdk");
    assert!(content(&second) == whole && qemu_content(&second) == whole);
    let open = Open::writable(&first);
    open.disk.write(0, &[1; SECTOR]).unwrap();
    open.close();
    let text = refused(&second, Kind::CidMismatch);
    assert!(text.contains("base.vmdk") && text.contains("00000007"), "{text}");
    base(&first, u32::MAX - 1, 1);
    refused(&second, Kind::CidMismatch);
}

/// Traps 39 and 40: a child that does not say where its parent is, and one whose parent is not there.
#[test]
fn a_parent_that_is_not_there_never_reads_as_zeros() {
    let (_folder, _, path) = folder();
    let text = linked(8, Some((7, "")), "RW 600 SPARSE \"child.vmdk\"");
    let without = text.replace("parentFileNameHint=\"\"\n", "");
    assert!(!without.contains("Hint"));
    for text in [text, without] {
        Sparse::new(CAPACITY).descriptor(text, 20).write(&path);
        assert!(refused(&path, Kind::OpenParent).contains("parentFileNameHint"));
    }
    for hint in ["base.vmdk", "no/base.vmdk", "/no/base.vmdk", "C:\\base.vmdk", ".", "/", "[store] base.vmdk"]
    {
        child(&path, 7, hint);
        refused(&path, Kind::OpenParent);
    }
    // Alone it can be opened, and has nothing.
    let single = vixDiskLib::session::OpenFlags { single_link: true, ..READ_ONLY };
    let open = Open::with(&path, single).unwrap();
    assert!(open.read_all().iter().all(|byte| *byte == 0));
    open.close();
}

/// Trap 41: what the hint leads to is no VMDK. Its bytes must not be taken for the parent's content.
#[test]
fn a_parent_that_is_no_virtual_disk_is_refused() {
    let (_folder, first, path) = folder();
    child(&path, 7, "base.vmdk");
    let whole = random(1, CAPACITY);
    let texts: [&[u8]; 6] = [b"", b"hello", &whole, b"QFI\xfb\0\0\0\x03", b"conectix", &[0; 11 << 20]];
    for bytes in texts {
        fs::write(&first, bytes).unwrap();
        refused(&path, Kind::OpenParent);
    }
    // One extent of a split disk is no parent either.
    Sparse::new(CAPACITY).write(&first);
    refused(&path, Kind::OpenParent);
    fs::remove_file(&first).unwrap();
    fs::create_dir(&first).unwrap();
    refused(&path, Kind::OpenParent);
}

/// Trap 42: a child that is larger than its parent, or smaller.
#[test]
fn links_of_different_capacities_are_refused() {
    let (_folder, first, second) = folder();
    base(&first, 7, 1);
    for capacity in [CAPACITY - 1, CAPACITY + 1, CAPACITY * 100] {
        link(&second, 7, Some((7, "base.vmdk")), capacity, &[]);
        let text = refused(&second, Kind::CapacityMismatch);
        assert!(text.contains(&capacity.to_string()) && text.contains("600"), "{text}");
    }
}

/// Trap 43: hints that come from another machine.
#[test]
fn a_hint_of_another_machine_leads_beside_the_child() {
    let (folder, first, second) = folder();
    let whole = base(&first, 7, 1);
    for hint in [
        "base.vmdk",
        "./base.vmdk",
        "C:\\Virtual Machines\\vm\\base.vmdk",
        "c:/vm/base.vmdk",
        "\\\\server\\share\\base.vmdk",
        "..\\vm\\base.vmdk",
        "../vm/base.vmdk",
        "sub\\base.vmdk",
        "/vmfs/volumes/5f1c0a7e-3b2d/vm/base.vmdk",
        "[datastore 1] vm/base.vmdk",
        "[datastore 1] base.vmdk",
        text(&first),
    ] {
        child(&second, 7, hint);
        assert!(content(&second) == whole, "{hint}");
    }
    // A file of the name, but not the parent.
    base(&first, 9, 2);
    for hint in ["C:\\vm\\base.vmdk", "/vmfs/volumes/1/base.vmdk", "base.vmdk"] {
        child(&second, 7, hint);
        refused(&second, Kind::CidMismatch);
    }
    // Where the hint leads as it stands, it is followed: below the child's folder, with either separator.
    let other = base(&in_folder(&folder, "sub/base.vmdk"), 7, 3);
    for hint in ["sub/base.vmdk", "sub\\base.vmdk", ".\\sub\\base.vmdk"] {
        child(&second, 7, hint);
        assert!(content(&second) == other, "{hint}");
    }
    let odd = base(&in_folder(&folder, "odd\\name.vmdk"), 7, 4);
    child(&second, 7, "odd\\name.vmdk");
    assert!(content(&second) == odd, "a backslash is a character of names here");
}

/// Trap 67: a parent, or an extent, that is an object of vSAN.
#[test]
fn objects_of_vsan_are_no_files() {
    let (_folder, _, path) = folder();
    let object = "vsan://52e15b4f-9c0d-4bd3-93a3-d4a8f5d7c3a1";
    child(&path, 7, object);
    refused(&path, Kind::OpenParent);
    fs::write(&path, crate::generate::descriptor(&format!("RW 600 VMFS \"{object}\""))).unwrap();
    let text = refused(&path, Kind::FileNotFound);
    assert!(text.contains("vsan:"), "{text}");
}

/// A chain of 255 links, the last without a parent, opens; one more is too many.
#[test]
fn a_chain_has_up_to_255_links() {
    let folder = tempfile::tempdir().unwrap();
    let path = |number: usize| in_folder(&folder, &format!("{number}.vmdk"));
    let whole = base(&path(0), 7, 1);
    for number in 1..256 {
        let data = random(number as u64, 128);
        let hint = format!("{}.vmdk", number - 1);
        // Each of the first few children has something of its own.
        let grains = [(number as u64, data.as_slice())];
        link(&path(number), 7, Some((7, &hint)), CAPACITY, &grains[..usize::from(number < 4)]);
    }
    let mut expected = whole;
    for number in 1..4 {
        expected[number * 128 * SECTOR..][..128 * SECTOR].copy_from_slice(&random(number as u64, 128));
    }
    assert!(content(&path(254)) == expected);
    let open = open(&path(254));
    assert_eq!(open.disk.info().unwrap().links, 255);
    open.close();
    refused(&path(255), Kind::TooManyLinks);
    let open = Open::writable(&path(254));
    open.disk.write(599, &[1; SECTOR]).unwrap();
    open.close();
    assert!(content(&path(253)) == expected);
}

/// Geometry and adapter of a child that does not have them are those of its parents.
#[test]
fn what_a_child_does_not_say_of_itself_its_parents_say() {
    let (_folder, first, second) = folder();
    let text = linked(7, None, "RW 600 SPARSE \"base.vmdk\"") + "ddb.geometry.heads = \"13\"\n";
    Sparse::new(CAPACITY).descriptor(text, 20).write(&first);
    let text = "CID=7\nparentCID=7\nparentFileNameHint=\"base.vmdk\"\nRW 600 SPARSE \"x\"\n";
    Sparse::new(CAPACITY).descriptor(text, 1).write(&second);
    let open = open(&second);
    let info = open.disk.info().unwrap();
    assert_eq!(info.geometry.heads, 13);
    assert_eq!(open.disk.metadata(b"adapterType").unwrap(), b"lsilogic");
    open.close();
}

/// A file that two links of a chain name as an extent: a write to one link would change the other.
#[test]
fn links_never_share_a_file() {
    let (folder, first, second) = folder();
    Sparse::new(CAPACITY).write(&in_folder(&folder, "grains"));
    fs::write(&first, linked(7, None, "RW 600 SPARSE \"grains\"")).unwrap();
    fs::write(&second, linked(7, Some((7, "base.vmdk")), "RW 600 SPARSE \"./grains\"")).unwrap();
    let text = refused(&second, Kind::OpenParent);
    assert!(text.contains("another link"), "{text}");
    // The parent has the child as its extent.
    fs::write(&first, linked(7, None, "RW 600 SPARSE \"child.vmdk\"")).unwrap();
    child(&second, 7, "base.vmdk");
    refused(&second, Kind::OpenParent);
    // Nor may one link have a file of grains twice, by whatever names.
    fs::hard_link(in_folder(&folder, "grains"), in_folder(&folder, "again")).unwrap();
    for name in ["grains", "./grains", "again"] {
        let lines = format!("RW 600 SPARSE \"grains\"\nRW 600 SPARSE \"{name}\"");
        fs::write(&first, crate::generate::descriptor(&lines)).unwrap();
        let text = refused(&first, Kind::InvalidDisk);
        assert!(text.contains("twice"), "{text}");
        fs::write(&first, crate::generate::descriptor(&lines.replacen("SPARSE", "FLAT", 1))).unwrap();
        refused(&first, Kind::InvalidDisk);
    }
}

/// Long descriptors in a long chain: together they are too much. How much memory they take is told in `hostile`.
#[test]
fn the_text_of_a_whole_chain_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let path = |number: usize| in_folder(&folder, &format!("{number}.vmdk"));
    let data = random(1, 1);
    fs::write(in_folder(&folder, "data"), &data).unwrap();
    let filler = format!("{}\n", "#".repeat(60_000)).repeat(100);
    for number in 0..9 {
        let hint = format!("{}.vmdk", usize::max(number, 1) - 1);
        let parent = (number > 0).then_some((7, hint.as_str()));
        let extent = if number == 0 { "RW 1 FLAT \"data\" 0" } else { "RW 1 SPARSE \"x\"" };
        let text = linked(7, parent, extent) + &filler;
        if number == 0 {
            fs::write(path(number), text).unwrap();
        } else {
            let sectors = text.len() as u64 / 512 + 2;
            Sparse::new(1).descriptor(text, sectors).write(&path(number));
        }
    }
    // Without a clock: 60 MB of text take their time where nothing is optimised.
    let open = Open::read_only(&path(5));
    assert!(open.read_all() == data);
    open.close();
    let error = Open::with(&path(8), READ_ONLY).err().unwrap();
    assert_eq!(error.kind(), Kind::TooManyLinks, "{error}");
}
