//! What formats have to tell that are no VMDK: an extent, and the facts that a VMDK's descriptor would hold.

use super::extent::Extent;

/// Bytes of an identity.
pub const ID_BYTES: usize = 16;

/// Who a disk is, in the bytes of its file.
pub type Id = [u8; ID_BYTES];

/// A disk of another format: always one file, always one extent, only read.
#[derive(Debug)]
pub struct Foreign {
    /// Its sectors.
    pub extent: Box<dyn Extent>,
    /// Name of the format and the kind of disk, such as `vhd-dynamic`.
    pub kind: &'static str,
    /// What children know it by; it changes when the format says that they no longer fit.
    pub content_id: Id,
    /// What it is known by for good.
    pub uuid: Id,
    /// The disk below.
    pub parent: Option<Parent>,
    /// Cylinders, heads and sectors, when the format keeps them.
    pub geometry: Option<[u32; 3]>,
    /// Bytes of a sector that the guest sees.
    pub logical_sector_size: u32,
    /// Bytes of a sector of the device.
    pub physical_sector_size: u32,
}

/// The parent of a disk, as the child knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// Its [`Foreign::content_id`].
    pub content_id: Id,
    /// Where it may be.
    pub names: ParentNames,
}

/// Names under which a parent may be found from the folder of its child, the best first. They were written on
/// another system, so each is turned into a name of this one: UTF-8, with slashes, never absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParentNames(Vec<Vec<u8>>);

impl ParentNames {
    /// The names.
    pub fn as_slice(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// Adds a path that is relative to the child. Of a path that turns out to be absolute the last part counts.
    pub fn push_relative(&mut self, path: &str) {
        let parts: Vec<&str> = parts(path).filter(|part| *part != ".").collect();
        let drive = parts.first().is_some_and(|first| first.ends_with(':'));
        if path.starts_with(['/', '\\']) || drive {
            return self.push_absolute(path);
        }
        if parts.last().is_some_and(|last| *last != "..") {
            self.push(&parts.join("/"));
        }
    }

    /// Adds an absolute path, which means nothing on this machine; its last part may be beside the child.
    pub fn push_absolute(&mut self, path: &str) {
        if let Some(last) = parts(path).last().filter(|last| !matches!(*last, "." | "..")) {
            self.push(last);
        }
    }

    /// Names that no file of the other system can have, and that a descriptor cannot hold, are left out.
    fn push(&mut self, name: &str) {
        let impossible = |character: char| character.is_control() || character == '"';
        let known = self.0.iter().any(|known| known == name.as_bytes());
        if !name.is_empty() && !name.contains(impossible) && !known {
            self.0.push(name.as_bytes().to_owned());
        }
    }
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split(['/', '\\']).filter(|part| !part.is_empty())
}

/// UTF-16 up to the first NUL; `None` when it is none. `unit` makes a unit of two bytes, in one order or the other.
pub fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16(&units).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(relative: &[&str], absolute: &[&str]) -> Vec<String> {
        let mut names = ParentNames::default();
        relative.iter().for_each(|path| names.push_relative(path));
        absolute.iter().for_each(|path| names.push_absolute(path));
        names.as_slice().iter().map(|name| String::from_utf8(name.clone()).unwrap()).collect()
    }

    #[test]
    fn paths_of_another_system_become_names_of_this_one() {
        assert_eq!(names(&[r".\fat-parent.vhd"], &[r"C:\Projects\fat-parent.vhd"]), ["fat-parent.vhd"]);
        assert_eq!(names(&[r"..\base\b.vhd"], &[r"\\server\share\c.vhd"]), ["../base/b.vhd", "c.vhd"]);
        assert_eq!(names(&["./sub/./é.vhd"], &[]), ["sub/é.vhd"]);
    }

    #[test]
    fn absolute_paths_count_as_their_last_part() {
        let paths = ["/etc/a.vhd", r"C:\b.vhd", r"\\?\Volume{1}\c.vhd", r"D:d.vhd"];
        assert_eq!(names(&paths[..3], &[]), ["a.vhd", "b.vhd", "c.vhd"]);
        // A drive without a slash is relative to that drive's folder, which does not exist here either.
        assert_eq!(names(&paths[3..], &[]), ["D:d.vhd"]);
    }

    #[test]
    fn impossible_names_are_left_out() {
        let hostile = ["", ".", "..", "a/..", "x\"y", "x\ny", "x\0y", "\\", "///"];
        assert_eq!(names(&hostile, &hostile), Vec::<String>::new());
    }

    #[test]
    fn text_ends_at_a_nul_and_must_be_utf16() {
        assert_eq!(utf16(b"a\0b\0\0\0c\0", u16::from_le_bytes).as_deref(), Some("ab"));
        assert_eq!(utf16(b"\0a\0b", u16::from_be_bytes).as_deref(), Some("ab"));
        assert_eq!(utf16(b"a\0b", u16::from_le_bytes).as_deref(), Some("a"), "half a unit");
        assert_eq!(utf16(&[0, 0xd8, 65, 0], u16::from_le_bytes), None, "half a pair");
    }
}
