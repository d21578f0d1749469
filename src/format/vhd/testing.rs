//! A small writer of VHDs, for tests only: every field can be made wrong before it is sealed.

use zerocopy::{FromZeros, IntoBytes};

use super::footer::{self, RawFooter, checksum};
use super::header::{self, RawHeader};
use crate::format::foreign::Id;

/// Byte of the header in every image that grows.
pub(crate) const HEADER: u64 = footer::BYTES as u64;

/// Byte of the table.
pub(crate) const TABLE: u64 = HEADER + header::BYTES as u64;

/// A footer of a program that goes by the size in bytes.
pub(crate) fn footer(disk_type: u32, sectors: u64, id: Id) -> RawFooter {
    let mut footer = RawFooter::new_zeroed();
    footer.cookie = footer::COOKIE;
    footer.features = 2.into();
    footer.version = 0x1_0000.into();
    footer.header_offset = if disk_type == 2 { u64::MAX.into() } else { HEADER.into() };
    footer.creator = *b"win ";
    footer.original_size = (sectors * 512).into();
    footer.size = (sectors * 512).into();
    (footer.cylinders, footer.heads, footer.track) = (100.into(), 4, 17);
    footer.disk_type = disk_type.into();
    footer.id = id;
    seal_footer(footer)
}

/// The footer with the checksum that it should have.
pub(crate) fn seal_footer(mut footer: RawFooter) -> RawFooter {
    footer.checksum = 0.into();
    footer.checksum = checksum(footer.as_bytes(), &[]).into();
    footer
}

/// The header with the checksum that it should have.
pub(crate) fn seal_header(mut header: RawHeader) -> RawHeader {
    header.checksum = 0.into();
    header.checksum = checksum(header.as_bytes(), &[]).into();
    header
}

/// A fixed disk.
pub(crate) fn fixed(data: &[u8], id: Id) -> Vec<u8> {
    [data, footer(2, data.len() as u64 / 512, id).as_bytes()].concat()
}

/// The parts of a disk that grows.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) footer: RawFooter,
    pub(crate) header: RawHeader,
    /// Entries of the table.
    pub(crate) table: Vec<u32>,
    /// What stands behind the table, from [`Image::start`] on.
    pub(crate) data: Vec<u8>,
    block_sectors: u64,
}

impl Image {
    /// An empty disk; with a parent it is a differencing one.
    pub(crate) fn new(sectors: u64, block_sectors: u64, id: Id, parent: Option<(Id, &str)>) -> Self {
        let entries = sectors.div_ceil(block_sectors);
        let mut header = RawHeader::new_zeroed();
        header.cookie = header::COOKIE;
        header.next = u64::MAX.into();
        header.table = TABLE.into();
        header.version = 0x1_0000.into();
        header.entries = (entries as u32).into();
        header.block_bytes = ((block_sectors * 512) as u32).into();
        let mut image = Self {
            footer: footer(if parent.is_some() { 4 } else { 3 }, sectors, id),
            header,
            table: vec![u32::MAX; entries as usize],
            data: Vec::new(),
            block_sectors,
        };
        if let Some((id, name)) = parent {
            image.header.parent_id = id;
            image.add_name(0, header::RELATIVE, name);
        }
        image
    }

    /// Byte behind the table, where blocks and names go.
    pub(crate) fn start(&self) -> u64 {
        (TABLE + self.table.len() as u64 * 4).next_multiple_of(512)
    }

    /// Adds a name of the parent.
    pub(crate) fn add_name(&mut self, locator: usize, code: [u8; 4], name: &str) {
        let bytes: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let offset = self.start() + self.data.len() as u64;
        let locator = &mut self.header.locators[locator];
        (locator.code, locator.length, locator.offset) = (code, (bytes.len() as u32).into(), offset.into());
        self.data.extend(bytes);
        self.data.resize(self.data.len().next_multiple_of(512), 0);
    }

    /// Adds a block: which of its sectors are here, and their data.
    pub(crate) fn add_block(&mut self, block: usize, here: impl Fn(u64) -> bool, data: &[u8]) {
        let mut bitmap = vec![0; (self.block_sectors.div_ceil(8 * 512) * 512) as usize];
        for sector in (0..self.block_sectors).filter(|sector| here(*sector)) {
            bitmap[sector as usize / 8] |= 0x80 >> (sector % 8);
        }
        self.table[block] = ((self.start() + self.data.len() as u64) / 512) as u32;
        self.data.extend(bitmap);
        self.data.extend(data);
        self.data.resize(self.data.len().next_multiple_of(512), 0);
    }

    /// The file.
    pub(crate) fn file(&self) -> Vec<u8> {
        let mut file = [self.footer.as_bytes(), seal_header(self.header).as_bytes()].concat();
        file.extend(self.table.iter().flat_map(|entry| entry.to_be_bytes()));
        file.resize(self.start() as usize, 0);
        [&file, &self.data, self.footer.as_bytes()].concat()
    }
}
