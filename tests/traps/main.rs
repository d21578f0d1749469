//! Cases in which readers of virtual disks go wrong, each with what must happen instead. Images are made by hand
//! (`generate`), and where qemu-img is right it is asked too.
//!
//! | Trap | What must happen | Where it is proven |
//! |---|---|---|
//! | 1 | no capacity in the header, flat sectors in the same file: read | flat::flat_sectors_behind_an_embedded_descriptor_are_read_and_written |
//! | 2 | redundant directory without its flag: ignored | sparse::a_redundant_directory_without_its_flag_is_ignored |
//! | 3 | the primary directory counts | sparse::the_primary_directory_counts |
//! | 4 | a directory at the end is found through the footer | `tests/stream.rs` |
//! | 5 | sectors are counted from the start of their extent | flat::writes_to_later_extents_go_to_their_place |
//! | 6 | copying up takes whole grains | grains::a_new_grain_of_a_child_takes_the_rest_from_its_parent |
//! | 7 | zeros go into the grain that is there | grains::zeros_go_into_the_grain_that_is_there |
//! | 8 | data first, then the tables | grains::tables_name_a_grain_when_its_data_is_there, `tests/crash.rs` |
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
//! | 20 | no partial writes to compressed grains | `tests/stream.rs` |
//! | 21 | a stream ends at a sector | `tests/stream.rs` |
//! | 22 | a stream has version 3 | `tests/stream.rs` |
//! | 23 | a cut stream is an error | `tests/stream.rs` |
//! | 24 | padding behind the end of a stream | `tests/stream.rs` |
//! | 25 | stored blocks longer than a grain | `tests/stream.rs` |
//! | 26 | a last grain that is short, or not | `tests/stream.rs` |
//! | 27 | the last grain is cut at the capacity | grains::a_disk_may_end_within_a_grain |
//! | 28 | the file may end within the last grain | grains::a_disk_may_end_within_a_grain |
//! | 29 | every size of grains and tables | grains::every_size_of_grains_and_tables_is_read_and_written |
//! | 30 | grains of zeros hide the parent | grains::grains_of_zeros_hide_the_parent |
//! | 31 | a renamed file is its own extent | sparse::a_renamed_disk_is_its_own_extent |
//! | 32 | a shared grain is read; a check tells | grains::a_grain_with_two_entries_is_read_by_both |
//! | 33 | past the end is an error, never zeros | grains::what_lies_past_the_end_is_an_error_and_never_zeros |
//! | 34 | copies that differ: the primary is read; a check tells | grains::the_primary_table_is_read_when_the_copies_differ |
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
//! | 51 | extents of every access take their place | flat::every_extent_takes_its_place_whatever_its_access, `tests/esx.rs` |
//! | 52 | the first sector of a flat extent counts | flat::every_extent_takes_its_place_whatever_its_access, `tests/esx.rs` |
//! | 53 | the first sector is a sector | flat::the_place_in_the_file_may_be_left_out_and_is_in_sectors |
//! | 54 | a flat file that is too short is refused | flat::a_flat_file_must_have_what_its_line_says_and_may_have_more |
//! | 55 | a flat file may be longer | flat::a_flat_file_must_have_what_its_line_says_and_may_have_more |
//! | 56 | comments are no keys | descriptor::blank_lines_count_for_nothing_and_comments_are_no_keys |
//! | 57 | case does not matter | descriptor::case_does_not_matter |
//! | 58 | names in other code pages are found | descriptor::extents_in_other_code_pages_are_found, descriptor::parents_in_other_code_pages_are_found, descriptor::disks_of_other_code_pages_are_renamed_and_deleted |
//! | 59 | names are taken as they stand | descriptor::names_are_taken_as_they_stand |
//! | 60 | descriptors have a bound | hostile::descriptors_have_a_bound, hostile::memory_stays_in_proportion |
//! | 61 | what is only read is open for reading | flat::nothing_that_is_only_read_is_open_for_writing, `tests/esx.rs` |
//! | 62 | a descriptor grows into nothing | sparse::a_descriptor_never_grows_into_what_follows_it |
//! | 63 | the disk database has common keys only | `tests/stream.rs` |
//! | 64 | text appended behind a stream | `tests/stream.rs` |
//! | 65 | numbers have 63 bits | descriptor::sizes_have_63_bits |
//! | 66 | gzip around a stream is told | `tests/stream.rs` |
//! | 67 | objects of vSAN are an error | chain::objects_of_vsan_are_no_files |
//! | 68 | a dirty journal is refused | `tests/esx.rs` |
//! | 69 | unmapped grains are zeros | `tests/esx.rs` |
//! | 70 | rotated indices | `tests/esx.rs` |
//! | 71 | tables of redo logs have 4096 entries | `tests/esx.rs` |
//! | 72 | a damaged extent is never raw | sparse::a_damaged_extent_is_never_read_as_it_stands |
//! | 73 | content ids in every spelling | descriptor::content_ids_are_numbers_however_they_are_spelt |
//! | 74 | split extents of any size | flat::split_disks_have_extents_of_any_size |
//! | 75 | a disk without sectors is refused | sparse::a_disk_without_sectors_is_refused |
//! | 76 | a differencing VHD has its parent | `tests/vhd.rs` |

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
mod sparse;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::*;
use vixDiskLib::error::{Error, Kind};
use vixDiskLib::session::OpenFlags;

/// No open may take longer, whatever the image, not even without optimisation.
const PATIENCE: Duration = Duration::from_secs(1);

const READ_ONLY: OpenFlags = OpenFlags { read_only: true, single_link: false, unbuffered: false };
const WRITABLE: OpenFlags = OpenFlags { read_only: false, single_link: false, unbuffered: false };

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
            let Some((module, function)) = place.trim_matches('`').split_once("::") else {
                assert!(place.starts_with("`tests/") || place.starts_with("`src/"), "{place}");
                continue;
            };
            let (_, source) = modules.iter().find(|(name, _)| *name == module).expect(place);
            let (before, _) = source.split_once(&format!("\nfn {function}(")).expect(place);
            let comment: Vec<&str> =
                before.lines().rev().skip(1).take_while(|line| line.starts_with("///")).collect();
            let numbers = |line: &str| -> Vec<String> {
                let heading = line.split(':').next().unwrap();
                heading.split(|c: char| !c.is_ascii_digit()).map(str::to_owned).collect()
            };
            let named = comment.iter().any(|line| {
                line.starts_with("/// Trap") && numbers(line).iter().any(|number| number == row[0])
            });
            assert!(named, "{place} is not marked as the test of trap {}", row[0]);
        }
    }
}
