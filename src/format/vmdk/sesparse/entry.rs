//! Entries of directory and tables.

/// Entry of a table that is not there, and of a grain that this link does not have.
pub const ABSENT: u64 = 0;

/// What an entry of the directory means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryEntry {
    /// No table: all its grains are unallocated.
    Absent,
    /// The number of the table.
    Table(u32),
    /// Nothing that is known.
    Unknown,
}

impl DirectoryEntry {
    /// The upper half of an entry that leads to a table.
    const TABLE: u32 = 0x1000_0000;

    /// The meaning of an entry.
    pub fn of(entry: u64) -> Self {
        match ((entry >> 32) as u32, entry as u32) {
            _ if entry == ABSENT => Self::Absent,
            (Self::TABLE, index) => Self::Table(index),
            _ => Self::Unknown,
        }
    }
}

/// What an entry of a table means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableEntry {
    /// This link does not have the grain.
    Unallocated,
    /// The grain reads as zeros, because the guest gave it back (the entry may still tell where it was) or because
    /// zeros were written to it.
    Zero,
    /// The number of the grain, below 2^60.
    Grain(u64),
    /// Nothing that is known.
    Unknown,
}

impl TableEntry {
    /// The meaning of an entry. The uppermost four bits tell the kind; the lowest 12 bits of a grain's number come
    /// next, and its upper 48 bits last.
    pub fn of(entry: u64) -> Self {
        match entry >> 60 {
            _ if entry == ABSENT => Self::Unallocated,
            1 | 2 => Self::Zero,
            3 => Self::Grain((entry >> 48) & 0xfff | (entry & 0xffff_ffff_ffff) << 12),
            _ => Self::Unknown,
        }
    }

    /// What the next entry must mean for both to be of one run; the end of a file is far from where this wraps.
    pub fn next(self) -> Self {
        match self {
            Self::Grain(index) => Self::Grain(index + 1),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_mean_what_other_readers_take_them_for() {
        for (entry, meaning) in [
            (0, TableEntry::Unallocated),
            (1, TableEntry::Unknown),
            (0x0001_0000_0000_0000, TableEntry::Unknown),
            (0x1000_0000_0000_0000, TableEntry::Zero),
            (0x1123_0000_0000_0001, TableEntry::Zero),
            (0x2000_0000_0000_0000, TableEntry::Zero),
            (0x3000_0000_0000_0000, TableEntry::Grain(0)),
            (0x3001_0000_0000_0000, TableEntry::Grain(1)),
            (0x3fff_0000_0000_0000, TableEntry::Grain(4095)),
            (0x3000_0000_0000_0001, TableEntry::Grain(4096)),
            (0x3005_0000_0000_0002, TableEntry::Grain(8197)),
            (0x3fff_ffff_ffff_ffff, TableEntry::Grain((1 << 60) - 1)),
            (0x4000_0000_0000_0000, TableEntry::Unknown),
            (u64::MAX, TableEntry::Unknown),
        ] {
            assert_eq!(TableEntry::of(entry), meaning, "{entry:#x}");
        }
        for (entry, meaning) in [
            (0, DirectoryEntry::Absent),
            (1, DirectoryEntry::Unknown),
            (0x1000_0000_0000_0000, DirectoryEntry::Table(0)),
            (0x1000_0000_ffff_ffff, DirectoryEntry::Table(u32::MAX)),
            (0x1000_0001_0000_0000, DirectoryEntry::Unknown),
            (0x2000_0000_0000_0001, DirectoryEntry::Unknown),
        ] {
            assert_eq!(DirectoryEntry::of(entry), meaning, "{entry:#x}");
        }
    }
}
