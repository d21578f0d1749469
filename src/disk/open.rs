//! Opening: from a path to a chain of links.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chain::Disk;
use super::extents::{extent_access, foreign, open_extent};
use super::foreign::{Family, Format, describe};
use super::link::{Home, Link, Placed, Saved, foreign_is_read};
use super::parts::{Parts, check_unlocked, parent_names};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::foreign::Foreign;
use crate::format::vmdk::descriptor::{self, Descriptor, ExtentAccess, ExtentKind};
use crate::format::vmdk::sparse::embedded::EmbeddedDescriptor;
use crate::format::vmdk::sparse::header::{MAGIC, MAGIC_UNFINISHED, RawHeader};
use crate::io::{Access, ByteOffset, FileIdentity, Files, Folder, Lock, SECTOR_SIZE, Storage, folder_of};

/// Most links of a chain; VMware's products stop at 32.
const MAX_LINKS: usize = 255;

/// Most bytes and lines that the descriptors of a chain may have together; they stay in memory.
const MAX_CHAIN_TEXT: (usize, usize) = (32 << 20, 1 << 18);

/// How a disk is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// No writes.
    pub read_only: bool,
    /// The named link only; what it does not have reads as zeros.
    pub single_link: bool,
}

/// How the file of a link is reached.
#[derive(Debug)]
enum Place {
    /// By the path that the client gave.
    Named(PathBuf),
    /// By a name that stands inside a disk of this folder, and must not lead out of it.
    Beside {
        /// The folder.
        folder: PathBuf,
        /// The name.
        name: PathBuf,
    },
}

impl Place {
    fn open(&self, files: &dyn Files, access: Access) -> Result<Arc<dyn Storage>> {
        match self {
            Self::Named(path) => files.open(path, access),
            Self::Beside { folder, name } => files.open_beside(&Folder::new(folder.as_path()), name, access),
        }
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::Named(path) => path.clone(),
            Self::Beside { folder, name } => folder.join(name),
        }
    }
}

/// Opens a disk by the path of its descriptor or of its only file.
///
/// # Errors
/// `FileNotFound`, `AccessDenied`, `InvalidDisk`, `UnsupportedVersion`, `NotSupported`, `Locked`, and for parents
/// `OpenParent`, `CidMismatch`, `CapacityMismatch`, `TooManyLinks`.
pub fn open(files: &Arc<dyn Files>, path: &Path, options: Options) -> Result<Disk> {
    let access = if options.read_only { Access::Read } else { Access::ReadWrite };
    let lock = (!options.read_only).then_some(Lock::Exclusive);
    let mut chain = Chain { files, taken: HashSet::new() };
    let mut links = vec![Arc::new(chain.open_link(&Place::Named(path.to_owned()), None, access, lock)?)];
    let (mut bytes, mut lines) = (0, 0);
    while let Some(link) = links.last().filter(|_| !options.single_link) {
        if !link.has_parent() {
            break;
        }
        if links.len() >= MAX_LINKS {
            let text = format!("the chain of '{}' has more than {MAX_LINKS} links", path.display());
            return Err(Error::new(Kind::TooManyLinks, text));
        }
        let size = link.descriptor().size();
        (bytes, lines) = (bytes + size.0, lines + size.1);
        if bytes > MAX_CHAIN_TEXT.0 || lines > MAX_CHAIN_TEXT.1 {
            let text = format!("the descriptors of the chain of '{}' are too long together", path.display());
            return Err(Error::new(Kind::TooManyLinks, text));
        }
        let parent =
            chain.open_parent(link).context(|| format!("opening the parent of '{}'", link.path.display()))?;
        links.push(Arc::new(parent));
    }
    // Parents are locked, and open for reading only.
    Ok(Disk::new(links, 1, options.single_link, !options.read_only))
}

/// What keeps a parent from being opened is told as such, a lock and a shortage of descriptors excepted.
fn as_parent_error(error: Error) -> Error {
    match error.kind() {
        Kind::Locked | Kind::TooManyFiles | Kind::NotSupported | Kind::NeedsKey => error,
        _ => error.with_kind(Kind::OpenParent),
    }
}

/// A chain that is being opened, and the files that its links have so far.
struct Chain<'a> {
    files: &'a Arc<dyn Files>,
    taken: HashSet<FileIdentity>,
}

impl Chain<'_> {
    /// Opens the parent of a link and checks that it is the one that the link was made from.
    fn open_parent(&mut self, child: &Link) -> Result<Link> {
        let place = self.find_parent(child)?;
        let path = place.path();
        // Never as another format: what looks like one may be what a guest has written.
        let parent = self
            .open_link(&place, Some(child.family()), Access::Read, Some(Lock::Shared))
            .map_err(as_parent_error)?;
        parent.check_parent_of(child)?;
        let (sectors, wanted) = (parent.sectors(), child.sectors());
        if sectors != wanted {
            let text = format!("'{}' has {sectors} sectors, its child {wanted}", path.display());
            return Err(Error::new(Kind::CapacityMismatch, text));
        }
        Ok(parent)
    }

    /// Where the parent of a link is: at the first of its names that there is a file of.
    fn find_parent(&self, child: &Link) -> Result<Place> {
        let mut first_error = None;
        for name in child.parent_names().iter().flat_map(|hint| parent_names(&child.descriptor(), hint)) {
            let place = Place::Beside { folder: folder_of(&child.path).to_owned(), name };
            match place.open(&**self.files, Access::Read) {
                Ok(storage) if self.is_taken(&*storage)? => {
                    let text = format!("the chain loops back to '{}'", place.path().display());
                    return Err(Error::new(Kind::TooManyLinks, text));
                }
                Ok(_) => return Ok(place),
                Err(error) => drop(first_error.get_or_insert(error)),
            }
        }
        Err(first_error.map_or_else(
            || Error::new(Kind::OpenParent, "it has a parent, but does not name it (parentFileNameHint)"),
            as_parent_error,
        ))
    }

    /// Whether a link has this file already.
    fn is_taken(&self, storage: &dyn Storage) -> Result<bool> {
        Ok(storage.identity()?.is_some_and(|identity| self.taken.contains(&identity)))
    }

    /// Opens one link, of this family or of the one that its file shows. The lock is taken before anything is read that
    /// a writer could be changing.
    fn open_link(
        &mut self,
        place: &Place,
        family: Option<Family>,
        access: Access,
        lock: Option<Lock>,
    ) -> Result<Link> {
        let path = place.path();
        let mut open = || {
            let storage = place.open(&**self.files, access)?;
            let family = family.map_or_else(|| Family::of(&*storage, &path), Ok)?;
            if let Family::Foreign(format) = family {
                return self.foreign_link(&path, storage, format, access, lock);
            }
            let held = match lock {
                Some(lock) => self.claim(place, &path, access, lock)?,
                None => None,
            };
            self.build_link(place, &path, access, held)
        };
        open().naming("opening", &path)
    }

    /// Locks a link by the file of its first extent that can be written, which (unlike a descriptor) is never replaced.
    /// Readers and writers must choose the same one. A link that has none is locked by the file that its descriptor is
    /// embedded in, which can change; and what cannot change at all is locked by readers only, against those who delete.
    fn claim(
        &self,
        place: &Place,
        path: &Path,
        access: Access,
        lock: Lock,
    ) -> Result<Option<Arc<dyn Storage>>> {
        if lock == Lock::Exclusive {
            check_unlocked(&**self.files, path)?;
        }
        let storage = place.open(&**self.files, access)?;
        let (home, _, descriptor) = read_descriptor(&*storage)?;
        let mut parts = Parts::new(&**self.files, path, (&home, &descriptor, &storage), &self.taken)?;
        let mut claim = |wanted: ExtentAccess| -> Result<Option<Arc<dyn Storage>>> {
            for (index, line) in descriptor.extents().iter().enumerate() {
                // A mapping has no file of its own.
                let unclaimed =
                    line.access != wanted || matches!(line.kind, ExtentKind::Zero | ExtentKind::VmfsRaw);
                if unclaimed {
                    continue;
                }
                let file = parts.open_extent(index, line, extent_access(line, access))?.storage;
                if lock == Lock::Exclusive && file.check_writable().is_err() {
                    continue;
                }
                file.lock(lock)?;
                return Ok(Some(file));
            }
            Ok(None)
        };
        if let Some(file) = claim(ExtentAccess::ReadWrite)? {
            return Ok(Some(file));
        }
        if matches!(home, Home::Embedded(_)) {
            storage.lock(lock)?;
            return Ok(Some(storage));
        }
        // What is only read can be somebody else's too.
        if lock == Lock::Exclusive { Ok(None) } else { claim(ExtentAccess::ReadOnly) }
    }

    /// A link of another format: one file, one extent, no writes.
    fn foreign_link(
        &mut self,
        path: &Path,
        storage: Arc<dyn Storage>,
        format: Format,
        access: Access,
        lock: Option<Lock>,
    ) -> Result<Link> {
        if access == Access::ReadWrite {
            return Err(foreign_is_read());
        }
        lock.map_or(Ok(()), |lock| storage.lock(lock))?;
        let disk = format.open(Arc::clone(&storage))?;
        let descriptor = describe(&disk)?;
        let Foreign { extent, parent, content_id, .. } = disk;
        let home = Home::Foreign { format, content_id, parent };
        let saved = Saved { storage: Arc::clone(&storage), bytes: Vec::new(), settled: true };
        let extents = vec![Placed { start: 0, extent }];
        self.taken.extend(storage.identity()?);
        Ok(Link::new(path, self.files, home, descriptor, saved, extents, lock.map(|_| storage)))
    }

    /// Reads a link's descriptor and opens its extents.
    fn build_link(
        &mut self,
        place: &Place,
        path: &Path,
        access: Access,
        lock: Option<Arc<dyn Storage>>,
    ) -> Result<Link> {
        let storage = place.open(&**self.files, access)?;
        let (home, bytes, descriptor) = read_descriptor(&*storage)?;
        let mut parts = Parts::new(&**self.files, path, (&home, &descriptor, &storage), &self.taken)?;
        let mut extents = Vec::with_capacity(descriptor.extents().len());
        let mut start: u64 = 0;
        for (index, line) in descriptor.extents().iter().enumerate() {
            let extent = open_extent(&mut parts, index, line, access)
                .context(|| format!("extent {} of {}", index + 1, descriptor.extents().len()))?;
            extents.push(Placed { start, extent });
            // The descriptor has checked that the sum is no larger than a disk can be.
            start = start.saturating_add(line.sectors);
        }
        let identities: Vec<FileIdentity> = parts.identities().collect();
        // Names are opened again for reading: a lock of a file that was replaced in between would protect nothing.
        let locked = lock.as_ref().map_or(Ok(None), |lock| lock.identity())?;
        if locked.is_some_and(|locked| !identities.contains(&locked)) {
            let text = "its files were replaced while it was opened: somebody else is changing it";
            return Err(Error::new(Kind::Locked, text));
        }
        self.taken.extend(identities);
        let settled = !matches!(home, Home::Embedded(place) if place.is_away);
        let saved = Saved { storage, bytes, settled };
        Ok(Link::new(path, self.files, home, descriptor, saved, extents, lock))
    }
}

/// Reads the descriptor of a file: where it stands, its bytes and its meaning.
pub(super) fn read_descriptor(storage: &dyn Storage) -> Result<(Home, Vec<u8>, Descriptor)> {
    let length = storage.length()?;
    let mut start = vec![0; length.min(SECTOR_SIZE) as usize];
    storage.read_exact_at(&mut start, ByteOffset(0))?;
    if start.starts_with(&MAGIC) || start.starts_with(&MAGIC_UNFINISHED) {
        let header = RawHeader::parse_unfinished(&start)?;
        let lone =
            || invalid("it is one extent of a disk and cannot be opened alone: open the disk's descriptor");
        let (place, text) = EmbeddedDescriptor::read(storage, &header)?.ok_or_else(lone)?;
        // QEMU reserves the place in every extent and leaves it empty where the descriptor is a file of its own.
        if text.first() == Some(&0) {
            return Err(lone());
        }
        let descriptor = Descriptor::parse(&text).context(|| "embedded descriptor")?;
        return Ok((Home::Embedded(place), text, descriptor));
    }
    if let Some(text) = foreign(&start) {
        return Err(invalid(text));
    }
    if length > descriptor::MAX_BYTES {
        return Err(invalid(format!(
            "it is no virtual disk: neither a sparse header nor a descriptor in {length} bytes"
        )));
    }
    let mut text = vec![0; length as usize];
    storage.read_exact_at(&mut text, ByteOffset(0))?;
    let descriptor = Descriptor::parse(&text).context(|| "descriptor")?;
    Ok((Home::Text, text, descriptor))
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Kind::InvalidDisk, text)
}
