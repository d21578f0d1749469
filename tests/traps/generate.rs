//! Images made by hand, from a few parameters and without the library's writer: sparse extents, descriptors, flat files.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::common::{Bytes, SECTOR};

/// Bytes of random content; the seed tells one from another.
pub fn random(seed: u64, sectors: u64) -> Vec<u8> {
    Bytes(seed * 2 + 1).vec(sectors as usize * SECTOR)
}

/// A file in pieces, so that huge ones with little in them can be made.
#[derive(Debug, Clone, Default)]
pub struct Image {
    pieces: Vec<(u64, Vec<u8>)>,
    /// Bytes of the file.
    pub length: u64,
}

impl Image {
    /// A file without anything in it.
    pub fn empty(length: u64) -> Self {
        Self { pieces: Vec::new(), length }
    }

    /// Puts bytes at a place, over what is there.
    pub fn put(&mut self, offset: u64, bytes: &[u8]) -> &mut Self {
        self.pieces.push((offset, bytes.to_vec()));
        self.length = self.length.max(offset + bytes.len() as u64);
        self
    }

    pub fn put_u32(&mut self, offset: u64, value: u32) -> &mut Self {
        self.put(offset, &value.to_le_bytes())
    }

    pub fn put_u64(&mut self, offset: u64, value: u64) -> &mut Self {
        self.put(offset, &value.to_le_bytes())
    }

    /// Writes the file; a length that was made shorter cuts it.
    pub fn write(&self, path: &Path) {
        let file = File::create(path).unwrap();
        for (offset, bytes) in &self.pieces {
            file.write_all_at(bytes, *offset).unwrap();
        }
        file.set_len(self.length).unwrap();
    }
}

/// Fields of the header of a sparse extent, and the bytes that they start at.
pub mod field {
    pub const VERSION: u64 = 4;
    pub const FLAGS: u64 = 8;
    pub const CAPACITY: u64 = 12;
    pub const GRAIN_SIZE: u64 = 20;
    pub const DESCRIPTOR_SECTOR: u64 = 28;
    pub const DESCRIPTOR_SECTORS: u64 = 36;
    pub const ENTRIES_PER_TABLE: u64 = 44;
    pub const REDUNDANT_DIRECTORY: u64 = 48;
    pub const DIRECTORY: u64 = 56;
    pub const OVERHEAD: u64 = 64;
    pub const TEXT_PROBE: u64 = 73;
}

/// What a table says of a grain.
#[derive(Debug, Clone)]
enum Entry {
    /// Data, which goes behind what is there.
    Data(Vec<u8>),
    /// Any number.
    Number(u32),
}

/// A hosted sparse extent: header, descriptor, redundant directory and tables, directory and tables, grains.
#[derive(Debug, Clone)]
pub struct Sparse {
    pub version: u32,
    pub flags: u32,
    pub capacity: u64,
    pub grain_size: u64,
    pub entries_per_table: u32,
    /// The embedded descriptor, and the sectors that it has.
    pub descriptor: Option<(Vec<u8>, u64)>,
    /// The last grain ends in the file where its data does.
    pub short_end: bool,
    entries: BTreeMap<u64, Entry>,
}

/// Flags of an extent by VMware: text probe and redundant directory.
pub const USUAL_FLAGS: u32 = 3;
/// Flag: table entry 1 is a grain of zeros.
pub const ZERO_GRAINS: u32 = 4;

impl Sparse {
    pub fn new(capacity: u64) -> Self {
        Self {
            version: 1,
            flags: USUAL_FLAGS,
            capacity,
            grain_size: 128,
            entries_per_table: 512,
            descriptor: None,
            short_end: false,
            entries: BTreeMap::new(),
        }
    }

    pub fn descriptor(mut self, text: impl AsRef<[u8]>, sectors: u64) -> Self {
        self.descriptor = Some((text.as_ref().to_vec(), sectors));
        self
    }

    /// With data in a grain, padded to its size. Grains stand in the file in the order of their numbers.
    pub fn data(mut self, grain: u64, data: &[u8]) -> Self {
        self.entries.insert(grain, Entry::Data(data.to_vec()));
        self
    }

    /// With a table entry of any number.
    pub fn entry(mut self, grain: u64, number: u32) -> Self {
        self.entries.insert(grain, Entry::Number(number));
        self
    }

    fn tables(&self) -> u64 {
        let covered = self.grain_size.saturating_mul(u64::from(self.entries_per_table)).max(1);
        self.capacity.div_ceil(covered)
    }

    fn table_sectors(&self) -> u64 {
        (u64::from(self.entries_per_table) * 4).div_ceil(512)
    }

    fn directory_sectors(&self) -> u64 {
        (self.tables() * 4).div_ceil(512)
    }

    fn has_redundant(&self) -> bool {
        self.flags & 2 != 0
    }

    /// Sector of the redundant directory, or of what stands in its place.
    pub fn redundant_directory(&self) -> u64 {
        1 + self.descriptor.as_ref().map_or(0, |(_, sectors)| *sectors)
    }

    /// Sector of the directory.
    pub fn directory(&self) -> u64 {
        let copy = self.directory_sectors() + self.tables() * self.table_sectors();
        self.redundant_directory() + if self.has_redundant() { copy } else { 0 }
    }

    /// Sector of a table, in the copy whose directory is given.
    pub fn table(&self, directory: u64, table: u64) -> u64 {
        directory + self.directory_sectors() + table * self.table_sectors()
    }

    /// Byte of the table entry of a grain.
    pub fn entry_offset(&self, grain: u64) -> u64 {
        let per_table = u64::from(self.entries_per_table);
        self.table(self.directory(), grain / per_table) * 512 + grain % per_table * 4
    }

    /// Sectors before the first grain.
    pub fn overhead(&self) -> u64 {
        self.table(self.directory(), self.tables()).next_multiple_of(self.grain_size.max(1))
    }

    fn header(&self, image: &mut Image) {
        image.put(0, &[0; 512]).put(0, b"KDMV");
        image.put_u32(field::VERSION, self.version).put_u32(field::FLAGS, self.flags);
        image.put_u64(field::CAPACITY, self.capacity).put_u64(field::GRAIN_SIZE, self.grain_size);
        if let Some((text, sectors)) = &self.descriptor {
            image.put_u64(field::DESCRIPTOR_SECTOR, 1).put_u64(field::DESCRIPTOR_SECTORS, *sectors);
            image.put(512, text);
        }
        image.put_u32(field::ENTRIES_PER_TABLE, self.entries_per_table);
        let redundant = if self.has_redundant() { self.redundant_directory() } else { 0 };
        image.put_u64(field::REDUNDANT_DIRECTORY, redundant).put_u64(field::DIRECTORY, self.directory());
        image.put_u64(field::OVERHEAD, self.overhead()).put(field::TEXT_PROBE, b"\n \r\n");
    }

    pub fn image(&self) -> Image {
        let mut image = Image::default();
        self.header(&mut image);
        let redundant = self.has_redundant().then(|| self.redundant_directory());
        let copies: Vec<u64> = redundant.into_iter().chain([self.directory()]).collect();
        for directory in &copies {
            let entries = (0..self.tables()).map(|table| self.table(*directory, table) as u32);
            image.put(directory * 512, &entries.flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
        }
        let mut end = self.overhead();
        image.length = end * 512;
        for (grain, entry) in &self.entries {
            let number = match entry {
                Entry::Number(number) => *number,
                Entry::Data(data) => {
                    image.put(end * 512, data);
                    end += self.grain_size;
                    (end - self.grain_size) as u32
                }
            };
            let primary = self.entry_offset(*grain);
            for directory in &copies {
                image.put_u32(primary - (self.directory() - directory) * 512, number);
            }
        }
        if !self.short_end {
            image.length = image.length.max(end * 512);
        }
        image
    }

    pub fn write(&self, path: &Path) {
        self.image().write(path);
    }
}

/// A descriptor: header, extents as given, a small disk database.
pub fn descriptor(extents: &str) -> String {
    linked(0xfeed_beef, None, extents)
}

/// As [`descriptor`], with a content id and perhaps a parent: its content id and how to find it.
pub fn linked(cid: u32, parent: Option<(u32, &str)>, extents: &str) -> String {
    let parent_cid = parent.map_or(u32::MAX, |(cid, _)| cid);
    let hint = parent.map_or(String::new(), |(_, hint)| format!("parentFileNameHint=\"{hint}\"\n"));
    format!(
        "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID={cid:08x}\nparentCID={parent_cid:08x}\n\
         createType=\"{}\"\n{hint}\n# Extent description\n{extents}\n\n# The Disk Data Base \n#DDB\n\n\
         ddb.adapterType = \"lsilogic\"\nddb.virtualHWVersion = \"4\"\n",
        create_type(extents)
    )
}

/// The label that goes with the first extent, which is all that qemu-img looks at.
fn create_type(extents: &str) -> &'static str {
    let sparse = extents.contains(" SPARSE ");
    match (extents.lines().count() > 1, sparse) {
        (true, true) => "twoGbMaxExtentSparse",
        (true, false) => "twoGbMaxExtentFlat",
        (false, true) => "monolithicSparse",
        (false, false) if extents.contains(" VMFS ") => "vmfs",
        (false, false) => "monolithicFlat",
    }
}
