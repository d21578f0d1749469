//! Files that fail when they are told to, and that know what a loss of power could leave of them. For tests.
//!
//! ```text
//!   run something on FaultFiles ──> journal of its operations ──> power_losses: every image that can be found later
//!                              └──> fails at operation n, when told to
//! ```
//!
//! **Failing.** Operations that change something are counted from 0: each write, change of length, sync, creation,
//! replacement, removal and sync of a folder. [`FaultFiles::fail_at`] lets one of them fail (and all later ones, for a
//! fault that lasts). A test runs something once to learn how many operations it takes, and then once for each of
//! them with a fault there.
//!
//! **Losing power.** What is durable at a moment is known: everything before the file's last sync. What came later may
//! be there or not, each change on its own, a write also in part (sector by sector). [`FaultFiles::power_losses`]
//! goes through the moments just before something became durable, and the end; every other moment can leave nothing
//! that these cannot. At each of them it makes as many images as it is told to: all combinations when they are few,
//! and else none, all, every beginning, all but one, only one, and random ones with torn writes. The images are those of a
//! device and file system that keep what they promised and nothing more:
//!
//! * Changes of one file keep their order where they overlap.
//! * A sync of a file makes its content and length durable, not its name: that needs a sync of the folder.
//! * [`Files::replace`] is all or nothing, and durable when it returns, as its contract says.
//! * A change of length may be lost while a later write survives. A lost write may leave its length behind.
//! * After a sync has failed, nothing that it should have made durable is certain any more, and no later sync of the
//!   file succeeds.
//!
//! A test that wants to know what must have survived notes [`FaultFiles::operations`] when a flush returns:
//! whatever was flushed when no more than [`PowerLoss::operations`] operations had ended must be in that image.

mod power;

use std::collections::{HashMap, HashSet};
use std::io::{self, IoSliceMut};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::memory::{MemoryFile, MemoryFiles, resize};
use super::{Access, ByteOffset, FileIdentity, Files, Folder, Lock, Region, SECTOR_SIZE, Storage, folder_of};
use crate::error::{Error, Kind, Result};
use power::Image;
pub use power::PowerLoss;

/// What goes wrong with an operation.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    cause: Cause,
    written: usize,
    lasting: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Io,
    NoSpace,
}

impl Fault {
    /// The device fails (EIO).
    pub const IO: Self = Self { cause: Cause::Io, written: 0, lasting: false };

    /// No space is left (ENOSPC).
    pub const NO_SPACE: Self = Self { cause: Cause::NoSpace, written: 0, lasting: false };

    /// The same, but a write has written its first `bytes` bytes before it fails.
    #[must_use]
    pub const fn after(self, bytes: usize) -> Self {
        Self { written: bytes, ..self }
    }

    /// The same, and it stays so: of a device that fails every later operation fails too, without space those that
    /// make a file or make one longer.
    #[must_use]
    pub const fn lasting(self) -> Self {
        Self { lasting: true, ..self }
    }

    fn error(self, what: &str, name: &Path) -> Error {
        let number = match self.cause {
            Cause::Io => libc::EIO,
            Cause::NoSpace => libc::ENOSPC,
        };
        Error::from_io(io::Error::from_raw_os_error(number), format!("{what} '{}'", name.display()))
    }
}

/// The number of a file; it stays when the file is renamed or removed.
type FileNumber = usize;

/// Something that a loss of power can undo.
#[derive(Debug, Clone)]
enum Change {
    Write { file: FileNumber, offset: u64, data: Arc<[u8]> },
    Length { file: FileNumber, length: u64 },
    Name { path: PathBuf, file: FileNumber },
    Removal { path: PathBuf },
}

/// An operation, as far as it had an effect.
#[derive(Debug, Clone)]
enum Event {
    Change(Change),
    Sync(FileNumber),
    SyncFolder(PathBuf),
    Replace { path: PathBuf, file: FileNumber, content: Arc<[u8]> },
    Failed,
}

#[derive(Debug, Default)]
struct State {
    /// What the program sees.
    names: HashMap<PathBuf, FileNumber>,
    contents: Vec<MemoryFile>,
    sync_failed: HashSet<FileNumber>,
    fault: Option<(usize, Fault)>,
    /// What was durable when the journal began.
    start: Image,
    journal: Vec<Event>,
}

/// Files in memory that can fail and lose power; clones share everything.
#[derive(Debug, Clone, Default)]
pub struct FaultFiles {
    state: Arc<Mutex<State>>,
}

/// An open one of [`FaultFiles`].
#[derive(Debug)]
struct FaultFile {
    state: Arc<Mutex<State>>,
    number: FileNumber,
    content: MemoryFile,
    path: PathBuf,
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FaultFiles {
    /// Adds a file that is durable. Only before anything was done, or after [`FaultFiles::settle`].
    pub fn insert(&self, path: impl Into<PathBuf>, content: Vec<u8>) {
        let (path, mut state) = (path.into(), locked(&self.state));
        let file = state.contents.len();
        state.names.insert(path.clone(), file);
        state.start.names.insert(path, file);
        state.start.contents.insert(file, content.clone());
        state.contents.push(MemoryFile::new(content));
    }

    /// What the program sees of a file.
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = locked(&self.state);
        Some(state.contents[*state.names.get(path)?].to_vec())
    }

    /// The files as a process that ends now leaves them.
    pub fn left(&self) -> MemoryFiles {
        let (state, left) = (locked(&self.state), MemoryFiles::default());
        // Names of one file stay names of one file.
        let mut copies = HashMap::new();
        for (path, number) in &state.names {
            let content = || MemoryFile::new(state.contents[*number].to_vec());
            left.insert_file(path.clone(), copies.entry(*number).or_insert_with(content).clone());
        }
        left
    }

    /// The number of operations so far, which is the number of the next one.
    pub fn operations(&self) -> usize {
        locked(&self.state).journal.len()
    }

    /// Lets the operation of this number fail. There is one fault at a time.
    pub fn fail_at(&self, operation: usize, fault: Fault) {
        locked(&self.state).fault = Some((operation, fault));
    }

    /// Forgets the fault; what it has broken stays broken.
    pub fn stop_failing(&self) {
        locked(&self.state).fault = None;
    }

    /// Makes everything durable and begins to count anew, as after a set-up.
    pub fn settle(&self) {
        let mut state = locked(&self.state);
        let contents = state.contents.iter().map(MemoryFile::to_vec).enumerate().collect();
        state.start = Image { names: state.names.clone(), contents };
        state.journal.clear();
        state.sync_failed.clear();
        state.fault = None;
    }

    fn open_file(&self, path: &Path) -> Result<Arc<dyn Storage>> {
        let state = locked(&self.state);
        let missing = || Error::new(Kind::FileNotFound, format!("no file '{}' in memory", path.display()));
        let number = *state.names.get(path).ok_or_else(missing)?;
        Ok(self.file(&state, number, path))
    }

    fn file(&self, state: &State, number: FileNumber, path: &Path) -> Arc<dyn Storage> {
        Arc::new(FaultFile {
            state: Arc::clone(&self.state),
            number,
            content: state.contents[number].clone(),
            path: path.to_owned(),
        })
    }
}

impl State {
    /// The fault of the operation that is about to be counted, if it has one. `takes_space` tells whether it needs
    /// space that is not there yet.
    fn fault(&self, takes_space: bool) -> Option<Fault> {
        let (at, fault) = self.fault?;
        let now = self.journal.len();
        let lasts = fault.lasting && now > at && (fault.cause == Cause::Io || takes_space);
        (now == at || lasts).then_some(fault)
    }

    /// Counts an operation and fails it when that is its turn.
    fn count(&mut self, event: Event, takes_space: bool, what: &str, path: &Path) -> Result<()> {
        let fault = self.fault(takes_space);
        self.journal.push(if fault.is_some() { Event::Failed } else { event });
        fault.map_or(Ok(()), |fault| Err(fault.error(what, path)))
    }

    /// Gives a file one more name.
    fn name(&mut self, existing: &Path, new: &Path, what: &str) -> Result<()> {
        let error =
            |kind, path: &Path, text: &str| Err(Error::new(kind, format!("'{}' {text}", path.display())));
        let Some(file) = self.names.get(existing).copied() else {
            return error(Kind::FileNotFound, existing, "is not in memory");
        };
        if self.names.contains_key(new) {
            return error(Kind::FileExists, new, "exists in memory");
        }
        self.count(Event::Change(Change::Name { path: new.to_owned(), file }), true, what, new)?;
        self.names.insert(new.to_owned(), file);
        Ok(())
    }

    fn add(&mut self, content: Vec<u8>) -> FileNumber {
        self.contents.push(MemoryFile::new(content));
        self.contents.len() - 1
    }
}

impl Storage for FaultFile {
    fn read_vectored_at(&self, buffers: &mut [IoSliceMut<'_>], offset: ByteOffset) -> Result<()> {
        self.content.read_vectored_at(buffers, offset)
    }

    fn write_all_at(&self, data: &[u8], offset: ByteOffset) -> Result<()> {
        let mut state = locked(&self.state);
        let end = offset.0.saturating_add(data.len() as u64);
        let fault = state.fault(end > self.content.length()?);
        let written = fault.map_or(data, |fault| &data[..fault.written.min(data.len())]);
        if fault.is_some() && written.is_empty() {
            state.journal.push(Event::Failed);
        } else {
            self.content.write_all_at(written, offset)?;
            let data = Arc::from(written);
            state.journal.push(Event::Change(Change::Write { file: self.number, offset: offset.0, data }));
        }
        fault.map_or(Ok(()), |fault| Err(fault.error("writing", &self.path)))
    }

    fn length(&self) -> Result<u64> {
        self.content.length()
    }

    fn identity(&self) -> Result<Option<FileIdentity>> {
        self.content.identity()
    }

    fn set_len(&self, length: u64) -> Result<()> {
        let mut state = locked(&self.state);
        let longer = length > self.content.length()?;
        let event = Event::Change(Change::Length { file: self.number, length });
        state.count(event, longer, "setting the length of", &self.path)?;
        self.content.set_len(length)
    }

    fn sync(&self) -> Result<()> {
        let mut state = locked(&self.state);
        if state.sync_failed.contains(&self.number) {
            state.journal.push(Event::Failed);
            return Err(Error::new(Kind::Io, "an earlier flush failed"));
        }
        let result = state.count(Event::Sync(self.number), false, "flushing", &self.path);
        if result.is_err() {
            state.sync_failed.insert(self.number);
        }
        result
    }

    fn region_at(&self, offset: ByteOffset) -> Result<Region> {
        self.content.region_at(offset)
    }

    fn lock(&self, _lock: Lock) -> Result<()> {
        Ok(())
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

impl Files for FaultFiles {
    fn open(&self, path: &Path, _access: Access) -> Result<Arc<dyn Storage>> {
        self.open_file(path)
    }

    fn open_beside(&self, folder: &Folder, name: &Path, _access: Access) -> Result<Arc<dyn Storage>> {
        self.open_file(&folder.path().join(name))
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn Storage>> {
        let mut state = locked(&self.state);
        if state.names.contains_key(path) {
            return Err(Error::new(Kind::FileExists, format!("'{}' exists in memory", path.display())));
        }
        let file = state.contents.len();
        let change = Change::Name { path: path.to_owned(), file };
        state.count(Event::Change(change), true, "creating", path)?;
        state.add(Vec::new());
        state.names.insert(path.to_owned(), file);
        Ok(self.file(&state, file, path))
    }

    fn replace(&self, path: &Path, content: &[u8]) -> Result<Arc<dyn Storage>> {
        self.open_file(path)?;
        let mut state = locked(&self.state);
        let file = state.contents.len();
        let event = Event::Replace { path: path.to_owned(), file, content: Arc::from(content) };
        state.count(event, true, "replacing", path)?;
        state.add(content.to_vec());
        state.names.insert(path.to_owned(), file);
        Ok(self.file(&state, file, path))
    }

    fn link(&self, existing: &Path, new: &Path) -> Result<()> {
        locked(&self.state).name(existing, new, "linking")
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut state = locked(&self.state);
        state.name(from, to, "renaming")?;
        // It fails as one, but power may be lost between its parts.
        state.journal.push(Event::Change(Change::Removal { path: from.to_owned() }));
        state.names.remove(from);
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.open_file(path)?;
        let mut state = locked(&self.state);
        let change = Change::Removal { path: path.to_owned() };
        state.count(Event::Change(change), false, "removing", path)?;
        state.names.remove(path);
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> Result<()> {
        let event = Event::SyncFolder(folder.to_owned());
        locked(&self.state).count(event, false, "flushing folder", folder)
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf> {
        self.open_file(path).map(|_| path.to_owned())
    }
}

#[cfg(test)]
#[path = "fault_tests.rs"]
mod tests;
