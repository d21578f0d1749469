//! Making a link over a disk, and putting a chain on top of another one.

use std::path::Path;
use std::sync::Arc;

use super::chain::Disk;
use super::create::{self, DiskKind, NewDisk, ParentName, Progress};
use super::info::Info;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::io::{Files, folder_of};

/// Virtual hardware of a child whose parents do not name theirs (virtualHWVersion is "4" by default).
const DEFAULT_HARDWARE: u16 = 4;

impl Disk {
    /// Makes a child of this disk, a sparse link that has nothing of its own yet. Everything written to the disk
    /// so far becomes durable first, since its content id must not change any more.
    ///
    /// # Errors
    /// `InvalidArgument` for a kind that cannot be a child, `BadName` for a parent whose name a descriptor cannot
    /// hold, those of [`create::create`].
    pub fn create_child(
        &self,
        files: &dyn Files,
        path: &Path,
        kind: DiskKind,
        progress: &mut Progress<'_>,
    ) -> Result<()> {
        if !matches!(kind, DiskKind::MonolithicSparse | DiskKind::SplitSparse) {
            let text = "a child is monolithicSparse or twoGbMaxExtentSparse (1 or 3), nothing else";
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        self.flush()?;
        let Info { capacity, adapter, .. } = self.info();
        let hardware = self.find_metadata(b"virtualHWVersion").and_then(|text| parse(&text));
        let child = NewDisk { kind, adapter, hardware: hardware.unwrap_or(DEFAULT_HARDWARE), capacity };
        let descriptor = self.leaf().descriptor();
        let long_content_id = descriptor.database(b"longContentID");
        let parent = ParentName {
            cid: descriptor.cid()?,
            hint: hint(&self.leaf().path, path)?,
            long_content_id: long_content_id.map(|id| String::from_utf8_lossy(id).into_owned()),
        };
        drop(descriptor);
        // A later write through this very handle must be found out by the child.
        self.leaf().settle();
        create::create_link(files, path, &child, Some(&parent), progress).map(|_| ())
    }

    /// The whole chain of which `self` is the upper part, one link opened alone, and `parent` the lower part.
    ///
    /// # Errors
    /// As for [`Disk::check_attach`].
    pub fn attached_to(&self, parent: &Self) -> Result<Self> {
        self.check_attach(parent)?;
        let links = self.links().iter().chain(parent.links()).map(Arc::clone).collect();
        // Another handle may still write to the upper link of the parent.
        let steady = self.links().len() + 1;
        Ok(Self::new(links, steady, parent.is_single_link(), self.is_writable()))
    }

    /// Whether [`Disk::attached_to`] can work.
    ///
    /// # Errors
    /// `InvalidArgument` for disks that are chains already or the same, `AttachRoot` for a disk without a parent,
    /// `CidMismatch`, `CapacityMismatch`.
    pub fn check_attach(&self, parent: &Self) -> Result<()> {
        let (leaf, root) = (self.leaf(), parent.leaf());
        let name = format!("attaching '{}' to '{}'", leaf.path.display(), root.path.display());
        if Arc::ptr_eq(leaf, root) || leaf.path == root.path {
            return Err(Error::new(Kind::InvalidArgument, format!("{name}: they are the same")));
        }
        if !leaf.has_parent() {
            return Err(Error::new(
                Kind::AttachRoot,
                format!("{name}: the first has no parent by its descriptor"),
            ));
        }
        if self.links().len() > 1 {
            let text =
                format!("{name}: the first is open with its parents already; open it as a single link");
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        root.check_parent_of(leaf).context(|| name.clone())?;
        if leaf.sectors() != root.sectors() {
            let text = format!("{name}: it has {} sectors, the child {}", root.sectors(), leaf.sectors());
            return Err(Error::new(Kind::CapacityMismatch, text));
        }
        Ok(())
    }
}

fn parse(text: &[u8]) -> Option<u16> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// How a child finds its parent: by its name alone when they share a folder, so that the folder can be moved.
fn hint(parent: &Path, child: &Path) -> Result<String> {
    let beside = folder_of(parent) == folder_of(child);
    let name = if beside { parent.file_name().map(Path::new) } else { Some(parent) };
    let text =
        name.and_then(Path::to_str).filter(|text| !text.contains(|c: char| c == '"' || c.is_control()));
    text.map(str::to_owned).ok_or_else(|| {
        let text = format!("a descriptor cannot hold the name of the parent, '{}'", parent.display());
        Error::new(Kind::BadName, text)
    })
}
