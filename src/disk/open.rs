//! Opening: from a path to a chain of links.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock};

use super::chain::Disk;
use super::link::{Home, Link, PARENT_HINT, Placed, Saved};
use super::parts::{Parts, check_unlocked, parent_names};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::extent::{Extent, ZeroExtent};
use crate::format::vmdk::descriptor::{self, Descriptor, ExtentAccess, ExtentKind, ExtentLine};
use crate::format::vmdk::flat::FlatExtent;
use crate::format::vmdk::sparse::extent::SparseExtent;
use crate::format::vmdk::sparse::header::{DescriptorPlace, MAGIC, RawHeader};
use crate::io::{Access, ByteOffset, FileIdentity, Files, Lock, SECTOR_SIZE, Storage, folder_of};

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
            Self::Beside { folder, name } => files.open_beside(folder, name, access),
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
    let mut links = vec![Arc::new(chain.open_link(&Place::Named(path.to_owned()), access, lock)?)];
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
    Ok(Disk::new(links, options.single_link, !options.read_only))
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
        let parent = self.open_link(&place, Access::Read, Some(Lock::Shared)).map_err(as_parent_error)?;
        let (cid, wanted) = (parent.descriptor().cid()?, child.descriptor().parent_cid()?);
        if cid != wanted {
            let text = format!(
                "'{}' has content id {cid:08x} but {wanted:08x} is wanted: it was changed after its child was made",
                path.display()
            );
            return Err(Error::new(Kind::CidMismatch, text));
        }
        if parent.sectors() != child.sectors() {
            let text = format!(
                "'{}' has {} sectors, its child {}",
                path.display(),
                parent.sectors(),
                child.sectors()
            );
            return Err(Error::new(Kind::CapacityMismatch, text));
        }
        Ok(parent)
    }

    /// Where the parent of a link is: at the first of its names that there is a file of.
    fn find_parent(&self, child: &Link) -> Result<Place> {
        let descriptor = child.descriptor();
        let hint = descriptor.header(PARENT_HINT).filter(|hint| !hint.is_empty()).ok_or_else(|| {
            let text = "it has a parent, but its descriptor does not name it (parentFileNameHint)";
            Error::new(Kind::OpenParent, text)
        })?;
        let folder = folder_of(&child.path);
        let mut first_error = None;
        for name in parent_names(&descriptor, hint) {
            let place = Place::Beside { folder: folder.to_owned(), name };
            match place.open(&**self.files, Access::Read) {
                Ok(storage) => {
                    if storage.identity()?.is_some_and(|identity| self.taken.contains(&identity)) {
                        let text = format!("the chain loops back to '{}'", place.path().display());
                        return Err(Error::new(Kind::TooManyLinks, text));
                    }
                    return Ok(place);
                }
                Err(error) => drop(first_error.get_or_insert(error)),
            }
        }
        let none = || Error::new(Kind::OpenParent, "the name of the parent is none");
        Err(first_error.map_or_else(none, as_parent_error))
    }

    /// Opens one link. The lock is taken before anything is read that a writer could be changing.
    fn open_link(&mut self, place: &Place, access: Access, lock: Option<Lock>) -> Result<Link> {
        let path = place.path();
        let mut open = || {
            let held = match lock {
                Some(lock) => self.claim(place, &path, access, lock)?,
                None => None,
            };
            self.build_link(place, &path, access, held)
        };
        open().naming("opening", &path)
    }

    /// Locks a link by the file of its first extent, which (unlike a descriptor) is never replaced.
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
        for (index, line) in descriptor.extents().iter().enumerate() {
            let access = extent_access(line, access);
            if line.access == ExtentAccess::None || (lock == Lock::Exclusive && access == Access::Read) {
                continue;
            }
            if let Some(part) = parts.open_extent(index, line, access)? {
                part.storage.lock(lock)?;
                return Ok(Some(part.storage));
            }
        }
        Ok(None)
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
        self.taken.extend(identities);
        Ok(Link {
            path: path.to_owned(),
            files: Arc::clone(self.files),
            home,
            descriptor: RwLock::new(descriptor),
            saved: Mutex::new(Saved { storage, bytes }),
            extents,
            sectors: start,
            touched: AtomicBool::new(false),
            unsynced: AtomicBool::new(false),
            _lock: lock,
        })
    }
}

/// What keeps a parent from being opened is told as such, a lock and a shortage of descriptors excepted.
fn as_parent_error(error: Error) -> Error {
    match error.kind() {
        Kind::Locked | Kind::TooManyFiles | Kind::NotSupported | Kind::NeedsKey => error,
        _ => error.with_kind(Kind::OpenParent),
    }
}

/// Reads the descriptor of a file: where it stands, its bytes and its meaning.
pub(super) fn read_descriptor(storage: &dyn Storage) -> Result<(Home, Vec<u8>, Descriptor)> {
    let length = storage.length()?;
    let mut start = vec![0; length.min(SECTOR_SIZE) as usize];
    storage.read_exact_at(&mut start, ByteOffset(0))?;
    if start.starts_with(&MAGIC) {
        let header = RawHeader::parse(&start)?;
        let lone =
            || invalid("it is one extent of a disk and cannot be opened alone: open the disk's descriptor");
        let place = header.descriptor_place().ok_or_else(lone)?;
        let bytes = place.sectors.checked_mul(SECTOR_SIZE).filter(|bytes| *bytes <= descriptor::MAX_BYTES);
        let offset = ByteOffset::of_sector(place.sector);
        let (Some(bytes), Some(offset)) = (bytes, offset) else {
            return Err(invalid(format!("an embedded descriptor of {} sectors", place.sectors)));
        };
        if offset.0.checked_add(bytes).is_none_or(|end| end > length) {
            return Err(invalid("the embedded descriptor lies past the end of the file"));
        }
        let place = DescriptorPlace { sectors: place.sectors.min(header.room_at(place.sector)), ..place };
        let mut text = vec![0; (place.sectors * SECTOR_SIZE) as usize];
        storage.read_exact_at(&mut text, offset)?;
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

/// Tells files that are known, but not what a user should open.
fn foreign(start: &[u8]) -> Option<&'static str> {
    match start {
        [b'C', b'O', b'W', b'D', ..] => {
            Some("it is the extent of an ESX redo log: open the disk's descriptor")
        }
        [b'k', b'd', b'm', b'v', ..] => Some("it is a stream that was never finished"),
        [0xbe, 0xba, 0xfe, 0xca, ..] => Some("it is an seSparse extent: open the disk's descriptor"),
        _ => None,
    }
}

/// The access that an extent is opened with.
fn extent_access(line: &ExtentLine, access: Access) -> Access {
    if line.access == ExtentAccess::ReadWrite { access } else { Access::Read }
}

/// Opens the extent of a line of the descriptor, the one at `index`.
fn open_extent(
    parts: &mut Parts<'_>,
    index: usize,
    line: &ExtentLine,
    access: Access,
) -> Result<Box<dyn Extent>> {
    let access = extent_access(line, access);
    let writable = access == Access::ReadWrite;
    let part = match (line.access, line.kind) {
        // Without access there is nothing to be seen.
        (ExtentAccess::None, _) | (_, ExtentKind::Zero) => None,
        (_, ExtentKind::VmfsSparse | ExtentKind::SeSparse | ExtentKind::VmfsRaw) => {
            let text = format!("extents of type {:?} are not supported by this release", line.kind);
            return Err(Error::new(Kind::NotSupported, text));
        }
        _ => parts.open_extent(index, line, access)?,
    };
    let Some(part) = part else { return Ok(Box::new(ZeroExtent { sectors: line.sectors })) };
    if line.kind != ExtentKind::Sparse {
        return Ok(Box::new(FlatExtent::new(part.storage, line.first_sector, line.sectors, writable)?));
    }
    let length = part.storage.length()?;
    let mut start = vec![0; length.min(SECTOR_SIZE) as usize];
    part.storage.read_exact_at(&mut start, ByteOffset(0))?;
    let header = RawHeader::parse(&start)
        .and_then(|header| header.check(length))
        .context(|| format!("sparse extent '{}'", part.storage.name()))?;
    if header.capacity > line.sectors {
        log::warn!(
            "'{}' has {} sectors, of which the descriptor uses {}",
            part.storage.name(),
            header.capacity,
            line.sectors
        );
    }
    Ok(Box::new(SparseExtent::new(part.storage, header, line.sectors, writable)?))
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Kind::InvalidDisk, text)
}
