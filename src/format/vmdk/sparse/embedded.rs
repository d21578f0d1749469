//! The descriptor inside an extent, and changing it so that a loss of power leaves the old text or the new one.
//!
//! A text takes several sectors, of which a loss of power may leave any. So the new one is first written beside the
//! old one, and the header, which is one sector, leads to the one that is whole:
//!
//! ```text
//!   header -> home    | old text       | tables | grains |
//!   header -> home    | old text  copy | tables | grains |          the new text, durable
//!   header -> copy    | new text  copy | tables | grains |          durable; then the text at home, durable
//!   header -> home    | new text       | tables | grains |          durable; then the copy goes
//! ```
//!
//! It comes home at once because other programs look for it in sector 1, whatever the header says. Where the area has no
//! room for both the copy goes behind the end of the file; a stream gets another footer behind it then, since readers
//! look for that at the end.
//!
//! A copy ends with a note of its home. Whoever opens a file whose header leads to a copy reads that, and the next
//! change, or a repair, brings the text home.

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::header::RawHeader;
use crate::error::{Error, Kind, Result};
use crate::format::vmdk::descriptor::MAX_BYTES;
use crate::io::{ByteOffset, SECTOR_SIZE, Storage};

/// Byte of the header at which the place of the descriptor stands.
const PLACE_OFFSET: ByteOffset = ByteOffset(28);

const _: () = assert!(std::mem::offset_of!(RawHeader, descriptor_offset) == PLACE_OFFSET.0 as usize);
const _: () = assert!(std::mem::offset_of!(RawHeader, descriptor_size) == PLACE_OFFSET.0 as usize + 8);

/// What a note begins with.
const NOTE_MAGIC: [u8; 8] = *b"copy of\0";

/// Bytes of the marker, the footer and the end of a stream.
const FOOTER_BYTES: u64 = 3 * SECTOR_SIZE;

/// How often a reader looks again when the descriptor moves under its eyes.
const ATTEMPTS: usize = 8;

/// Some sectors, as the header has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RawPlace {
    /// The first one.
    pub sector: U64,
    /// How many.
    pub sectors: U64,
}

/// The end of a copy.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Note {
    magic: [u8; 8],
    home: RawPlace,
}

const NOTE_BYTES: usize = std::mem::size_of::<Note>();
const _: () = assert!(NOTE_BYTES == 24);

/// Where a descriptor belongs that is embedded in an extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddedDescriptor {
    home: RawPlace,
    /// Sectors of `home` that are the descriptor's alone.
    room: u64,
    /// The text stood elsewhere when it was read: a change of it was interrupted.
    pub is_away: bool,
    /// The file is an extent of grains too: its header gives it a capacity.
    pub has_grains: bool,
    is_stream: bool,
}

impl RawPlace {
    /// Where the header of a file says that its descriptor is.
    ///
    /// # Errors
    /// Those of storage.
    pub fn read(storage: &dyn Storage) -> Result<Self> {
        let mut bytes = [0; std::mem::size_of::<Self>()];
        storage.read_exact_at(&mut bytes, PLACE_OFFSET)?;
        Ok(zerocopy::transmute!(bytes))
    }

    /// The sector behind it.
    pub fn end(&self) -> u64 {
        self.sector.get().saturating_add(self.sectors.get())
    }

    /// Whether its first `sectors` sectors are no part of a copy.
    fn is_clear_of(&self, copy: &Self, sectors: u64) -> bool {
        self.sector.get().saturating_add(sectors) <= copy.sector.get() || copy.end() <= self.sector.get()
    }

    /// Checks that it is a place for a text in a file of `length` bytes.
    fn check(&self, length: u64) -> Result<()> {
        let sectors = self.sectors.get();
        if sectors.checked_mul(SECTOR_SIZE).is_none_or(|bytes| bytes > MAX_BYTES) {
            return Err(invalid(format!("an embedded descriptor of {sectors} sectors")));
        }
        if self.end().checked_mul(SECTOR_SIZE).is_none_or(|end| end > length) {
            return Err(invalid("the embedded descriptor lies past the end of the file"));
        }
        Ok(())
    }

    fn start(&self) -> ByteOffset {
        ByteOffset(self.sector.get().saturating_mul(SECTOR_SIZE))
    }
}

impl EmbeddedDescriptor {
    /// Reads the descriptor of the file that begins with `header`: its place and the bytes there, the text and zeros.
    /// `None` when it has none.
    ///
    /// # Errors
    /// `InvalidDisk` for a place that is none, `Locked` while it is being changed all the time, those of storage.
    pub fn read(storage: &dyn Storage, header: &RawHeader) -> Result<Option<(Self, Vec<u8>)>> {
        let mut header = *header;
        for _ in 0..ATTEMPTS {
            let found = Self::read_at(storage, &header)?;
            let now = RawPlace::read(storage)?;
            if (now.sector, now.sectors) == (header.descriptor_offset, header.descriptor_size) {
                return Ok(found);
            }
            (header.descriptor_offset, header.descriptor_size) = (now.sector, now.sectors);
        }
        Err(Error::new(Kind::Locked, "its descriptor is being changed"))
    }

    fn read_at(storage: &dyn Storage, header: &RawHeader) -> Result<Option<(Self, Vec<u8>)>> {
        let Some(place) = header.descriptor_place() else { return Ok(None) };
        let length = storage.length()?;
        place.check(length)?;
        let room = |place: &RawPlace| place.sectors.get().min(header.room_at(place.sector.get()));
        let mut bytes = vec![0; (room(&place) * SECTOR_SIZE) as usize];
        storage.read_exact_at(&mut bytes, place.start())?;
        let text = text_bytes(&bytes);
        let note = Note::read_from_suffix(&bytes).ok().map(|(_, note)| note);
        let noted = note.filter(|note| note.magic == NOTE_MAGIC).map(|note| note.home);
        let away = noted.filter(|home| {
            let has_room = home.check(length).is_ok() && sectors_of(text) <= room(home);
            has_room && home.sector.get() > 0 && home.is_clear_of(&place, sectors_of(text))
        });
        let home = away.unwrap_or(place);
        let descriptor = Self {
            home,
            room: room(&home),
            is_away: away.is_some(),
            has_grains: header.capacity.get() != 0,
            is_stream: header.is_stream(),
        };
        if descriptor.is_away {
            bytes.truncate(text);
            bytes.resize(descriptor.room_bytes(), 0);
        }
        Ok(Some((descriptor, bytes)))
    }

    /// The sector behind its area.
    pub fn end(&self) -> u64 {
        self.home.sector.get().saturating_add(self.room)
    }

    /// The byte at which its text starts.
    pub fn start(&self) -> ByteOffset {
        self.home.start()
    }

    fn room_bytes(&self) -> usize {
        (self.room * SECTOR_SIZE) as usize
    }

    /// The bytes of its area with a text in it: a zero follows the text.
    ///
    /// # Errors
    /// `DiskFull`.
    pub fn filled(&self, mut text: Vec<u8>) -> Result<Vec<u8>> {
        let room = self.room_bytes();
        if text.len() >= room {
            let text = format!("the descriptor needs {} bytes, the file has room for {room}", text.len());
            return Err(Error::new(Kind::DiskFull, text));
        }
        text.resize(room, 0);
        Ok(text)
    }

    /// Puts another text in the place of the one that is there, durably; `new` is the bytes of the whole area. Nobody
    /// else may touch the header or the end of the file meanwhile. False when the new text is in the file but could not
    /// be brought home.
    ///
    /// # Errors
    /// Those of storage; the old text counts then.
    pub fn replace(&self, storage: &dyn Storage, new: &[u8]) -> Result<bool> {
        // Where the header leads must be certain before either place is written.
        storage.sync()?;
        let now = RawPlace::read(storage)?;
        if now != self.home {
            let text = self.filled(read_text(storage, &now)?)?;
            self.bring_home(storage, &text)?;
        }
        let old = read_text(storage, &RawPlace { sectors: self.room.into(), ..self.home })?;
        let text = new.get(..text_bytes(new)).unwrap_or_default();
        if old == text {
            return Ok(true);
        }
        self.lead_to_copy(storage, sectors_of(old.len().max(text.len())), text)?;
        let home = self.bring_home(storage, new);
        // The change is made; what may go wrong now is no reason to say that it is not.
        let left = |error| log::warn!("the descriptor of '{}' is left in a copy: {error}", storage.name());
        Ok(home.map_err(left).is_ok())
    }

    /// Writes a copy of a text and lets the header lead to it. The first `used` sectors of the area are no place for it.
    fn lead_to_copy(&self, storage: &dyn Storage, used: u64, text: &[u8]) -> Result<()> {
        let mut copy = text.to_vec();
        copy.resize((text.len() + 1 + NOTE_BYTES).next_multiple_of(SECTOR_SIZE as usize) - NOTE_BYTES, 0);
        copy.extend_from_slice(Note { magic: NOTE_MAGIC, home: self.home }.as_bytes());
        let sectors = copy.len() as u64 / SECTOR_SIZE;
        let end = storage.length()?;
        let behind = self.room < used + sectors;
        let sector = if behind { end.div_ceil(SECTOR_SIZE) } else { self.end() - sectors };
        if behind && self.is_stream && end % SECTOR_SIZE == 0 && end >= FOOTER_BYTES {
            let mut footer = [0; FOOTER_BYTES as usize];
            storage.read_exact_at(&mut footer, ByteOffset(end - FOOTER_BYTES))?;
            copy.extend_from_slice(&footer);
        }
        let place = RawPlace { sector: sector.into(), sectors: sectors.into() };
        let written = storage.write_all_at(&copy, place.start()).and_then(|()| storage.sync());
        if written.is_err() && behind {
            let _ = storage.set_len(end);
        }
        written.and_then(|()| lead(storage, &place, &self.home))
    }

    /// Writes a text where it belongs and lets the header, which leads elsewhere, lead to it.
    fn bring_home(&self, storage: &dyn Storage, new: &[u8]) -> Result<()> {
        let away = RawPlace::read(storage)?;
        let used = (sectors_of(text_bytes(new)) * SECTOR_SIZE) as usize;
        let (text, rest) = new.split_at_checked(used).unwrap_or((new, &[]));
        storage.write_all_at(text, self.start())?;
        storage.sync()?;
        lead(storage, &self.home, &away)?;
        // The copy is of no use any more. What is left of it does no harm.
        let cleared = self.clear(storage, &away, rest, ByteOffset(self.start().0 + used as u64));
        cleared.unwrap_or_else(|error| log::warn!("tidying '{}': {error}", storage.name()));
        Ok(())
    }

    /// Clears what is behind the text, and gives back the space of a copy at the end of the file.
    fn clear(&self, storage: &dyn Storage, copy: &RawPlace, zeros: &[u8], at: ByteOffset) -> Result<()> {
        storage.write_all_at(zeros, at)?;
        let footer = if self.is_stream { FOOTER_BYTES } else { 0 };
        let ends = [0, footer].map(|more| copy.end().saturating_mul(SECTOR_SIZE).saturating_add(more));
        if copy.sector.get() >= self.end() && ends.contains(&storage.length()?) {
            storage.set_len(copy.start().0)?;
        }
        Ok(())
    }
}

/// Lets the header lead to a text, durably; a failure leaves it leading to `old`, as far as it can.
fn lead(storage: &dyn Storage, place: &RawPlace, old: &RawPlace) -> Result<()> {
    let led = storage.write_all_at(place.as_bytes(), PLACE_OFFSET).and_then(|()| storage.sync());
    led.inspect_err(|_| drop(storage.write_all_at(old.as_bytes(), PLACE_OFFSET)))
}

/// The text that stands at a place.
fn read_text(storage: &dyn Storage, place: &RawPlace) -> Result<Vec<u8>> {
    place.check(storage.length()?)?;
    let mut bytes = vec![0; (place.sectors.get() * SECTOR_SIZE) as usize];
    storage.read_exact_at(&mut bytes, place.start())?;
    bytes.truncate(text_bytes(&bytes));
    Ok(bytes)
}

/// Bytes of the text at the start of an area.
fn text_bytes(area: &[u8]) -> usize {
    area.iter().position(|byte| *byte == 0).unwrap_or(area.len())
}

/// Sectors that a text and the zero behind it take.
fn sectors_of(bytes: usize) -> u64 {
    bytes as u64 / SECTOR_SIZE + 1
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Kind::InvalidDisk, text)
}

#[cfg(test)]
#[path = "embedded_tests.rs"]
mod tests;
