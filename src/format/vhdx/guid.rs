//! GUIDs: 16 bytes whose first three numbers are little-endian.

use crate::format::foreign::{ID_BYTES, Id};

/// Digits of a GUID that belong to its five groups.
const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// Which byte of the file each pair of digits is.
const ORDER: [usize; ID_BYTES] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/// A GUID by its numbers, as it is written: 8, 4, 4, and 16 digits.
pub const fn guid(first: u32, second: u16, third: u16, rest: u64) -> Id {
    let (a, b, c, d) = (first.to_le_bytes(), second.to_le_bytes(), third.to_le_bytes(), rest.to_be_bytes());
    [a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]
}

/// Reads `{12345678-1234-1234-1234-123456789abc}`, with or without the braces.
pub fn parse(text: &str) -> Option<Id> {
    let text = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    if !text.split('-').map(str::len).eq(GROUPS) {
        return None;
    }
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|character| *character != '-')
        .map(|character| character.to_digit(16).map(|digit| digit as u8))
        .collect();
    let digits = digits?;
    let mut id = [0; ID_BYTES];
    for (pair, place) in digits.chunks_exact(2).zip(ORDER) {
        id[place] = pair[0] << 4 | pair[1];
    }
    Some(id)
}

/// The text of a GUID, for messages.
pub fn shown(id: &Id) -> String {
    let digits: String = ORDER.iter().map(|place| format!("{:02x}", id[*place])).collect();
    let mut rest = digits.as_str();
    let groups: Vec<&str> = GROUPS
        .iter()
        .map(|length| {
            let (group, after) = rest.split_at(*length);
            rest = after;
            group
        })
        .collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_numbers_are_the_same_guid() {
        let id = guid(0x2dc2_7766, 0xf623, 0x4200, 0x9d64_115e_9bfd_4a08);
        assert_eq!(id[..8], [0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42]);
        assert_eq!(parse("2DC27766-F623-4200-9D64-115E9BFD4A08"), Some(id));
        assert_eq!(parse("{2dc27766-f623-4200-9d64-115e9bfd4a08}"), Some(id));
        assert_eq!(shown(&id), "2dc27766-f623-4200-9d64-115e9bfd4a08");
    }

    #[test]
    fn what_is_no_guid_is_refused() {
        for text in [
            "",
            "{}",
            "2DC27766F62342009D64115E9BFD4A08",
            "2DC27766-F623-4200-9D64-115E9BFD4A0",
            "2DC27766-F623-4200-9D64-115E9BFD4A0g",
            "éDC2776-F623-4200-9D64-115E9BFD4A08",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
