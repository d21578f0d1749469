//! The mode "file": disks in the local file system.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::io::Files;
use crate::io::local::lasting_path;
pub use crate::io::local::{DeviceAccess, LocalFiles};

/// Where a disk was found.
#[derive(Debug)]
pub struct Located {
    /// The file system that it is in.
    pub files: Arc<dyn Files>,
    /// Its path.
    pub path: PathBuf,
}

impl Located {
    /// The one name of the disk's file, however it was reached.
    ///
    /// # Errors
    /// `FileNotFound` and others when there is no such file.
    pub fn identity(&self) -> Result<PathBuf> {
        self.files.canonical(&self.path)
    }
}

/// Finds the disk behind a path; `files` says what names inside disks may lead to.
///
/// # Errors
/// `InvalidArgument` for a path of a datastore, which needs a server.
pub fn locate(path: &Path, files: LocalFiles) -> Result<Located> {
    if path.to_string_lossy().starts_with('[') {
        let text = format!(
            "'{}' is a path in a datastore, but this connection is to the local host, where disks are files",
            path.display()
        );
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    Ok(Located { files: Arc::new(files), path: lasting_path(path) })
}
