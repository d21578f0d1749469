//! Calls on whole disks: making, copying, deleting, renaming, attaching, tidying.

use std::path::Path;
use std::sync::Arc;

use super::connection::connection;
use super::open_disk::{OpenDisk, disk};
use super::table::Handle;
use super::{DiskKind, NewDisk, library};
use crate::disk::check::Health;
use crate::disk::{self, check, clone, create, files, grow};
use crate::error::{Error, Kind, Result};
use crate::transport::file::{Located, locate};

/// Hears of progress, from 0 to 100.
type Progress<'a> = dyn FnMut(u8) + 'a;

/// Finds a path by the configuration in force.
fn find(path: &Path) -> Result<Located> {
    locate(path, library::config()?.local_files())
}

/// The connection must be to the local host. Asked first: a path on a server makes no sense to what comes after.
fn check_local(handle: Handle, what: &str, path: &Path) -> Result<()> {
    library::config()?;
    if connection(handle)?.remote.is_some() {
        let text = format!("{what} '{}': the connection is to a server", path.display());
        return Err(Error::new(Kind::NotSupported, text));
    }
    Ok(())
}

/// The connection must be to the local host and allow changes.
fn check_writable(handle: Handle, what: &str, path: &Path) -> Result<()> {
    check_local(handle, what, path)?;
    if connection(handle)?.read_only {
        let text = format!("{what} '{}': the connection is read-only", path.display());
        return Err(Error::new(Kind::ReadOnly, text));
    }
    Ok(())
}

/// Makes a local disk.
///
/// # Errors
/// `InvalidArgument`, `InvalidHandle`, `ReadOnly` through a read-only connection, those of making files.
pub fn create(handle: Handle, path: &Path, new: &NewDisk, progress: &mut Progress<'_>) -> Result<()> {
    check_writable(handle, "creating", path)?;
    let located = find(path)?;
    create::create(&*located.files, &located.path, new, progress)?;
    log::info!("DISKLIB-LIB   : Created '{}': {} sectors", path.display(), new.capacity);
    Ok(())
}

/// Makes a child of an open disk.
///
/// # Errors
/// Those of [`disk::Disk::create_child`].
pub fn create_child(parent: Handle, path: &Path, kind: DiskKind, progress: &mut Progress<'_>) -> Result<()> {
    let located = find(path)?;
    let parent = disk(parent)?;
    check_writable(parent.connection(), "creating", path)?;
    parent.as_local("making a child of")?.now()?.create_child(
        &*located.files,
        &located.path,
        kind,
        progress,
    )?;
    log::info!("DISKLIB-LIB   : Created child '{}'", path.display());
    Ok(())
}

/// Copies a disk into a new one. `progress` answers whether to go on, which counts only if the configuration says so.
///
/// # Errors
/// `Cancelled`, `ReadOnly` through a read-only connection, those of opening the source and of [`clone::clone`].
pub fn clone(
    (to, target): (Handle, &Path),
    (from, source): (Handle, &Path),
    new: &NewDisk,
    overwrite: bool,
    progress: &mut dyn FnMut(u8) -> bool,
) -> Result<()> {
    check_writable(to, "cloning to", target)?;
    check_local(from, "cloning from", source)?;
    let (target_located, source_located) = (find(target)?, find(source)?);
    let options = disk::open::Options { read_only: true, single_link: false };
    let disk = disk::open::open(&source_located.files, &source_located.path, options)?;
    let cancels = library::config()?.progress_cancels();
    let mut asked = |percent| progress(percent) || !cancels;
    clone::clone(&disk, &target_located.files, &target_located.path, new, overwrite, &mut asked)?;
    log::info!("DISKLIB-LIB   : Cloned '{}' to '{}'", source.display(), target.display());
    Ok(())
}

/// The bytes that a clone of an open disk takes; without a kind it is of the disk's own.
///
/// # Errors
/// `NotSupported` for a disk whose own kind is not made here, those of [`disk::Disk::space_for_clone`].
pub fn space_for_clone(handle: Handle, kind: Option<DiskKind>) -> Result<u64> {
    let disk = disk(handle)?.as_local("measuring a clone of")?.now()?;
    let own = || {
        let text = format!("disks of the type '{}' cannot be made", disk.create_type());
        disk.kind().ok_or_else(|| Error::new(Kind::NotSupported, text))
    };
    disk.space_for_clone(kind.map_or_else(own, Ok)?)
}

/// Deletes a link with all its files.
///
/// # Errors
/// `ReadOnly` through a read-only connection, those of [`files::unlink`].
pub fn unlink(handle: Handle, path: &Path) -> Result<()> {
    check_writable(handle, "deleting", path)?;
    let located = find(path)?;
    files::unlink(&*located.files, &located.path)?;
    log::info!("DISKLIB-LIB   : Deleted '{}'", path.display());
    Ok(())
}

/// Renames a link with all its files.
///
/// # Errors
/// Those of [`files::rename`].
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    let (located, new) = (find(from)?, find(to)?);
    files::rename(&*located.files, &located.path, &new.path)?;
    log::info!("DISKLIB-LIB   : Renamed '{}' to '{}'", from.display(), to.display());
    Ok(())
}

/// Gives a disk that nobody has open a larger capacity, in sectors.
///
/// # Errors
/// `ReadOnly` through a read-only connection, those of [`grow::grow`].
pub fn grow(
    handle: Handle,
    path: &Path,
    capacity: u64,
    update_geometry: bool,
    progress: &mut Progress<'_>,
) -> Result<()> {
    check_writable(handle, "growing", path)?;
    let located = find(path)?;
    grow::grow(&*located.files, &located.path, capacity, update_geometry, progress)?;
    log::info!("DISKLIB-LIB   : Grew '{}' to {capacity} sectors", path.display());
    Ok(())
}

/// Checks a link, and repairs it if `repair` says so. Each finding is a message.
///
/// # Errors
/// `ReadOnly` for a repair through a read-only connection, those of [`check::check`].
pub fn check(handle: Handle, path: &Path, repair: bool) -> Result<Health> {
    check_and_tell(handle, path, repair, &mut |_| ())
}

/// As [`check()`], and `tell` hears of each finding too.
///
/// # Errors
/// As for [`check()`].
pub fn check_and_tell(
    handle: Handle,
    path: &Path,
    repair: bool,
    tell: &mut dyn FnMut(&str),
) -> Result<Health> {
    check_local(handle, "checking", path)?;
    if repair {
        check_writable(handle, "repairing", path)?;
    }
    let located = find(path)?;
    let mut report = |finding: &str| {
        log::info!("DISKLIB-CHECK : '{}': {finding}", path.display());
        tell(finding);
    };
    let health = check::check(&*located.files, &located.path, repair, &mut report)?;
    log::info!(
        "DISKLIB-CHECK : Checked '{}': {} findings of damage, {} of them left, {} sectors lost",
        path.display(),
        health.damage,
        health.left,
        health.lost_sectors
    );
    Ok(health)
}

/// Gives the space of zeros back.
///
/// # Errors
/// `ReadOnly`, `Busy` while another handle writes, those of storage.
pub fn shrink(handle: Handle, progress: &mut Progress<'_>) -> Result<()> {
    disk(handle)?.as_local("shrinking")?.alone_with(|disk| disk.shrink(progress))
}

/// Puts a disk into order.
///
/// # Errors
/// As for [`shrink`].
pub fn defragment(handle: Handle, progress: &mut Progress<'_>) -> Result<()> {
    disk(handle)?.as_local("defragmenting")?.alone_with(|disk| disk.defragment(progress))
}

/// What the functions on two disks say of one that is not local.
const ATTACHING: &str = "attaching";

/// Both disks of an Attach.
fn pair(parent: Handle, child: Handle) -> Result<(Arc<OpenDisk>, Arc<OpenDisk>)> {
    let pair = (disk(parent)?, disk(child)?);
    if Arc::ptr_eq(&pair.0, &pair.1) {
        return Err(Error::new(Kind::InvalidArgument, "a disk cannot be attached to itself"));
    }
    Ok(pair)
}

/// Puts the disk of `child`, a single link, on top of that of `parent`, whose handle can only be closed afterwards.
///
/// # Errors
/// `InvalidArgument`, `InvalidHandle`, those of [`disk::Disk::check_attach`]; nothing has changed then.
pub fn attach(parent: Handle, child: Handle) -> Result<()> {
    let (parent, child) = pair(parent, child)?;
    child.as_local(ATTACHING)?.attach(parent.as_local(ATTACHING)?)
}

/// Whether [`attach`] can work.
///
/// # Errors
/// As for [`attach`].
pub fn check_attach(parent: Handle, child: Handle) -> Result<()> {
    let (parent, child) = pair(parent, child)?;
    child.as_local(ATTACHING)?.check_attach(parent.as_local(ATTACHING)?)
}
