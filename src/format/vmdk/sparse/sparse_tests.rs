//! Tests of the sparse extent on files in memory.

use std::sync::Arc;

use zerocopy::IntoBytes;

use super::SparseExtent;
use super::header::RawHeader;
use super::layout::Layout;
use crate::error::{Error, Kind};
use crate::format::extent::{Extent, Source, seen as read};
use crate::io::memory::MemoryFile;
use crate::io::{ByteOffset, Storage};

const GRAIN: usize = 128 * 512;

fn empty(capacity: u64) -> MemoryFile {
    let file = MemoryFile::new(Vec::new());
    Layout::new(capacity, 0).unwrap().write(&file, &mut |_| ()).unwrap();
    file
}

fn open(file: &MemoryFile) -> SparseExtent {
    let bytes = file.to_vec();
    let header = RawHeader::parse(&bytes).unwrap().check(bytes.len() as u64).unwrap();
    SparseExtent::new(Arc::new(file.clone()), header, header.capacity, true).unwrap()
}

/// Changes an entry of the first table in the file, as damage or another writer would.
fn set_entry(file: &MemoryFile, grain: u64, entry: u32) {
    let mut table = [0; 4];
    let directory = RawHeader::parse(&file.to_vec()).unwrap().directory.get();
    file.read_exact_at(&mut table, ByteOffset(directory * 512)).unwrap();
    let place = u64::from(u32::from_le_bytes(table)) * 512 + grain * 4;
    file.write_all_at(&entry.to_le_bytes(), ByteOffset(place)).unwrap();
}

#[test]
fn written_sectors_come_back_and_survive_reopening() {
    let file = empty(300_000);
    let extent = open(&file);
    extent.write(200, &[1; 512], None).unwrap();
    extent.write(65_500, &[2; 200 * 512], None).unwrap();
    extent.write(299_999, &[3; 512], None).unwrap();
    extent.finish().unwrap();
    for extent in [extent, open(&file)] {
        let start = read(&extent, 0, 384);
        assert!(start[..GRAIN] == [b'U'; GRAIN], "a grain that was not written stays unallocated");
        assert!(start[200 * 512..201 * 512] == [1; 512]);
        assert!(start[201 * 512..256 * 512] == [0; 55 * 512], "the rest of a grain is zeros");
        assert!(read(&extent, 65_500, 200) == [2; 200 * 512], "across a table boundary");
        assert!(read(&extent, 299_999, 1) == [3; 512]);
    }
}

#[test]
fn tables_reach_the_file_only_with_a_flush() {
    let file = empty(65_536);
    let before = file.to_vec();
    let extent = open(&file);
    extent.write(0, &[9; GRAIN], None).unwrap();
    let written = file.to_vec();
    let header_end = 512;
    assert_eq!(written[header_end..before.len()], before[header_end..], "no table changed");
    assert_eq!(written[72], 1, "the header says that writing is under way");
    extent.flush().unwrap();
    let flushed = file.to_vec();
    let changed = flushed[..before.len()].iter().zip(&written).filter(|(new, old)| new != old).count();
    assert_eq!(changed, 2, "one byte of an entry in each copy of the table");
    extent.finish().unwrap();
    assert_eq!(file.to_vec()[72], 0);
}

#[test]
fn contiguous_grains_are_one_run() {
    let file = empty(200_000);
    let extent = open(&file);
    extent.write(0, &vec![1; GRAIN * 600], None).unwrap();
    let run = extent.resolve(5, 199_000).unwrap();
    assert_eq!(run.sectors, 600 * 128 - 5, "across the end of a table");
    let hole = extent.resolve(600 * 128, 200_000 - 600 * 128).unwrap();
    assert_eq!(hole.sectors, 200_000 - 600 * 128);
    assert!(matches!(hole.source, Source::Unallocated));
}

#[test]
fn zeros_take_no_space_where_nothing_is_below() {
    let file = empty(65_536);
    let length = file.to_vec().len();
    let extent = open(&file);
    extent.write(0, &[0; 3 * GRAIN], None).unwrap();
    assert_eq!(file.to_vec().len(), length);
    let mut data = vec![0; 3 * GRAIN];
    data[GRAIN + 5] = 1;
    extent.write(0, &data, None).unwrap();
    extent.finish().unwrap();
    assert_eq!(file.to_vec().len(), length + GRAIN);
    assert_eq!(read(&extent, 128, 128), data[GRAIN..2 * GRAIN]);
    // Over data, zeros are written.
    extent.write(128, &[0; GRAIN], None).unwrap();
    assert!(read(&extent, 128, 128) == [0; 128 * 512]);
}

#[test]
fn a_new_grain_takes_the_rest_from_below() {
    let file = empty(1000);
    let extent = open(&file);
    let below = |sector: u64, buffer: &mut [u8]| {
        for (index, chunk) in buffer.chunks_mut(512).enumerate() {
            chunk.fill((sector + index as u64) as u8);
        }
        Ok(())
    };
    extent.write(130, &[255; 512], Some(&below)).unwrap();
    extent.write(999, &[255; 512], Some(&below)).unwrap();
    extent.finish().unwrap();
    let sectors: Vec<u8> = read(&extent, 128, 128).chunks(512).map(|sector| sector[511]).collect();
    assert_eq!(sectors[..4], [128, 129, 255, 131]);
    assert_eq!(sectors[127], 255);
    let last: Vec<u8> = read(&extent, 896, 104).chunks(512).map(|sector| sector[0]).collect();
    assert_eq!((last[0], last[102], last[103]), (896u64 as u8, 998u64 as u8, 255));
}

#[test]
fn the_last_addressable_grain_is_no_neighbour_of_one_that_does_not_exist() {
    let file = empty(1000);
    // 128 sectors further the number would wrap around to that of an unallocated grain.
    set_entry(&file, 0, u32::MAX - 127);
    let extent = open(&file);
    assert_eq!(extent.resolve(0, 256).unwrap().sectors, 128);
    assert!(matches!(extent.resolve(128, 128).unwrap().source, Source::Unallocated));
}

#[test]
fn a_grain_of_zeros_hides_what_is_below() {
    let file = empty(1000);
    set_entry(&file, 1, 1);
    let extent = open(&file);
    assert!(matches!(extent.resolve(128, 128).unwrap().source, Source::Zero));
    let below = |_: u64, _: &mut [u8]| panic!("must not be asked");
    extent.write(128, &[1; 512], Some(&below)).unwrap();
    assert!(read(&extent, 129, 127) == [0; 127 * 512]);
}

#[test]
fn tables_past_the_end_are_an_error_and_not_zeros() {
    let file = empty(65_536);
    let header = RawHeader::parse(&file.to_vec()).unwrap();
    let directories = [header.directory.get(), header.redundant_directory.get()].map(|sector| sector * 512);
    let set = |directory: u64, entry: u32| {
        file.write_all_at(&entry.to_le_bytes(), ByteOffset(directory)).unwrap();
    };
    set(directories[0], 0x00ff_ffff);
    assert!(
        matches!(open(&file).resolve(0, 1).unwrap().source, Source::Unallocated),
        "the other copy serves"
    );
    set(directories[1], 0x00ff_ffff);
    assert_eq!(open(&file).resolve(0, 1).unwrap_err().kind(), Kind::InvalidDisk);
    assert_eq!(open(&file).write(0, &[1; 512], None).unwrap_err().kind(), Kind::InvalidDisk);
    // A table that is absent is added when it is needed.
    directories.into_iter().for_each(|directory| set(directory, 0));
    let extent = open(&file);
    assert!(matches!(extent.resolve(0, 65_536).unwrap().source, Source::Unallocated));
    extent.write(0, &[1; 512], None).unwrap();
    extent.finish().unwrap();
    assert!(read(&open(&file), 0, 1) == [1; 512]);
}

#[test]
fn metadata_is_never_overwritten_as_data() {
    let file = empty(65_536);
    // Nor is a grain written that lies past the end: the next new grains would be put there too.
    for sector in [2, 5000] {
        set_entry(&file, 0, sector);
        assert_eq!(open(&file).write(0, &[1; 512], None).unwrap_err().kind(), Kind::InvalidDisk);
    }
}

#[test]
fn other_grain_and_table_sizes_work() {
    for (grain, entries) in [(8u64, 512u32), (16, 128), (2048, 4), (128, 256), (8, 1)] {
        let capacity = grain * u64::from(entries) * 3 + 5;
        let mut header = Layout::new(capacity, 0).unwrap().header();
        let tables = capacity.div_ceil(grain * u64::from(entries));
        let table_sectors = (u64::from(entries) * 4).div_ceil(512);
        header.grain_size = grain.into();
        header.entries_per_table = entries.into();
        header.directory = 1.into();
        header.flags = 1.into();
        header.overhead = (2 + tables * table_sectors).next_multiple_of(grain).into();
        let file = MemoryFile::new(vec![0; (header.overhead.get() * 512) as usize]);
        file.write_all_at(header.as_bytes(), ByteOffset(0)).unwrap();
        for table in 0..tables {
            let sector = (2 + table * table_sectors) as u32;
            file.write_all_at(&sector.to_le_bytes(), ByteOffset(512 + table * 4)).unwrap();
        }
        let extent = open(&file);
        let data: Vec<u8> = (0..capacity * 512).map(|byte| (byte / 512 + byte % 7 + 1) as u8 | 1).collect();
        for start in (0..capacity).step_by(37) {
            let end = capacity.min(start + 37);
            extent.write(start, &data[start as usize * 512..end as usize * 512], None).unwrap();
        }
        extent.finish().unwrap();
        assert_eq!(read(&open(&file), 0, capacity), data, "grain {grain}, {entries} entries");
    }
}

#[test]
fn a_failed_write_leaves_no_trace_in_the_next_grain() {
    // The first attempt fails while the surroundings are copied up; the second takes the same place of the file.
    let file = empty(1_000_000);
    let extent = open(&file);
    extent.write(0, &[7; 512], None).unwrap();
    let failing = |_: u64, _: &mut [u8]| Err(Error::new(Kind::Io, "the parent cannot be read"));
    assert_eq!(extent.write(129, &[8; 512], Some(&failing)).unwrap_err().kind(), Kind::Io);
    extent.write(129, &[8; 512], None).unwrap();
    assert!(read(&extent, 130, 126) == [0; 126 * 512]);
    assert!(read(&extent, 0, 1) == [7; 512]);
}
