//! Tests of checking and repairing: each kind of damage, made by hand.

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
fn a_table_that_one_directory_loses_comes_from_the_other() {
    let image = sound_image();
    let content = content_of(&image);
    let end = image.len() as u64 / 512;
    for side in [Primary, Redundant] {
        for sector in [end, 0xffff_ffff, 0, 1, SMALL.directory(), SMALL.table(side, 2)] {
            let mut damaged = image.clone();
            SMALL.set_directory(&mut damaged, side, 1, sector);
            let number = sector as u32;
            let mut expected = vec![match sector {
                0 => Finding::TableMissing { side, table: 1 },
                _ if sector >= end => Finding::TableOutside { side, table: 1, sector: number },
                _ if sector == SMALL.table(side, 2) => {
                    Finding::TableShared { side, table: 1, sector: number }
                }
                _ => Finding::TableInMetadata { side, table: 1, sector: number },
            }];
            if expected[0] == (Finding::TableMissing { side: Primary, table: 1 }) {
                expected.push(Finding::TablesDiffer { table: 1, entries: 1 });
            }
            repairs(&damaged, &expected, &content);
        }
    }
}

#[test]
fn a_table_that_both_directories_lose_is_lost() {
    let mut image = sound_image();
    let mut content = content_of(&image);
    SMALL.set_directory(&mut image, Primary, 2, 0xffff);
    SMALL.set_directory(&mut image, Redundant, 2, 0xfffe);
    content[64 * 512..96 * 512].fill(0);
    let expected = [
        Finding::TableOutside { side: Primary, table: 2, sector: 0xffff },
        Finding::TableOutside { side: Redundant, table: 2, sector: 0xfffe },
        Finding::TableLost { table: 2, sector: 64, sectors: 32 },
    ];
    repairs(&image, &expected, &content);
}

#[test]
fn a_table_out_of_the_file_is_not_found_where_another_one_gets_its_new_place() {
    // The file grows by the place of the first table; the second one's entry names just that sector.
    let shape = Shape { redundant: false, ..SMALL };
    let mut image = shape.filled(&GRAINS);
    let end = (image.len() / 512) as u64;
    shape.set_directory(&mut image, Primary, 0, 0xffff);
    for table in [1, 2] {
        for sector in end..end + 16 {
            shape.set_directory(&mut image, Primary, table, sector);
            let (_, storage) = in_memory(&image);
            findings(&storage, true);
            assert_sound(&storage);
        }
    }
}

#[test]
fn a_directory_entry_that_leads_into_a_grain_costs_neither_table_nor_grain() {
    let content = content_of(&sound_image());
    for side in [Primary, Redundant] {
        for grain in [0, 1, 20] {
            let mut image = sound_image();
            let sector =
                SMALL.overhead() + GRAINS.iter().position(|at| *at == grain).unwrap() as u64 * SMALL.grain;
            SMALL.set_directory(&mut image, side, 0, sector);
            let (_, storage) = in_memory(&image);
            let (found, _) = findings(&storage, false);
            let on_grain = Finding::TableOnGrain { side, table: 0, sector: sector as u32 };
            assert!(found.contains(&on_grain), "{found:?}");
            findings(&storage, true);
            assert_sound(&storage);
            assert!(read(&open(Arc::clone(&storage)), &[]) == content);
        }
    }
}

#[test]
fn no_table_gets_a_place_where_a_grain_goes_on_that_the_file_cuts() {
    let image = sound_image();
    for cut in 1..SMALL.grain {
        for table in 0..SMALL.table_count() {
            let mut damaged = image[..image.len() - cut as usize * 512].to_vec();
            SMALL.set_directory(&mut damaged, Primary, table, 0);
            // A grain that only the redundant copy names, and that is not aligned.
            let last = (damaged.len() / 512) as u32 - 1;
            let place = SMALL.table(Redundant, table) as usize * 512;
            damaged[place..place + 4].copy_from_slice(&last.to_le_bytes());
            let (_, storage) = in_memory(&damaged);
            findings(&storage, true);
            assert_sound(&storage);
        }
    }
}

#[test]
fn tables_that_share_the_last_sector_of_the_file_are_found_though_it_is_cut() {
    let shape = Shape { entries: 16, capacity: 8 * 16 * 3, redundant: false, ..SMALL };
    let mut image = shape.filled(&[]);
    let last = (image.len() / 512) as u64 - 1;
    image.truncate(image.len() - 100);
    // The file grows by the new place of the third table.
    for (table, sector) in [(0, last), (1, last), (2, 0xffff)] {
        shape.set_directory(&mut image, Primary, table, sector);
    }
    let (_, storage) = in_memory(&image);
    findings(&storage, true);
    assert_sound(&storage);
}

#[test]
fn a_grain_over_a_directory_that_the_end_of_the_file_cuts_is_found() {
    let shape = Shape { redundant: false, ..SMALL };
    let image = shape.filled(&GRAINS);
    let directory = image.len() as u64 / 512;
    let entries =
        shape.directory() as usize * 512..shape.directory() as usize * 512 + 4 * shape.table_count() as usize;
    let mut damaged = image.clone();
    damaged.extend_from_slice(&image[entries]);
    set_header(&mut damaged, |header| header.directory = directory.into());
    // The grain ends in the directory, and a table elsewhere makes the file grow.
    let place = shape.table(Primary, 1) as usize * 512;
    damaged[place..place + 4].copy_from_slice(&(directory as u32 - 7).to_le_bytes());
    damaged[directory as usize * 512..][..4].copy_from_slice(&0xffff_u32.to_le_bytes());
    let (_, storage) = in_memory(&damaged);
    findings(&storage, true);
    assert_sound(&storage);
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
fn a_lost_directory_is_made_again() {
    let image = sound_image();
    let content = content_of(&image);
    for (side, sector) in [(Primary, 0), (Primary, 1 << 40), (Primary, u64::MAX / 2), (Redundant, 1 << 40)] {
        let mut damaged = image.clone();
        set_header(&mut damaged, |header| match side {
            Primary => header.directory = sector.into(),
            Redundant => header.redundant_directory = sector.into(),
        });
        let (_, storage) = in_memory(&damaged);
        let (found, summary) = findings(&storage, false);
        assert_eq!((found, summary.damage), (vec![Finding::DirectoryLost { side }], 1));
        let (found, summary) = findings(&storage, true);
        assert_eq!(found[0], Finding::DirectoryLost { side });
        assert!(summary.repaired);
        assert_sound(&storage);
        assert!(read(&open(Arc::clone(&storage)), &[]) == content);
        let header = RawHeader::read(&*storage).unwrap();
        assert_ne!(header.flags.get() & FLAG_REDUNDANT, 0);
        // Each copy has tables of its own.
        let extent = open(storage);
        for index in 0..6 {
            let place = |side| extent.tables().place(side, index).unwrap();
            assert_ne!(place(Primary), place(Redundant));
        }
    }
}

#[test]
fn a_directory_that_is_made_again_is_no_table() {
    let mut image = sound_image();
    set_header(&mut image, |header| header.directory = 0.into());
    // Behind the end of the file, where the directory comes to stand.
    let end = image.len() as u64 / 512;
    SMALL.set_directory(&mut image, Redundant, 3, end);
    let (_, storage) = in_memory(&image);
    assert_eq!(findings(&storage, false).1.beyond_repair, 0);
    assert!(findings(&storage, true).1.repaired);
    assert_sound(&storage);
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
