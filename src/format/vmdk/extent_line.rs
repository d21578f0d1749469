//! The line of a descriptor that names an extent: `access sectors type "name" first sector`.

use crate::error::{Error, Kind, Result};

/// What may be done with an extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtentAccess {
    /// `RW`.
    ReadWrite,
    /// `RDONLY`.
    ReadOnly,
    /// `NOACCESS`.
    None,
}

/// Kind of an extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtentKind {
    /// `FLAT`: plain sectors in a file or device.
    Flat,
    /// `SPARSE`: hosted sparse.
    Sparse,
    /// `ZERO`: no storage.
    Zero,
    /// `VMFS`: plain sectors in a file.
    Vmfs,
    /// `VMFSSPARSE`: ESX redo log.
    VmfsSparse,
    /// `VMFSRDM`, `VMFSRAW`: a mapped device.
    VmfsRaw,
    /// `SESPARSE`: space-efficient redo log.
    SeSparse,
}

/// One extent line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtentLine {
    /// What may be done with it.
    pub access: ExtentAccess,
    /// Sectors of the extent.
    pub sectors: u64,
    /// Its kind.
    pub kind: ExtentKind,
    /// File name, relative to the folder of the descriptor; as bytes, whatever their encoding.
    pub name: Option<Vec<u8>>,
    /// Sector of the file at which the extent starts.
    pub first_sector: u64,
}

impl ExtentLine {
    /// Whether a line of a descriptor begins as one of these.
    pub(super) fn is_begun_by(line: &[u8]) -> bool {
        let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        word.len() < line.len() && parse_access(word).is_some()
    }

    /// Reads `access sectors type ["name" [first sector ...]]`.
    ///
    /// # Errors
    /// `InvalidDisk`.
    pub(super) fn parse(line: &[u8]) -> Result<Self> {
        let bad = |what: &str| invalid(format!("{what} in extent {}", shown(line)));
        let (access, rest) = next_word(line);
        let (sectors, rest) = next_word(rest);
        let (kind, rest) = next_word(rest);
        let access = parse_access(access).ok_or_else(|| bad("no access"))?;
        let sectors =
            decimal(sectors).filter(|sectors| *sectors > 0).ok_or_else(|| bad("no number of sectors"))?;
        let kind = parse_kind(kind).ok_or_else(|| bad("no known type"))?;
        let rest = rest.trim_ascii();
        if kind == ExtentKind::Zero {
            return Ok(Self { access, sectors, kind, name: None, first_sector: 0 });
        }
        let quoted = rest.strip_prefix(b"\"").ok_or_else(|| bad("no file name in quotes"))?;
        let end =
            quoted.iter().position(|byte| *byte == b'"').ok_or_else(|| bad("no end of the file name"))?;
        if end == 0 {
            return Err(bad("an empty file name"));
        }
        let (first_sector, _) = next_word(&quoted[end + 1..]);
        let first_sector = match first_sector {
            [] => 0,
            number => decimal(number).ok_or_else(|| bad("no valid first sector"))?,
        };
        Ok(Self { access, sectors, kind, name: Some(quoted[..end].to_owned()), first_sector })
    }

    /// The line of a descriptor.
    pub(super) fn to_text(&self) -> Vec<u8> {
        let access = match self.access {
            ExtentAccess::ReadWrite => "RW",
            ExtentAccess::ReadOnly => "RDONLY",
            ExtentAccess::None => "NOACCESS",
        };
        let kind = KINDS.iter().find(|(_, kind)| *kind == self.kind).map_or("FLAT", |(name, _)| *name);
        let mut text = format!("{access} {} {kind}", self.sectors).into_bytes();
        if let Some(name) = &self.name {
            text.extend([b" \"", name.as_slice(), b"\""].concat());
            // Only flat extents have a place in their file; others must not name one, unless they came with it.
            if self.kind == ExtentKind::Flat || self.first_sector > 0 {
                text.extend(format!(" {}", self.first_sector).into_bytes());
            }
        }
        text
    }
}

fn parse_access(word: &[u8]) -> Option<ExtentAccess> {
    let accesses = [
        ("RW", ExtentAccess::ReadWrite),
        ("RDONLY", ExtentAccess::ReadOnly),
        ("NOACCESS", ExtentAccess::None),
    ];
    accesses.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes())).map(|(_, access)| *access)
}

/// The words for kinds of extents.
const KINDS: [(&str, ExtentKind); 8] = [
    ("FLAT", ExtentKind::Flat),
    ("SPARSE", ExtentKind::Sparse),
    ("ZERO", ExtentKind::Zero),
    ("VMFS", ExtentKind::Vmfs),
    ("VMFSSPARSE", ExtentKind::VmfsSparse),
    ("VMFSRDM", ExtentKind::VmfsRaw),
    ("VMFSRAW", ExtentKind::VmfsRaw),
    ("SESPARSE", ExtentKind::SeSparse),
];

fn parse_kind(word: &[u8]) -> Option<ExtentKind> {
    KINDS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes())).map(|(_, kind)| *kind)
}

/// The next word, and what follows it.
fn next_word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_ascii_start();
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    text.split_at(end)
}

/// A number of decimal digits and nothing else.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A disk that cannot be read.
pub(super) fn invalid(text: impl Into<String>) -> Error {
    Error::new(Kind::InvalidDisk, text)
}

/// A piece of a hostile text for a message: short, and without control characters.
pub(super) fn shown(text: &[u8]) -> String {
    let cut = &text[..text.len().min(100)];
    format!("'{}'{}", cut.escape_ascii(), if cut.len() < text.len() { "..." } else { "" })
}
