//! Cylinders, heads and sectors, as VMware's products choose them for a new disk.

/// Adapters that a disk can be attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adapter {
    /// IDE.
    Ide,
    /// SCSI, BusLogic.
    BusLogic,
    /// SCSI, LSI Logic.
    LsiLogic,
    /// Something else.
    Unknown,
}

impl Adapter {
    /// The adapter of a descriptor's `ddb.adapterType`.
    pub fn from_name(name: &[u8]) -> Self {
        match name.to_ascii_lowercase().as_slice() {
            b"ide" => Self::Ide,
            b"buslogic" => Self::BusLogic,
            b"lsilogic" => Self::LsiLogic,
            _ => Self::Unknown,
        }
    }

    /// The name in a descriptor.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ide => "ide",
            Self::BusLogic => "buslogic",
            // What VMware writes for every controller that is newer than the format.
            Self::LsiLogic | Self::Unknown => "lsilogic",
        }
    }
}

/// Cylinders, heads and sectors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Geometry {
    /// Number of cylinders.
    pub cylinders: u32,
    /// Heads in a cylinder.
    pub heads: u32,
    /// Sectors in a track.
    pub sectors: u32,
}

impl Geometry {
    /// The geometry of a new disk. A small disk has at least one cylinder; a capacity is never derived from it.
    pub fn of_new_disk(adapter: Adapter, capacity: u64) -> Self {
        const GIB: u64 = 1 << 21; // in sectors
        let (heads, sectors) = match adapter {
            Adapter::Ide => (16, 63),
            _ if capacity <= GIB => (64, 32),
            _ if capacity <= 2 * GIB => (128, 32),
            _ => (255, 63),
        };
        let cylinders = (capacity / u64::from(heads * sectors)).max(1);
        Self { cylinders: u32::try_from(cylinders).unwrap_or(u32::MAX), heads, sectors }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cylinders_are_those_of_real_disks() {
        for (adapter, capacity, cylinders, heads, sectors) in [
            (Adapter::LsiLogic, 20_480, 10, 64, 32),
            (Adapter::LsiLogic, 1 << 21, 1024, 64, 32),
            (Adapter::BusLogic, 1 << 22, 1024, 128, 32),
            (Adapter::LsiLogic, 33_554_432, 2_088, 255, 63),
            (Adapter::BusLogic, 268_435_456, 16_709, 255, 63),
            (Adapter::Ide, 83_886_080, 83_220, 16, 63),
            (Adapter::LsiLogic, 1, 1, 64, 32),
        ] {
            let expected = Geometry { cylinders, heads, sectors };
            assert_eq!(Geometry::of_new_disk(adapter, capacity), expected, "{adapter:?} {capacity}");
        }
    }
}
