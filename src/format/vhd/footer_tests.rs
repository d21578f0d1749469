//! Tests of footers.

use super::*;
use crate::format::vhd::testing::{Image, fixed, footer, seal_footer};
use crate::io::memory::MemoryFile;

fn find(bytes: Vec<u8>) -> Result<Footer> {
    Footer::find(&MemoryFile::new(bytes))
}

#[test]
fn the_size_rule_is_that_of_the_creator() {
    let geometry = 100 * 4 * 17;
    for (creator, sectors) in [
        (*b"vpc ", geometry),
        (*b"qemu", geometry),
        (*b"win ", 7000),
        (*b"d2v\0", 7000),
        (*b"qem2", 7000),
        (*b"tap\0", 7000),
        (*b"CTXS", 7000),
        (*b"vbox", 7000),
        (*b"????", 7000),
    ] {
        let mut footer = footer(3, 7000, [1; 16]);
        footer.creator = creator;
        assert_eq!(footer.check(true, 0).unwrap().sectors, sectors, "{}", creator.escape_ascii());
        // The largest geometry, and none, say nothing about the disk.
        for (cylinders, heads, track) in [(65_535, 16, 255), (0, 0, 0)] {
            (footer.cylinders, footer.heads, footer.track) = (cylinders.into(), heads, track);
            assert_eq!(footer.check(true, 0).unwrap().sectors, 7000);
        }
    }
}

#[test]
fn impossible_fields_are_refused() {
    type Change = fn(&mut RawFooter);
    let cases: [(&str, Kind, Change); 8] = [
        ("version 2", Kind::UnsupportedVersion, |f| f.version = 0x2_0000.into()),
        ("version 0", Kind::UnsupportedVersion, |f| f.version = 0.into()),
        ("type 0", Kind::InvalidDisk, |f| f.disk_type = 0.into()),
        ("type 5", Kind::InvalidDisk, |f| f.disk_type = 5.into()),
        ("no size", Kind::InvalidDisk, |f| f.size = 0.into()),
        ("half a sector", Kind::InvalidDisk, |f| f.size = 513.into()),
        ("too large", Kind::InvalidDisk, |f| f.size = (2040 * (1u64 << 30) + 512).into()),
        ("huge", Kind::InvalidDisk, |f| f.size = u64::MAX.into()),
    ];
    for (name, kind, change) in cases {
        let mut footer = footer(2, 8, [1; 16]);
        change(&mut footer);
        let file = [&[0; 8 * 512], seal_footer(footer).as_bytes()].concat();
        assert_eq!(find(file).unwrap_err().kind(), kind, "{name}");
    }
    let mut largest = footer(3, 8, [1; 16]);
    largest.size = (2040 * (1u64 << 30)).into();
    assert_eq!(largest.check(true, 0).unwrap().sectors, 2040 << 21);
}

#[test]
fn short_footers_of_old_files_are_found() {
    for (file, end) in [
        (fixed(&[7; 8 * 512], [1; 16]), 8 * 512),
        (Image::new(100, 8, [1; 16], None).file(), Image::new(100, 8, [1; 16], None).start()),
    ] {
        let short = file[..file.len() - 1].to_vec();
        let expected = Footer { data_end: end, ..find(file).unwrap() };
        assert_eq!(find(short).unwrap(), expected);
    }
}

#[test]
fn a_copy_stands_in_for_a_damaged_footer() {
    let whole = Image::new(100, 8, [1; 16], None).file();
    let end = whole.len() - 512;
    let mut damaged = whole.clone();
    damaged[end + 70] ^= 1;
    assert_eq!(find(damaged).unwrap(), find(whole.clone()).unwrap());
    // Overwritten by a block that a writer was about to add, or cut off.
    for file in [[&whole[..end], &[0xEE; 4096]].concat(), whole[..end].to_vec(), whole[..end + 100].to_vec()]
    {
        let length = file.len() as u64;
        let found = find(file).unwrap();
        assert_eq!((found.sectors, found.data_end, found.checked), (100, length, true));
    }
    let mut other = whole.clone();
    other[70] ^= 1;
    assert_eq!(find(other).unwrap(), find(whole).unwrap(), "the one at the end is good");
}

#[test]
fn wrong_checksums_are_refused_unless_both_places_have_the_same() {
    let whole = Image::new(100, 8, [1; 16], None).file();
    let end = whole.len() - 512;
    let change = |places: &[(usize, u8)]| {
        let mut file = whole.clone();
        places.iter().for_each(|(place, value)| file[*place] ^= value);
        find(file)
    };
    assert_eq!(change(&[(70, 1), (end + 70, 2)]).unwrap_err().kind(), Kind::InvalidDisk);
    let tolerated = change(&[(70, 1), (end + 70, 1)]).unwrap();
    assert!(!tolerated.checked);
    let mut alone = fixed(&[7; 8 * 512], [1; 16]);
    let place = alone.len() - 512 + 70;
    alone[place] ^= 1;
    assert_eq!(find(alone).unwrap_err().kind(), Kind::InvalidDisk, "a fixed disk has no copy");
    let mut copy_alone = whole[..end].to_vec();
    copy_alone[70] ^= 1;
    assert_eq!(find(copy_alone).unwrap_err().kind(), Kind::InvalidDisk);
}

#[test]
fn what_a_guest_writes_into_a_fixed_disk_is_no_footer() {
    // The guest's first sectors look like a growing disk.
    let inner = Image::new(100, 8, [6; 16], Some(([7; 16], "secret.vhd"))).file();
    let file = fixed(&inner[..inner.len() - 512], [1; 16]);
    let found = find(file.clone()).unwrap();
    assert_eq!((found.disk_type, found.id), (DiskType::Fixed, [1; 16]));
    let mut damaged = file;
    let place = damaged.len() - 1;
    damaged[place] ^= 1;
    assert_eq!(find(damaged).unwrap_err().kind(), Kind::InvalidDisk);
}

#[test]
fn what_is_no_vhd_is_refused() {
    for file in [vec![], vec![0; 100], vec![0; 511], vec![0; 512], vec![0xFF; 5000], COOKIE.to_vec()] {
        assert_eq!(find(file).unwrap_err().kind(), Kind::InvalidDisk);
    }
    // At the start of a file that has no more than that a footer is its end too.
    let file = fixed(&[], [1; 16]);
    assert_eq!(find(file).unwrap_err().kind(), Kind::InvalidDisk);
}
