//! Cases in which readers of virtual disks go wrong, each with what must happen instead. Images are made by hand
//! (`generate`), and where qemu-img is right it is asked too.
//!
//! | Trap | What must happen | Where it is proven |
//! |---|---|---|
//! | 1 | no capacity in the header, flat sectors in the same file: read | flat::flat_sectors_behind_an_embedded_descriptor_are_read_and_written |
//! | 2 | redundant directory without its flag: ignored | sparse::a_redundant_directory_without_its_flag_is_ignored |
//! | 3 | the primary directory counts | sparse::the_primary_directory_counts |
//! | 4 | a directory at the end is found through the footer | `src/format/vmdk/stream/extent_tests.rs::streams_of_all_writers_are_read` |
//! | 5 | sectors are counted from the start of their extent | flat::writes_to_later_extents_go_to_their_place |
//! | 6 | copying up takes whole grains | grains::a_new_grain_of_a_child_takes_the_rest_from_its_parent |
//! | 7 | zeros go into the grain that is there | grains::zeros_go_into_the_grain_that_is_there |
//! | 8 | data first, then the tables | grains::tables_name_a_grain_when_its_data_is_there, `tests/crash/writes.rs` |
//! | 9 | quotes delimit names | descriptor::quotes_delimit_names |
//! | 10 | long descriptors are read to their end | descriptor::long_descriptors_are_read_to_their_end |
//! | 11 | versions 1 to 3, no others | sparse::extent_versions_1_to_3_are_read_and_no_others, descriptor::descriptor_versions_1_to_3_are_read_and_no_others |
//! | 12 | impossible tables are refused | sparse::impossible_table_sizes_are_refused, hostile::memory_stays_in_proportion |
//! | 13 | impossible grains are refused | sparse::impossible_grain_sizes_are_refused |
//! | 14 | impossible capacities are refused | sparse::impossible_capacities_are_refused, hostile::memory_stays_in_proportion |
//! | 15 | sectors have 64 bits | grains::grains_beyond_2_tib_are_found |
//! | 16 | a full file takes no more grains | grains::a_file_of_2_tib_takes_no_more_grains |
//! | 17 | flat extents have no grains | flat::flat_extents_have_any_size_and_place |
//! | 18 | a VMFS line with its place or without | flat::the_place_in_the_file_may_be_left_out_and_is_in_sectors |
//! | 19 | numbers of files are not those of the machine | sparse::numbers_of_files_are_never_those_of_the_machine |
//! | 20 | no partial writes to compressed grains | `src/format/vmdk/stream/writer_tests.rs::no_sector_is_written_twice_or_after_a_later_one` |
//! | 21 | a stream ends at a sector | `src/format/vmdk/stream/writer_tests.rs::the_file_has_the_sections_that_vmwares_products_write` |
//! | 22 | a stream has version 3 | `src/format/vmdk/stream/writer_tests.rs::the_file_has_the_sections_that_vmwares_products_write` |
//! | 23 | a cut stream is an error | `src/format/vmdk/stream/extent_tests.rs::a_truncated_stream_never_reads_as_zeros` |
//! | 24 | padding behind the end of a stream | `src/format/vmdk/stream/extent_tests.rs::the_footer_is_found_before_appended_bytes` |
//! | 25 | stored blocks longer than a grain | `src/format/vmdk/stream/extent_tests.rs::stored_blocks_that_are_longer_than_a_grain_are_read` |
//! | 26 | a last grain that is short, or not | `src/format/vmdk/stream/extent_tests.rs::streams_of_all_writers_are_read` |
//! | 27 | the last grain is cut at the capacity | grains::a_disk_may_end_within_a_grain |
//! | 28 | the file may end within the last grain | grains::a_disk_may_end_within_a_grain |
//! | 29 | every size of grains and tables | grains::every_size_of_grains_and_tables_is_read_and_written |
//! | 30 | grains of zeros hide the parent | grains::grains_of_zeros_hide_the_parent |
//! | 31 | a renamed file is its own extent | sparse::a_renamed_disk_is_its_own_extent |
//! | 32 | a shared grain is read; a check tells | grains::a_grain_with_two_entries_is_read_by_both, `src/format/vmdk/sparse/check_tests.rs::users_of_one_grain_get_one_each` |
//! | 33 | past the end is an error, never zeros | grains::what_lies_past_the_end_is_an_error_and_never_zeros |
//! | 34 | copies that differ: the primary is read; a check tells | grains::the_primary_table_is_read_when_the_copies_differ, `src/format/vmdk/sparse/check_tests.rs::copies_that_differ_are_made_equal` |
//! | 35 | transferred as text: refused | sparse::a_file_that_was_transferred_as_text_is_refused |
//! | 36 | unknown incompatible flags are refused | sparse::unknown_flags_that_change_the_format_are_refused |
//! | 37 | loops are refused | chain::a_chain_that_loops_is_refused_at_once |
//! | 38 | a changed parent is found out by the open | chain::a_changed_parent_is_found_out_when_the_disk_is_opened |
//! | 39 | a parent without a name is an error | chain::a_parent_that_is_not_there_never_reads_as_zeros |
//! | 40 | a missing parent is an error | chain::a_parent_that_is_not_there_never_reads_as_zeros |
//! | 41 | a parent is a VMDK or an error | chain::a_parent_that_is_no_virtual_disk_is_refused |
//! | 42 | links of different capacities are refused | chain::links_of_different_capacities_are_refused |
//! | 43 | hints of other machines lead beside the child | chain::a_hint_of_another_machine_leads_beside_the_child |
//! | 44 | names stay in the folder | hostile::names_cannot_leave_the_folder_of_the_disk |
//! | 45 | symbolic links stay in the folder | hostile::symbolic_links_cannot_leave_the_folder |
//! | 46 | names are never protocols | hostile::names_are_names_of_files_and_nothing_else |
//! | 47 | NUL and open quotes are refused | hostile::names_without_an_end_are_refused |
//! | 48 | a descriptor is no extent of itself | hostile::a_descriptor_is_no_extent_of_itself |
//! | 49 | impossible sizes are refused | hostile::impossible_sizes_are_refused |
//! | 50 | blank lines count for nothing | descriptor::blank_lines_count_for_nothing_and_comments_are_no_keys |
//! | 51 | extents of every access take their place | flat::every_extent_takes_its_place_whatever_its_access, `tests/esx/flat.rs::parts_of_files_are_put_together_as_the_lines_say` |
//! | 52 | the first sector of a flat extent counts | flat::every_extent_takes_its_place_whatever_its_access, `tests/esx/flat.rs::parts_of_files_are_put_together_as_the_lines_say` |
//! | 53 | the first sector is a sector | flat::the_place_in_the_file_may_be_left_out_and_is_in_sectors |
//! | 54 | a flat file that is too short is refused | flat::a_flat_file_must_have_what_its_line_says_and_may_have_more |
//! | 55 | a flat file may be longer | flat::a_flat_file_must_have_what_its_line_says_and_may_have_more |
//! | 56 | comments are no keys | descriptor::blank_lines_count_for_nothing_and_comments_are_no_keys |
//! | 57 | case does not matter | descriptor::case_does_not_matter |
//! | 58 | names in other code pages are found | descriptor::extents_in_other_code_pages_are_found, descriptor::parents_in_other_code_pages_are_found, descriptor::disks_of_other_code_pages_are_renamed_and_deleted |
//! | 59 | names are taken as they stand | descriptor::names_are_taken_as_they_stand |
//! | 60 | descriptors have a bound | hostile::descriptors_have_a_bound, hostile::memory_stays_in_proportion |
//! | 61 | what is only read is open for reading | flat::nothing_that_is_only_read_is_open_for_writing, `tests/esx/devices.rs::devices_are_opened_only_as_the_configuration_allows` |
//! | 62 | a descriptor grows into nothing | sparse::a_descriptor_never_grows_into_what_follows_it |
//! | 63 | the disk database of a new disk has common keys only | descriptor::a_new_disk_has_common_keys_only |
//! | 64 | text appended behind a stream | `src/format/vmdk/stream/extent_tests.rs::the_footer_is_found_before_appended_bytes` |
//! | 65 | numbers have 63 bits | descriptor::sizes_have_63_bits |
//! | 66 | gzip around a stream is told | `tests/stream.rs::renamed_and_damaged_files_are_told_apart` |
//! | 67 | objects of vSAN are an error | chain::objects_of_vsan_are_no_files, `tests/esx/flat.rs::names_that_are_no_files_are_told_as_such` |
//! | 68 | a dirty journal is refused | `src/format/vmdk/sesparse/sesparse_tests.rs::a_journal_that_is_not_empty_is_refused_with_what_to_do` |
//! | 69 | unmapped grains are zeros | `src/format/vmdk/sesparse/sesparse_tests.rs::each_kind_of_grain_reads_as_what_it_is` |
//! | 70 | rotated indices | `src/format/vmdk/sesparse/sesparse_tests.rs::the_lowest_bits_of_a_grain_number_come_first` |
//! | 71 | tables of redo logs have 4096 entries | `src/format/vmdk/cowd/cowd_tests.rs::tables_have_4096_entries_whatever_the_grain` |
//! | 72 | a damaged extent is never raw | sparse::a_damaged_extent_is_never_read_as_it_stands |
//! | 73 | content ids in every spelling | descriptor::content_ids_are_numbers_however_they_are_spelt |
//! | 74 | split extents of any size | flat::split_disks_have_extents_of_any_size |
//! | 75 | a disk without sectors is refused | sparse::a_disk_without_sectors_is_refused |
//! | 76 | a differencing VHD has its parent | `tests/vhd.rs::a_parent_that_is_missing_or_another_one_is_refused` |

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]
#![allow(unreachable_pub, reason = "modules of one program")]

#[path = "../common/mod.rs"]
mod common;

mod chain;
mod descriptor;
mod flat;
mod generate;
mod grains;
mod hostile;
mod locks;
mod seeds;
mod sparse;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::*;
use vixDiskLib::error::{Error, Kind};
use vixDiskLib::session::{Compression, OpenFlags};

/// No open may take longer, whatever the image, not even without optimisation.
const PATIENCE: Duration = Duration::from_secs(1);

const READ_ONLY: OpenFlags = flags(true);
const WRITABLE: OpenFlags = flags(false);

const fn flags(read_only: bool) -> OpenFlags {
    OpenFlags { read_only, single_link: false, unbuffered: false, compression: Compression::None }
}

/// Opens a disk, within the time that any open has. One that was slow is tried again: a machine may be busy, but what
/// waits or works too long does so every time.
fn timely(path: &Path, flags: OpenFlags) -> Result<Open, Error> {
    let mut tries = 0;
    loop {
        let start = Instant::now();
        let result = Open::with(path, flags);
        let taken = start.elapsed();
        tries += 1;
        if taken < PATIENCE {
            return result;
        }
        assert!(tries < 3, "{}: opening took {taken:?}", path.display());
        result.map_or_else(drop, Open::close);
    }
}

/// Opens a disk for reading.
fn open(path: &Path) -> Open {
    timely(path, READ_ONLY).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The content of a whole disk.
fn content(path: &Path) -> Vec<u8> {
    let open = open(path);
    let content = open.read_all();
    open.close();
    content
}

/// The error of opening a disk.
fn error_of(path: &Path, flags: OpenFlags) -> Error {
    timely(path, flags).err().unwrap_or_else(|| panic!("{} opens", path.display()))
}

/// A disk must be refused for reading and for writing, for one reason.
fn refused(path: &Path, kind: Kind) -> String {
    let mut texts = [READ_ONLY, WRITABLE].map(|flags| {
        let error = error_of(path, flags);
        assert_eq!(error.kind(), kind, "{}: {error}", path.display());
        error.to_string()
    });
    std::mem::take(&mut texts[0])
}

/// A folder, and a path of a disk in it.
fn disk() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = in_folder(&folder, "disk.vmdk");
    (folder, path)
}

/// Puts a file beside a disk.
fn beside(disk: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = disk.with_file_name(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn every_trap_is_in_the_table_and_named_by_its_test() {
    let modules = [
        ("chain", include_str!("chain.rs")),
        ("descriptor", include_str!("descriptor.rs")),
        ("flat", include_str!("flat.rs")),
        ("grains", include_str!("grains.rs")),
        ("hostile", include_str!("hostile.rs")),
        ("sparse", include_str!("sparse.rs")),
    ];
    let rows: Vec<Vec<&str>> = include_str!("main.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .map(|row| row.trim_end_matches('|').split(" | ").map(str::trim).collect())
        .filter(|row: &Vec<&str>| row[0].parse::<u32>().is_ok())
        .collect();
    let numbers: Vec<u32> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(numbers, (1..=76).collect::<Vec<u32>>());
    for row in rows {
        for place in row[2].split(", ") {
            match place.strip_prefix('`') {
                Some(path) => is_there(path.trim_end_matches('`')),
                None => {
                    let (module, function) = place.split_once("::").expect(place);
                    let (_, source) = modules.iter().find(|(name, _)| *name == module).expect(place);
                    assert!(
                        is_marked(source, function, row[0]),
                        "{place} is not the test of trap {}",
                        row[0]
                    );
                }
            }
        }
    }
}

/// The file of another test, and the test if one is named, must exist.
fn is_there(place: &str) {
    let (path, function) = place.split_once("::").unwrap_or((place, ""));
    let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(place);
    assert!(source.contains(&format!("fn {function}")), "{place}");
}

/// Whether the comment of a test names a trap by its number.
fn is_marked(source: &str, function: &str, number: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("\nfn {function}(")) else { return false };
    let comment = before.lines().rev().skip(1).take_while(|line| line.starts_with("///"));
    let numbers = |line: &str| {
        let heading = line.split(':').next().unwrap_or_default().to_owned();
        heading.split(|c: char| !c.is_ascii_digit()).any(|found| found == number)
    };
    comment.filter(|line| line.starts_with("/// Trap")).any(numbers)
}
