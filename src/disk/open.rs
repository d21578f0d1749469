//! Opening: from a path to a chain of links.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock};

use super::chain::Disk;
use super::link::{Home, Link, Placed, Saved, path_from_bytes};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::extent::{Extent, ZeroExtent};
use crate::format::vmdk::descriptor::{self, Descriptor, ExtentAccess, ExtentKind, ExtentLine};
use crate::format::vmdk::flat::FlatExtent;
use crate::format::vmdk::sparse::extent::SparseExtent;
use crate::format::vmdk::sparse::header::{MAGIC, MAGIC_UNFINISHED, RawHeader};
use crate::format::vmdk::stream::extent::StreamExtent;
use crate::io::{Access, ByteOffset, Files, Lock, SECTOR_SIZE, Storage, folder_of};

/// Most links of a chain; VMware's products stop at 32.
const MAX_LINKS: usize = 255;

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
    let mut links = vec![open_link(files, &Place::Named(path.to_owned()), access, lock)?];
    let mut seen = vec![files.canonical(path)?];
    while let Some(link) = links.last().filter(|_| !options.single_link) {
        if !link.has_parent() {
            break;
        }
        if links.len() >= MAX_LINKS {
            let text = format!("the chain of '{}' has more than {MAX_LINKS} links", path.display());
            return Err(Error::new(Kind::TooManyLinks, text));
        }
        let parent = open_parent(files, link, &mut seen)
            .context(|| format!("opening the parent of '{}'", link.path.display()))?;
        links.push(parent);
    }
    Ok(Disk::new(links, options.single_link, !options.read_only))
}

/// Opens the parent of a link and checks that it is the one that the link was made from.
fn open_parent(files: &Arc<dyn Files>, child: &Link, seen: &mut Vec<PathBuf>) -> Result<Link> {
    let (hint, wanted) = {
        let descriptor = child.descriptor();
        let hint = descriptor.header("parentFileNameHint").map(<[u8]>::to_owned);
        (hint, descriptor.parent_cid()?)
    };
    let hint = hint.filter(|hint| !hint.is_empty()).ok_or_else(|| {
        Error::new(
            Kind::OpenParent,
            "it has a parent, but its descriptor does not name it (parentFileNameHint)",
        )
    })?;
    let place = find_parent(&**files, &child.path, &hint)?;
    let path = place.path();
    let canonical = files.canonical(&path).map_err(as_parent_error)?;
    if seen.contains(&canonical) {
        return Err(Error::new(Kind::TooManyLinks, format!("the chain loops back to '{}'", path.display())));
    }
    seen.push(canonical);
    let parent = open_link(files, &place, Access::Read, Some(Lock::Shared)).map_err(as_parent_error)?;
    let cid = parent.descriptor().cid()?;
    if cid != wanted {
        let text = format!(
            "'{}' has content id {cid:08x} but {wanted:08x} is wanted: it was changed after its child was made",
            path.display()
        );
        return Err(Error::new(Kind::CidMismatch, text));
    }
    if parent.sectors() != child.sectors() {
        let text =
            format!("'{}' has {} sectors, its child {}", path.display(), parent.sectors(), child.sectors());
        return Err(Error::new(Kind::CapacityMismatch, text));
    }
    Ok(parent)
}

/// What keeps a parent from being opened is told as such, a lock and a shortage of descriptors excepted.
fn as_parent_error(error: Error) -> Error {
    match error.kind() {
        Kind::Locked | Kind::TooManyFiles | Kind::NotSupported | Kind::NeedsKey => error,
        _ => error.with_kind(Kind::OpenParent),
    }
}

/// Where a parent is: at its name as it stands, or else (it may come from another machine) at its last part beside
/// the child.
fn find_parent(files: &dyn Files, child: &Path, hint: &[u8]) -> Result<Place> {
    let beside = |name: &[u8]| Place::Beside {
        folder: folder_of(child).to_owned(),
        name: path_from_bytes(name).to_owned(),
    };
    let place = beside(hint);
    let Err(error) = place.open(files, Access::Read) else { return Ok(place) };
    let last = hint.rsplit(|byte| matches!(byte, b'/' | b'\\')).next().unwrap_or_default();
    if last != hint && !last.is_empty() && last != b".." {
        let place = beside(last);
        if place.open(files, Access::Read).is_ok() {
            return Ok(place);
        }
    }
    Err(as_parent_error(error))
}

/// Opens one link. The lock is taken before anything is read that a writer could be changing.
fn open_link(files: &Arc<dyn Files>, place: &Place, access: Access, lock: Option<Lock>) -> Result<Link> {
    let path = place.path();
    let open = || {
        let held = match lock {
            Some(lock) => claim(&**files, place, &path, access, lock)?,
            None => None,
        };
        build_link(files, place, &path, access, held)
    };
    open().naming("opening", &path)
}

/// Locks a link by the file of its first extent, which (unlike a descriptor) is never replaced.
fn claim(
    files: &dyn Files,
    place: &Place,
    path: &Path,
    access: Access,
    lock: Lock,
) -> Result<Option<Arc<dyn Storage>>> {
    let storage = place.open(files, access)?;
    let (home, _, descriptor) = read_descriptor(&*storage)?;
    let own = matches!(home, Home::Embedded(_));
    for line in descriptor.extents() {
        let named = match &line.name {
            _ if own && line.kind == ExtentKind::Sparse => Arc::clone(&storage),
            Some(name) if line.access != ExtentAccess::None => {
                let access = extent_access(line, access);
                if lock == Lock::Exclusive && access == Access::Read {
                    continue;
                }
                files.open_beside(folder_of(path), path_from_bytes(name), access)?
            }
            _ => continue,
        };
        named.lock(lock)?;
        return Ok(Some(named));
    }
    Ok(None)
}

/// Reads a link's descriptor and opens its extents.
fn build_link(
    files: &Arc<dyn Files>,
    place: &Place,
    path: &Path,
    access: Access,
    lock: Option<Arc<dyn Storage>>,
) -> Result<Link> {
    let storage = place.open(&**files, access)?;
    let (home, bytes, descriptor) = read_descriptor(&*storage)?;
    let mut extents = Vec::with_capacity(descriptor.extents().len());
    let mut start: u64 = 0;
    for (index, line) in descriptor.extents().iter().enumerate() {
        let container = match home {
            // A renamed file still names its old self: the file that holds the descriptor is its first extent.
            Home::Embedded(_) if index == 0 && line.kind == ExtentKind::Sparse => Some(&storage),
            _ => None,
        };
        let extent = open_extent(files, path, line, container, access)
            .context(|| format!("extent {} of {}", index + 1, descriptor.extents().len()))?;
        extents.push(Placed { start, extent });
        // The descriptor has checked that the sum is no larger than a disk can be.
        start = start.saturating_add(line.sectors);
    }
    Ok(Link {
        path: path.to_owned(),
        files: Arc::clone(files),
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

/// Reads the descriptor of a file: where it stands, its bytes and its meaning.
fn read_descriptor(storage: &dyn Storage) -> Result<(Home, Vec<u8>, Descriptor)> {
    let length = storage.length()?;
    let mut start = vec![0; length.min(SECTOR_SIZE) as usize];
    storage.read_exact_at(&mut start, ByteOffset(0))?;
    if start.starts_with(&MAGIC) || start.starts_with(&MAGIC_UNFINISHED) {
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
        let mut text = vec![0; bytes as usize];
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
        [0x1f, 0x8b, ..] => Some("it is compressed with gzip: unpack it first"),
        [0xbe, 0xba, 0xfe, 0xca, ..] => Some("it is an seSparse extent: open the disk's descriptor"),
        _ => None,
    }
}

/// The access that an extent is opened with.
fn extent_access(line: &ExtentLine, access: Access) -> Access {
    if line.access == ExtentAccess::ReadWrite { access } else { Access::Read }
}

fn open_extent(
    files: &Arc<dyn Files>,
    descriptor_path: &Path,
    line: &ExtentLine,
    container: Option<&Arc<dyn Storage>>,
    access: Access,
) -> Result<Box<dyn Extent>> {
    let access = extent_access(line, access);
    let writable = access == Access::ReadWrite;
    let named = match (&line.name, line.access) {
        // Without access there is nothing to be seen.
        (_, ExtentAccess::None) | (None, _) => None,
        (Some(name), _) => Some(name),
    };
    let Some(name) = named else { return Ok(Box::new(ZeroExtent { sectors: line.sectors })) };
    let open = || open_named(files, descriptor_path, name, access);
    match line.kind {
        ExtentKind::Zero => Ok(Box::new(ZeroExtent { sectors: line.sectors })),
        ExtentKind::Flat | ExtentKind::Vmfs => {
            Ok(Box::new(FlatExtent::new(open()?, line.first_sector, line.sectors, writable)?))
        }
        ExtentKind::Sparse => {
            let storage = container.map_or_else(open, |container| Ok(Arc::clone(container)))?;
            let length = storage.length()?;
            let mut start = vec![0; length.min(SECTOR_SIZE) as usize];
            storage.read_exact_at(&mut start, ByteOffset(0))?;
            let named = || format!("sparse extent '{}'", storage.name());
            let header = RawHeader::parse(&start).context(named)?;
            if header.is_stream() {
                let stream = StreamExtent::open(Arc::clone(&storage), &header, line.sectors, writable);
                return Ok(Box::new(stream.context(named)?));
            }
            let header = header.check(length).context(named)?;
            Ok(Box::new(SparseExtent::new(storage, header, line.sectors, writable)?))
        }
        ExtentKind::VmfsSparse | ExtentKind::SeSparse | ExtentKind::VmfsRaw => {
            let text = format!("extents of type {:?} are not supported by this release", line.kind);
            Err(Error::new(Kind::NotSupported, text))
        }
    }
}

/// Opens the file of an extent; a descriptor must not name itself, or its text would be read as data.
fn open_named(
    files: &Arc<dyn Files>,
    descriptor_path: &Path,
    name: &[u8],
    access: Access,
) -> Result<Arc<dyn Storage>> {
    let folder = folder_of(descriptor_path);
    let name = path_from_bytes(name);
    let storage = files.open_beside(folder, name, access)?;
    if files.canonical(&folder.join(name))? == files.canonical(descriptor_path)? {
        return Err(invalid("the descriptor names itself as an extent"));
    }
    Ok(storage)
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Kind::InvalidDisk, text)
}
