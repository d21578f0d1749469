//! CRC-32C (Castagnoli), the checksum of VHDX.

/// The polynomial 0x1EDC6F41 with its bits in the order of the algorithm.
const POLYNOMIAL: u32 = 0x82f6_3b78;

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = (value >> 1) ^ if value & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

/// The checksum of bytes that come in pieces.
#[derive(Debug, Clone, Copy)]
pub struct Crc32c(u32);

impl Crc32c {
    /// That of no bytes.
    pub fn new() -> Self {
        Self(u32::MAX)
    }

    /// That of what came so far and of `bytes`.
    #[must_use]
    pub fn update(self, bytes: &[u8]) -> Self {
        let step = |value: u32, byte: &u8| (value >> 8) ^ TABLE[usize::from(value as u8 ^ byte)];
        Self(bytes.iter().fold(self.0, step))
    }

    /// The number.
    pub fn value(self) -> u32 {
        !self.0
    }
}

impl Default for Crc32c {
    fn default() -> Self {
        Self::new()
    }
}

/// The checksum of a piece of a file that holds its own checksum in bytes 4 to 7, which count as zeros; more pieces
/// may follow. The whole piece is taken as it is when it is shorter than that.
pub fn start_of_block(block: &[u8]) -> Crc32c {
    let start = Crc32c::new();
    match (block.get(..4), block.get(8..)) {
        (Some(before), Some(behind)) => start.update(before).update(&[0; 4]).update(behind),
        _ => start.update(block),
    }
}

/// As [`start_of_block`], of one piece alone.
pub fn of_block(block: &[u8]) -> u32 {
    start_of_block(block).value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_published_examples() {
        // RFC 3720, B.4, and the check value of the catalogues.
        assert_eq!(Crc32c::new().update(b"123456789").value(), 0xe306_9283);
        assert_eq!(Crc32c::new().update(&[0; 32]).value(), 0x8a91_36aa);
        assert_eq!(Crc32c::new().update(&[0xff; 32]).value(), 0x62a8_ab43);
        assert_eq!(Crc32c::new().update(b"1234").update(b"").update(b"56789").value(), 0xe306_9283);
    }

    #[test]
    fn the_field_of_the_checksum_does_not_count() {
        let block: Vec<u8> = (0..100).collect();
        let mut changed = block.clone();
        changed[4..8].fill(0xee);
        assert_eq!(of_block(&block), of_block(&changed));
        changed[8] ^= 1;
        assert_ne!(of_block(&block), of_block(&changed));
    }
}
