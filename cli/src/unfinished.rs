//! Files that get their name when they are whole, so that what was interrupted cannot be taken for it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use vixDiskLib::io::folder_of;
use vixDiskLib::session::{self, NewDisk, manage};

use crate::disk::Connection;
use crate::failure::{Code, Failure, Result};

/// The name of a file that is being made: that of the target with `.partial` behind it.
pub(crate) fn partial_name(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    target.with_file_name(name)
}

/// The stem of the names of a disk that is being made; its extents have more behind it.
fn partial_stem(target: &Path) -> OsString {
    let mut stem = target.file_stem().unwrap_or_default().to_owned();
    stem.push(".partial");
    stem
}

/// A virtual disk that is being made, `NAME.partial.vmdk`. It is deleted unless it is finished.
#[derive(Debug)]
pub(crate) struct UnfinishedDisk<'a> {
    target: &'a Path,
    partial: PathBuf,
    finished: bool,
}

impl<'a> UnfinishedDisk<'a> {
    /// Makes an empty disk beside the target, of which there must be none yet. What an interrupted run left goes.
    pub(crate) fn create(target: &'a Path, new: &NewDisk, tell: &mut dyn FnMut(u8)) -> Result<Self> {
        if target.symlink_metadata().is_ok() {
            let text = format!("creating '{}': there is a file of this name", target.display());
            return Err(
                Failure::new(Code::Found, text).advise("choose another name, or remove it with its extents")
            );
        }
        let mut name = partial_stem(target);
        name.push(".vmdk");
        let unfinished = Self { target, partial: target.with_file_name(name), finished: false };
        unfinished.delete();
        let connection = Connection::local()?;
        session::create(connection.handle(), &unfinished.partial, new, tell)?;
        Ok(unfinished)
    }

    /// Where it is until it is finished.
    pub(crate) fn path(&self) -> &Path {
        &self.partial
    }

    /// Gives it its name. It must be closed.
    pub(crate) fn finish(mut self) -> Result<()> {
        manage::rename(&self.partial, self.target)?;
        self.finished = true;
        Ok(())
    }

    /// Deletes all files of it that there are. By their names, since the descriptor may not have been written yet.
    fn delete(&self) {
        let Ok(entries) = fs::read_dir(folder_of(self.target)) else { return };
        let stem = partial_stem(self.target).into_encoded_bytes();
        for entry in entries.flatten() {
            let name = entry.file_name().into_encoded_bytes();
            let rest = name.strip_prefix(stem.as_slice());
            if rest.is_some_and(|rest| rest.starts_with(b"-") || rest == b".vmdk") && name.ends_with(b".vmdk")
            {
                // What stays is told by whoever makes the disk anew.
                drop(fs::remove_file(entry.path()));
            }
        }
    }
}

impl Drop for UnfinishedDisk<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.delete();
        }
    }
}
