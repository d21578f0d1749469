//! Virtual machines: their disks, snapshots and what was written since when.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vixDiskLib::disk::Disk;
use vixDiskLib::disk::create::DiskKind;
use vixDiskLib::disk::files as links_of;
use vixDiskLib::disk::open::{self as opening, Options};
use vixDiskLib::error::Result;
use vixDiskLib::io::local::LocalFiles;
use vixDiskLib::io::{Files, SECTOR_SIZE};

/// What changes are counted in, in bytes.
pub(crate) const CHANGE_BYTES: u64 = 65536;

/// A virtual machine.
#[derive(Debug)]
pub(crate) struct Vm {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) datastore: String,
    /// The folder of the datastore.
    pub(crate) folder: PathBuf,
    pub(crate) powered_on: bool,
    state: Mutex<State>,
}

/// What changes about a machine.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) tracked: bool,
    /// Reasons of `DisableMethods`, by method.
    pub(crate) disabled: Vec<(String, String)>,
    pub(crate) disks: Vec<VmDisk>,
    /// A chain: each one is the child of the one before.
    pub(crate) snapshots: Vec<Snapshot>,
}

/// A disk of a machine.
#[derive(Debug, Clone)]
pub(crate) struct VmDisk {
    pub(crate) key: i32,
    pub(crate) unit: i32,
    /// Sectors.
    pub(crate) capacity: u64,
    pub(crate) uuid: String,
    /// Links as paths below the datastore, the base first.
    pub(crate) chain: Vec<PathBuf>,
    /// Names the log of changes, and where it stands: the epoch goes up with every snapshot.
    pub(crate) log_name: String,
    pub(crate) epoch: u64,
    /// The epochs in which a piece of [`CHANGE_BYTES`] was written, in their order.
    pub(crate) log: BTreeMap<u64, Vec<u64>>,
    /// Whether a snapshot was made since tracking began, which is when ids of changes are shown.
    pub(crate) shown: bool,
}

/// A snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
    /// For each disk: how many of its links belong to the snapshot.
    pub(crate) depth: usize,
    /// For each disk: the id of its changes.
    pub(crate) change_ids: Vec<Option<String>>,
    /// For each disk: its epoch.
    pub(crate) epochs: Vec<u64>,
}

impl VmDisk {
    pub(crate) fn change_id(&self) -> Option<String> {
        self.shown.then(|| format!("{}/{}", self.log_name, self.epoch))
    }

    pub(crate) fn leaf(&self) -> &Path {
        self.chain.last().map_or(Path::new(""), PathBuf::as_path)
    }

    fn at_depth(&self, depth: usize) -> &Path {
        self.chain.get(depth.saturating_sub(1)).map_or(Path::new(""), PathBuf::as_path)
    }
}

/// Opens a disk of the host.
pub(crate) fn open(path: &Path, read_only: bool) -> Result<Disk> {
    opening::open(&files(), path, Options { read_only, single_link: false })
}

fn files() -> Arc<dyn Files> {
    Arc::new(LocalFiles::default())
}

/// Random bytes; zeros if the system has none, which no test would survive unseen.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    bytes
}

/// Bytes as VMware writes a UUID: pairs with blanks, a dash in the middle.
pub(crate) fn pairs(bytes: [u8; 16]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let (first, second) = pairs.split_at(8);
    format!("{}-{}", first.join(" "), second.join(" "))
}

/// Bytes as others write a UUID.
pub(crate) fn dashes(bytes: [u8; 16]) -> String {
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let cut = |from: usize, to: usize| text.get(from..to).unwrap_or_default().to_owned();
    [cut(0, 8), cut(8, 12), cut(12, 16), cut(16, 20), cut(20, 32)].join("-")
}

impl Vm {
    /// A machine over the disks at these paths below `folder`.
    pub(crate) fn new(
        (id, name, uuid): (String, String, String),
        (datastore, folder): (String, PathBuf),
        paths: &[PathBuf],
        powered_on: bool,
    ) -> Result<Self> {
        let mut disks = Vec::new();
        for (index, path) in paths.iter().enumerate() {
            let opened = open(&folder.join(path), true)?;
            let links = opened.links().iter().rev();
            let chain = links.map(|link| link.path.strip_prefix(&folder).unwrap_or(&link.path).to_owned());
            let index = index as i32;
            // Unit 7 is the controller itself.
            let unit = if index >= 7 { index + 1 } else { index };
            disks.push(VmDisk {
                key: 2000 + unit,
                unit,
                capacity: opened.sectors(),
                uuid: opened.info().uuid.unwrap_or_default(),
                chain: chain.collect(),
                log_name: pairs(random()),
                epoch: 1,
                log: BTreeMap::new(),
                shown: false,
            });
        }
        let state = State { tracked: false, disabled: Vec::new(), disks, snapshots: Vec::new() };
        Ok(Self { id, name, uuid, datastore, folder, powered_on, state: Mutex::new(state) })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A path as clients write it.
    pub(crate) fn datastore_path(&self, path: &Path) -> String {
        format!("[{}] {}", self.datastore, path.display())
    }

    /// The file and device key of a disk's link by its datastore path, and whether it is a leaf.
    pub(crate) fn find_link(&self, path: &str) -> Option<(PathBuf, i32, bool)> {
        let state = self.state();
        state.disks.iter().find_map(|disk| {
            let link = disk.chain.iter().find(|link| self.datastore_path(link) == path)?;
            Some((self.folder.join(link), disk.key, link.as_path() == disk.leaf()))
        })
    }

    /// Switches change tracking on or off; off forgets what has changed.
    pub(crate) fn track(&self, tracked: bool) {
        let mut state = self.state();
        if !tracked {
            for disk in &mut state.disks {
                disk.log.clear();
                disk.shown = false;
                disk.log_name = pairs(random());
            }
        }
        state.tracked = tracked;
    }

    /// Notes that bytes of a disk were written.
    pub(crate) fn wrote(&self, key: i32, offset: u64, length: u64) {
        let mut state = self.state();
        if !state.tracked || length == 0 {
            return;
        }
        let Some(disk) = state.disks.iter_mut().find(|disk| disk.key == key) else { return };
        for piece in offset / CHANGE_BYTES..=(offset + length - 1) / CHANGE_BYTES {
            let epochs = disk.log.entry(piece).or_default();
            if epochs.last() != Some(&disk.epoch) {
                epochs.push(disk.epoch);
            }
        }
    }

    /// Makes a snapshot with a new leaf for every disk.
    pub(crate) fn create_snapshot(&self, id: String, name: &str, description: &str, now: u64) -> Result<()> {
        let mut state = self.state();
        let mut made = Vec::new();
        for disk in &state.disks {
            let base = disk.chain.first().map_or(Path::new("disk"), PathBuf::as_path);
            let stem = base.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let free = (1..1_000_000)
                .map(|number| base.with_file_name(format!("{stem}-{number:06}.vmdk")))
                .find(|path| !self.folder.join(path).exists());
            let path = free.unwrap_or_else(|| base.to_owned());
            // Writable: the lock tells of writers, whose next write would be lost.
            let opened = open(&self.folder.join(disk.leaf()), false).and_then(|leaf| {
                leaf.create_child(
                    &*files(),
                    &self.folder.join(&path),
                    DiskKind::MonolithicSparse,
                    &mut |_| {},
                )
            });
            if let Err(error) = opened {
                for path in &made {
                    let _ = links_of::unlink(&*files(), &self.folder.join(path));
                }
                return Err(error);
            }
            made.push(path);
        }
        let tracked = state.tracked;
        let depth = state.snapshots.last().map_or(0, |last| last.depth) + 1;
        let mut snapshot = Snapshot {
            id,
            name: name.to_owned(),
            description: description.to_owned(),
            created: now,
            depth: depth.max(state.disks.first().map_or(1, |disk| disk.chain.len())),
            change_ids: Vec::new(),
            epochs: Vec::new(),
        };
        for (disk, path) in state.disks.iter_mut().zip(made) {
            disk.epoch += 1;
            disk.shown |= tracked;
            disk.chain.push(path);
            snapshot.change_ids.push(disk.change_id());
            snapshot.epochs.push(disk.epoch);
        }
        state.snapshots.push(snapshot);
        Ok(())
    }

    /// Removes a snapshot: what the link above it holds goes down into the snapshot's own link. False when there is
    /// none of this name.
    pub(crate) fn remove_snapshot(&self, id: &str) -> Result<bool> {
        let mut state = self.state();
        let Some(place) = state.snapshots.iter().position(|snapshot| snapshot.id == id) else {
            return Ok(false);
        };
        let Some(depth) = state.snapshots.get(place).map(|snapshot| snapshot.depth) else { return Ok(false) };
        for disk in &mut state.disks {
            let links: Vec<PathBuf> = disk.chain.iter().map(|link| self.folder.join(link)).collect();
            if consolidate(&links, depth)? {
                disk.chain.remove(depth);
            }
        }
        state.snapshots.remove(place);
        for later in state.snapshots.iter_mut().skip(place) {
            later.depth -= 1;
        }
        Ok(true)
    }

    /// What changed in a disk since `change_id` (`*`: what is allocated) up to a snapshot or now, from `start` bytes
    /// on. `Err` holds the name of the parameter that makes no sense.
    pub(crate) fn changed(
        &self,
        key: i32,
        snapshot: Option<&str>,
        start: u64,
        change_id: &str,
    ) -> std::result::Result<Vec<(u64, u64)>, &'static str> {
        let state = self.state();
        let (index, disk) =
            state.disks.iter().enumerate().find(|(_, disk)| disk.key == key).ok_or("deviceKey")?;
        let snapshot = match snapshot {
            Some(id) => Some(state.snapshots.iter().find(|snapshot| snapshot.id == id).ok_or("snapshot")?),
            None => None,
        };
        let capacity = disk.capacity * SECTOR_SIZE;
        if start >= capacity {
            return Err("startOffset");
        }
        if !state.tracked {
            return Err("changeId");
        }
        if change_id == "*" {
            let path = snapshot.map_or(disk.leaf(), |snapshot| disk.at_depth(snapshot.depth));
            let sectors = CHANGE_BYTES / SECTOR_SIZE;
            let blocks = open(&self.folder.join(path), true)
                .and_then(|disk| disk.allocated_blocks(0, disk.sectors(), sectors))
                .map_err(|_| "snapshot")?;
            let bytes = blocks.iter().map(|block| (block.start * SECTOR_SIZE, block.sectors * SECTOR_SIZE));
            return Ok(clip(bytes, start, capacity));
        }
        let (name, epoch) = change_id.rsplit_once('/').ok_or("changeId")?;
        let epoch: u64 = epoch.parse().map_err(|_| "changeId")?;
        if name != disk.log_name || epoch > disk.epoch {
            return Err("changeId");
        }
        let until = snapshot.and_then(|snapshot| snapshot.epochs.get(index).copied()).unwrap_or(u64::MAX);
        let pieces =
            disk.log.iter().filter(|(_, epochs)| epochs.iter().any(|at| *at >= epoch && *at < until));
        Ok(clip(pieces.map(|(piece, _)| (piece * CHANGE_BYTES, CHANGE_BYTES)), start, capacity))
    }
}

/// Areas joined where they touch, and cut at both ends.
fn clip(areas: impl Iterator<Item = (u64, u64)>, start: u64, end: u64) -> Vec<(u64, u64)> {
    let mut clipped: Vec<(u64, u64)> = Vec::new();
    for (offset, length) in areas {
        let (first, last) = (offset.max(start), (offset + length).min(end));
        if first >= last {
            continue;
        }
        match clipped.last_mut() {
            Some((offset, length)) if *offset + *length == first => *length = last - *offset,
            _ => clipped.push((first, last - first)),
        }
    }
    clipped
}

/// Sectors that are copied at a time.
const COPY_SECTORS: u64 = 2048;

/// Merges link `depth` of a chain into the one below and deletes it; the links above are made again, since they name
/// their parent by an id of its content. False when there is no such link.
fn consolidate(links: &[PathBuf], depth: usize) -> Result<bool> {
    let (Some(upper), Some(lower)) = (links.get(depth), depth.checked_sub(1).and_then(|at| links.get(at)))
    else {
        return Ok(false);
    };
    copy_link(upper, lower)?;
    let mut parent = lower.clone();
    links_of::unlink(&*files(), upper)?;
    for link in links.iter().skip(depth + 1) {
        let new = link.with_extension("new.vmdk");
        open(&parent, true)?.create_child(&*files(), &new, DiskKind::MonolithicSparse, &mut |_| {})?;
        copy_link(link, &new)?;
        links_of::unlink(&*files(), link)?;
        links_of::rename(&*files(), &new, link)?;
        parent.clone_from(link);
    }
    Ok(true)
}

/// Writes what one link has of its own into another disk.
fn copy_link(from: &Path, to: &Path) -> Result<()> {
    let source = opening::open(&files(), from, Options { read_only: true, single_link: true })?;
    let target = open(to, false)?;
    for block in source.allocated_blocks(0, source.sectors(), 1)? {
        let mut sector = block.start;
        while sector < block.start + block.sectors {
            let count = COPY_SECTORS.min(block.start + block.sectors - sector);
            let mut buffer = vec![0; (count * SECTOR_SIZE) as usize];
            source.read(sector, &mut buffer)?;
            target.write(sector, &buffer)?;
            sector += count;
        }
    }
    target.finish()
}
