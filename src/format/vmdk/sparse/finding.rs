//! What a check of a sparse extent finds.

use std::fmt::{self, Display, Formatter};

use crate::format::vmdk::grains::tables::Side;

/// Something that a check found. Sectors of the extent count from its start, those of the file from the file's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The last writer did not end in order. No damage by itself.
    Unclean,
    /// A directory does not stand in the file. Repair: a new one that leads to the tables of the other.
    DirectoryLost {
        /// Which one.
        side: Side,
    },
    /// Two parts that the header names overlap, so that the header itself is wrong. Nothing is repaired.
    HeaderContradictsItself {
        /// The parts.
        parts: [&'static str; 2],
    },
    /// Grains stand before the place where the header lets them begin, or that place is not in the file. Repair: the
    /// header says where they begin.
    Overhead {
        /// What the header says, a sector of the file.
        says: u64,
        /// What holds.
        holds: u64,
    },
    /// There are grains of zeros, but the header does not say that entry 1 means them; some readers take it for
    /// sector 1 of the file. Repair: the header says so.
    ZeroGrainsUnannounced {
        /// How many.
        grains: u64,
    },
    /// A directory entry leads out of the file. Repair: a new table, from the other copy.
    TableOutside {
        /// In which directory.
        side: Side,
        /// The table.
        table: u32,
        /// Where it should be.
        sector: u32,
    },
    /// A table stands where the header, the descriptor or a directory is. Repair: as for `TableOutside`; nothing is
    /// repaired when the other copy is of no use.
    TableInMetadata {
        /// In which directory.
        side: Side,
        /// The table.
        table: u32,
        /// Where it is.
        sector: u32,
    },
    /// A table shares its place with another one. Repair: a new table, from the other copy when that has its own
    /// place.
    TableShared {
        /// In which directory.
        side: Side,
        /// The table.
        table: u32,
        /// Where it is.
        sector: u32,
    },
    /// A directory entry leads into the data of a grain. Repair: a new table, from the other copy.
    TableOnGrain {
        /// In which directory.
        side: Side,
        /// The table.
        table: u32,
        /// Where it should be.
        sector: u32,
    },
    /// One directory has a table, the other has not. Repair: a new table.
    TableMissing {
        /// In which directory.
        side: Side,
        /// The table.
        table: u32,
    },
    /// Neither copy of a table can be read. Repair: an empty table; the data cannot be found again.
    TableLost {
        /// The table.
        table: u32,
        /// The first sector of the extent that is lost.
        sector: u64,
        /// How many are.
        sectors: u64,
    },
    /// The copies of a table differ. Repair: of each entry the copy that makes sense, the primary one when both do,
    /// but a grain rather than none.
    TablesDiffer {
        /// The table.
        table: u32,
        /// Entries that differ.
        entries: u32,
    },
    /// A table has entries for grains behind the end of the extent. Repair: they go.
    PastCapacity {
        /// The table.
        table: u32,
        /// How many.
        entries: u32,
    },
    /// A grain should stand past the end of the file, in every copy of its entry that there is. Repair: it becomes
    /// unallocated; the data is lost.
    GrainOutside {
        /// The first sector of the grain in the extent.
        sector: u64,
        /// Where it should be in the file.
        entry: u32,
    },
    /// The file ends within a grain, before its last sector that is used. Repair: zeros.
    GrainCut {
        /// The first sector of the grain in the extent.
        sector: u64,
        /// Where it is in the file.
        entry: u32,
        /// Sectors that are lost.
        missing: u64,
    },
    /// A grain stands where the header, the descriptor, a directory or a table is. Repair: as for `GrainOutside`.
    GrainInMetadata {
        /// The first sector of the grain in the extent.
        sector: u64,
        /// Where it is in the file.
        entry: u32,
    },
    /// A grain stands where another one is. Repair: it gets a place of its own, with the content that it has now.
    GrainShared {
        /// The first sector of the grain in the extent.
        sector: u64,
        /// Where it is in the file.
        entry: u32,
    },
    /// Grains do not stand at multiples of their size. No damage; other products may be slow with them.
    Unaligned {
        /// How many.
        grains: u64,
    },
    /// Space of the file that belongs to nothing. No damage; shrinking gives it back.
    Leaked {
        /// Sectors.
        sectors: u64,
    },
}

impl Finding {
    /// Whether the extent is damaged by it; the others are only worth knowing.
    pub fn is_damage(&self) -> bool {
        !matches!(self, Self::Unclean | Self::Unaligned { .. } | Self::Leaked { .. })
    }

    /// Sectors of the extent whose data cannot be found again.
    pub fn lost_sectors(&self, grain_size: u64) -> u64 {
        match self {
            Self::GrainOutside { .. } | Self::GrainInMetadata { .. } => grain_size,
            Self::GrainCut { missing, .. } => *missing,
            Self::TableLost { sectors, .. } => *sectors,
            _ => 0,
        }
    }
}

/// The outcome of a check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Findings that are damage.
    pub damage: u64,
    /// Those of them that cannot be repaired. While there are any, nothing is.
    pub beyond_repair: u64,
    /// Whether the damage has been repaired.
    pub repaired: bool,
    /// Sectors of the extent whose data cannot be found again; after a repair they read as zeros, or as the parent.
    pub lost_sectors: u64,
    /// The last writer did not end in order (and the mark of that is still there).
    pub unclean: bool,
    /// Grains with data.
    pub grains: u64,
    /// Sectors of the file that belong to nothing.
    pub leaked_sectors: u64,
    /// Where the first grain stands, a sector of the file.
    pub first_grain: Option<u64>,
}

impl Summary {
    /// Whether there is no damage (any more).
    pub fn is_sound(&self) -> bool {
        self.damage == 0 || self.repaired
    }
}

impl Display for Side {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Primary => "primary",
            Self::Redundant => "redundant",
        })
    }
}

impl Display for Finding {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclean => write!(formatter, "the last writer did not end in order"),
            Self::DirectoryLost { side } => {
                write!(formatter, "the {side} grain directory is not in the file")
            }
            Self::HeaderContradictsItself { parts: [first, second] } => {
                write!(formatter, "the header lets the {first} and the {second} overlap")
            }
            Self::Overhead { says, holds } => {
                write!(
                    formatter,
                    "grains begin at sector {holds} of the file, not at {says} as its header says"
                )
            }
            Self::ZeroGrainsUnannounced { grains } => {
                write!(
                    formatter,
                    "{grains} grains are marked as zeros, but the header does not allow the mark"
                )
            }
            Self::TableOutside { side, table, sector } => {
                write!(formatter, "{side} grain table {table} at sector {sector} is past the end of the file")
            }
            Self::TableInMetadata { side, table, sector } => {
                write!(
                    formatter,
                    "{side} grain table {table} at sector {sector} is where something else must be"
                )
            }
            Self::TableShared { side, table, sector } => {
                write!(formatter, "{side} grain table {table} at sector {sector} is where another table is")
            }
            Self::TableOnGrain { side, table, sector } => {
                write!(formatter, "{side} grain table {table} should be at sector {sector}, where a grain is")
            }
            Self::TableMissing { side, table } => {
                write!(formatter, "there is no {side} grain table {table}, only the other copy")
            }
            Self::TableLost { table, sector, sectors } => {
                write!(formatter, "grain table {table} is lost: sectors {sector} to {}", sector + sectors - 1)
            }
            Self::TablesDiffer { table, entries } => {
                write!(formatter, "the copies of grain table {table} differ in {entries} entries")
            }
            Self::PastCapacity { table, entries } => {
                write!(formatter, "grain table {table} has {entries} grains past the end of the disk")
            }
            Self::GrainOutside { sector, entry } => {
                write!(
                    formatter,
                    "the grain of sector {sector} should be at {entry}, past the end of the file"
                )
            }
            Self::GrainCut { sector, entry, missing } => {
                write!(
                    formatter,
                    "the file ends in the grain of sector {sector} at {entry}: {missing} sectors are lost"
                )
            }
            Self::GrainInMetadata { sector, entry } => {
                write!(formatter, "the grain of sector {sector} is at {entry}, where tables are")
            }
            Self::GrainShared { sector, entry } => {
                write!(formatter, "the grain of sector {sector} is at {entry}, where another one is")
            }
            Self::Unaligned { grains } => write!(formatter, "{grains} grains are not aligned to their size"),
            Self::Leaked { sectors } => write!(formatter, "{sectors} sectors of the file belong to nothing"),
        }
    }
}
