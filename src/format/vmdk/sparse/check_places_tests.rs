//! Damage to directories, and to where their tables stand.

use super::*;

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
