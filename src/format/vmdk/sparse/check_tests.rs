//! Tests of checking and repairing: each kind of damage, made by hand.

#[path = "check_places_tests.rs"]
mod places;

use std::sync::Arc;

use proptest::prelude::*;
use zerocopy::FromBytes;

use super::check::check;
use super::finding::{Finding, Summary};
use super::header::{FLAG_COMPRESSED, FLAG_REDUNDANT, FLAG_TEXT_PROBE, FLAG_ZERO_GRAINS, RawHeader};
use super::testing::*;
use crate::error::Kind;
use crate::format::extent::Extent;
use crate::format::vmdk::grains::tables::Side::{Primary, Redundant};

/// The grains of the extent that gets damaged, in the order of the file.
const GRAINS: [u64; 6] = [4, 0, 20, 1, 9, 8];

fn sound_image() -> Vec<u8> {
    SMALL.filled(&GRAINS)
}

fn content_of(image: &[u8]) -> Vec<u8> {
    read(&open(in_memory(image).1), &[])
}

fn set_header(image: &mut [u8], change: impl FnOnce(&mut RawHeader)) {
    change(RawHeader::mut_from_bytes(&mut image[..512]).unwrap());
}

/// Checks a damaged image: it is found and left alone, then repaired, and then there is nothing more to find. The
/// content afterwards must be `content`. Returns the image.
fn repairs(image: &[u8], expected: &[Finding], content: &[u8]) -> Vec<u8> {
    let (file, storage) = in_memory(image);
    let (found, summary) = findings(&storage, false);
    let damage: Vec<Finding> = found.into_iter().filter(Finding::is_damage).collect();
    assert_eq!(damage, expected);
    assert_eq!((summary.damage, summary.beyond_repair, summary.repaired), (expected.len() as u64, 0, false));
    assert!(file.to_vec() == image, "a check changes nothing");
    let (found, summary) = findings(&storage, true);
    let damage: Vec<Finding> = found.into_iter().filter(Finding::is_damage).collect();
    assert_eq!(damage, expected, "with repair");
    assert!(summary.repaired && summary.is_sound());
    let sound = assert_sound(&storage);
    assert!(!sound.unclean);
    assert!(read(&open(Arc::clone(&storage)), &[]) == content);
    // What was repaired can be written again, all over.
    let extent = open(Arc::clone(&storage));
    let everything = pattern(9, SMALL.capacity);
    extent.write(0, &everything, None).unwrap();
    extent.finish().unwrap();
    assert!(read(&open(Arc::clone(&storage)), &[]) == everything);
    assert_sound(&storage);
    file.to_vec()
}

/// Nothing can be repaired, and nothing is touched.
fn is_beyond_repair(image: &[u8]) -> Summary {
    let (file, storage) = in_memory(image);
    let (found, summary) = findings(&storage, true);
    assert!(summary.beyond_repair > 0 && !summary.repaired && !summary.is_sound(), "{found:?}");
    assert!(file.to_vec() == image);
    summary
}

#[test]
fn a_sound_extent_has_no_findings() {
    for grains in [&[][..], &GRAINS] {
        let image = SMALL.filled(grains);
        let (file, storage) = in_memory(&image);
        for repair in [false, true] {
            let (found, summary) = findings(&storage, repair);
            assert_eq!(found, []);
            let first = (!grains.is_empty()).then_some(SMALL.overhead());
            let expected = Summary { grains: grains.len() as u64, first_grain: first, ..Summary::default() };
            assert_eq!(summary, expected);
        }
        assert!(file.to_vec() == image);
    }
}

#[test]
fn an_unclean_end_is_told_and_forgotten() {
    let mut image = sound_image();
    set_header(&mut image, |header| header.unclean = 1);
    let (file, storage) = in_memory(&image);
    let (found, summary) = findings(&storage, false);
    assert_eq!((found, summary.unclean, summary.damage), (vec![Finding::Unclean], true, 0));
    assert!(!findings(&storage, true).1.unclean);
    assert!(file.to_vec() == sound_image());
}

#[test]
fn copies_that_differ_are_made_equal() {
    let image = sound_image();
    let content = content_of(&image);
    let place = u64::from(SMALL.entry(&image, Primary, 1));
    let differ = |table| [Finding::TablesDiffer { table, entries: 1 }];
    // The redundant copy is wrong in any way: the primary one stays.
    for wrong in [0, 1, 5, place + 8, 100_000] {
        let mut damaged = image.clone();
        SMALL.set_entry(&mut damaged, Redundant, 1, wrong);
        repairs(&damaged, &differ(0), &content);
    }
    // The primary one makes no sense (past the end, in metadata), names nothing, or a grain of somebody else.
    for wrong in [0, 5, 100_000, u64::from(SMALL.entry(&image, Primary, 8))] {
        let mut damaged = image.clone();
        SMALL.set_entry(&mut damaged, Primary, 1, wrong);
        let (_, storage) = in_memory(&damaged);
        findings(&storage, true);
        assert_sound(&storage);
        assert!(read(&open(storage), &[]) == content, "{wrong}");
    }
    // It says zeros: that is no accident.
    let mut damaged = image.clone();
    SMALL.set_entry(&mut damaged, Primary, 1, 1);
    set_header(&mut damaged, RawHeader::announce_zero_grains);
    let mut expected = content.clone();
    expected[8 * 512..16 * 512].fill(0);
    repairs(&damaged, &differ(0), &expected);
    // It names nothing, and what the redundant one names belongs to somebody else.
    let mut damaged = image.clone();
    SMALL.set_entry(&mut damaged, Primary, 2, 0);
    SMALL.set_entry(&mut damaged, Redundant, 2, place);
    repairs(&damaged, &differ(0), &content);
    // It makes no sense, and neither does the other.
    SMALL.set_entry(&mut damaged, Primary, 2, 100_000);
    let (_, storage) = in_memory(&damaged);
    assert_eq!(findings(&storage, true).1.lost_sectors, 8);
    assert!(read(&open(storage), &[]) == content, "and not what belongs to another grain");
}

#[test]
fn a_primary_table_that_was_wiped_comes_back() {
    let mut image = sound_image();
    let content = content_of(&image);
    for grain in 0..4 {
        SMALL.set_entry(&mut image, Primary, grain, 0);
    }
    repairs(&image, &[Finding::TablesDiffer { table: 0, entries: 2 }], &content);
}

#[test]
fn grains_past_the_end_are_lost_and_become_unallocated() {
    let mut image = sound_image();
    let mut content = content_of(&image);
    let end = image.len() as u64 / 512;
    SMALL.set_entries(&mut image, 9, end);
    content[9 * 4096..10 * 4096].fill(0);
    repairs(&image, &[Finding::GrainOutside { sector: 72, entry: end as u32 }], &content);
}

#[test]
fn grains_in_metadata_are_lost_and_become_unallocated() {
    let image = sound_image();
    let mut content = content_of(&image);
    content[9 * 4096..10 * 4096].fill(0);
    // The header's own grain, the descriptor, a directory, the last primary table.
    for entry in [2, 3, SMALL.directory(), SMALL.table(Primary, 5)] {
        let mut damaged = image.clone();
        SMALL.set_entries(&mut damaged, 9, entry);
        repairs(&damaged, &[Finding::GrainInMetadata { sector: 72, entry: entry as u32 }], &content);
    }
}

#[test]
fn a_file_that_ends_within_a_grain_gets_zeros_there() {
    let image = sound_image();
    let mut content = content_of(&image);
    // Grain 8 is the last one of the file.
    let cut = &image[..image.len() - 3 * 512];
    content[8 * 4096 + 5 * 512..9 * 4096].fill(0);
    let entry = SMALL.entry(&image, Primary, 8);
    repairs(cut, &[Finding::GrainCut { sector: 64, entry, missing: 3 }], &content);
    // Where the capacity ends before the file does nothing is missing.
    let image = SMALL.filled(&[0, 20]);
    let (_, storage) = in_memory(&image[..image.len() - 5 * 512]);
    assert_eq!(findings(&storage, false).0, []);
}

#[test]
fn users_of_one_grain_get_one_each() {
    let image = sound_image();
    let mut content = content_of(&image);
    let entry = SMALL.entry(&image, Primary, 4);
    for shift in [0u32, 3] {
        let mut damaged = image.clone();
        SMALL.set_entries(&mut damaged, 9, u64::from(entry + shift));
        let place = (entry + shift) as usize * 512;
        content[9 * 4096..10 * 4096].copy_from_slice(&damaged[place..place + 4096]);
        let (_, storage) = in_memory(&damaged);
        let (found, _) = findings(&storage, true);
        let shared = |found: &&Finding| matches!(found, Finding::GrainShared { .. });
        assert_eq!(found.iter().filter(shared).count(), 1, "{found:?}");
        assert!(read(&open(Arc::clone(&storage)), &[]) == content, "each shows what it showed before");
        assert_sound(&storage);
        let places = places(&open(storage));
        assert!(places.iter().all(|one| places.iter().filter(|two| one.abs_diff(**two) < 8).count() == 1));
    }
}

#[test]
fn entries_past_the_capacity_go() {
    let mut image = sound_image();
    let content = content_of(&image);
    let entry = SMALL.entry(&image, Primary, 4);
    SMALL.set_entries(&mut image, 22, u64::from(entry));
    repairs(&image, &[Finding::PastCapacity { table: 5, entries: 1 }], &content);
}

#[test]
fn zeros_that_the_header_does_not_allow_are_allowed() {
    let mut image = sound_image();
    let content = content_of(&image);
    SMALL.set_entries(&mut image, 3, 1);
    SMALL.set_entries(&mut image, 13, 1);
    let image = repairs(&image, &[Finding::ZeroGrainsUnannounced { grains: 2 }], &content);
    let header = RawHeader::parse(&image).unwrap();
    assert_eq!((header.version.get(), header.flags.get() & FLAG_ZERO_GRAINS), (2, FLAG_ZERO_GRAINS));
}

#[test]
fn grains_before_the_place_where_they_begin_move_that_place() {
    let mut image = sound_image();
    let content = content_of(&image);
    let holds = SMALL.overhead();
    let end = image.len() as u64 / 512;
    // Too high, and even past the end of the file, with which no other reader opens it.
    for says in [holds + 8, end, end + 1, u64::MAX] {
        set_header(&mut image, |header| header.overhead = says.into());
        let repaired = repairs(&image, &[Finding::Overhead { says, holds }], &content);
        assert_eq!(RawHeader::parse(&repaired).unwrap().overhead.get(), holds);
    }
}

#[test]
fn without_a_second_copy_what_can_be_seen_stays() {
    let shape = Shape { redundant: false, ..SMALL };
    let mut image = shape.filled(&GRAINS);
    let content = content_of(&image);
    // Both tables then show the same grains.
    shape.set_directory(&mut image, Primary, 1, shape.table(Primary, 0));
    let before = content_of(&image);
    assert!(before != content);
    let (_, storage) = in_memory(&image);
    findings(&storage, true);
    assert_sound(&storage);
    assert!(read(&open(storage), &[]) == before);
}

#[test]
fn a_header_that_contradicts_itself_is_beyond_repair() {
    // The descriptor reaches into the directory; the directories are one.
    let changes: [fn(&mut RawHeader); 2] =
        [|header| header.descriptor_size = 2.into(), |header| header.redundant_directory = header.directory];
    for change in changes {
        let mut image = sound_image();
        // Something that could be repaired, too.
        SMALL.set_entry(&mut image, Redundant, 1, 0);
        set_header(&mut image, change);
        is_beyond_repair(&image);
    }
    // A capacity with which the directory would reach over its tables.
    let mut image = sound_image();
    set_header(&mut image, |header| header.capacity = (4 * 8 * 129).into());
    is_beyond_repair(&image);
}

#[test]
fn what_is_no_hosted_sparse_extent_is_refused() {
    type Change = fn(&mut RawHeader);
    let cases: [(Kind, Change); 6] = [
        (Kind::InvalidDisk, |header| header.magic = *b"COWD"),
        (Kind::InvalidDisk, |header| header.grain_size = 9.into()),
        (Kind::InvalidDisk, |header| header.capacity = 0.into()),
        (Kind::InvalidDisk, |header| header.text_probe = *b"\n \n\n"),
        (Kind::NotSupported, |header| header.flags = (FLAG_COMPRESSED | FLAG_TEXT_PROBE).into()),
        (Kind::UnsupportedVersion, |header| header.version = 4.into()),
    ];
    for (kind, change) in cases {
        let mut image = sound_image();
        set_header(&mut image, change);
        let (file, storage) = in_memory(&image);
        assert_eq!(check(&storage, true, &mut |_| ()).unwrap_err().kind(), kind);
        assert!(file.to_vec() == image);
    }
    for length in [0, 3, 511] {
        let (_, storage) = in_memory(&sound_image()[..length]);
        assert_eq!(check(&storage, true, &mut |_| ()).unwrap_err().kind(), Kind::InvalidDisk);
    }
    // Both directories gone.
    let mut image = sound_image();
    set_header(&mut image, |header| {
        header.directory = (1 << 40).into();
        header.redundant_directory = (1 << 40).into();
    });
    let (_, storage) = in_memory(&image);
    assert_eq!(check(&storage, true, &mut |_| ()).unwrap_err().kind(), Kind::InvalidDisk);
}

#[test]
fn grains_that_are_not_aligned_are_told_and_are_no_damage() {
    let shape = Shape { shift: 3, ..SMALL };
    let image = shape.image();
    let mut image_with = image.clone();
    image_with.extend(pattern(5, 16));
    for (grain, place) in [(0, 8), (7, 0)] {
        shape.set_entries(&mut image_with, grain, shape.overhead() + place);
    }
    let (_, storage) = in_memory(&image_with);
    assert_eq!(findings(&storage, false).0, [Finding::Unaligned { grains: 2 }]);
    let before = content_of(&image_with);
    let extent = open(Arc::clone(&storage));
    extent.defragment(&mut |_| ()).unwrap();
    assert_eq!(storage.length().unwrap(), image_with.len() as u64);
    assert_eq!(places(&extent), [shape.overhead() as u32, shape.overhead() as u32 + 8]);
    assert!(read(&extent, &[]) == before);
}

#[test]
fn copies_do_not_fill_the_file_system() {
    // A million grains in one place.
    let shape =
        Shape { capacity: 128 << 20, grain: 128, entries: 16_384, redundant: false, tables: true, shift: 0 };
    let mut image = shape.image();
    image.extend([7; 65_536]);
    for grain in 0..shape.capacity / 128 {
        shape.set_entries(&mut image, grain, shape.overhead());
    }
    let (file, storage) = in_memory(&image);
    assert_eq!(check(&storage, true, &mut |_| ()).unwrap_err().kind(), Kind::InvalidDisk);
    assert!(file.to_vec().len() < image.len() + (66 << 20));
}

/// A change of an image: some bytes at a place, or its end.
fn damages() -> impl Strategy<Value = Vec<(prop::sample::Index, u32, bool)>> {
    let value = prop_oneof![Just(0), Just(1), 0..200u32, any::<u32>()];
    prop::collection::vec((any::<prop::sample::Index>(), value, prop::bool::weighted(0.03)), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 1500 }, ..ProptestConfig::default() })]

    /// Whatever is wrong with directories and tables: after a repair nothing is, and what no damage has touched is
    /// still there.
    #[test]
    fn any_damage_of_tables_is_repaired(damages in damages(), redundant in any::<bool>()) {
        let shape = Shape { redundant, ..SMALL };
        let image = shape.filled(&GRAINS);
        let content = content_of(&image);
        let mut damaged = image.clone();
        let words = (1024..shape.overhead() as usize * 512).step_by(4).collect::<Vec<_>>();
        let mut touched = Vec::new();
        for (place, value, cut) in damages {
            if cut {
                damaged.truncate(damaged.len() - 2048);
                continue;
            }
            let place = *place.get(&words);
            damaged[place..place + 4].copy_from_slice(&value.to_le_bytes());
            touched.push(place);
        }
        let (_, storage) = in_memory(&damaged);
        let Ok(summary) = check(&storage, true, &mut |_| ()) else { return Ok(()) };
        if summary.beyond_repair > 0 {
            return Ok(());
        }
        let after = assert_sound(&storage);
        prop_assert!(!after.unclean);
        let extent = open(storage);
        let now = read(&extent, &[]);
        if redundant && damaged.len() == image.len() {
            // Damage of one side only costs nothing.
            let border = shape.directory() as usize * 512;
            let one_side = touched.iter().all(|place| *place < border);
            prop_assert!(!one_side || now == content);
        }
        extent.write(0, &pattern(3, shape.capacity), None).unwrap();
        extent.finish().unwrap();
    }

    /// Any header over good tables: no panic, and what is found once is all.
    #[test]
    fn any_header_is_checked(place in 4..80usize, bytes in prop::collection::vec(any::<u8>(), 1..9)) {
        let mut image = sound_image();
        image[place..place + bytes.len()].copy_from_slice(&bytes);
        let (_, storage) = in_memory(&image);
        if let Ok(summary) = check(&storage, true, &mut |_| ()) {
            if summary.beyond_repair == 0 {
                assert_sound(&storage);
                let _ = try_read(&open(storage), &[]);
            }
        }
    }
}
