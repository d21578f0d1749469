//! Giving a disk a larger capacity.

use std::path::{Path, PathBuf};

use super::create::{self, DiskKind, Progress, SPLIT_SECTORS, Steps};
use super::files::Owned;
use super::geometry::{Adapter, Geometry};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::vmdk::descriptor::{Descriptor, ExtentKind, ExtentLine};
use crate::format::vmdk::sparse::grow::grow as grow_sparse;
use crate::io::{Access, ByteOffset, Files, SECTOR_SIZE, Storage, folder_of};

/// Gives a disk that nobody has open a capacity of `capacity` sectors; what is new reads as zeros. The geometry in the
/// descriptor follows if `update_geometry` says so.
///
/// # Errors
/// `InvalidArgument` for less than the disk has, `InvalidChain` for a disk with a parent, `NotSupported` for a kind that
/// cannot grow, `Locked` while somebody has it open, `FileTooBig`, `DiskFull`, those of storage. The disk has its old
/// capacity then.
pub fn grow(
    files: &dyn Files,
    path: &Path,
    capacity: u64,
    update_geometry: bool,
    progress: &mut Progress<'_>,
) -> Result<()> {
    grow_in_pieces(files, path, (capacity, SPLIT_SECTORS), update_geometry, progress)
}

/// As [`grow`]; a split disk gets extents of at most so many sectors as the second number says.
///
/// # Errors
/// As for [`grow`].
pub(super) fn grow_in_pieces(
    files: &dyn Files,
    path: &Path,
    (capacity, most): (u64, u64),
    update_geometry: bool,
    progress: &mut Progress<'_>,
) -> Result<()> {
    let mut made = Vec::new();
    let mut work = || {
        let disk = Owned::claim(files, path, Access::ReadWrite)?;
        let plan = Plan::new(&disk, path, (capacity, most), update_geometry)?;
        let mut steps = Steps::new(progress);
        steps.report(0.0);
        plan.carry_out(files, &disk, &mut made, &mut |part| steps.report(part * 0.99))?;
        steps.report(1.0);
        Ok(())
    };
    let result = work();
    if result.is_err() {
        made.iter().for_each(|path| drop(files.remove(path)));
    }
    result.naming("growing", path)
}

/// What has to be done.
struct Plan {
    /// The folder of the disk.
    folder: PathBuf,
    /// The last extent that is there, and the sectors that it gets.
    last: (usize, u64),
    /// The extents that are new: their files and their sectors.
    new: Vec<(PathBuf, u64)>,
    /// Sectors by which the last extent and the new ones grow.
    growth: u64,
    sparse: bool,
    /// The descriptor afterwards.
    text: Vec<u8>,
}

impl Plan {
    fn new(
        disk: &Owned<'_>,
        path: &Path,
        (capacity, most): (u64, u64),
        update_geometry: bool,
    ) -> Result<Self> {
        let mut descriptor = disk.descriptor.clone();
        let extents = descriptor.extents().to_vec();
        let old: u64 = extents.iter().map(|line| line.sectors).sum();
        if capacity < old || capacity > i64::MAX as u64 / SECTOR_SIZE {
            let text = format!("{capacity} sectors are no larger capacity than the {old} that the disk has");
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        if descriptor.has_parent() {
            let text = "the disk has a parent, and all links of a chain have the same capacity";
            return Err(Error::new(Kind::InvalidChain, text));
        }
        let kind = DiskKind::of_create_type(&descriptor.create_type()).filter(|kind| kind.can_grow());
        let (Some(kind), Some(last)) = (kind, extents.last()) else {
            let text = format!("a disk of type '{}' cannot grow", descriptor.create_type());
            return Err(Error::new(Kind::NotSupported, text));
        };
        kind.check_capacity(capacity)?;
        let sizes = sizes(kind, last.sectors, capacity - old, most);
        let index = extents.len() - 1;
        let mut new = Vec::new();
        let name = create::file_name(path)?;
        for (at, sectors) in sizes.iter().copied().enumerate() {
            let mut line = ExtentLine { sectors, ..last.clone() };
            if at > 0 {
                let name = kind.extent_name(name, index + at);
                new.push((folder_of(path).join(&name), sectors));
                line = ExtentLine { name: Some(name.into_bytes()), first_sector: 0, ..line };
            }
            descriptor.set_extent(index + at, line)?;
        }
        descriptor.drop_change_tracking();
        if update_geometry {
            set_geometry(&mut descriptor, capacity)?;
        }
        Ok(Self {
            folder: folder_of(path).to_owned(),
            last: (index, sizes[0]),
            new,
            growth: capacity - old,
            sparse: last.kind == ExtentKind::Sparse,
            text: disk.descriptor_bytes(&descriptor)?,
        })
    }

    /// The files first, which may be longer than their lines say, and the descriptor last.
    fn carry_out(
        &self,
        files: &dyn Files,
        disk: &Owned<'_>,
        made: &mut Vec<PathBuf>,
        progress: &mut dyn FnMut(f64),
    ) -> Result<()> {
        let (index, sectors) = self.last;
        let line = &disk.descriptor.extents()[index];
        let file = disk.extent_file(index).ok_or_else(|| {
            Error::new(Kind::FileNotFound, format!("the file of extent {} is missing", index + 1))
        })?;
        let mut done = (sectors - line.sectors) as f64;
        let total = self.growth.max(1) as f64;
        if self.sparse {
            grow_sparse(file, sectors, &mut |part| progress(part * done / total))?;
        } else {
            lengthen(&**file, line.first_sector, sectors)?;
        }
        for (path, sectors) in &self.new {
            let mut part = |part: f64| progress((done + part * *sectors as f64) / total);
            create::plain_extent(files, path, *sectors, self.sparse, made, &mut part)?;
            done += *sectors as f64;
        }
        files.sync_folder(&self.folder)?;
        disk.save_descriptor(&self.text)?;
        // The new files belong to the disk now.
        made.clear();
        Ok(())
    }
}

/// The sectors of the last extent, which has `last`, and of those that come behind it; a split disk has none of more
/// than `most` but those that are there.
fn sizes(kind: DiskKind, last: u64, more: u64, most: u64) -> Vec<u64> {
    if !kind.is_split() {
        return vec![last + more];
    }
    // Extents of other software may be larger than ours.
    let first = (last + more).min(last.max(most));
    let mut sizes = vec![first];
    let mut rest = last + more - first;
    while rest > 0 {
        sizes.push(rest.min(most));
        rest -= rest.min(most);
    }
    sizes
}

/// Makes a flat file long enough; one that is longer already stays so.
fn lengthen(file: &dyn Storage, first_sector: u64, sectors: u64) -> Result<()> {
    let end = first_sector.checked_add(sectors).and_then(ByteOffset::of_sector);
    let end = end.ok_or_else(|| Error::new(Kind::FileTooBig, "no file has so many sectors"))?;
    if file.length()? < end.0 {
        file.set_len(end.0)?;
    }
    file.sync()
}

/// Sets the geometry of a disk of this capacity.
///
/// # Errors
/// None in practice: every descriptor can hold numbers.
pub(super) fn set_geometry(descriptor: &mut Descriptor, capacity: u64) -> Result<()> {
    let adapter = descriptor.database(b"adapterType").map_or(Adapter::LsiLogic, Adapter::from_name);
    let Geometry { cylinders, heads, sectors } = Geometry::of_new_disk(adapter, capacity);
    for (key, number) in [("cylinders", cylinders), ("heads", heads), ("sectors", sectors)] {
        descriptor.set_database(format!("geometry.{key}").as_bytes(), number.to_string().as_bytes())?;
    }
    Ok(())
}
