//! The files of a link as a whole: deleting and renaming them.
//!
//! Renaming gives every file its new name before any loses its old one, so a process that dies in between leaves at
//! least one whole disk, and perhaps two.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::foreign::Family;
use super::link::path_from_bytes;
use super::open::read_descriptor;
use super::parts::{self, Parts, check_unlocked};
use super::{Home, link};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::vmdk::descriptor::{CHANGE_TRACK_PATH, Descriptor};
use crate::io::{Access, ByteOffset, Files, Lock, Region, Storage, folder_of};

/// Bytes that are copied at a time where a file cannot have a second name.
const COPY_BYTES: u64 = 1 << 20;

/// A file of a link besides the one with the descriptor.
pub(super) struct Part {
    /// Which extent it belongs to; `None` for the change tracking file.
    extent: Option<usize>,
    /// The name that it was found by.
    name: Vec<u8>,
    path: PathBuf,
    /// The open file, which holds the lock.
    storage: Arc<dyn Storage>,
    /// Another extent is in this file too, and comes first.
    again: bool,
}

/// A link that nobody else uses, by its files.
pub(super) struct Owned<'a> {
    files: &'a dyn Files,
    path: &'a Path,
    home: Home,
    pub(super) descriptor: Descriptor,
    /// Its bytes as they are in the file.
    text: Vec<u8>,
    /// The file with the descriptor; when that is embedded it holds a lock too.
    storage: Arc<dyn Storage>,
    /// The extents that are in it.
    own: Vec<usize>,
    /// The files that are there; missing ones are left out.
    parts: Vec<Part>,
}

/// Deletes every file of one link. Its parents stay, and its children lose theirs. A file that is missing already
/// is passed over, so that what a crash left can be deleted too.
///
/// # Errors
/// `NotSupported` for a symbolic link, `FileNotFound`, `Locked` while somebody has the disk open, `InvalidDisk` for
/// what is no disk, `BadName` for an extent outside the disk's folder; nothing is deleted then. `AccessDenied` and others of the system.
pub fn unlink(files: &dyn Files, path: &Path) -> Result<()> {
    let remove = || {
        check_no_link(files, path)?;
        let link = Owned::claim(files, path, Access::ReadWrite)?;
        // Without its descriptor the rest is no disk any more, so nobody meets half of one, even if power is lost.
        files.remove(path)?;
        let removed = files.sync_folder(folder_of(path));
        if link.parts.is_empty() {
            return removed;
        }
        // Nobody finds the others any more, so one that stays must not keep them.
        let parts = link.remove_parts();
        removed.and(parts).and(files.sync_folder(folder_of(path)))
    };
    remove().naming("deleting", path)
}

/// Gives every file of one link a new name, across folders and file systems. The descriptor follows; children
/// still name the old one.
///
/// # Errors
/// As for [`unlink`]; `FileExists` when one of the new names is taken, `BadName` for a name that a descriptor cannot
/// hold. The disk is as it was after each of them.
pub fn rename(files: &dyn Files, from: &Path, to: &Path) -> Result<()> {
    let result = check_no_link(files, from)
        .and_then(|()| Owned::claim(files, from, Access::ReadWrite))
        .and_then(|link| link.rename(to));
    result.naming("renaming", from)
}

/// Refuses a symbolic link in place of a disk: the link would go or get the new name, the disk would stay, and files
/// beside the link that are called like the extents would be taken for them.
fn check_no_link(files: &dyn Files, path: &Path) -> Result<()> {
    if files.is_symbolic_link(path)? {
        let text = "it is a symbolic link: name the file that it leads to";
        return Err(Error::new(Kind::NotSupported, text));
    }
    Ok(())
}

impl<'a> Owned<'a> {
    /// Finds the files of a link and locks them: for [`Access::Read`] against those who write, else against all.
    ///
    /// # Errors
    /// `FileNotFound`, `Locked`, `InvalidDisk`, `NotSupported` for what is no VMDK, `BadName`, those of the system.
    pub(super) fn claim(files: &'a dyn Files, path: &'a Path, access: Access) -> Result<Self> {
        let lock = if access == Access::Read { Lock::Shared } else { Lock::Exclusive };
        let storage = files.open(path, access)?;
        if Family::of(&*storage, path)? != Family::Vmdk {
            return Err(link::foreign_is_read());
        }
        let (home, text, descriptor) = read_descriptor(&*storage)?;
        if access == Access::ReadWrite {
            check_unlocked(files, path)?;
        }
        if matches!(home, Home::Embedded(_)) {
            storage.lock(lock)?;
        }
        let taken = HashSet::new();
        let mut found = Parts::new(files, path, (&home, &descriptor, &storage), &taken)?;
        let (mut own, mut parts) = (Vec::new(), Vec::new());
        let mut add = |extent: Option<usize>, part: Result<parts::Part>| -> Result<()> {
            let part = match part {
                Err(error) if error.kind() == Kind::FileNotFound => return Ok(()),
                result => result?,
            };
            if part.is_own {
                own.extend(extent);
                return Ok(());
            }
            part.storage.lock(lock)?;
            let path = folder_of(path).join(path_from_bytes(&part.name));
            parts.push(Part { extent, name: part.name, path, storage: part.storage, again: part.again });
            Ok(())
        };
        for (index, line) in descriptor.extents().iter().enumerate().filter(|(_, line)| line.name.is_some()) {
            add(Some(index), found.open_extent(index, line, access))?;
        }
        if let Some(name) = descriptor.header(CHANGE_TRACK_PATH).filter(|name| !name.is_empty()) {
            add(None, found.open(name, access, false))?;
        }
        Ok(Self { files, path, home, descriptor, text, storage, own, parts })
    }

    /// The file of an extent, counted from 0; `None` when it is missing.
    pub(super) fn extent_file(&self, index: usize) -> Option<&Arc<dyn Storage>> {
        let named = self.parts.iter().find(|part| part.extent == Some(index)).map(|part| &part.storage);
        named.or(self.own.contains(&index).then_some(&self.storage))
    }

    /// The bytes of a changed descriptor, filled up to the place that it is embedded in.
    ///
    /// # Errors
    /// `DiskFull` when that is too small.
    pub(super) fn descriptor_bytes(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        match &self.home {
            Home::Embedded(place) => place.filled(descriptor.to_bytes()),
            Home::Text | Home::Foreign { .. } => Ok(descriptor.to_bytes()),
        }
    }

    /// Whether the descriptor stands where a change that was interrupted has put it.
    pub(super) fn descriptor_is_away(&self) -> bool {
        matches!(&self.home, Home::Embedded(place) if place.is_away)
    }

    /// Puts the descriptor back where it belongs, as it was read.
    ///
    /// # Errors
    /// Those of storage.
    pub(super) fn restore_descriptor(&self) -> Result<()> {
        if matches!(self.home, Home::Embedded(_)) { self.save_descriptor(&self.text) } else { Ok(()) }
    }

    /// Writes what [`Owned::descriptor_bytes`] has made, durably.
    ///
    /// # Errors
    /// Those of storage.
    pub(super) fn save_descriptor(&self, text: &[u8]) -> Result<()> {
        match &self.home {
            Home::Embedded(place) => place.replace(&*self.storage, text).map(|_| ()),
            Home::Foreign { .. } => Err(link::foreign_is_read()),
            Home::Text => self.files.replace(self.path, text).map(|_| ()),
        }
    }

    /// Removes the files besides the one with the descriptor, all that can be; the first error counts.
    fn remove_parts(&self) -> Result<()> {
        let parts = self.parts.iter().filter(|part| !part.again);
        parts.map(|part| self.files.remove(&part.path)).fold(Ok(()), Result::and)
    }

    fn rename(&self, to: &Path) -> Result<()> {
        let mut made = Vec::new();
        let renamed = self.give_names(to, &mut made).and_then(|()| self.files.remove(self.path));
        if let Err(error) = renamed {
            made.iter().for_each(|path| drop(self.files.remove(path)));
            let _ = self.restore_descriptor();
            return Err(error);
        }
        // The disk has its new name and no old one. What may go wrong now is no reason to say that it has not.
        let tidied = self.remove_parts().and(self.files.sync_folder(folder_of(self.path)));
        tidied.unwrap_or_else(|error| log::warn!("after renaming '{}': {error}", self.path.display()));
        Ok(())
    }

    /// Makes the disk under its new name, durably; it keeps the old one. The new files are added to `made`.
    fn give_names(&self, to: &Path, made: &mut Vec<PathBuf>) -> Result<()> {
        let text = self.renamed_descriptor(to)?;
        for part in self.parts.iter().filter(|part| !part.again) {
            self.second_name(&part.path, &self.new_path(part, to), made)?;
        }
        match &self.home {
            Home::Embedded(place) => {
                self.second_name(self.path, to, made)?;
                // The old names in it do no harm: the first extent is the file that holds them.
                let file = self.files.open(to, Access::ReadWrite)?;
                place.replace(&*file, &text)?;
            }
            Home::Foreign { .. } => return Err(link::foreign_is_read()),
            Home::Text => {
                let file = self.files.create(to)?;
                made.push(to.to_owned());
                file.write_all_at(&text, ByteOffset(0))?;
                file.sync()?;
            }
        }
        self.files.sync_folder(folder_of(to))
    }

    /// The descriptor with the new names, as long as its place allows.
    fn renamed_descriptor(&self, to: &Path) -> Result<Vec<u8>> {
        let mut descriptor = self.descriptor.clone();
        for &index in &self.own {
            let name = descriptor.encoded(&bytes_of(to.file_name().unwrap_or_default()));
            descriptor.rename_extent(index, &name)?;
        }
        for part in &self.parts {
            let name = descriptor.encoded(&bytes_of(self.new_name(part, to).as_os_str()));
            match part.extent {
                Some(index) => descriptor.rename_extent(index, &name)?,
                None => descriptor.set_header(CHANGE_TRACK_PATH, &name)?,
            }
        }
        if let Some(hint) = self.moved_hint(to) {
            descriptor.set_header(link::PARENT_HINT, &hint)?;
        }
        self.descriptor_bytes(&descriptor)
            .map_err(|error| error.with_kind(Kind::BadName).context("the new name is too long"))
    }

    /// The name of the parent as seen from another folder, when it was relative to the old one.
    fn moved_hint(&self, to: &Path) -> Option<Vec<u8>> {
        let hint = path_from_bytes(self.descriptor.header(link::PARENT_HINT)?);
        let moved =
            folder_of(self.path) != folder_of(to) && hint.is_relative() && !hint.as_os_str().is_empty();
        moved.then(|| bytes_of(folder_of(self.path).join(hint).as_os_str()))
    }

    /// What a file is called under the disk's new name: what follows the disk's name in it stays.
    fn new_name(&self, part: &Part, to: &Path) -> PathBuf {
        let old_stem = bytes_of(self.path.file_stem().unwrap_or_default());
        let name = part.name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let mut new = bytes_of(to.file_stem().unwrap_or_default());
        match name.strip_prefix(old_stem.as_slice()) {
            Some(rest) => new.extend(rest),
            None => new.extend([b"-", name].concat()),
        }
        path_from_bytes(&new).to_owned()
    }

    fn new_path(&self, part: &Part, to: &Path) -> PathBuf {
        folder_of(to).join(self.new_name(part, to))
    }

    /// Gives a file a second name, or where that cannot be, a copy.
    fn second_name(&self, from: &Path, to: &Path, made: &mut Vec<PathBuf>) -> Result<()> {
        match self.files.link(from, to) {
            Err(error) if error.kind() == Kind::NotSupported => {}
            result => {
                result?;
                made.push(to.to_owned());
                return Ok(());
            }
        }
        let target = self.files.create(to)?;
        made.push(to.to_owned());
        let source = if from == self.path {
            Arc::clone(&self.storage)
        } else {
            self.files.open(from, Access::Read)?
        };
        copy(&*source, &*target).context(|| format!("copying to '{}'", to.display()))
    }
}

/// Copies a file, holes as holes, durably.
fn copy(source: &dyn Storage, target: &dyn Storage) -> Result<()> {
    let length = source.length()?;
    target.set_len(length)?;
    let mut buffer = vec![0; COPY_BYTES as usize];
    let mut position = 0;
    while position < length {
        let end = match source.region_at(ByteOffset(position))? {
            Region::Hole(end) => {
                position = end.0.max(position + 1);
                continue;
            }
            Region::Data(end) => end.0.clamp(position + 1, length),
        };
        let piece = &mut buffer[..(end - position).min(COPY_BYTES) as usize];
        source.read_exact_at(piece, ByteOffset(position))?;
        target.write_all_at(piece, ByteOffset(position))?;
        position += piece.len() as u64;
    }
    target.sync()
}

fn bytes_of(name: &std::ffi::OsStr) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    name.as_bytes().to_vec()
}
