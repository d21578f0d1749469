//! Making a point.

use std::fs;
use std::path::Path;

use vixDiskLib::session::{self, Adapter, Block, DiskKind, NewDisk, manage};

use super::BLOCK_SECTORS;
use super::changes::Changes;
use super::manifest::{Holds, Manifest, Origin, block_hash};
use super::repository::{Repository, State};
use crate::disk::{Connection, Disk};
use crate::failure::{Failure, Result};
use crate::image::{Content, GRAIN_SECTORS, SECTOR, is_zero};
use crate::progress::Progress;

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
}

/// Makes the next point of a backup.
pub(crate) fn backup(
    repository: &Repository,
    content: &dyn Content,
    origin: Origin,
    changes: &dyn Changes,
    terms: Terms,
) -> Result<Outcome> {
    let points = repository.points()?;
    let newest = points.iter().rev().find_map(|(_, state)| match state {
        State::Whole(manifest) => Some(&**manifest),
        State::Interrupted => None,
    });
    let (previous, reason_for_full) = match newest {
        Some(manifest) if !terms.full => match fit_parent(repository, manifest, content, terms) {
            Ok(parent) => (Some((manifest, parent)), None),
            Err(reason) => (None, Some(reason)),
        },
        _ => (None, None),
    };
    let last_whole = newest.map_or(0, |manifest| manifest.number);
    let number = points.keys().next_back().copied().filter(|last| *last > last_whole);
    let number = number.unwrap_or(last_whole.saturating_add(1));
    let parent = previous.as_ref().map(|(manifest, _)| manifest.number);
    let mut manifest = Manifest::new(number, parent, content.sectors(), origin);
    manifest.parent_manifest = parent.map(|parent| repository.manifest_hash(parent)).transpose()?;
    manifest.change_id = changes.change_id();

    let path = repository.disk(number);
    let resumed = path.exists() && can_go_on(repository, &path, &manifest);
    if !resumed {
        begin(&path, &manifest, previous.as_ref().map(|(_, disk)| disk))?;
    }
    let changed = match &previous {
        // What an interrupted backup has written may be newer than what the source calls unchanged.
        Some((previous, _)) if !resumed => changes.since(content, previous)?,
        _ => None,
    };
    let target = Disk::writable(&path)?;
    let mut store = Store { content, previous, target: &target, resumed, changed, manifest };
    store.all_blocks(terms.quiet)?;
    let manifest = store.manifest;
    target.close()?;
    repository.commit(&manifest)?;
    Ok(Outcome { manifest, reason_for_full, resumed })
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

/// Everything that storing blocks needs.
struct Store<'a> {
    content: &'a dyn Content,
    /// The manifest and the disk of the point before.
    previous: Option<(&'a Manifest, Disk)>,
    target: &'a Disk,
    /// The target may hold anything of an earlier attempt.
    resumed: bool,
    /// All that has changed, if that is known.
    changed: Option<Vec<Block>>,
    manifest: Manifest,
}

/// Buffers of a block: as it is now, as it was at the point before, as the target has it.
struct Buffers {
    now: Vec<u8>,
    before: Vec<u8>,
    held: Vec<u8>,
}

impl Store<'_> {
    fn all_blocks(&mut self, quiet: bool) -> Result<()> {
        let capacity = self.manifest.capacity_sectors;
        let mut progress = Progress::of_bytes("backing up", capacity.saturating_mul(SECTOR), quiet);
        let buffer = || vec![0; (BLOCK_SECTORS * SECTOR) as usize];
        let mut buffers = Buffers { now: buffer(), before: buffer(), held: buffer() };
        let mut start = 0;
        while start < capacity {
            let sectors = BLOCK_SECTORS.min(capacity - start);
            let hash = self.block(start, sectors, &mut buffers)?;
            self.manifest.blocks.push(hash);
            progress.advance(sectors * SECTOR);
            start += sectors;
        }
        Ok(())
    }

    /// Stores what is new in a block, and tells its hash.
    fn block(&mut self, start: u64, sectors: u64, buffers: &mut Buffers) -> Result<Option<String>> {
        let index = (start / BLOCK_SECTORS) as usize;
        let known = self.previous.as_ref().and_then(|(manifest, _)| manifest.blocks.get(index)).cloned();
        if let Some(hash) = known.as_ref().filter(|_| !self.may_have_changed(start, sectors)) {
            return Ok(hash.clone());
        }
        let length = (sectors * SECTOR) as usize;
        let Buffers { now, before, held } = buffers;
        let now = now.get_mut(..length).unwrap_or_default();
        let before = before.get_mut(..length).unwrap_or_default();
        let held = held.get_mut(..length).unwrap_or_default();
        if self.content.allocated(start, sectors, GRAIN_SECTORS)?.is_empty() {
            now.fill(0);
        } else {
            self.content.read(start, now)?;
        }
        let hash = block_hash(now);
        if known.as_ref() == Some(&hash) && !self.resumed {
            return Ok(hash);
        }
        match &self.previous {
            Some((_, disk)) => disk.read(start, before)?,
            None => before.fill(0),
        }
        if self.resumed {
            self.target.read(start, held)?;
        } else {
            held.copy_from_slice(before);
        }
        self.grains(start, now, before, held)?;
        Ok(hash)
    }

    /// Whether a block has to be read.
    fn may_have_changed(&self, start: u64, sectors: u64) -> bool {
        let end = start.saturating_add(sectors);
        let touches = |block: &Block| block.start < end && block.start.saturating_add(block.sectors) > start;
        self.changed.as_ref().is_none_or(|changed| changed.iter().any(touches))
    }

    fn grains(&mut self, start: u64, now: &[u8], before: &[u8], held: &[u8]) -> Result<()> {
        let grain = (GRAIN_SECTORS * SECTOR) as usize;
        let pieces = now.chunks(grain).zip(before.chunks(grain)).zip(held.chunks(grain));
        for (number, ((now, before), held)) in pieces.enumerate() {
            let sector = start + number as u64 * GRAIN_SECTORS;
            if now != before {
                let kind = if is_zero(now) { Holds::Zero } else { Holds::Data };
                self.manifest.push(sector, now.len() as u64 / SECTOR, kind);
            }
            if now != held {
                self.target.write(sector, now)?;
            }
        }
        Ok(())
    }
}
