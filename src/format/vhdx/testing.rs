//! A small writer of VHDXs, for tests only: every byte can be made wrong before checksums are made right.

use zerocopy::IntoBytes;

use super::extent::PRESENT;
use super::header::{self, LogPlace, RawHeader};
use super::log::{DATA, DATA_DESCRIPTOR, ENTRY, RawData, RawDescriptor, RawEntry, ZERO_DESCRIPTOR};
use super::metadata::{self, RawItem, RawTable};
use super::regions::{self, RawEntry as RegionEntry, RawList};
use super::{MAGIC, MIB, guid, locator};
use crate::format::crc32c;
use crate::format::foreign::Id;

/// Byte of the log, of 1 MiB.
pub(crate) const LOG: u64 = MIB;
/// Byte of the metadata, of 1 MiB.
pub(crate) const METADATA: u64 = 2 * MIB;
/// Byte of the table, of 1 MiB.
pub(crate) const TABLE: u64 = 3 * MIB;
/// Byte of the first item of the metadata.
pub(crate) const ITEMS: u64 = METADATA + metadata::TABLE_BYTES as u64;
/// Id of the log in every image that has one.
pub(crate) const LOG_ID: Id = [9; 16];

/// What a disk is made with.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) disk_bytes: u64,
    pub(crate) block_bytes: u32,
    pub(crate) logical_sector: u32,
    pub(crate) data_id: Id,
    /// The parent's data id and the name that it has from here.
    pub(crate) parent: Option<(Id, &'static str)>,
}

impl Options {
    pub(crate) fn new(disk_bytes: u64) -> Self {
        Self { disk_bytes, block_bytes: MIB as u32, logical_sector: 512, data_id: [1; 16], parent: None }
    }
}

/// An image.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) file: Vec<u8>,
    chunk_blocks: u64,
    block_bytes: u64,
}

impl Image {
    /// A disk without blocks.
    pub(crate) fn new(options: &Options) -> Self {
        let mut image = Self {
            file: vec![0; 4 * MIB as usize],
            chunk_blocks: (1 << 23) * u64::from(options.logical_sector) / u64::from(options.block_bytes),
            block_bytes: options.block_bytes.into(),
        };
        image.put(0, &MAGIC);
        for (offset, sequence) in header::OFFSETS.into_iter().zip([4, 5]) {
            image.put(offset, raw_header(options.data_id, sequence).as_bytes());
        }
        image.put_regions();
        image.put_metadata(options);
        image.seal();
        image
    }

    fn put_regions(&mut self) {
        let list = RawList {
            signature: regions::SIGNATURE,
            checksum: 0.into(),
            entries: 2.into(),
            reserved: 0.into(),
        };
        let entry = |id, offset: u64| RegionEntry {
            id,
            offset: offset.into(),
            length: (MIB as u32).into(),
            flags: 1.into(),
        };
        let entries = [entry(regions::BLOCK_TABLE, TABLE), entry(regions::METADATA, METADATA)];
        for offset in regions::OFFSETS {
            self.put(offset, &[list.as_bytes(), entries.as_bytes()].concat());
        }
    }

    fn put_metadata(&mut self, options: &Options) {
        let flags = if options.parent.is_some() { metadata::HAS_PARENT } else { 0 };
        let mut items = vec![
            (metadata::FILE_PARAMETERS, [options.block_bytes.to_le_bytes(), flags.to_le_bytes()].concat()),
            (metadata::DISK_SIZE, options.disk_bytes.to_le_bytes().to_vec()),
            (metadata::LOGICAL_SECTOR, options.logical_sector.to_le_bytes().to_vec()),
            (metadata::PHYSICAL_SECTOR, 4096u32.to_le_bytes().to_vec()),
            (metadata::DISK_ID, vec![8; 16]),
        ];
        if let Some((id, name)) = options.parent {
            let linkage = format!("{{{}}}", guid::shown(&id));
            let pairs = [(locator::LINKAGE, linkage.as_str()), (locator::RELATIVE, name)];
            items.push((metadata::PARENT, raw_locator(locator::VHDX, &pairs)));
        }
        let table = RawTable {
            signature: metadata::SIGNATURE,
            reserved: 0.into(),
            items: (items.len() as u16).into(),
            padding: [0; 20],
        };
        self.put(METADATA, table.as_bytes());
        let mut offset = metadata::TABLE_BYTES as u64;
        for (index, (id, value)) in items.into_iter().enumerate() {
            let item = RawItem {
                id,
                offset: (offset as u32).into(),
                length: (value.len() as u32).into(),
                flags: 4.into(),
                reserved: 0.into(),
            };
            self.put(METADATA + 32 + 32 * index as u64, item.as_bytes());
            self.put(METADATA + offset, &value);
            offset += value.len() as u64;
        }
    }

    /// Writes bytes at a place of the file.
    pub(crate) fn put(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset as usize + bytes.len();
        if end > self.file.len() {
            self.file.resize(end.next_multiple_of(MIB as usize), 0);
        }
        self.file[offset as usize..end].copy_from_slice(bytes);
    }

    /// Makes the checksums of headers and regions right.
    pub(crate) fn seal(&mut self) {
        let headers = header::OFFSETS.map(|offset| (offset, header::BYTES));
        let regions = regions::OFFSETS.map(|offset| (offset, regions::BYTES));
        for (offset, bytes) in headers.into_iter().chain(regions) {
            let block = &self.file[offset as usize..offset as usize + bytes];
            let checksum = crc32c::of_block(block);
            self.put(offset + 4, &checksum.to_le_bytes());
        }
    }

    /// Adds bytes at the end, in whole MiB; returns their place.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> u64 {
        let offset = self.file.len() as u64;
        self.put(offset, bytes);
        offset
    }

    /// Sets a table entry.
    pub(crate) fn set_entry(&mut self, index: u64, state: u64, place: u64) {
        self.put(TABLE + index * 8, &(place | state).to_le_bytes());
    }

    /// Sets the entry of a block.
    pub(crate) fn set_block(&mut self, block: u64, state: u64, place: u64) {
        self.set_entry(block + block / self.chunk_blocks, state, place);
    }

    /// Adds a block of data.
    pub(crate) fn add_block(&mut self, block: u64, state: u64, data: &[u8]) -> u64 {
        let mut whole = data.to_vec();
        whole.resize(self.block_bytes as usize, 0);
        let place = self.append(&whole);
        self.set_block(block, state, place);
        place
    }

    /// Adds the sector bitmap of a chunk, in which these bits are set.
    pub(crate) fn add_bitmap(&mut self, chunk: u64, bits: impl IntoIterator<Item = u64>) -> u64 {
        let mut bitmap = vec![0; MIB as usize];
        bits.into_iter().for_each(|bit| bitmap[bit as usize / 8] |= 1 << (bit % 8));
        let place = self.append(&bitmap);
        self.set_entry((chunk + 1) * (self.chunk_blocks + 1) - 1, PRESENT, place);
        place
    }

    /// Writes entries one behind the other into the log, from `start` of it on, and marks it as in use.
    pub(crate) fn put_log(&mut self, start: u64, entries: &[Vec<u8>]) {
        let mut position = start;
        for piece in entries.iter().flat_map(|entry| entry.chunks(4096)) {
            self.put(LOG + position % MIB, piece);
            position += piece.len() as u64;
        }
        header::OFFSETS.iter().for_each(|offset| self.put(offset + 48, &LOG_ID));
        self.seal();
    }
}

fn raw_header(data_id: Id, sequence: u64) -> RawHeader {
    RawHeader {
        signature: header::SIGNATURE,
        checksum: 0.into(),
        sequence: sequence.into(),
        file_id: [2; 16],
        data_id,
        log_id: [0; 16],
        log_version: 0.into(),
        version: 1.into(),
        log_length: (MIB as u32).into(),
        log_offset: LOG.into(),
    }
}

/// Where the log of every image is.
pub(crate) fn log_place() -> LogPlace {
    LogPlace { id: LOG_ID, offset: LOG, length: MIB }
}

/// A parent locator of these pairs.
pub(crate) fn raw_locator(kind: Id, pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = [&kind[..], &[0; 2], &(pairs.len() as u16).to_le_bytes()].concat();
    let mut text: Vec<u8> = Vec::new();
    let text_start = bytes.len() + size_of::<locator::RawPair>() * pairs.len();
    for (key, value) in pairs {
        let [key, value] =
            [key, value].map(|text| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() });
        let start = (text_start + text.len()) as u32;
        let pair = locator::RawPair {
            key: start.into(),
            value: (start + key.len() as u32).into(),
            key_length: (key.len() as u16).into(),
            value_length: (value.len() as u16).into(),
        };
        bytes.extend(pair.as_bytes());
        text.extend([key, value].concat());
    }
    [bytes, text].concat()
}

/// A change that a log entry holds.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// 4 KiB at a byte of the file.
    Data(u64, Box<[u8; 4096]>),
    /// Zeros at a byte of the file.
    Zeros(u64, u64),
}

/// A log entry; `length` is that of the file before and behind it.
pub(crate) fn log_entry(sequence: u64, tail: u64, changes: &[Change], length: u64) -> Vec<u8> {
    let mut bytes = vec![0; size_of::<RawEntry>()];
    let mut data: Vec<u8> = Vec::new();
    for change in changes {
        let mut descriptor = RawDescriptor {
            signature: ZERO_DESCRIPTOR,
            trailing: [0; 4],
            leading: [0; 8],
            offset: 0.into(),
            sequence: sequence.into(),
        };
        match change {
            Change::Zeros(offset, bytes) => {
                descriptor.offset = (*offset).into();
                descriptor.leading = bytes.to_le_bytes();
            }
            Change::Data(offset, content) => {
                descriptor.signature = DATA_DESCRIPTOR;
                descriptor.offset = (*offset).into();
                descriptor.leading.copy_from_slice(&content[..8]);
                descriptor.trailing.copy_from_slice(&content[4092..]);
                let mut piece = RawData {
                    signature: DATA,
                    sequence_high: ((sequence >> 32) as u32).into(),
                    bytes: [0; 4084],
                    sequence_low: (sequence as u32).into(),
                };
                piece.bytes.copy_from_slice(&content[8..4092]);
                data.extend(piece.as_bytes());
            }
        }
        bytes.extend(descriptor.as_bytes());
    }
    bytes.resize(bytes.len().next_multiple_of(4096), 0);
    bytes.extend(data);
    let entry = RawEntry {
        signature: ENTRY,
        checksum: 0.into(),
        length: (bytes.len() as u32).into(),
        tail: (tail as u32).into(),
        sequence: sequence.into(),
        descriptors: (changes.len() as u32).into(),
        reserved: 0.into(),
        log_id: LOG_ID,
        flushed_length: length.into(),
        last_length: length.into(),
    };
    bytes[..size_of::<RawEntry>()].copy_from_slice(entry.as_bytes());
    seal_entry(&mut bytes);
    bytes
}

/// Makes the checksum of a log entry right.
pub(crate) fn seal_entry(entry: &mut [u8]) {
    let checksum = crc32c::of_block(entry);
    entry[4..8].copy_from_slice(&checksum.to_le_bytes());
}
