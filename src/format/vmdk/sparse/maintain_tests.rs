//! Tests of shrinking, defragmenting, growing and tables that are added, on files in memory.

use std::sync::Arc;

use proptest::prelude::*;

use super::grow::grow;
use super::header::{FLAG_ZERO_GRAINS, RawHeader};
use super::testing::*;
use crate::error::Kind;
use crate::format::extent::Extent;
use crate::format::vmdk::grains::tables::Side;
use crate::io::Storage;
use crate::io::memory::MemoryFile;

fn progress_of(work: impl FnOnce(&mut dyn FnMut(f64))) {
    let mut heard = vec![0.0];
    work(&mut |part| heard.push(part));
    assert!(heard.is_sorted() && heard.last() == Some(&1.0), "{heard:?}");
}

#[test]
fn shrinking_gives_back_zeros_and_fills_their_places() {
    let (file, storage) = in_memory(&SMALL.filled(&[0, 1, 2, 3, 9, 12, 20]));
    let extent = open(Arc::clone(&storage));
    for grain in [0, 2, 9] {
        extent.write(grain * 8, &[0; 4096], None).unwrap();
    }
    let (before, length) = (read(&extent, &[]), storage.length().unwrap());
    progress_of(|progress| extent.shrink(false, progress).unwrap());
    assert_eq!(storage.length().unwrap(), length - 3 * 4096);
    assert_eq!(assert_sound(&storage).leaked_sectors, 0);
    extent.finish().unwrap();
    for extent in [extent, open(Arc::clone(&storage))] {
        assert!(read(&extent, &[]) == before);
        assert_eq!(places(&extent).len(), 4);
    }
    // Only the grains from the end have moved; the last one is cut at the capacity, and needs no more of the file.
    let extent = open(storage);
    let first = SMALL.overhead() as u32;
    assert_eq!(places(&extent), [first + 8, first + 24, first, first + 16]);
    extent.write(0, &[5; 512], None).unwrap();
    extent.finish().unwrap();
    assert_eq!(file.to_vec()[72], 0, "an orderly end");
}

#[test]
fn shrinking_over_a_parent_goes_on_hiding_it() {
    let parent = pattern(77, SMALL.capacity);
    let (file, storage) = in_memory(&SMALL.filled(&[0, 1, 5]));
    let extent = open(Arc::clone(&storage));
    write(&extent, 8, &[0; 4096], Some(&parent)).unwrap();
    let before = read(&extent, &parent);
    extent.shrink(true, &mut |_| ()).unwrap();
    extent.finish().unwrap();
    assert!(read(&open(Arc::clone(&storage)), &parent) == before);
    let header = RawHeader::parse(&file.to_vec()).unwrap();
    assert_eq!((header.version.get(), header.flags.get() & FLAG_ZERO_GRAINS), (2, FLAG_ZERO_GRAINS));
    assert_eq!(SMALL.entry(&file.to_vec(), Side::Primary, 1), 1);
    assert_sound(&storage);
    // A grain of zeros is taken again like any other.
    let extent = open(Arc::clone(&storage));
    write(&extent, 9, &[7; 512], Some(&parent)).unwrap();
    let mut expected = before;
    expected[9 * 512..10 * 512].fill(7);
    assert!(read(&extent, &parent) == expected);
}

#[test]
fn a_header_is_left_alone_when_there_are_no_zeros() {
    let (file, storage) = in_memory(&SMALL.filled(&[3, 1]));
    let before = file.to_vec();
    let extent = open(storage);
    extent.shrink(true, &mut |_| ()).unwrap();
    extent.finish().unwrap();
    assert!(file.to_vec() == before);
}

#[test]
fn shrinking_gives_back_what_nobody_names() {
    let mut image = SMALL.filled(&[0, 1, 2]);
    SMALL.set_entries(&mut image, 1, 0);
    image.extend([9; 50_000]);
    let (_, storage) = in_memory(&image);
    assert_eq!(assert_sound(&storage).leaked_sectors, (8 + 50_000 / 512) / 8 * 8);
    let extent = open(Arc::clone(&storage));
    let before = read(&extent, &[]);
    extent.shrink(false, &mut |_| ()).unwrap();
    assert_eq!(storage.length().unwrap(), (SMALL.overhead() + 16) * 512);
    assert!(read(&extent, &[]) == before);
}

#[test]
fn defragmenting_puts_grains_into_order_and_needs_no_more_room() {
    // The last grain is the one that the capacity cuts; the file ends within it.
    for order in
        [vec![20u64, 7, 3, 12, 0, 1, 2], vec![5, 4, 3, 2, 1, 0], vec![2, 0, 1], (0..21).rev().collect()]
    {
        let (file, storage) = in_memory(&SMALL.filled(&order));
        let extent = open(Arc::clone(&storage));
        let (before, length) = (read(&extent, &[]), storage.length().unwrap());
        progress_of(|progress| extent.defragment(progress).unwrap());
        assert_eq!(storage.length().unwrap(), length);
        let first = SMALL.overhead() as u32;
        let expected: Vec<u32> = (0..order.len() as u32).map(|slot| first + slot * 8).collect();
        for extent in [extent, open(Arc::clone(&storage))] {
            assert_eq!(places(&extent), expected, "{order:?}");
            assert!(read(&extent, &[]) == before);
            extent.finish().unwrap();
        }
        assert_eq!(assert_sound(&storage).leaked_sectors, 0);
        let after = file.to_vec();
        open(storage).defragment(&mut |_| ()).unwrap();
        assert!(file.to_vec()[512..] == after[512..], "a second time there is nothing to do");
    }
}

#[test]
fn a_file_that_ends_in_its_last_grain_is_cut_there_again() {
    let mut image = SMALL.filled(&[1, 0, 20]);
    image.truncate(((SMALL.overhead() + 16 + 3) * 512) as usize);
    let (_, storage) = in_memory(&image);
    let extent = open(Arc::clone(&storage));
    let before = read(&extent, &[]);
    extent.defragment(&mut |_| ()).unwrap();
    assert_eq!(storage.length().unwrap(), image.len() as u64);
    assert!(read(&extent, &[]) == before);
    extent.write(8, &[0; 4096], None).unwrap();
    let mut expected = before;
    expected[4096..8192].fill(0);
    extent.shrink(false, &mut |_| ()).unwrap();
    assert!(read(&extent, &[]) == expected);
    assert_eq!(
        storage.length().unwrap(),
        (SMALL.overhead() + 16) * 512,
        "the cut grain has moved, with zeros"
    );
    assert_sound(&storage);
}

#[test]
fn nothing_is_moved_in_a_damaged_extent() {
    let mut image = SMALL.filled(&[0, 1, 2]);
    let shared = SMALL.entry(&image, Side::Primary, 0);
    SMALL.set_entries(&mut image, 2, u64::from(shared));
    let (file, storage) = in_memory(&image);
    let extent = open(Arc::clone(&storage));
    for result in
        [extent.shrink(false, &mut |_| ()), extent.defragment(&mut |_| ()), grow(&storage, 9999, &mut |_| ())]
    {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidDisk);
        assert!(error.to_string().contains("needs repair"), "{error}");
    }
    assert!(file.to_vec() == image);
}

#[test]
fn growing_makes_room_for_more_tables() {
    for redundant in [true, false] {
        let shape = Shape { redundant, ..SMALL };
        let (file, storage) = in_memory(&shape.filled(&[20, 0, 3]));
        let before = read(&open(Arc::clone(&storage)), &[]);
        // Junk behind the capacity, which comes into sight.
        let last = u64::from(shape.entry(&file.to_vec(), Side::Primary, 20)) + shape.capacity % 8;
        patch(&file, last * 512, &[0xEE; 5 * 512]);
        for capacity in [shape.capacity + 1, 161 + 32, 5000, 4 * 8 * 300] {
            progress_of(|progress| grow(&storage, capacity, progress).unwrap());
            let extent = open(Arc::clone(&storage));
            assert_eq!(extent.sectors(), capacity);
            let content = read(&extent, &[]);
            assert!(
                content[..before.len()] == before && content[before.len()..].iter().all(|byte| *byte == 0)
            );
            assert_sound(&storage);
            assert_eq!(storage.length().unwrap() % 4096, 0);
        }
        let extent = open(Arc::clone(&storage));
        extent.write(4 * 8 * 300 - 1, &[1; 512], None).unwrap();
        extent.write(160, &[2; 20 * 512], None).unwrap();
        extent.finish().unwrap();
        let mut expected = before;
        expected.resize(4 * 8 * 300 * 512, 0);
        expected[160 * 512..180 * 512].fill(2);
        expected[(4 * 8 * 300 - 1) * 512..].fill(1);
        assert!(read(&open(Arc::clone(&storage)), &[]) == expected);
        let extent = open(Arc::clone(&storage));
        extent.defragment(&mut |_| ()).unwrap();
        extent.shrink(false, &mut |_| ()).unwrap();
        assert!(read(&extent, &[]) == expected);
        assert_sound(&storage);
    }
}

#[test]
fn growing_refuses_what_it_cannot_do() {
    let (file, storage) = in_memory(&SMALL.filled(&[1]));
    let before = file.to_vec();
    for (capacity, kind) in [
        (SMALL.capacity - 1, Kind::InvalidArgument),
        (u64::MAX, Kind::FileTooBig),
        (i64::MAX as u64, Kind::FileTooBig),
        (u64::from(u32::MAX) * 32, Kind::FileTooBig),
    ] {
        assert_eq!(grow(&storage, capacity, &mut |_| ()).unwrap_err().kind(), kind, "{capacity}");
    }
    grow(&storage, SMALL.capacity, &mut |_| ()).unwrap();
    assert!(file.to_vec() == before);
    // A file in memory cannot be longer than 256 MiB; the extent is then as it was.
    assert!(grow(&storage, 1 << 30, &mut |_| ()).is_err());
    assert!(file.to_vec() == before);
}

#[test]
fn absent_tables_are_added_where_they_are_needed() {
    for redundant in [true, false] {
        let shape = Shape { tables: false, redundant, ..SMALL };
        let (file, storage) = in_memory(&shape.image());
        let extent = open(Arc::clone(&storage));
        let mut expected = vec![0; shape.capacity as usize * 512];
        for start in [30, 100, 5] {
            let data = pattern(start, 40);
            extent.write(start, &data, None).unwrap();
            expected[start as usize * 512..][..data.len()].copy_from_slice(&data);
            assert!(read(&extent, &[]) == expected);
        }
        let written = file.to_vec();
        let directories = 2 * 512..shape.overhead() as usize * 512;
        assert!(
            written[directories.clone()].iter().all(|byte| *byte == 0),
            "nothing leads to them before the flush"
        );
        extent.finish().unwrap();
        assert!(read(&open(Arc::clone(&storage)), &[]) == expected);
        assert_sound(&storage);
        for index in 0..5 {
            assert!(has_table(&open(Arc::clone(&storage)), Side::Primary, index));
            assert_eq!(has_table(&open(Arc::clone(&storage)), Side::Redundant, index), redundant);
        }
    }
}

#[test]
fn the_redundant_table_is_read_when_the_directory_leads_out_of_the_file() {
    let mut image = SMALL.filled(&[0, 1, 2, 3, 4]);
    let expected = read(&open(in_memory(&image).1), &[]);
    SMALL.set_directory(&mut image, Side::Primary, 0, 5000);
    let (file, storage) = in_memory(&image);
    let extent = open(Arc::clone(&storage));
    assert!(read(&extent, &[]) == expected);
    // A write that needs the table gives it a new place, and takes over what the other copy has.
    extent.write(0, &[1; 512], None).unwrap();
    assert!(file.to_vec()[..image.len()][512..] != image[512..], "written in place");
    assert!(!has_table(&extent, Side::Primary, 0));
    let length = storage.length().unwrap();
    extent.write(159, &[1; 512], None).unwrap();
    assert!(!has_table(&open(Arc::clone(&storage)), Side::Primary, 0));
    extent.flush().unwrap();
    assert!(storage.length().unwrap() > length);
    // Neither copy: an error, and no space is taken for what cannot be found again.
    SMALL.set_directory(&mut image, Side::Redundant, 0, 6000);
    let (file, storage) = in_memory(&image);
    let extent = open(storage);
    assert_eq!(try_read(&extent, &[]).unwrap_err().kind(), Kind::InvalidDisk);
    assert_eq!(extent.write(8, &[1; 512], None).unwrap_err().kind(), Kind::InvalidDisk);
    assert_eq!(file.to_vec().len(), image.len());
}

#[test]
fn a_directory_entry_past_the_end_does_not_lead_into_new_grains() {
    let mut image = SMALL.filled(&[0]);
    let (index, sector) = (4, image.len() as u64 / 512 + 8);
    SMALL.set_directory(&mut image, Side::Primary, index, sector);
    SMALL.set_directory(&mut image, Side::Redundant, index, sector);
    let (_, storage) = in_memory(&image);
    let extent = open(storage);
    extent.write(8, &pattern(3, 64), None).unwrap();
    extent.flush().unwrap();
    assert_eq!(extent.resolve(130, 1).unwrap_err().kind(), Kind::InvalidDisk);
}

/// What is done to an extent.
#[derive(Debug, Clone)]
enum Step {
    /// Of a pattern; 0 writes zeros.
    Write {
        start: u64,
        sectors: u64,
        seed: u64,
    },
    Flush,
    Reopen,
    Shrink,
    Defragment,
    Grow(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let write = (0..10_000u64, prop_oneof![1..9u64, 1..80u64], 0..4u64);
    let step = prop_oneof![
        8 => write.prop_map(|(start, sectors, seed)| Step::Write { start, sectors, seed }),
        1 => Just(Step::Flush),
        1 => Just(Step::Reopen),
        1 => Just(Step::Shrink),
        1 => Just(Step::Defragment),
        1 => (0..100u64).prop_map(Step::Grow),
    ];
    prop::collection::vec(step, 1..40)
}

fn shapes() -> impl Strategy<Value = (Shape, bool)> {
    let sizes = prop_oneof![Just((8, 4)), Just((1, 3)), Just((16, 128)), Just((8, 1)), Just((4, 200))];
    (1..400u64, sizes, any::<bool>(), any::<bool>(), 0..3u64, any::<bool>()).prop_map(
        |(capacity, (grain, entries), redundant, tables, shift, parent)| {
            (Shape { capacity, grain, entries, redundant, tables, shift: shift % grain }, parent)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 400 }, ..ProptestConfig::default() })]

    #[test]
    fn maintained_extents_behave_like_an_array_of_bytes((shape, over_parent) in shapes(), steps in steps()) {
        let (_, storage): (MemoryFile, Arc<dyn Storage>) = in_memory(&shape.image());
        let parent = if over_parent { pattern(99, shape.capacity) } else { Vec::new() };
        let below = over_parent.then_some(&parent[..]);
        let mut model = parent.clone();
        model.resize(shape.capacity as usize * 512, 0);
        let mut extent = open(Arc::clone(&storage));
        for step in steps {
            let length = storage.length().unwrap();
            match step {
                Step::Write { start, sectors, seed } => {
                    let start = start % extent.sectors();
                    let data = pattern(seed, sectors.min(extent.sectors() - start));
                    write(&extent, start, &data, below).unwrap();
                    model[start as usize * 512..][..data.len()].copy_from_slice(&data);
                    continue;
                }
                Step::Flush => extent.flush().unwrap(),
                Step::Reopen => {
                    extent.finish().unwrap();
                    extent = open(Arc::clone(&storage));
                }
                Step::Shrink => {
                    extent.shrink(over_parent, &mut |_| ()).unwrap();
                    let grain = (shape.grain * 512) as usize;
                    let used = places(&extent).len();
                    let filled = model.chunks(grain).filter(|grain| grain.iter().any(|byte| *byte != 0)).count();
                    prop_assert!(used <= filled, "{used} grains, {filled} with content");
                    prop_assert!(storage.length().unwrap() <= length);
                }
                Step::Defragment => {
                    extent.flush().unwrap();
                    let length = storage.length().unwrap();
                    extent.defragment(&mut |_| ()).unwrap();
                    prop_assert!(storage.length().unwrap() <= length);
                    prop_assert!(shape.shift > 0 || places(&extent).is_sorted());
                }
                Step::Grow(more) => {
                    extent.finish().unwrap();
                    let capacity = extent.sectors() + more;
                    grow(&storage, capacity, &mut |_| ()).unwrap();
                    model.resize(capacity as usize * 512, 0);
                    extent = open(Arc::clone(&storage));
                }
            }
            assert_sound(&storage);
            prop_assert!(read(&extent, &parent) == model);
        }
        extent.finish().unwrap();
        prop_assert!(read(&open(storage), &parent) == model);
    }
}
