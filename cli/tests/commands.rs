//! The commands on real disks, beside qemu-img.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::Folder;

const TYPES: [&str; 7] = [
    "monolithicSparse",
    "monolithicFlat",
    "twoGbMaxExtentSparse",
    "twoGbMaxExtentFlat",
    "vmfs",
    "vmfsThin",
    "streamOptimized",
];

#[test]
fn every_type_has_the_content_that_qemu_img_reads() {
    let folder = Folder::new();
    folder.raw("source.raw", 9 << 20, 1);
    for kind in TYPES {
        folder.vixen(&format!("convert source.raw {kind}.vmdk --type {kind}"));
        folder.other(&format!("qemu-img compare -f raw -F vmdk source.raw {kind}.vmdk"));
        assert_eq!(folder.vixen(&format!("compare {kind}.vmdk source.raw")), "equal\n");
        let info = folder.json(&format!("info {kind}.vmdk"));
        assert_eq!(info["type"], kind.replace("Thin", ""), "{info}");
        assert_eq!(info["capacity_sectors"], 18432);
    }
}

#[test]
fn images_of_other_programs_go_in_and_out() {
    let folder = Folder::new();
    folder.raw("source.raw", 7 << 20, 2);
    folder.other("qemu-img convert -f raw -O qcow2 -c source.raw in.qcow2");
    folder.vixen("convert in.qcow2 disk.vmdk");
    folder.other("qemu-img compare -f raw -F vmdk source.raw disk.vmdk");
    folder.vixen("convert disk.vmdk out.qcow2");
    folder.other("qemu-img check -f qcow2 out.qcow2");
    folder.other("qemu-img compare -f raw -F qcow2 source.raw out.qcow2");
    folder.vixen("convert out.qcow2 out.raw");
    assert!(
        std::fs::read(folder.join("source.raw")).unwrap() == std::fs::read(folder.join("out.raw")).unwrap()
    );
    for format in ["vpc", "vhdx"] {
        let name = format!("in.{}", if format == "vpc" { "vhd" } else { format });
        folder.other(&format!("qemu-img convert -f raw -O {format} source.raw {name}"));
        folder.vixen(&format!("convert {name} {format}.vmdk"));
        folder.vixen(&format!("compare {format}.vmdk source.raw"));
    }
    let sha = folder.other("sha256sum source.raw");
    assert_eq!(folder.vixen("hash disk.vmdk").split(' ').next(), sha.split(' ').next());
    assert_eq!(folder.vixen("hash out.qcow2").split(' ').next(), sha.split(' ').next());
}

#[test]
fn an_image_that_names_another_file_does_not_open_it() {
    let folder = Folder::new();
    folder.raw("base.raw", 1 << 20, 3);
    folder.other("qemu-img create -f qcow2 -b base.raw -F raw child.qcow2");
    let error = folder.fails(6, "convert child.qcow2 out.vmdk");
    assert!(error.contains("needs another file") && error.contains("try: qemu-img convert"), "{error}");
    // A raw file that looks like an image is what its name says.
    std::fs::copy(folder.join("child.qcow2"), folder.join("child.raw")).unwrap();
    folder.vixen("convert child.raw copy.vmdk");
    folder.other("qemu-img compare -f raw -F vmdk child.raw copy.vmdk");
}

#[test]
fn a_target_that_is_there_is_replaced_only_with_force_and_only_by_a_whole_copy() {
    let folder = Folder::new();
    folder.raw("source.raw", 2 << 20, 4);
    folder.vixen("convert source.raw disk.vmdk");
    for target in ["out.raw", "out.qcow2", "out.vmdk"] {
        folder.vixen(&format!("convert disk.vmdk {target}"));
        folder.fails(3, &format!("convert disk.vmdk {target}"));
        folder.vixen(&format!("convert disk.vmdk {target} --force"));
        std::fs::write(folder.join("broken.vmdk"), "no disk").unwrap();
        folder.fails(5, &format!("convert broken.vmdk {target} --force"));
        assert_eq!(folder.vixen(&format!("compare {target} source.raw")), "equal\n");
        assert!(!folder.join(&format!("{target}.partial")).exists());
    }
}

#[test]
fn a_disk_is_made_changed_and_described() {
    let folder = Folder::new();
    folder.vixen("create disk.vmdk 64M --adapter ide");
    folder.vixen("meta set disk.vmdk comment hello");
    assert_eq!(folder.vixen("meta get disk.vmdk comment"), "hello\n");
    assert!(folder.vixen("meta list disk.vmdk").contains("adapterType = ide\n"));
    let list = folder.json("meta list disk.vmdk");
    assert!(list.as_array().unwrap().iter().any(|entry| entry["key"] == "comment"));
    folder.fails(3, "meta get disk.vmdk nope");
    folder.vixen("grow disk.vmdk 80M");
    assert_eq!(folder.json("info disk.vmdk")["capacity_sectors"], 163_840);
    folder.vixen("shrink disk.vmdk");
    folder.vixen("defragment disk.vmdk");
    assert_eq!(folder.vixen("check disk.vmdk"), "sound\n");
    folder.vixen("snapshot disk.vmdk child.vmdk");
    folder.vixen("snapshot child.vmdk grandchild.vmdk --type twoGbMaxExtentSparse");
    let chain = folder.json("chain grandchild.vmdk");
    let types: Vec<_> = chain["links"].as_array().unwrap().iter().map(|link| link["type"].clone()).collect();
    assert_eq!(types, ["twoGbMaxExtentSparse", "monolithicSparse", "monolithicSparse"]);
    for pair in chain["links"].as_array().unwrap().windows(2) {
        assert_eq!(pair[0]["parent_cid"], pair[1]["cid"]);
    }
    assert!(chain["links"][2]["parent_cid"].is_null());
    let drawn = folder.vixen("chain grandchild.vmdk --single-link");
    assert!(drawn.contains("○ child.vmdk (not open)"), "{drawn}");
}

#[test]
fn the_map_is_what_qemu_img_says() {
    let folder = Folder::new();
    folder.raw("source.raw", 8 << 20, 5);
    folder.vixen("convert source.raw disk.vmdk");
    let map: serde_json::Value =
        serde_json::from_str(&folder.other("qemu-img map -f vmdk --output=json disk.vmdk")).unwrap();
    let data = map.as_array().unwrap().iter().filter(|run| run["data"] == true);
    let bytes: u64 = data.map(|run| run["length"].as_u64().unwrap()).sum();
    let ours = folder.json("map disk.vmdk");
    assert_eq!(ours["allocated_sectors"].as_u64().unwrap() * 512, bytes);
    let runs = ours["allocated"].as_array().unwrap();
    let sum: u64 = runs.iter().map(|run| run["sectors"].as_u64().unwrap()).sum();
    assert_eq!(sum * 512, bytes);
    folder.vixen("map disk.vmdk --svg map.svg");
    let svg = std::fs::read_to_string(folder.join("map.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.matches("<title>").count() > 1000);
}

#[test]
fn damage_is_told_and_repaired() {
    let folder = Folder::new();
    folder.raw("source.raw", 4 << 20, 6);
    folder.vixen("convert source.raw disk.vmdk");
    let mut bytes = std::fs::read(folder.join("disk.vmdk")).unwrap();
    // The sector of the redundant directory, which stands at byte 48 of the header.
    let directory = u64::from_le_bytes(bytes[48..56].try_into().unwrap()) as usize * 512;
    bytes[directory..directory + 4].copy_from_slice(&[0xFF; 4]);
    std::fs::write(folder.join("disk.vmdk"), bytes).unwrap();
    let ended = folder.run("check disk.vmdk");
    assert_eq!(ended.code, 1);
    assert!(ended.out.contains("damaged: 1 findings"), "{}", ended.out);
    assert!(folder.vixen("check disk.vmdk --repair").contains("repaired"));
    assert_eq!(folder.vixen("check disk.vmdk"), "sound\n");
    folder.vixen("compare disk.vmdk source.raw");
}

#[test]
fn differences_are_counted_and_the_first_is_named() {
    let folder = Folder::new();
    let mut content = folder.raw("one.raw", 3 << 20, 7);
    content[1_000_000] ^= 1;
    content[2_000_000] ^= 1;
    std::fs::write(folder.join("two.raw"), &content).unwrap();
    let ended = folder.run("compare one.raw two.raw");
    assert_eq!(ended.code, 1);
    assert_eq!(ended.out, "different: 1 KiB in 2 sectors, the first is sector 1953\n");
    content[1_000_000] ^= 1;
    content[2_000_000] ^= 1;
    content.extend([0; 512]);
    std::fs::write(folder.join("two.raw"), &content).unwrap();
    assert!(folder.vixen("compare one.raw two.raw").ends_with("equal\n"));
    folder.fails(1, "compare one.raw two.raw --strict");
}

#[test]
fn a_dump_shows_what_is_there() {
    let folder = Folder::new();
    let mut content = vec![0; 2048];
    content[512..520].copy_from_slice(b"\x00\x1b[31mab");
    std::fs::write(folder.join("a.raw"), content).unwrap();
    let text = folder.vixen("dump a.raw -s 1");
    let first = "000000000200 00 1b 5b 33 31 6d 61 62  00 00 00 00 00 00 00 00 |..[31mab........|";
    assert_eq!(text.lines().next().unwrap(), first);
    assert_eq!(text.lines().count(), 4, "{text}");
    folder.fails(2, "dump a.raw -s 4");
    assert_eq!(folder.json("dump a.raw -s 1")[0]["sector"], 1);
}

#[test]
fn errors_say_what_where_why_and_what_to_do() {
    let folder = Folder::new();
    let error = folder.fails(3, "info nope.vmdk");
    assert!(
        error.starts_with("vixen: ") && error.contains("nope.vmdk") && error.contains("\n  try: "),
        "{error}"
    );
    folder.fails(2, "create a.vmdk 513");
    folder.fails(2, "frobnicate");
    let error = folder.fails(2, "info a.vmdk --server host --user me --vm vm-1");
    assert!(error.contains("--password-file"), "{error}");
    // The password is for nobody to see.
    let output = folder.command("info a.vmdk --server host.invalid --user me --vm vm-1 -vv");
    let output = { output }.env("VIXEN_PASSWORD", "secret-word").output().unwrap();
    assert!(!output.status.success());
    assert!(!String::from_utf8_lossy(&output.stderr).contains("secret-word"));
}

#[test]
fn nothing_is_coloured_or_wider_than_a_screen_when_it_is_piped() {
    let folder = Folder::new();
    folder.raw("source.raw", 8 << 20, 8);
    folder.vixen("convert source.raw disk.vmdk");
    folder.vixen("snapshot disk.vmdk child.vmdk");
    for line in ["map disk.vmdk --picture", "chain child.vmdk", "doctor disk.vmdk", "map disk.vmdk"] {
        let text = folder.vixen(line);
        assert!(!text.contains('\x1b'), "{line}: {text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{line}: {text}");
    }
}

#[test]
fn completions_and_manual_pages_are_made() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(folder.vixen(&format!("completions {shell}")).contains("defragment"));
    }
    std::fs::create_dir(folder.join("man")).unwrap();
    folder.vixen("man man");
    let page = std::fs::read_to_string(folder.join("man/vixen-convert.1")).unwrap();
    assert!(page.contains(".SH SYNOPSIS") && page.contains("vixen convert"), "{page}");
    assert!(folder.join("man/vixen.1").exists());
}

#[test]
fn the_doctor_tells_of_a_library_that_is_not_whole() {
    let folder = Folder::new();
    std::fs::create_dir(folder.join("lib64")).unwrap();
    std::fs::write(folder.join("lib64/libvixDiskLib.so"), "text").unwrap();
    let ended = folder.run("doctor --library lib64");
    assert_eq!(ended.code, 1);
    assert!(
        ended.out.contains("library files  FAILED") && ended.out.contains("\nTo do    "),
        "{}",
        ended.out
    );
    let stages = folder.json("doctor");
    assert!(stages.as_array().unwrap().iter().any(|stage| stage["stage"] == "open files"));
}
