//! The descriptor: the text that says what a link consists of.
//!
//! ```text
//!   # comment                     ignored
//!   CID=0123abcd                  header      key=value or key="value"
//!   RW 4192256 SPARSE "a-s001.vmdk"           extent   access sectors type "name" offset
//!   ddb.adapterType = "lsilogic"  disk database
//! ```
//!
//! Reading is tolerant where real files differ (case, blanks, CRLF, order, missing `ddb.`), and never guesses:
//! what cannot be read as a number or a name is an error. Lines that are not understood are kept as they are
//! when the text is written again.

use encoding_rs::{Encoding, UTF_8};

pub use super::extent_line::{ExtentAccess, ExtentKind, ExtentLine};
use super::extent_line::{decimal, invalid, shown};
use crate::error::{Error, Kind, Result};

/// Longest text that is read; real ones stay below 200 KiB even with a thousand extents.
pub const MAX_BYTES: u64 = 10 << 20;

/// Most lines that are read: twice what a split disk of 62 TiB has. Each takes far more memory than its text.
const MAX_LINES: usize = 1 << 16;

/// The content id that means "none", as in the parentCID of a base disk.
pub const NO_CID: u32 = 0xffff_ffff;

/// The content id of a disk that has never been written.
pub const FRESH_CID: u32 = 0xffff_fffe;

/// The header key that names a change tracking file.
pub const CHANGE_TRACK_PATH: &str = "changeTrackPath";

/// Names of the disk database that some products write without their `ddb.` prefix, wherever they stand.
const KNOWN_DDB: &[&str] = &[
    "adaptertype",
    "geometry.cylinders",
    "geometry.heads",
    "geometry.sectors",
    "geometry.bioscylinders",
    "geometry.biosheads",
    "geometry.biossectors",
    "uuid",
    "longcontentid",
    "toolsversion",
    "virtualhwversion",
    "thinprovisioned",
    "deletable",
];

/// Names that belong to the header, wherever they stand.
const KNOWN_HEADER: &[&str] = &[
    "version",
    "encoding",
    "cid",
    "parentcid",
    "isnativesnapshot",
    "createtype",
    "parentfilenamehint",
    "changetrackpath",
    "keyid",
    "encryptionkeys",
];

/// What a line means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Header,
    Extent,
    Database,
    Other,
}

/// One line of the text, without its end.
#[derive(Debug, Clone)]
struct Line {
    text: Vec<u8>,
    meaning: Meaning,
}

/// A descriptor.
#[derive(Debug, Clone)]
pub struct Descriptor {
    lines: Vec<Line>,
    extents: Vec<ExtentLine>,
    crlf: bool,
    /// The comment that begins the disk database has been seen.
    in_database: bool,
}

impl Descriptor {
    /// Reads a text; a NUL or the end of the bytes ends it.
    ///
    /// # Errors
    /// `InvalidDisk` for a line that cannot be read and for a text without extents, `UnsupportedVersion`,
    /// `NeedsKey` for an encrypted disk.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(invalid(format!("a descriptor of {} bytes is too long", bytes.len())));
        }
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut descriptor = Self { lines: Vec::new(), extents: Vec::new(), crlf: false, in_database: false };
        for (index, raw) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = raw.strip_suffix(b"\r").unwrap_or(raw);
            descriptor.crlf |= line.len() != raw.len();
            descriptor.push(line).map_err(|error| error.context(format!("line {}", index + 1)))?;
        }
        // What follows the last line end is no line.
        if descriptor.lines.last().is_some_and(|line| line.text.is_empty()) {
            descriptor.lines.pop();
        }
        descriptor.validate()?;
        Ok(descriptor)
    }

    fn push(&mut self, line: &[u8]) -> Result<()> {
        if self.lines.len() > MAX_LINES {
            return Err(invalid(format!("a descriptor of more than {MAX_LINES} lines")));
        }
        self.in_database |= begins_database(line);
        let meaning = meaning(line, self.in_database);
        if meaning == Meaning::Extent {
            self.extents.push(ExtentLine::parse(line)?);
        }
        self.lines.push(Line { text: line.to_owned(), meaning });
        Ok(())
    }

    fn validate(&self) -> Result<()> {
        if self.header("keyID").or_else(|| self.header("encryptionKeys")).is_some() {
            return Err(Error::new(Kind::NeedsKey, "the disk is encrypted"));
        }
        if let Some(version) = self.header("version") {
            let number = decimal(version).ok_or_else(|| invalid(format!("version {}", shown(version))))?;
            if !(1..=3).contains(&number) {
                let text = format!("descriptor version {number} is not one of 1, 2 and 3");
                return Err(Error::new(Kind::UnsupportedVersion, text));
            }
        }
        if self.extents.is_empty() {
            return Err(invalid("it is no descriptor: no line names an extent"));
        }
        let total = self.extents.iter().try_fold(0u64, |sum, extent| sum.checked_add(extent.sectors));
        match total.and_then(|total| total.checked_mul(512)) {
            Some(bytes) if i64::try_from(bytes).is_ok() => {}
            _ => return Err(invalid("the extents together are larger than any disk")),
        }
        self.cid()?;
        self.parent_cid()?;
        Ok(())
    }

    /// The extents, in the order of the disk.
    pub fn extents(&self) -> &[ExtentLine] {
        &self.extents
    }

    /// The value of a header key, whatever its case.
    pub fn header(&self, key: &str) -> Option<&[u8]> {
        self.find(Meaning::Header, key.as_bytes()).map(|(_, value)| value)
    }

    /// The value of the disk database under `key`, which has no `ddb.` prefix.
    pub fn database(&self, key: &[u8]) -> Option<&[u8]> {
        self.find(Meaning::Database, key).map(|(_, value)| value)
    }

    /// The keys of the disk database without their `ddb.` prefix, in the order of the text.
    pub fn database_keys(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().filter(|line| line.meaning == Meaning::Database).filter_map(|line| {
            let (key, _) = key_and_value(&line.text)?;
            Some(without_prefix(key))
        })
    }

    /// The content id; [`FRESH_CID`] when there is none.
    ///
    /// # Errors
    /// `InvalidDisk` when it is no number.
    pub fn cid(&self) -> Result<u32> {
        self.content_id("CID", FRESH_CID)
    }

    /// The content id of the parent; [`NO_CID`] for a base disk.
    ///
    /// # Errors
    /// `InvalidDisk` when it is no number.
    pub fn parent_cid(&self) -> Result<u32> {
        self.content_id("parentCID", NO_CID)
    }

    /// Whether there is a parent. What is no content id was refused when the text was read.
    pub fn has_parent(&self) -> bool {
        self.parent_cid().is_ok_and(|cid| cid != NO_CID)
    }

    fn content_id(&self, key: &str, absent: u32) -> Result<u32> {
        match self.header(key) {
            None => Ok(absent),
            Some(value) => parse_cid(value)
                .ok_or_else(|| invalid(format!("{key} is {}, not a content id", shown(value)))),
        }
    }

    /// The bytes and the number of lines of the text, which its place in memory depends on.
    pub fn size(&self) -> (usize, usize) {
        (self.lines.iter().map(|line| line.text.len()).sum(), self.lines.len())
    }

    /// The code page that the text names; `None` for UTF-8 and for one that is not known.
    fn encoding(&self) -> Option<&'static Encoding> {
        let label = self.header("encoding").or_else(|| self.database(b"encoding"))?;
        Encoding::for_label(label).filter(|encoding| *encoding != UTF_8)
    }

    /// A name of the text in UTF-8, when its code page makes that other bytes.
    pub fn decoded(&self, name: &[u8]) -> Option<Vec<u8>> {
        let text = self.encoding()?.decode_without_bom_handling_and_without_replacement(name)?;
        (text.as_bytes() != name).then(|| text.into_owned().into_bytes())
    }

    /// A name in the code page of the text, as far as that has its characters.
    pub fn encoded(&self, name: &[u8]) -> Vec<u8> {
        let encode = || {
            let (bytes, _, replaced) = self.encoding()?.encode(std::str::from_utf8(name).ok()?);
            (!replaced).then(|| bytes.into_owned())
        };
        encode().unwrap_or_else(|| name.to_owned())
    }

    /// The kind of disk that the text claims to be; a label only, the extents decide.
    pub fn create_type(&self) -> String {
        self.header("createType").map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    }

    /// Sets the content id, and the end of the long one, which repeats it.
    pub fn set_cid(&mut self, cid: u32) {
        let digits = format!("{cid:08x}");
        self.replace_line(Meaning::Header, b"CID", format!("CID={digits}").into_bytes());
        if let Some(long) = self.database(b"longContentID") {
            if long.len() == 32 {
                let long = [&long[..24], digits.as_bytes()].concat();
                self.set_database_unchecked(b"longContentID", &long);
            }
        }
    }

    /// Sets a header key to a value in quotes.
    ///
    /// # Errors
    /// `BadName` for a value that the text cannot hold.
    pub fn set_header(&mut self, key: &str, value: &[u8]) -> Result<()> {
        check_quotable(value)?;
        let line = [key.as_bytes(), b"=\"", value, b"\""].concat();
        self.replace_line(Meaning::Header, key.as_bytes(), line);
        Ok(())
    }

    /// Drops the reference to a change tracking file, which VMware's products trust: whoever changes or copies the
    /// disk behind their back must not leave one that has not seen it. Returns whether there was one.
    pub fn drop_change_tracking(&mut self) -> bool {
        let Some((index, _)) = self.find(Meaning::Header, CHANGE_TRACK_PATH.as_bytes()) else { return false };
        self.lines.remove(index);
        // Version 3 says that there is one, and nothing else.
        if self.header("version") == Some(b"3") {
            self.replace_line(Meaning::Header, b"version", b"version=1".to_vec());
        }
        true
    }

    /// Replaces an extent, counted from 0, or with the number of extents adds one behind the last.
    ///
    /// # Errors
    /// `BadName` for a name that the text cannot hold.
    pub fn set_extent(&mut self, index: usize, extent: ExtentLine) -> Result<()> {
        check_quotable(extent.name.as_deref().unwrap_or_default())?;
        let line = Line { text: extent.to_text(), meaning: Meaning::Extent };
        let mut places = (0..self.lines.len()).filter(|place| self.lines[*place].meaning == Meaning::Extent);
        match places.nth(index) {
            Some(place) => {
                self.lines[place] = line;
                self.extents[index] = extent;
            }
            None => {
                let last = self.lines.iter().rposition(|line| line.meaning == Meaning::Extent);
                self.lines.insert(last.map_or(self.lines.len(), |last| last + 1), line);
                self.extents.push(extent);
            }
        }
        Ok(())
    }

    /// Gives the file of an extent, counted from 0, another name. Everything else of its line stays as it was written.
    ///
    /// # Errors
    /// `BadName` for a name that the text cannot hold, `InvalidArgument` for an extent without a file.
    pub fn rename_extent(&mut self, index: usize, name: &[u8]) -> Result<()> {
        check_quotable(name)?;
        let mut lines = self.lines.iter_mut().filter(|line| line.meaning == Meaning::Extent);
        let (line, extent) =
            lines.nth(index).zip(self.extents.get_mut(index)).ok_or_else(|| no_file(index))?;
        let mut parts = line.text.splitn(3, |byte| *byte == b'"');
        let (Some(before), Some(_), Some(after)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(no_file(index));
        };
        line.text = [before, b"\"", name, b"\"", after].concat();
        extent.name = Some(name.to_owned());
        Ok(())
    }

    /// Adds a value to the disk database, or replaces it.
    ///
    /// # Errors
    /// `InvalidArgument` for a key or value that the text cannot hold.
    pub fn set_database(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let key = without_prefix(key);
        let bad = |byte: &u8| byte.is_ascii_control() || *byte == b'"';
        let bad_key = |byte: &u8| bad(byte) || matches!(byte, b'=' | b'#' | b' ');
        if key.is_empty() || key.iter().any(bad_key) || without_prefix(key) != key {
            let text = format!("the key {} is empty or has a character that keys cannot have", shown(key));
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        if value.iter().any(bad) {
            let text = format!("the value of {} has a quote or a control character", shown(key));
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        self.set_database_unchecked(key, value);
        Ok(())
    }

    fn set_database_unchecked(&mut self, key: &[u8], value: &[u8]) {
        let line = [b"ddb.", key, b" = \"", value, b"\""].concat();
        self.replace_line(Meaning::Database, key, line);
    }

    /// Replaces the line of a key; a new one goes behind the last of its meaning, or to the end.
    fn replace_line(&mut self, meaning: Meaning, key: &[u8], text: Vec<u8>) {
        if let Some(index) = self.find(meaning, key).map(|(index, _)| index) {
            self.lines[index].text = text;
            return;
        }
        let last = self.lines.iter().rposition(|line| line.meaning == meaning);
        let index = last.map_or(self.lines.len(), |last| last + 1);
        self.lines.insert(index, Line { text, meaning });
    }

    fn find(&self, meaning: Meaning, key: &[u8]) -> Option<(usize, &[u8])> {
        let wanted = if meaning == Meaning::Database { without_prefix(key) } else { key };
        self.lines.iter().enumerate().filter(|(_, line)| line.meaning == meaning).find_map(|(index, line)| {
            let (found, value) = key_and_value(&line.text)?;
            let found = if meaning == Meaning::Database { without_prefix(found) } else { found };
            found.eq_ignore_ascii_case(wanted).then_some((index, value))
        })
    }

    /// The text, with the line ends that it was read with.
    pub fn to_bytes(&self) -> Vec<u8> {
        let end: &[u8] = if self.crlf { b"\r\n" } else { b"\n" };
        self.lines.iter().flat_map(|line| [line.text.as_slice(), end]).flatten().copied().collect()
    }
}

fn no_file(index: usize) -> Error {
    Error::new(Kind::InvalidArgument, format!("there is no extent {} with a file", index + 1))
}

/// Whether a line is the comment that VMware's products put before the disk database, in one of its spellings.
fn begins_database(line: &[u8]) -> bool {
    let Some(text) = line.trim_ascii().strip_prefix(b"#") else { return false };
    let text = text.trim_ascii();
    text.eq_ignore_ascii_case(b"DDB") || text.eq_ignore_ascii_case(b"The Disk Data Base")
}

/// Sorts a line by what it is about.
fn meaning(line: &[u8], in_database: bool) -> Meaning {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Meaning::Other;
    }
    if ExtentLine::is_begun_by(line) {
        return Meaning::Extent;
    }
    let Some((key, _)) = key_and_value(line) else { return Meaning::Other };
    let is_one_of = |known: &[&str]| known.iter().any(|known| key.eq_ignore_ascii_case(known.as_bytes()));
    let prefixed = without_prefix(key).len() < key.len();
    if prefixed || is_one_of(KNOWN_DDB) || (in_database && !is_one_of(KNOWN_HEADER)) {
        Meaning::Database
    } else {
        Meaning::Header
    }
}

/// Splits `key = value`; the value loses its quotes.
fn key_and_value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = line.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (line[..equals].trim_ascii(), line[equals + 1..].trim_ascii());
    let value = match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|byte| *byte == b'"').next().unwrap_or_default(),
        None => value,
    };
    Some((key, value))
}

fn without_prefix(key: &[u8]) -> &[u8] {
    match key.split_at_checked(4) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(b"ddb.") => rest,
        _ => key,
    }
}

/// What stands in quotes must not end them, nor the line.
fn check_quotable(value: &[u8]) -> Result<()> {
    if value.iter().any(|byte| byte.is_ascii_control() || *byte == b'"') {
        return Err(Error::new(
            Kind::BadName,
            format!("{} has a quote or a control character, which a descriptor cannot hold", shown(value)),
        ));
    }
    Ok(())
}

/// Up to eight hexadecimal digits; one known writer uses decimal, which shows by its length.
fn parse_cid(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    if text.len() <= 8 { u32::from_str_radix(text, 16).ok() } else { text.parse().ok() }
}

#[cfg(test)]
#[path = "descriptor_tests.rs"]
mod tests;
