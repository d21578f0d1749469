//! Markers: each starts on a sector, and says what follows it.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::io::SECTOR_SIZE;

/// Marker: a grain table follows.
pub const TABLE: u32 = 1;
/// Marker: the grain directory follows.
pub const DIRECTORY: u32 = 2;
/// Marker: the footer follows.
pub const FOOTER: u32 = 3;

/// Bytes of the marker before the data of a grain, which follows at once.
pub const GRAIN_MARKER_BYTES: usize = 12;

/// What stands before the data of a grain.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct GrainMarker {
    /// First sector of the grain on the disk.
    pub sector: U64,
    /// Bytes of compressed data; 0 in other markers.
    pub bytes: U32,
}

/// A marker of anything but a grain.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Marker {
    /// Sectors that follow the marker.
    pub sectors: U64,
    /// 0.
    pub bytes: U32,
    /// [`TABLE`], [`DIRECTORY`], [`FOOTER`]; 0 is the end of the stream.
    pub kind: U32,
    /// Zeros.
    pub padding: [u8; 496],
}

const _: () = assert!(size_of::<GrainMarker>() == GRAIN_MARKER_BYTES);
const _: () = assert!(size_of::<Marker>() == SECTOR_SIZE as usize);

impl Marker {
    /// A marker of something that takes `sectors` sectors.
    pub fn new(kind: u32, sectors: u64) -> Self {
        Self { sectors: sectors.into(), bytes: 0.into(), kind: kind.into(), padding: [0; 496] }
    }
}
