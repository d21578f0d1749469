//! Files in memory: the same traits without a file system, for tests, Miri and fuzzing.

use std::collections::HashMap;
use std::io::IoSliceMut;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Access, ByteOffset, FileIdentity, Files, Folder, Lock, Region, Storage};
use crate::error::{Error, Kind, Result};

/// Longest file, so that hostile lengths cannot eat the memory, of which fuzz targets have 256 MiB for everything.
const MAX_LENGTH: u64 = if cfg!(fuzzing) { 16 << 20 } else { 256 << 20 };

/// One file in memory; clones share the content.
#[derive(Debug, Clone, Default)]
pub struct MemoryFile {
    content: Arc<Mutex<Vec<u8>>>,
}

/// A set of files in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles {
    files: Arc<Mutex<HashMap<PathBuf, MemoryFile>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn too_long(length: u64) -> Error {
    Error::new(Kind::FileTooBig, format!("{length} bytes are too much for a file in memory"))
}

/// Cuts or extends with zeros, by whole copies: `Vec::resize` goes byte by byte where nothing is optimised, which
/// under Miri takes minutes.
pub(super) fn resize(content: &mut Vec<u8>, length: usize) {
    match length.checked_sub(content.len()) {
        Some(more) => content.extend_from_slice(&vec![0; more]),
        None => content.truncate(length),
    }
}

impl MemoryFile {
    /// A file with this content.
    pub fn new(content: Vec<u8>) -> Self {
        Self { content: Arc::new(Mutex::new(content)) }
    }

    /// A copy of the content.
    pub fn to_vec(&self) -> Vec<u8> {
        locked(&self.content).clone()
    }
}

impl MemoryFiles {
    /// Adds or replaces a file.
    pub fn insert(&self, path: impl Into<PathBuf>, content: Vec<u8>) {
        self.insert_file(path, MemoryFile::new(content));
    }

    /// Adds or replaces a name of a file, which may have others.
    pub fn insert_file(&self, path: impl Into<PathBuf>, file: MemoryFile) {
        locked(&self.files).insert(path.into(), file);
    }

    /// The names of all files, sorted.
    pub fn paths(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = locked(&self.files).keys().cloned().collect();
        paths.sort_unstable();
        paths
    }

    /// The content of a file.
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        locked(&self.files).get(path).map(MemoryFile::to_vec)
    }

    fn find(&self, path: &Path) -> Result<MemoryFile> {
        let missing = || Error::new(Kind::FileNotFound, format!("no file '{}' in memory", path.display()));
        locked(&self.files).get(path).cloned().ok_or_else(missing)
    }
}

impl Storage for MemoryFile {
    fn read_vectored_at(&self, buffers: &mut [IoSliceMut<'_>], offset: ByteOffset) -> Result<()> {
        let content = locked(&self.content);
        let short = || Error::new(Kind::Io, "the file ends too early");
        let mut position = usize::try_from(offset.0).map_err(|_| short())?;
        for buffer in buffers {
            let end = position.checked_add(buffer.len()).ok_or_else(short)?;
            buffer.copy_from_slice(content.get(position..end).ok_or_else(short)?);
            position = end;
        }
        Ok(())
    }

    fn read_cached_at(&self, buffers: &mut [IoSliceMut<'_>], offset: ByteOffset) -> Result<bool> {
        self.read_vectored_at(buffers, offset).map(|()| true)
    }

    fn write_all_at(&self, data: &[u8], offset: ByteOffset) -> Result<()> {
        let end = offset.0.saturating_add(data.len() as u64);
        if end > MAX_LENGTH {
            return Err(too_long(end));
        }
        let mut content = locked(&self.content);
        let (start, end) = (offset.0 as usize, end as usize);
        if content.len() < end {
            resize(&mut content, end);
        }
        content[start..end].copy_from_slice(data);
        Ok(())
    }

    fn length(&self) -> Result<u64> {
        Ok(locked(&self.content).len() as u64)
    }

    fn set_len(&self, length: u64) -> Result<()> {
        if length > MAX_LENGTH {
            return Err(too_long(length));
        }
        resize(&mut locked(&self.content), length as usize);
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn region_at(&self, _offset: ByteOffset) -> Result<Region> {
        Ok(Region::Data(ByteOffset(self.length()?)))
    }

    fn lock(&self, _lock: Lock) -> Result<()> {
        Ok(())
    }

    fn name(&self) -> String {
        "a file in memory".to_owned()
    }

    fn identity(&self) -> Result<Option<FileIdentity>> {
        Ok(Some(FileIdentity { device: 0, file: Arc::as_ptr(&self.content).addr() as u64 }))
    }
}

impl Files for MemoryFiles {
    fn open(&self, path: &Path, _access: Access) -> Result<Arc<dyn Storage>> {
        Ok(Arc::new(self.find(path)?))
    }

    fn open_beside(&self, folder: &Folder, name: &Path, access: Access) -> Result<Arc<dyn Storage>> {
        self.open(&folder.path().join(name), access)
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn Storage>> {
        let mut files = locked(&self.files);
        if files.contains_key(path) {
            return Err(Error::new(Kind::FileExists, format!("'{}' exists in memory", path.display())));
        }
        let file = MemoryFile::default();
        files.insert(path.to_owned(), file.clone());
        Ok(Arc::new(file))
    }

    fn replace(&self, path: &Path, content: &[u8]) -> Result<Arc<dyn Storage>> {
        let file = self.find(path)?;
        *locked(&file.content) = content.to_vec();
        Ok(Arc::new(file))
    }

    fn link(&self, existing: &Path, new: &Path) -> Result<()> {
        let file = self.find(existing)?;
        let mut files = locked(&self.files);
        if files.contains_key(new) {
            return Err(Error::new(Kind::FileExists, format!("'{}' exists in memory", new.display())));
        }
        files.insert(new.to_owned(), file);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.link(from, to)?;
        self.remove(from)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.find(path)?;
        locked(&self.files).remove(path);
        Ok(())
    }

    fn sync_folder(&self, _folder: &Path) -> Result<()> {
        Ok(())
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf> {
        self.find(path).map(|_| path.to_owned())
    }
}
