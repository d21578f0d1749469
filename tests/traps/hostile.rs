//! Images that are made to do harm: names that lead elsewhere, numbers that break things, sizes that take all memory.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::common::*;
use crate::generate::{Image, Sparse, descriptor, field, linked, random};
use crate::{READ_ONLY, WRITABLE, beside, content, disk, error_of, refused};
use vixDiskLib::disk::open::Options;
use vixDiskLib::error::Kind;
use vixDiskLib::io::Files;
use vixDiskLib::io::local::LocalFiles;

/// Most memory that a process may have taken for opening, describing and mapping any of these images, in KiB.
const MAX_MEMORY_KIB: u64 = 160 << 10;

fn flat(name: &str) -> String {
    descriptor(&format!("RW 8 FLAT \"{name}\" 0"))
}

/// Trap 44: names that lead out of the disk's folder.
#[test]
fn names_cannot_leave_the_folder_of_the_disk() {
    let outer = tempfile::tempdir().unwrap();
    let inner = in_folder(&outer, "disks");
    fs::create_dir_all(inner.join("sub")).unwrap();
    let path = inner.join("disk.vmdk");
    let secret = in_folder(&outer, "secret");
    fs::write(&secret, random(1, 8)).unwrap();
    fs::write(inner.join("sub/data"), random(2, 8)).unwrap();
    let outside = [
        "../secret",
        "sub/../../secret",
        "./../secret",
        text(&secret),
        "/etc/passwd",
        "/proc/self/environ",
        "/proc/self/cwd/secret",
        "/dev/zero",
        "/dev/null",
        "/dev/sda",
        "..",
        "/",
    ];
    for name in outside {
        for text in [flat(name), flat(name).replace("FLAT", "VMFS"), flat(name).replace("FLAT", "SPARSE")] {
            fs::write(&path, text).unwrap();
            let told = refused(&path, Kind::BadName);
            assert!(told.contains("allowOutsideFolder") || told.contains("allowDevices"), "{told}");
        }
        // Nor by the name of a parent, of which only the last part is looked for beside the child.
        let child = linked(7, Some((7, name)), "RW 8 SPARSE \"x\"");
        Sparse::new(8).descriptor(child, 20).write(&path);
        refused(&path, Kind::OpenParent);
    }
    // Not even when that file is a disk.
    fs::rename(&secret, in_folder(&outer, "extent")).unwrap();
    fs::write(&secret, linked(7, None, "RW 8 FLAT \"extent\" 0")).unwrap();
    for hint in ["../secret", text(&secret)] {
        let child = linked(7, Some((7, hint)), "RW 8 SPARSE \"x\"");
        Sparse::new(8).descriptor(child, 20).write(&path);
        refused(&path, Kind::OpenParent);
    }
    // Below the folder is inside, also by an absolute name.
    for name in ["sub/data", "./sub//data", text(&inner.join("sub/data"))] {
        fs::write(&path, flat(name)).unwrap();
        assert!(content(&path) == random(2, 8), "{name}");
    }
    // Where the configuration allows it, it works.
    fs::write(&path, flat("../extent")).unwrap();
    let lax: Arc<dyn Files> = Arc::new(LocalFiles { allow_outside_folder: true, ..LocalFiles::default() });
    let options = Options { read_only: true, ..Options::default() };
    let disk = vixDiskLib::disk::open::open(&lax, &path, options).unwrap();
    let mut read = vec![0; 8 * SECTOR];
    disk.read(0, &mut read).unwrap();
    assert!(read == random(1, 8));
}

/// Trap 45: symbolic links are followed inside the folder only.
#[test]
fn symbolic_links_cannot_leave_the_folder() {
    let outer = tempfile::tempdir().unwrap();
    let inner = in_folder(&outer, "disks");
    fs::create_dir(&inner).unwrap();
    let path = inner.join("disk.vmdk");
    fs::write(in_folder(&outer, "secret"), random(1, 8)).unwrap();
    fs::write(inner.join("data"), random(2, 8)).unwrap();
    let targets: [(&str, &Path); 5] = [
        ("relative", Path::new("../secret")),
        ("absolute", &in_folder(&outer, "secret")),
        ("passwd", Path::new("/etc/passwd")),
        ("device", Path::new("/dev/zero")),
        ("magic", Path::new("/proc/self/fd/0")),
    ];
    for (name, target) in targets {
        symlink(target, inner.join(name)).unwrap();
        fs::write(&path, flat(name)).unwrap();
        refused(&path, Kind::BadName);
    }
    symlink("..", inner.join("up")).unwrap();
    fs::write(&path, flat("up/secret")).unwrap();
    refused(&path, Kind::BadName);
    symlink("data", inner.join("near")).unwrap();
    fs::write(&path, flat("near")).unwrap();
    assert!(content(&path) == random(2, 8));
    symlink("loop", inner.join("loop")).unwrap();
    fs::write(&path, flat("loop")).unwrap();
    error_of(&path, READ_ONLY);
    error_of(&path, WRITABLE);
}

/// Trap 46: names that other programs take for a protocol or a format.
#[test]
fn names_are_names_of_files_and_nothing_else() {
    let (_folder, path) = disk();
    for name in [
        "nbd://localhost:10809/x",
        "http://localhost/x",
        "file:///etc/passwd",
        "file:data",
        "json:{}",
        "json:{'driver':'raw','file':'/etc/passwd'}",
        "fat:rw:/etc",
        "host_device:/dev/zero",
        "\\\\.\\PhysicalDrive0",
        "C:\\Windows\\x",
        "|id",
        "$(id)",
    ] {
        beside(&path, "data", random(1, 8));
        fs::write(&path, flat(name)).unwrap();
        let told = refused(&path, Kind::FileNotFound);
        assert!(told.contains(&name[name.len() - 2..]), "{told}");
        // And where there is a file of this name, that is it.
        let file = path.with_file_name(name);
        if fs::create_dir_all(file.parent().unwrap()).is_ok() && !name.starts_with('/') {
            fs::write(&file, random(2, 8)).unwrap();
            assert!(content(&path) == random(2, 8), "{name}");
        }
    }
}

/// Trap 47: a NUL in a name ends the text; a quote that is not closed ends nothing.
#[test]
fn names_without_an_end_are_refused() {
    let (_folder, path) = disk();
    beside(&path, "data", random(1, 8));
    let names = ["da\0ta", "data\0", "\0"];
    for text in names.map(flat).into_iter().chain([
        descriptor("RW 8 FLAT \"data"),
        descriptor("RW 8 FLAT \"data 0\nRW 8 ZERO"),
        descriptor("RW 8 FLAT data 0"),
        descriptor("RW 8 FLAT 'data' 0"),
        descriptor("RW 8 FLAT \"\" 0"),
        descriptor("RW 8 FLAT"),
        descriptor("RW 8 FLAT \""),
    ]) {
        fs::write(&path, &text).unwrap();
        refused(&path, Kind::InvalidDisk);
        Sparse::new(8).descriptor(text, 20).write(&path);
        refused(&path, Kind::InvalidDisk);
    }
    // Longer than any file name.
    for length in [256, 5000, 1 << 20] {
        fs::write(&path, flat(&"n".repeat(length))).unwrap();
        refused(&path, Kind::BadName);
    }
}

/// Trap 48: a descriptor that is its own extent, by any of its names.
#[test]
fn a_descriptor_is_no_extent_of_itself() {
    let (folder, path) = disk();
    let (hard, soft) = (in_folder(&folder, "hard"), in_folder(&folder, "soft"));
    for name in ["disk.vmdk", "./disk.vmdk", ".//./disk.vmdk", text(&path), "hard", "soft"] {
        for kind in ["FLAT", "VMFS", "SPARSE"] {
            for line in [format!("RW 1 {kind} \"{name}\""), format!("RW 1 ZERO\nRW 1 {kind} \"{name}\"")] {
                fs::write(&path, descriptor(&line)).unwrap();
                let _ = (fs::remove_file(&hard), fs::remove_file(&soft));
                fs::hard_link(&path, &hard).unwrap();
                symlink("disk.vmdk", &soft).unwrap();
                let told = refused(&path, Kind::InvalidDisk);
                assert!(told.contains("names itself") || told.contains("two"), "{told}");
            }
        }
    }
    // A monolithic file as its own second extent.
    let text = descriptor("RW 200 SPARSE \"disk.vmdk\"\nRW 200 SPARSE \"disk.vmdk\"");
    Sparse::new(200).descriptor(text, 20).write(&path);
    refused(&path, Kind::InvalidDisk);
}

/// Trap 49: sizes that are no sizes.
#[test]
fn impossible_sizes_are_refused() {
    let (_folder, path) = disk();
    beside(&path, "data", random(1, 8));
    for size in
        ["-8", "0", "+8", "0x8", "8.0", "8e3", "", "eight", "18446744073709551616", "99999999999999999999"]
    {
        fs::write(&path, descriptor(&format!("RW {size} FLAT \"data\" 0"))).unwrap();
        refused(&path, Kind::InvalidDisk);
    }
    for size in ["18446744073709551615", "9223372036854775808", "36028797018963968", "9"] {
        fs::write(&path, descriptor(&format!("RW {size} FLAT \"data\" 0"))).unwrap();
        refused(&path, Kind::InvalidDisk);
        fs::write(&path, descriptor(&format!("RW 8 FLAT \"data\" 0\nRW {size} FLAT \"data\" 0"))).unwrap();
        refused(&path, Kind::InvalidDisk);
    }
    // The sum overflows, though no summand does.
    for lines in [
        "RW 18446744073709551608 ZERO\nRW 8 FLAT \"data\" 0",
        "RW 9007199254740992 ZERO\nRW 9007199254740992 ZERO",
    ] {
        fs::write(&path, descriptor(lines)).unwrap();
        refused(&path, Kind::InvalidDisk);
    }
    for extents in ["", "RW", "RW 8", "RW 8 WHAT \"data\"", "RW 8 ZERO\nRW 8 WHAT \"data\""] {
        fs::write(&path, descriptor(extents)).unwrap();
        refused(&path, Kind::InvalidDisk);
    }
}

/// Devices, FIFOs, sockets and folders are no disks, no extents and no parents; none of them makes an open wait.
#[test]
fn only_ordinary_files_are_opened() {
    let (folder, path) = disk();
    let fifo = in_folder(&folder, "fifo");
    let name = CString::new(fifo.as_os_str().as_bytes()).unwrap();
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success() && !name.is_empty());
    fs::create_dir(in_folder(&folder, "folder")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(in_folder(&folder, "socket")).unwrap();
    for name in ["fifo", "folder", "socket", "."] {
        let own = in_folder(&folder, name);
        error_of(&own, READ_ONLY);
        error_of(&own, WRITABLE);
        for kind in ["FLAT", "VMFS", "SPARSE"] {
            fs::write(&path, flat(name).replace("FLAT", kind)).unwrap();
            error_of(&path, READ_ONLY);
            error_of(&path, WRITABLE);
        }
        let child = linked(7, Some((7, name)), "RW 8 SPARSE \"x\"");
        Sparse::new(8).descriptor(child, 20).write(&path);
        refused(&path, Kind::OpenParent);
    }
    for device in ["/dev/null", "/dev/zero", "/dev/tty", "/dev/random"] {
        error_of(Path::new(device), READ_ONLY);
    }
}

/// Trap 60: descriptors that are longer than any, or claim to be.
#[test]
fn descriptors_have_a_bound() {
    let (_folder, path) = disk();
    let text = descriptor("RW 8 SPARSE \"disk.vmdk\"");
    for sectors in [20_481, 1 << 32, 1 << 55, (1 << 55) + 1, 1 << 63, u64::MAX] {
        let mut image = Sparse::new(8).descriptor(&text, 20).image();
        image.put_u64(field::DESCRIPTOR_SECTORS, sectors).write(&path);
        refused(&path, Kind::InvalidDisk);
    }
    for sector in [1 << 20, 1 << 55, (1 << 55) + 1, u64::MAX] {
        let mut image = Sparse::new(8).descriptor(&text, 20).image();
        image.put_u64(field::DESCRIPTOR_SECTOR, sector).write(&path);
        refused(&path, Kind::InvalidDisk);
    }
    // A file of a terabyte without anything, and texts of the greatest length.
    Image::empty(1 << 40).write(&path);
    refused(&path, Kind::InvalidDisk);
    for filler in [b'\n', b'#', b' ', b'=', b'"', b'R', b'x'] {
        fs::write(&path, vec![filler; 10 << 20]).unwrap();
        refused(&path, Kind::InvalidDisk);
    }
}

/// An image, made in a folder, and what is opened.
type Build = fn(&Path) -> PathBuf;

/// The images that take the most memory for what they are.
const GREEDY: [(&str, Build); 7] = [
    ("blank lines", |folder| written(folder, "\n".repeat(10 << 20))),
    ("short extents", |folder| {
        let line = "RW 1 ZERO\n";
        written(folder, line.repeat(65_000))
    }),
    ("keys", |folder| {
        let keys: String = (0..65_000).map(|number| format!("ddb.{number:0>140} = \"\"\n")).collect();
        written(folder, format!("RW 1 ZERO\n{keys}"))
    }),
    ("one long line", |folder| {
        written(folder, format!("RW 1 ZERO\nddb.x = \"{}\"", "x".repeat((10 << 20) - 30)))
    }),
    ("a chain of long texts", |folder| {
        let filler = format!("{}\n", "#".repeat(150)).repeat(60_000);
        for number in 0..10 {
            let parent = format!("{}.vmdk", number + 1);
            let text = linked(7, Some((7, &parent)), "RW 1 ZERO");
            fs::write(folder.join(format!("{number}.vmdk")), text + &filler).unwrap();
        }
        folder.join("0.vmdk")
    }),
    ("a chain of short lines", |folder| {
        let extents = "RW 1 ZERO\n".repeat(60_000);
        for number in 0..100 {
            let parent = format!("{}.vmdk", number + 1);
            let text = linked(7, Some((7, &parent)), &extents);
            fs::write(folder.join(format!("{number}.vmdk")), text).unwrap();
        }
        folder.join("0.vmdk")
    }),
    ("directories in holes", |folder| {
        // Grains of 8 sectors in tables of 512: 62 TiB have a directory of 128 MiB.
        let capacity = 62 << 31;
        let mut lines = Vec::new();
        for number in 0..200 {
            let mut image = Image::default();
            let mut sparse = Sparse::new(1);
            sparse.grain_size = 8;
            image.put(0, &header_of(&sparse)).put_u64(field::CAPACITY, capacity);
            image.put_u64(field::REDUNDANT_DIRECTORY, 1).put_u64(field::DIRECTORY, 1 << 19);
            image.put_u64(field::OVERHEAD, 1 << 20);
            image.length = 1 << 29;
            image.write(&folder.join(format!("{number}")));
            lines.push(format!("RW {capacity} SPARSE \"{number}\""));
        }
        written(folder, descriptor(&lines.join("\n")))
    }),
];

fn written(folder: &Path, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join("disk.vmdk");
    fs::write(&path, text).unwrap();
    path
}

/// The first sector of an extent.
fn header_of(sparse: &Sparse) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = in_folder(&folder, "extent");
    sparse.write(&path);
    fs::read(path).unwrap()[..SECTOR].to_vec()
}

/// The highest memory that this process has had, in KiB.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Not a test of its own: what the child process of the next one does with a disk.
#[test]
fn a_disk_is_opened_described_and_mapped() {
    let Ok(path) = std::env::var("TRAPS_GREEDY_DISK") else { return };
    let before = peak_kib();
    let start = std::time::Instant::now();
    let result = match Open::with(Path::new(&path), READ_ONLY) {
        Err(error) => format!("{:?}", error.kind()),
        Ok(open) => {
            let taken = start.elapsed();
            open.disk.info().unwrap();
            open.disk.metadata_keys().unwrap();
            let mut sector = [0; SECTOR];
            open.disk.read(open.sectors() - 1, &mut sector).unwrap();
            open.disk.allocated_blocks(0, open.sectors().min(1 << 22), 128).unwrap();
            open.close();
            format!("opened in {taken:?}, all in")
        }
    };
    println!("MEASURED {} KiB of {before}, {result} {:?}", peak_kib(), start.elapsed());
}

/// Traps 12, 14 and 60: whatever an image claims, memory and time are bounded.
#[test]
fn memory_stays_in_proportion() {
    for (what, build) in GREEDY {
        let folder = tempfile::tempdir().unwrap();
        let path = build(folder.path());
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "hostile::a_disk_is_opened_described_and_mapped",
                "--exact",
                "--nocapture",
                "--test-threads=1",
            ])
            .env("TRAPS_GREEDY_DISK", &path)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{what}: {told} {}", String::from_utf8_lossy(&output.stderr));
        let measured = told.split_once("MEASURED ").unwrap_or_else(|| panic!("{what}: {told}")).1;
        let measured = measured.lines().next().unwrap();
        println!("{what}: {measured}");
        let peak: u64 = measured.split(' ').next().unwrap().parse().unwrap();
        assert!(peak < MAX_MEMORY_KIB, "{what}: {measured}");
    }
}
