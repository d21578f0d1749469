//! Makes extents of ESX from the description of their formats alone, with none of the library's code, so that a
//! mistake in reading is not made in writing too.

#![allow(dead_code, unreachable_pub, reason = "every test program uses a part of it")]

use std::collections::BTreeMap;

const SECTOR: usize = 512;

fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// An ESX redo log. Tables are made when their first grain is, between the grains, as ESX does it.
pub struct Cowd {
    pub capacity: u32,
    /// Sectors of a grain.
    pub grain: u32,
    /// Entries of the directory; more than are needed do no harm.
    pub entries: u32,
    bytes: Vec<u8>,
}

impl Cowd {
    pub const DIRECTORY: u32 = 4;

    pub fn new(capacity: u32, grain: u32) -> Self {
        let entries = u64::from(capacity).div_ceil(u64::from(grain) * 4096) as u32;
        let directory_sectors = (entries as usize * 4).div_ceil(SECTOR);
        let mut bytes = vec![0; (Self::DIRECTORY as usize + directory_sectors) * SECTOR];
        bytes[..4].copy_from_slice(b"COWD");
        put32(&mut bytes, 4, 1);
        put32(&mut bytes, 8, 3);
        put32(&mut bytes, 12, capacity);
        put32(&mut bytes, 16, grain);
        put32(&mut bytes, 20, Self::DIRECTORY);
        put32(&mut bytes, 24, entries);
        Self { capacity, grain, entries, bytes }
    }

    /// Adds a grain, which must not be there yet; one that is cut by the end of the extent is filled up.
    pub fn add(&mut self, grain: u32, data: &[u8]) -> &mut Self {
        let entry = self.directory_place(grain / 4096);
        if self.number_at(entry) == 0 {
            let table = self.free();
            put32(&mut self.bytes, entry, table);
            self.bytes.resize(self.bytes.len() + 4096 * 4, 0);
        }
        let (place, free) = (self.table_place(grain), self.free());
        put32(&mut self.bytes, place, free);
        let end = self.bytes.len() + self.grain as usize * SECTOR;
        self.bytes.extend_from_slice(data);
        self.bytes.resize(end, 0);
        self
    }

    /// Adds all of `content`, grain by grain, that `wanted` picks by its number.
    pub fn add_grains(&mut self, content: &[u8], wanted: impl Fn(u32) -> bool) -> &mut Self {
        let size = self.grain as usize * SECTOR;
        for (grain, data) in content.chunks(size).enumerate() {
            if wanted(grain as u32) {
                self.add(grain as u32, data);
            }
        }
        self
    }

    /// The byte of the directory's entry for a table.
    pub fn directory_place(&self, table: u32) -> usize {
        Self::DIRECTORY as usize * SECTOR + table as usize * 4
    }

    /// The byte of a grain's entry, whose table must be there.
    pub fn table_place(&self, grain: u32) -> usize {
        let table = self.number_at(self.directory_place(grain / 4096));
        table as usize * SECTOR + (grain % 4096) as usize * 4
    }

    fn number_at(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes[at..at + 4].try_into().unwrap())
    }

    fn free(&self) -> u32 {
        (self.bytes.len() / SECTOR) as u32
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        put32(&mut bytes, 28, self.free());
        bytes
    }
}

/// What a grain of an seSparse extent is.
#[derive(Clone)]
pub enum Grain {
    /// Data of up to 4096 bytes, at the next place.
    Data(Vec<u8>),
    /// Given back by the guest; the entry still says where it was.
    Unmapped,
    /// Zeros.
    Zero,
    /// An entry as it stands in the table.
    Raw(u64),
}

/// An seSparse extent.
pub struct SeSparse {
    pub capacity: u64,
    /// The number of the next grain of data.
    pub next: u64,
    /// Whether the journal has to be replayed.
    pub replay_journal: u64,
    /// Sector of the directory.
    pub directory: u64,
    grains: BTreeMap<u64, u64>,
    data: BTreeMap<u64, Vec<u8>>,
}

impl SeSparse {
    pub fn new(capacity: u64) -> Self {
        let (grains, data) = (BTreeMap::new(), BTreeMap::new());
        Self { capacity, next: 0, replay_journal: 0, directory: 8, grains, data }
    }

    pub fn add(&mut self, number: u64, grain: Grain) -> &mut Self {
        let entry = match grain {
            Grain::Raw(entry) => entry,
            Grain::Zero => 2 << 60,
            Grain::Unmapped => 1 << 60 | Self::rotated(self.next + 7),
            Grain::Data(data) => {
                let index = self.next;
                self.next += 1;
                self.data.insert(index, data);
                3 << 60 | Self::rotated(index)
            }
        };
        self.grains.insert(number, entry);
        self
    }

    pub fn add_grains(&mut self, content: &[u8], wanted: impl Fn(u64) -> bool) -> &mut Self {
        for (number, data) in content.chunks(4096).enumerate() {
            if wanted(number as u64) {
                self.add(number as u64, Grain::Data(data.to_vec()));
            }
        }
        self
    }

    /// The number of a grain as its entry has it: the lowest 12 bits come first.
    fn rotated(index: u64) -> u64 {
        (index & 0xfff) << 48 | index >> 12
    }

    fn tables(&self) -> u64 {
        self.capacity.div_ceil(32_768)
    }

    /// Sector of the first table.
    pub fn first_table(&self) -> u64 {
        self.directory + (self.tables() * 8).div_ceil(512)
    }

    /// Sector of grain number 0.
    pub fn first_grain(&self) -> u64 {
        // A sector each for the free bitmap and the back map, which readers do not need.
        self.first_table() + self.tables() * 64 + 2
    }

    /// The file. Tables stand in the order of the disk from the last place on, so that no number is that of its place.
    pub fn bytes(&self) -> Vec<u8> {
        let (directory, tables, grains) = (self.directory, self.first_table(), self.first_grain());
        let mut bytes = self.bytes_before_tables();
        bytes.resize(((grains + self.used() * 8) * 512) as usize, 0);
        let mut known: Vec<u64> = Vec::new();
        for (number, entry) in &self.grains {
            let table = number / 4096;
            let index = known.iter().position(|known| *known == table).unwrap_or_else(|| {
                known.push(table);
                known.len() - 1
            });
            let index = self.tables() - 1 - index as u64;
            put64(&mut bytes, (directory * 512 + table * 8) as usize, 0x1000_0000_0000_0000 | index);
            put64(&mut bytes, ((tables + index * 64) * 512 + number % 4096 * 8) as usize, *entry);
        }
        for (index, data) in &self.data {
            let place = ((grains + index * 8) * 512) as usize;
            bytes[place..place + data.len()].copy_from_slice(data);
        }
        bytes
    }

    /// The headers, and the directory as it is without tables.
    pub fn bytes_before_tables(&self) -> Vec<u8> {
        let (directory, tables, grains) = (self.directory, self.first_table(), self.first_grain());
        let mut bytes = vec![0; (tables * 512) as usize];
        let header = [
            0xcafe_babe,
            0x0000_0002_0000_0001,
            self.capacity,
            8,
            64,
            0,
            0,
            0,
            0,
            0,
            1, // volatile header
            1,
            2, // header of the journal
            2,
            4, // journal
            directory - 4,
            directory,
            tables - directory,
            tables,
            self.tables() * 64,
            grains - 2, // free bitmap
            1,
            grains - 1, // back map
            1,
            grains,
            self.capacity.next_multiple_of(8).max(self.used() * 8),
        ];
        header.iter().enumerate().for_each(|(index, value)| put64(&mut bytes, index * 8, *value));
        put64(&mut bytes, 512, 0xcafe_cafe);
        put64(&mut bytes, 512 + 24, self.replay_journal);
        bytes
    }

    /// Places for grains.
    fn used(&self) -> u64 {
        self.data.last_key_value().map_or(0, |(index, _)| index + 1)
    }
}

/// The text of a descriptor. `parent` is the content id and the name of a parent.
pub fn descriptor(kind: &str, cid: u32, parent: Option<(u32, &str)>, extents: &[String]) -> String {
    let parent = match parent {
        Some((cid, hint)) => format!("parentCID={cid:08x}\nparentFileNameHint=\"{hint}\"\n"),
        None => "parentCID=ffffffff\n".to_owned(),
    };
    format!(
        "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID={cid:08x}\n{parent}isNativeSnapshot=\"no\"\n\
         createType=\"{kind}\"\n\n# Extent description\n{}\n\n# The Disk Data Base \n#DDB\n\n\
         ddb.longContentID = \"0123456789abcdef01234567{cid:08x}\"\n",
        extents.join("\n")
    )
}
