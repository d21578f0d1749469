//! The files that a descriptor names: found by their names, each opened once, none of them taken for two things.
//!
//! A name stands in a descriptor as bytes. A file with this very name is the one; only when there is none, the bytes
//! are read in the code page that the descriptor names, since a disk that comes from another machine may have kept its
//! text while its files got names in UTF-8.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Home;
use super::link::path_from_bytes;
use crate::error::{Error, Kind, Result};
use crate::format::vmdk::descriptor::{Descriptor, ExtentKind, ExtentLine};
use crate::io::{Access, FileIdentity, Files, Folder, Storage, folder_of};

/// A file that a descriptor names.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// The file.
    pub(super) storage: Arc<dyn Storage>,
    /// The name that it was found by.
    pub(super) name: Vec<u8>,
    /// It is the file that holds the descriptor.
    pub(super) is_own: bool,
    /// An earlier extent is in it too.
    pub(super) again: bool,
}

/// How a file is used by the link.
#[derive(Debug)]
struct Use {
    storage: Arc<dyn Storage>,
    access: Access,
    /// Sectors stand in it one after the other, so several extents may be in it.
    flat: bool,
}

/// The files of one link.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    files: &'a dyn Files,
    /// The folder of the descriptor.
    folder: Folder,
    home: &'a Home,
    descriptor: &'a Descriptor,
    /// The file with the descriptor.
    own: &'a Arc<dyn Storage>,
    own_identity: Option<FileIdentity>,
    /// Files of other links of the chain.
    taken: &'a HashSet<FileIdentity>,
    used: HashMap<FileIdentity, Use>,
}

impl<'a> Parts<'a> {
    /// The files of the link at `path`, whose descriptor stands in `own`; those in `taken` cannot be among them.
    ///
    /// # Errors
    /// Those of storage.
    pub(super) fn new(
        files: &'a dyn Files,
        path: &'a Path,
        (home, descriptor, own): (&'a Home, &'a Descriptor, &'a Arc<dyn Storage>),
        taken: &'a HashSet<FileIdentity>,
    ) -> Result<Self> {
        let own_identity = own.identity()?;
        Ok(Self {
            files,
            folder: Folder::new(folder_of(path)),
            home,
            descriptor,
            own,
            own_identity,
            taken,
            used: HashMap::new(),
        })
    }

    /// Opens what a raw device mapping stands for; `None` when nobody has said what that is.
    ///
    /// # Errors
    /// Those of [`Files::open_mapped`].
    pub(super) fn open_mapped(&self, name: &Path) -> Result<Option<Arc<dyn Storage>>> {
        self.files.open_mapped(self.folder(), name)
    }

    /// A name of the descriptor in UTF-8, when its code page makes that other bytes.
    pub(super) fn decoded(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.descriptor.decoded(name)
    }

    /// The folder of the descriptor.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What tells the files apart that the link has so far.
    pub(super) fn identities(&self) -> impl Iterator<Item = FileIdentity> {
        self.own_identity.into_iter().chain(self.used.keys().copied())
    }

    /// Opens the file of an extent, which is the one at `index`, counted from 0.
    ///
    /// # Errors
    /// `InvalidDisk` for a line without a name, for the file of the descriptor where that cannot hold the extent, and
    /// for a file that is an extent already; `Locked` for one that a product of VMware's has open, when it is to be
    /// written; those of [`Files::open_beside`].
    pub(super) fn open_extent(&mut self, index: usize, line: &ExtentLine, access: Access) -> Result<Part> {
        let Some(name) = &line.name else {
            return Err(Error::new(Kind::InvalidDisk, "an extent without a file"));
        };
        let own = || Part { storage: Arc::clone(self.own), name: name.clone(), is_own: true, again: false };
        // A renamed file still names its old self: the file that holds the descriptor is its first extent.
        if index == 0 && line.kind == ExtentKind::Sparse && matches!(self.home, Home::Embedded(_)) {
            return Ok(own());
        }
        let flat = matches!(line.kind, ExtentKind::Flat | ExtentKind::Vmfs | ExtentKind::VmfsRaw);
        match self.open(name, access, flat) {
            Ok(part) if !part.is_own => Ok(part),
            Err(error) if index > 0 || !flat || error.kind() != Kind::FileNotFound => Err(error),
            result if flat => match self.check_own(line) {
                Ok(()) => Ok(own()),
                // What is missing is told rather than what it cannot be.
                Err(error) => Err(result.err().unwrap_or(error)),
            },
            _ => Err(names_itself()),
        }
    }

    /// Sectors behind an embedded descriptor are a flat extent in some disks of one file: their header has no
    /// capacity. Anywhere else a descriptor that names itself would be read as data.
    fn check_own(&self, line: &ExtentLine) -> Result<()> {
        let Home::Embedded(place) = self.home else {
            return Err(names_itself());
        };
        if place.has_grains || line.first_sector < place.end() {
            let text = "the descriptor names its own file as an extent at a place that is none";
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        Ok(())
    }

    /// Opens a file by its name in the descriptor. One that is open already is not opened again.
    ///
    /// # Errors
    /// As for [`Parts::open_extent`].
    pub(super) fn open(&mut self, name: &[u8], access: Access, flat: bool) -> Result<Part> {
        let (storage, name) = open_named(self.files, &self.folder, self.descriptor, name, access)?;
        let Some(identity) = storage.identity()? else {
            return Ok(Part { storage, name, is_own: false, again: false });
        };
        if self.own_identity == Some(identity) {
            return Ok(Part { storage, name, is_own: true, again: false });
        }
        if self.taken.contains(&identity) {
            let text = format!("'{}' is a part of another link of the chain already", storage.name());
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        if access == Access::ReadWrite {
            check_unlocked(self.files, &self.folder().join(path_from_bytes(&name)))?;
        }
        let known = self.used.get(&identity);
        if known.is_some_and(|known| !(flat && known.flat)) {
            let text = format!("'{}' is an extent of the disk twice", storage.name());
            return Err(Error::new(Kind::InvalidDisk, text));
        }
        let again = known.is_some();
        let storage = match known.filter(|known| known.access == access) {
            Some(known) => Arc::clone(&known.storage),
            None => {
                self.used.insert(identity, Use { storage: Arc::clone(&storage), access, flat });
                storage
            }
        };
        Ok(Part { storage, name, is_own: false, again })
    }
}

/// The refusal to read a descriptor as data.
pub(super) fn names_itself() -> Error {
    Error::new(Kind::InvalidDisk, "the descriptor names itself as an extent")
}

/// Refuses to write to a file that a product of VMware's has open.
///
/// # Errors
/// `Locked`, those of the system.
pub(super) fn check_unlocked(files: &dyn Files, path: &Path) -> Result<()> {
    let Some(folder) = files.lock_folder(path)? else { return Ok(()) };
    let text = format!(
        "the folder '{}' says that a VMware product has it open: close the disk or shut the machine down there; when no \
         product has it open, as after a crash of one, delete that folder",
        folder.display()
    );
    Err(Error::new(Kind::Locked, text))
}

/// Opens the file with a name that stands in a descriptor, and returns the name that there is a file of.
///
/// # Errors
/// Those of [`Files::open_beside`].
pub(super) fn open_named(
    files: &dyn Files,
    folder: &Folder,
    descriptor: &Descriptor,
    name: &[u8],
    access: Access,
) -> Result<(Arc<dyn Storage>, Vec<u8>)> {
    let open = |name: &[u8]| files.open_beside(folder, path_from_bytes(name), access);
    let error = match open(name) {
        Err(error) if error.kind() == Kind::FileNotFound => error,
        result => return result.map(|storage| (storage, name.to_owned())),
    };
    if let Some(decoded) = descriptor.decoded(name) {
        match open(&decoded) {
            Err(other) if other.kind() == Kind::FileNotFound => {}
            result => return result.map(|storage| (storage, decoded)),
        }
    }
    Err(if name.windows(3).any(|part| part == b"://") {
        error.context("an object of vSAN or vVols is no file that can be opened here")
    } else {
        error
    })
}

/// The names that a parent may have, the likeliest first: the hint as it stands; then, since it may come from another
/// machine, with the separators of this one, and its last part, which stands for a parent beside the child. Each in the
/// code page of the descriptor and in UTF-8.
pub(super) fn parent_names(descriptor: &Descriptor, hint: &[u8]) -> Vec<PathBuf> {
    let decoded = descriptor.decoded(hint);
    let text = decoded.as_deref().unwrap_or(hint);
    let mut forms = vec![text.to_owned()];
    let of_windows = text.get(1) == Some(&b':') || text.starts_with(b"\\\\");
    if text.contains(&b'\\') && !of_windows {
        forms.push(text.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect());
    }
    let last = text.rsplit(|byte| matches!(byte, b'/' | b'\\')).next().unwrap_or_default();
    // "[datastore] name"
    let last = match (last.first(), last.windows(2).position(|pair| pair == b"] ")) {
        (Some(b'['), Some(end)) => &last[end + 2..],
        _ => last,
    };
    if !matches!(last, b"" | b"." | b"..") {
        forms.push(last.to_owned());
    }
    let mut names = vec![path_from_bytes(hint).to_owned()];
    for form in forms {
        let as_it_stands = decoded.is_some().then(|| descriptor.encoded(&form));
        for name in as_it_stands.into_iter().chain([form]) {
            let name = path_from_bytes(&name).to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(hint: &[u8], encoding: &str) -> Vec<PathBuf> {
        let text = format!("encoding=\"{encoding}\"\nRW 1 ZERO\n");
        parent_names(&Descriptor::parse(text.as_bytes()).unwrap(), hint)
    }

    fn paths(names: &[&[u8]]) -> Vec<PathBuf> {
        names.iter().map(|name| path_from_bytes(name).to_owned()).collect()
    }

    #[test]
    fn hints_of_other_machines_lead_beside_the_child() {
        let cases: [(&[u8], &[&[u8]]); 9] = [
            (b"base.vmdk", &[b"base.vmdk"]),
            (b"a/base.vmdk", &[b"a/base.vmdk", b"base.vmdk"]),
            (b"a\\base.vmdk", &[b"a\\base.vmdk", b"a/base.vmdk", b"base.vmdk"]),
            (b"C:\\vm\\base.vmdk", &[b"C:\\vm\\base.vmdk", b"base.vmdk"]),
            (b"\\\\host\\vm\\base.vmdk", &[b"\\\\host\\vm\\base.vmdk", b"base.vmdk"]),
            (b"/vmfs/volumes/1/vm/base.vmdk", &[b"/vmfs/volumes/1/vm/base.vmdk", b"base.vmdk"]),
            (b"[store 1] vm/base.vmdk", &[b"[store 1] vm/base.vmdk", b"base.vmdk"]),
            (b"[store 1] base.vmdk", &[b"[store 1] base.vmdk", b"base.vmdk"]),
            (b"a/..", &[b"a/.."]),
        ];
        for (hint, expected) in cases {
            assert_eq!(names(hint, "UTF-8"), paths(expected), "{}", hint.escape_ascii());
        }
    }

    #[test]
    fn a_hint_is_cut_between_characters() {
        // In Shift_JIS the second byte of this character is that of a backslash.
        let hint = b"C:\\\x95\x5c.vmdk";
        let expected: [&[u8]; 4] =
            [hint, "C:\\\u{8868}.vmdk".as_bytes(), b"\x95\x5c.vmdk", "\u{8868}.vmdk".as_bytes()];
        assert_eq!(names(hint, "Shift_JIS"), paths(&expected));
    }
}
