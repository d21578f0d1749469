//! Making a point.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use vixDiskLib::session::{self, Adapter, DiskKind, NewDisk, manage};

use super::changes::{Changes, Since};
use super::manifest::{Manifest, Origin};
use super::repository::{Repository, State};
use super::store::{Allocation, Store};
use crate::disk::{Connection, Disk};
use crate::failure::{Failure, Result};
use crate::image::Content;

/// Virtual hardware of the links.
const HARDWARE: u16 = 13;

/// What a user asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Store everything.
    pub(crate) full: bool,
    /// Begin anew after so many increments.
    pub(crate) full_after: u32,
    /// No progress.
    pub(crate) quiet: bool,
}

/// What was done.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The new point.
    pub(crate) manifest: Manifest,
    /// Why it is a full one, when an increment was asked for and there are points.
    pub(crate) reason_for_full: Option<String>,
    /// A backup that was interrupted was gone on with.
    pub(crate) resumed: bool,
    /// Why everything was read, where what has changed should have been known.
    pub(crate) reason_to_read_all: Option<String>,
    /// Sectors that the source of changes has named, if it was asked.
    pub(crate) changed_sectors: Option<u64>,
    /// Blocks that the point before has no longer as they were; this one has them again.
    pub(crate) damaged: u64,
}

/// Makes the next point of a backup.
pub(crate) fn backup(
    repository: &Repository,
    content: &dyn Content,
    origin: Origin,
    changes: &dyn Changes,
    terms: Terms,
) -> Result<Outcome> {
    let _alone = repository.lock()?;
    let points = repository.points()?;
    let newest = points.values().rev().find(|state| !matches!(state, State::Interrupted));
    let (previous, reason_for_full) = match newest {
        Some(State::Whole(manifest)) if !terms.full => match fit_parent(repository, manifest, content, terms)
        {
            Ok(parent) => (Some((&**manifest, parent)), None),
            Err(reason) => (None, Some(reason)),
        },
        Some(State::Unreadable(failure)) if !terms.full => (None, Some(failure.to_string())),
        _ => (None, None),
    };
    let number = next_number(&points);
    let parent = previous.as_ref().map(|(manifest, _)| manifest.number);
    let mut manifest = Manifest::new(number, parent, content.sectors(), origin);
    manifest.parent_manifest = parent.map(|parent| repository.manifest_hash(parent)).transpose()?;
    manifest.change_id = changes.change_id();

    let path = repository.disk(number);
    let resumed = path.exists() && can_go_on(repository, &path, &manifest);
    if !resumed {
        begin(&path, &manifest, previous.as_ref().map(|(_, disk)| disk))?;
    }
    let (changed, reason_to_read_all) = match &previous {
        // What an interrupted backup has written may be newer than what the source calls unchanged.
        Some((previous, _)) if !resumed => match changes.since(previous) {
            Since::Changed(blocks) => (Some(blocks), None),
            Since::Unknown(why) => (None, why),
        },
        _ => (None, None),
    };
    let changed_sectors = changed.as_ref().map(|blocks| blocks.iter().map(|block| block.sectors).sum());
    let target = Disk::writable(&path)?;
    let mut store = Store {
        content,
        previous,
        target: &target,
        resumed,
        changed,
        manifest,
        allocation: Allocation::default(),
        damaged: 0,
    };
    store.all_blocks(terms.quiet)?;
    let (manifest, damaged) = (store.manifest, store.damaged);
    target.close()?;
    repository.commit(&manifest)?;
    Ok(Outcome { manifest, reason_for_full, resumed, reason_to_read_all, changed_sectors, damaged })
}

/// The number of the point that is made now. One that was interrupted is gone on with, if that can be done.
fn next_number(points: &BTreeMap<u32, State>) -> u32 {
    match points.last_key_value() {
        Some((last, State::Interrupted)) => *last,
        Some((last, _)) => last.saturating_add(1),
        None => 1,
    }
}

/// The newest point as the parent of the next one; an error says why it cannot be that.
fn fit_parent(
    repository: &Repository,
    manifest: &Manifest,
    content: &dyn Content,
    terms: Terms,
) -> std::result::Result<Disk, String> {
    if manifest.capacity_sectors != content.sectors() {
        return Err(format!(
            "the capacity is {} sectors, it was {}",
            content.sectors(),
            manifest.capacity_sectors
        ));
    }
    let chain = repository.chain(manifest.number).map_err(|failure| failure.to_string())?;
    if chain.len() > terms.full_after as usize {
        return Err(format!("there are {} increments since the last one", chain.len() - 1));
    }
    Disk::local(&repository.disk(manifest.number))
        .map_err(|failure| format!("point {} cannot be opened: {failure}", manifest.number))
}

/// Whether a backup that was interrupted has begun as this one does.
fn can_go_on(repository: &Repository, path: &Path, manifest: &Manifest) -> bool {
    let Ok(disk) = Disk::local(path) else { return false };
    let Ok(links) = disk.links() else { return false };
    let parent = links.get(1).and_then(|link| link.path.file_name().map(ToOwned::to_owned));
    let wanted = manifest.parent.map(|parent| repository.disk(parent));
    let wanted = wanted.as_deref().and_then(Path::file_name).map(ToOwned::to_owned);
    disk.sectors() == manifest.capacity_sectors && parent == wanted
}

/// Makes the link of the point; what an interrupted backup left there goes.
fn begin(path: &Path, manifest: &Manifest, parent: Option<&Disk>) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        fs::remove_file(path).map_err(|error| Failure::io(error, "removing what was left of", path))?;
    }
    if let Some(parent) = parent {
        return Ok(manage::create_child(parent.handle(), path, DiskKind::MonolithicSparse, &mut |_| ())?);
    }
    let new = NewDisk {
        kind: DiskKind::MonolithicSparse,
        adapter: Adapter::from_name(manifest.adapter.as_bytes()),
        hardware: HARDWARE,
        capacity: manifest.capacity_sectors,
    };
    let connection = Connection::local()?;
    Ok(session::create(connection.handle(), path, &new, &mut |_| ())?)
}
