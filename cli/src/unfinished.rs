//! Files that get their name when they are whole, so that what was interrupted cannot be taken for it.

use std::fs;
use std::path::{Path, PathBuf};

use vixDiskLib::session::{self, NewDisk, manage};

use crate::disk::Connection;
use crate::failure::{Code, Failure, Result};

/// The name of what is being made: that of the target with `.partial` behind it.
pub(crate) fn partial_name(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    target.with_file_name(name)
}

/// A virtual disk that is being made. It is deleted unless it is finished.
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
        let unfinished = Self { target, partial: partial_name(target), finished: false };
        if unfinished.partial.symlink_metadata().is_ok() {
            unfinished.delete();
        }
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

    /// Whatever can be deleted of it: the links of a disk, or what is no disk yet.
    fn delete(&self) {
        let unlinked = Connection::local()
            .and_then(|connection| Ok(manage::unlink(connection.handle(), &self.partial)?));
        if unlinked.is_err() {
            drop(fs::remove_file(&self.partial));
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
