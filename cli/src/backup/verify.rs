//! Comparing disks with the hashes of a point.

use std::path::Path;

use vixDiskLib::session::OpenFlags;

use super::BLOCK_SECTORS;
use super::manifest::{Manifest, block_hash};
use super::repository::Repository;
use super::restore::Target;
use crate::disk::{Connection, Disk};
use crate::failure::{Code, Failure, Result};
use crate::image::{Content, SECTOR};
use crate::progress::Progress;

/// Reads a point with all points below it.
pub(crate) fn verify_point(repository: &Repository, number: u32, quiet: bool) -> Result<()> {
    let chain = repository.chain(number)?;
    let Some(manifest) = chain.first() else { return Ok(()) };
    let path = repository.disk(number);
    compare(manifest, &Disk::local(&path)?, &path, quiet)
}

/// Reads a disk that a point was restored into.
pub(crate) fn verify_disk(
    repository: &Repository,
    number: u32,
    target: Target<'_>,
    quiet: bool,
) -> Result<()> {
    let (disk, path) = match target {
        Target::New(path, _) => (Disk::local(path)?, path),
        Target::Existing(path, remote) => {
            let flags = OpenFlags { read_only: true, ..OpenFlags::default() };
            (Disk::open(Connection::to(remote, true)?, path, flags)?, path)
        }
    };
    compare(&repository.manifest(number)?, &disk, path, quiet)
}

fn compare(manifest: &Manifest, disk: &Disk, path: &Path, quiet: bool) -> Result<()> {
    let capacity = manifest.capacity_sectors;
    if disk.sectors() != capacity {
        let text = format!("'{}' has {} sectors, not {capacity}", path.display(), disk.sectors());
        return Err(Failure::new(Code::No, text));
    }
    let mut progress = Progress::of_bytes("verifying", capacity.saturating_mul(SECTOR), quiet);
    let mut buffer = vec![0; (BLOCK_SECTORS * SECTOR) as usize];
    let mut start = 0;
    for hash in &manifest.blocks {
        let sectors = BLOCK_SECTORS.min(capacity - start);
        let block = buffer.get_mut(..(sectors * SECTOR) as usize).unwrap_or_default();
        disk.read(start, block)?;
        if block_hash(block) != *hash {
            let last = start + sectors - 1;
            let text = format!("sectors {start} to {last} of '{}' are not what they were", path.display());
            return Err(Failure::new(Code::No, text));
        }
        progress.advance(sectors * SECTOR);
        start += sectors;
    }
    Ok(())
}
