//! The text of descriptors: what real products and other tools write.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::common::*;
use crate::generate::{Sparse, descriptor, linked, random};
use crate::{beside, content, disk, open, refused};
use vixDiskLib::error::Kind;
use vixDiskLib::session::{DiskKind, manage};

/// A text must be a disk with the content of the file `data`; qemu-img is asked when it reads such a text rightly.
fn reads(path: &Path, text: impl AsRef<[u8]>, data: &[u8], ask_qemu: bool) {
    fs::write(path, text.as_ref()).unwrap();
    let shown = String::from_utf8_lossy(&text.as_ref()[..text.as_ref().len().min(400)]).into_owned();
    assert!(content(path) == data, "{shown}");
    if ask_qemu {
        assert!(qemu_content(path) == data, "{shown}");
    }
}

/// Trap 9: names with blanks.
#[test]
fn quotes_delimit_names() {
    let (_folder, path) = disk();
    let data = random(1, 16);
    for name in ["a b.vmdk", " leading", "trailing ", "many   blanks  in it", "tab\tin it", "a 0", "\u{2003}"]
    {
        beside(&path, name, &data);
        reads(&path, descriptor(&format!("RW 16 FLAT \"{name}\" 0")), &data, true);
        let extent = Sparse::new(16).data(0, &data);
        extent.write(&path.with_file_name(name));
        let text = descriptor(&format!("RW 16 SPARSE \"{name}\""));
        reads(&path, text.replace("monolithicSparse", "twoGbMaxExtentSparse"), &data, true);
    }
}

/// Trap 10: descriptors longer than 2 KiB, than 20 sectors, than 1100 lines.
#[test]
fn long_descriptors_are_read_to_their_end() {
    let (_folder, path) = disk();
    let data = random(1, 3000);
    beside(&path, "data", &data);
    let extents: Vec<String> = (0..3000).rev().map(|sector| format!("RW 1 FLAT \"data\" {sector}")).collect();
    let reversed: Vec<u8> = data.chunks(SECTOR).rev().flatten().copied().collect();
    reads(&path, descriptor(&extents.join("\n")), &reversed, true);
    // What counts comes last.
    let filler = "# a comment that makes the text long\n".repeat(5000);
    let keys: String = (0..3000).map(|number| format!("ddb.key{number} = \"{number}\"\n")).collect();
    let text = format!("{filler}{keys}{}", descriptor("RW 3000 FLAT \"data\" 0"));
    assert!(text.len() > 200 << 10);
    reads(&path, text, &data, false);
    let open = Open::writable(&path);
    assert_eq!(open.disk.metadata(b"key2999").unwrap(), b"2999");
    assert_eq!(open.disk.metadata_keys().unwrap().len(), 3002);
    open.disk.write(5, &[1; SECTOR]).unwrap();
    open.close();
    assert!(fs::read_to_string(&path).unwrap().starts_with(&filler), "it is written back as it was");
}

/// Trap 11: versions of the descriptor. Those of the extent are in `sparse`.
#[test]
fn descriptor_versions_1_to_3_are_read_and_no_others() {
    let (_folder, path) = disk();
    let data = random(1, 16);
    beside(&path, "data", &data);
    let usual = descriptor("RW 16 FLAT \"data\" 0");
    for version in ["version=1", "version=2", "version=3", "VERSION = \"3\"", ""] {
        reads(&path, usual.replace("version=1", version), &data, false);
    }
    for version in ["version=0", "version=4", "version=99999999999"] {
        fs::write(&path, usual.replace("version=1", version)).unwrap();
        refused(&path, Kind::UnsupportedVersion);
    }
    for version in ["version=", "version=one", "version=-1", "version=1.0"] {
        fs::write(&path, usual.replace("version=1", version)).unwrap();
        refused(&path, Kind::InvalidDisk);
    }
    let tracked = usual.replace("version=1", "version=3") + "changeTrackPath=\"disk-ctk.vmdk\"\n";
    reads(&path, tracked, &data, false);
    for key in ["keyID=\"a\"", "encryptionKeys=\"vmware:key/list/(pair/(..))\""] {
        fs::write(&path, format!("{usual}{key}\n")).unwrap();
        refused(&path, Kind::NeedsKey);
    }
}

/// Traps 50 and 56: blank lines before extents, and comments that look like keys or extents.
#[test]
fn blank_lines_count_for_nothing_and_comments_are_no_keys() {
    let (_folder, path) = disk();
    let data = random(1, 16);
    beside(&path, "data", &data);
    let usual = descriptor("RW 16 FLAT \"data\" 0");
    for (from, to) in [
        ("RW 16", "\nRW 16"),
        ("RW 16", "\n\n \t\n\nRW 16"),
        ("# Disk", "\n\n\n# Disk"),
        ("# Disk DescriptorFile\n", "\n"),
        ("version=1", "#parentCID=00000001\n# CID=xyz\n  # version=9\nversion=1"),
        ("RW 16", "# RW 16 FLAT \"data\" 0\n#RW 99 FLAT \"other\" 0\nRW 16"),
        ("ddb.virtual", "# ddb.adapterType = \"ide\"\nddb.virtual"),
    ] {
        reads(&path, usual.replacen(from, to, 1), &data, false);
        let open = open(&path);
        assert_eq!(open.disk.metadata(b"adapterType").unwrap(), b"lsilogic");
        open.close();
    }
}

/// Trap 57: keys, accesses, types and the label in any case.
#[test]
fn case_does_not_matter() {
    let (_folder, path) = disk();
    let data = random(1, 16);
    for name in ["DATA", "data"] {
        beside(&path, name, &data);
    }
    let usual = descriptor("RW 16 FLAT \"data\" 0");
    for text in [usual.to_uppercase(), usual.to_lowercase(), usual.replace("FLAT", "fLaT")] {
        reads(&path, text, &data, false);
        let open = open(&path);
        let adapter = open.disk.metadata(b"ADAPTERtype").unwrap();
        assert!(adapter.eq_ignore_ascii_case(b"lsilogic"));
        assert_eq!(open.disk.info().unwrap().adapter, vixDiskLib::session::Adapter::LsiLogic);
        open.close();
    }
    // Parents too.
    let child = path.with_file_name("child.vmdk");
    let text = linked(7, Some((0xfeed_beef, "disk.vmdk")), "RW 16 SPARSE \"grains\"");
    Sparse::new(16).write(&path.with_file_name("grains"));
    let text = text.replace("parentFileNameHint", "PARENTFILENAMEHINT").replace("parentCID", "PaReNtCiD");
    fs::write(&child, text).unwrap();
    assert!(content(&child) == data);
}

/// Code pages, a name in each, and the same in UTF-8.
const CODE_PAGES: [(&str, &[u8], &str); 8] = [
    ("windows-1252", b"Ger\xe4t \x80.vmdk", "Ger\u{e4}t \u{20ac}.vmdk"),
    ("windows-1251", b"\xc4\xe8\xf1\xea.vmdk", "\u{414}\u{438}\u{441}\u{43a}.vmdk"),
    ("Shift_JIS", b"\x93\xfa\x96\x7b.vmdk", "\u{65e5}\u{672c}.vmdk"),
    // Second bytes that are a backslash, a vertical bar and a tilde elsewhere.
    ("Shift_JIS", b"\x95\x5c\x83\x7c\x83\x7e.vmdk", "\u{8868}\u{30dd}\u{30df}.vmdk"),
    ("GBK", b"\xd6\xd0\xce\xc4.vmdk", "\u{4e2d}\u{6587}.vmdk"),
    ("gb18030", b"\xd6\xd0\xce\xc4.vmdk", "\u{4e2d}\u{6587}.vmdk"),
    ("Big5", b"\xa4\xa4\xa4\xe5\xa5\x5c.vmdk", "\u{4e2d}\u{6587}\u{529f}.vmdk"),
    ("EUC-KR", b"\xb5\xf0\xbd\xba\xc5\xa9.vmdk", "\u{b514}\u{c2a4}\u{d06c}.vmdk"),
];

/// A text with a name instead of its `@`, in a code page.
fn in_code_page(text: &str, encoding: &str, name: &[u8]) -> Vec<u8> {
    let text = text.replace("encoding=\"UTF-8\"", &format!("encoding=\"{encoding}\""));
    let (before, after) = text.split_once('@').unwrap();
    [before.as_bytes(), name, after.as_bytes()].concat()
}

/// Trap 58: an extent in a descriptor in the code page of the machine that wrote it.
#[test]
fn extents_in_other_code_pages_are_found() {
    for (encoding, raw, utf8) in CODE_PAGES {
        let (_folder, path) = disk();
        let text = in_code_page(&descriptor("RW 16 FLAT \"@\" 0"), encoding, raw);
        let (in_utf8, as_it_stands) =
            (path.with_file_name(utf8), path.with_file_name(OsStr::from_bytes(raw)));
        fs::write(&path, &text).unwrap();
        refused(&path, Kind::FileNotFound);
        fs::write(&in_utf8, random(1, 16)).unwrap();
        assert!(content(&path) == random(1, 16), "{encoding}");
        // Where both are, the one that stands in the descriptor is meant.
        fs::write(&as_it_stands, random(2, 16)).unwrap();
        assert!(content(&path) == random(2, 16), "{encoding}");
        fs::remove_file(&in_utf8).unwrap();
        assert!(content(&path) == random(2, 16), "{encoding}");
    }
    // A code page that nobody knows, and bytes that it does not have.
    let (_folder, path) = disk();
    for (encoding, raw) in [("x-unheard-of", b"\xe4".as_slice()), ("Shift_JIS", b"\x95"), ("UTF-8", b"\xe4")]
    {
        fs::write(&path, in_code_page(&descriptor("RW 16 FLAT \"@\" 0"), encoding, raw)).unwrap();
        refused(&path, Kind::FileNotFound);
        let file = path.with_file_name(OsStr::from_bytes(raw));
        fs::write(&file, random(3, 16)).unwrap();
        assert!(content(&path) == random(3, 16), "{encoding}");
        fs::remove_file(file).unwrap();
    }
}

/// Trap 58: a parent in such a descriptor, by its name and by a path of Windows.
#[test]
fn parents_in_other_code_pages_are_found() {
    for (encoding, raw, utf8) in CODE_PAGES {
        let (_folder, path) = disk();
        let base = random(3, 16);
        for name in [OsStr::new(utf8), OsStr::from_bytes(raw)] {
            let file = path.with_file_name(name);
            let text = linked(7, None, "RW 16 SPARSE \"x\"");
            Sparse::new(16).descriptor(text, 20).data(0, &base).write(&file);
            for folder in [b"".as_slice(), b"C:\\vm\\", b"..\\other\\", b"/vmfs/volumes/1/"] {
                let hint = [folder, raw].concat();
                let text = linked(7, Some((7, "@")), "RW 16 SPARSE \"disk.vmdk\"");
                Sparse::new(16).descriptor(in_code_page(&text, encoding, &hint), 20).write(&path);
                assert!(content(&path) == base, "{encoding} {}", hint.escape_ascii());
            }
            fs::remove_file(file).unwrap();
        }
    }
}

/// Trap 58: renaming and deleting find such files too, and the text stays in its code page.
#[test]
fn disks_of_other_code_pages_are_renamed_and_deleted() {
    let (folder, path) = disk();
    let data = random(1, 16);
    let extent = beside(&path, "Ger\u{e4}t-flat.vmdk", &data);
    let old = path.with_file_name("Ger\u{e4}t.vmdk");
    let text = in_code_page(&descriptor("RW 16 FLAT \"Ger@t-flat.vmdk\" 0"), "windows-1252", b"\xe4");
    fs::write(&old, text).unwrap();
    let new = path.with_file_name("\u{d6}l \u{65e5}.vmdk");
    connection();
    manage::rename(&old, &new).unwrap();
    assert!(content(&new) == data && !extent.exists() && !old.exists());
    let again = path.with_file_name("\u{d6}l.vmdk");
    manage::rename(&new, &again).unwrap();
    assert!(content(&again) == data);
    let text = fs::read(&again).unwrap();
    assert!(text.windows(7).any(|part| part == b"\"\xd6l-fla"), "{}", text.escape_ascii());
    manage::unlink(connection(), &again).unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

/// Trap 59: characters in names that mean something elsewhere.
#[test]
fn names_are_taken_as_they_stand() {
    let (_folder, path) = disk();
    let data = random(1, 16);
    let names = [
        "100%25 full",
        "%2e%2e",
        "a+b&c=d",
        "$HOME",
        "~",
        "\u{65e5}\u{672c}",
        "e\u{301}",
        "*",
        "a;b|c",
        "\\",
        "-",
    ];
    for name in names {
        beside(&path, name, &data);
        reads(&path, descriptor(&format!("RW 16 FLAT \"{name}\" 0")), &data, true);
        fs::remove_file(path.with_file_name(name)).unwrap();
        refused(&path, Kind::FileNotFound);
    }
}

/// Trap 63: keys that one program adds for itself break others.
#[test]
fn a_new_disk_has_common_keys_only() {
    let common: [&[u8]; 8] = [
        b"adapterType",
        b"geometry.cylinders",
        b"geometry.heads",
        b"geometry.sectors",
        b"longContentID",
        b"thinProvisioned",
        b"uuid",
        b"virtualHWVersion",
    ];
    let others = [DiskKind::VmfsFlat, DiskKind::VmfsThin, DiskKind::StreamOptimized];
    for kind in KINDS.into_iter().chain(others) {
        let (_folder, path) = disk();
        create(&path, kind, 3000);
        let open = open(&path);
        let keys = open.disk.metadata_keys().unwrap();
        open.close();
        assert!(keys.len() >= 7, "{kind:?}");
        assert!(keys.iter().all(|key| common.contains(&key.as_slice())), "{kind:?} {keys:?}");
    }
}

/// Trap 65: numbers with more than 47 or 53 bits.
#[test]
fn sizes_have_63_bits() {
    let (_folder, path) = disk();
    let data = random(1, 16);
    beside(&path, "data", &data);
    for gap in [(1u64 << 38) + 1, (1 << 47) + 1, (1 << 53) + 1, (1 << 54) - 17] {
        fs::write(&path, descriptor(&format!("RW {gap} ZERO\nRW 16 FLAT \"data\" 0"))).unwrap();
        let open = open(&path);
        assert_eq!(open.sectors(), gap + 16);
        assert!(open.read(gap, 16) == data);
        let blocks = open.disk.allocated_blocks(0, gap + 16, 1 << 20).unwrap();
        assert!(blocks.iter().all(|block| block.start + block.sectors > gap) && blocks.len() <= 2);
        open.close();
    }
    // 64 bits of bytes are the end.
    fs::write(&path, descriptor(&format!("RW {} ZERO\nRW 16 FLAT \"data\" 0", (1u64 << 54) - 16))).unwrap();
    refused(&path, Kind::InvalidDisk);
}

/// Trap 73: content ids with fewer digits, in capitals, in decimal.
#[test]
fn content_ids_are_numbers_however_they_are_spelt() {
    let (_folder, path) = disk();
    let data = random(1, 16);
    let child = path.with_file_name("child.vmdk");
    beside(&path, "data", &data);
    for (of_parent, in_child) in [
        ("0000001a", "1a"),
        ("1A", "0000001a"),
        ("\"1a\"", " 1A  "),
        ("deadbeef", "DEADBEEF"),
        ("3735928559", "deadbeef"),
        ("fffffffe", "4294967294"),
        ("0", "00000000"),
    ] {
        let base = descriptor("RW 16 FLAT \"data\" 0").replace("CID=feedbeef", &format!("CID={of_parent}"));
        fs::write(&path, base).unwrap();
        let text = linked(7, Some((1, "disk.vmdk")), "RW 16 SPARSE \"child.vmdk\"");
        let text = text.replace("parentCID=00000001", &format!("parentCID={in_child}"));
        Sparse::new(16).descriptor(text, 20).write(&child);
        assert!(content(&child) == data, "{of_parent} {in_child}");
    }
    for none in ["FFFFFFFF", "ffffffff ", "4294967295", "\"ffffffff\""] {
        let text = descriptor("RW 16 FLAT \"data\" 0");
        reads(&path, text.replace("parentCID=ffffffff", &format!("parentCID={none}")), &data, false);
    }
    for bad in ["", "xyz", "-1", "123456789a", "99999999999", "1 2", "0x1a"] {
        let text = descriptor("RW 16 FLAT \"data\" 0").replace("CID=feedbeef", &format!("CID={bad}"));
        fs::write(&path, text).unwrap();
        refused(&path, Kind::InvalidDisk);
    }
}

/// A usual text with each deviation that is known of real files.
fn deviations(usual: &str) -> Vec<(&'static str, String)> {
    let replace = |from: &str, to: &str| usual.replace(from, to);
    let long: String = (0..1500).map(|n| format!("ddb.k{n} = \"v\"\n")).collect();
    vec![
        ("blanks at line ends", replace("\n", "  \t\n")),
        ("no prefix", replace("ddb.", "").replace("# The Disk Data Base \n#DDB\n", "")),
        ("first line", replace("# Disk DescriptorFile", "# Disk Descriptor File")),
        ("first line", replace("# Disk DescriptorFile", "#Disk DescriptorFile")),
        (
            "first line",
            replace("# Disk DescriptorFile", "# Description file created by VMDK stream converter"),
        ),
        ("no first line", replace("# Disk DescriptorFile\n", "")),
        ("CRLF", replace("\n", "\r\n")),
        ("mixed line ends", replace("\nCID", "\r\nCID")),
        ("no final line end", usual.trim_end().to_owned()),
        ("NUL to the end of a sector", format!("{usual}{}", "\0".repeat(512))),
        ("garbage behind the NUL", format!("{usual}\0CID=xyz\nRW what\n")),
        ("byte order mark", format!("\u{feff}{usual}")),
        ("byte order mark and CRLF", format!("\u{feff}{}", replace("\n", "\r\n"))),
        ("blank lines", replace("\n", "\n\n")),
        ("tabs", replace("RW 16 FLAT ", "\tRW\t 16  \tFLAT\t")),
        ("blanks in front", replace("\n", "\n   ")),
        ("blanks round =", replace("=", "  =\t")),
        ("many lines", format!("{usual}{long}")),
        ("a comment in the database", replace("ddb.virtual", "# more\nddb.virtual")),
        ("the database of VirtualBox", replace("# The Disk Data Base ", "# The disk Data Base")),
        ("empty long content id", format!("{usual}ddb.longContentID = \"\"\n")),
        ("no content id", replace("CID=feedbeef\n", "").replace("parentCID=ffffffff\n", "")),
        ("no label", replace("createType=\"monolithicFlat\"\n", "")),
        ("a label of the future", replace("monolithicFlat", "whatComesNext")),
        ("keys of the future", format!("{usual}newKey=\"x\"\nddb.new.key = \"x\"\nno key at all\n")),
        ("database first", {
            let (header, database) = usual.split_once("# The Disk").unwrap();
            format!("#DDB\nddb.x = \"1\"\n# The Disk{database}{header}")
        }),
        ("the hardest", {
            let text = replace("=", " = ").replace("ddb.", "").replace("\n", " \r\n\r\n").to_uppercase();
            format!("\u{feff}\r\n{}", text.replace("DATA\"", "data\""))
        }),
    ]
}

/// The disk has its content and its database, before and after a write and a change of the text.
fn keeps_its_content(path: &Path, data: &[u8], what: &str) {
    let check = || {
        let open = open(path);
        assert!(open.read_all() == data, "{what}");
        assert!(open.disk.metadata(b"adapterType").unwrap().eq_ignore_ascii_case(b"lsilogic"), "{what}");
        assert_eq!(open.disk.metadata(b"virtualHWVersion").unwrap(), b"4", "{what}");
        open.close();
    };
    check();
    let open = Open::writable(path);
    open.disk.write(0, &data[..SECTOR]).unwrap();
    open.disk.set_metadata(b"note", b"n").unwrap();
    open.close();
    check();
}

/// Every deviation, in a text of its own and inside an extent.
#[test]
fn deviations_of_real_files_are_read() {
    let (_folder, path) = disk();
    let data = random(1, 16);
    beside(&path, "data", &data);
    for (what, text) in deviations(&descriptor("RW 16 FLAT \"data\" 0")) {
        fs::write(&path, &text).unwrap();
        keeps_its_content(&path, &data, what);
        let inside = path.with_file_name("inside.vmdk");
        let sectors = (text.len() as u64).div_ceil(512) + 2;
        Sparse::new(16).descriptor(text.replace("FLAT", "SPARSE"), sectors).data(0, &data).write(&inside);
        keeps_its_content(&inside, &data, what);
    }
}

/// A text as a server exports it: one sector, no prefixes, keys that nobody knows.
#[test]
fn a_database_without_prefixes_is_a_database() {
    let (_folder, path) = disk();
    let text = "# Disk DescriptorFile\nversion=1 \nCID=6b53244c \nparentCID=ffffffff \n\
        createType=\"monolithicSparse\"\n\n# Extent description\nRDONLY 16 SPARSE \"generated.vmdk\"\n\n#DDB\n\n\
        adapterType = \"lsilogic\"\ngeometry.cylinders = \"50\"\nnfcSourceCID = \"fffffffe\"\n\
        fcd.uuid = \"60 00\"\nencoding = \"UTF-8\"\n";
    Sparse::new(16).descriptor(text, 1).write(&path);
    let open = open(&path);
    assert_eq!(open.disk.info().unwrap().geometry.cylinders, 50);
    assert_eq!(open.disk.metadata(b"nfcSourceCID").unwrap(), b"fffffffe");
    assert_eq!(open.disk.metadata(b"fcd.uuid").unwrap(), b"60 00");
    assert_eq!(open.disk.metadata_keys().unwrap().len(), 4);
    open.close();
    let open = Open::with(&path, crate::WRITABLE).unwrap();
    assert_eq!(open.disk.write(0, &[0; SECTOR]).unwrap_err().kind(), Kind::ReadOnly);
    open.close();
}
