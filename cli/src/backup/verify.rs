//! Comparing disks with the hashes of a point.

use std::path::Path;

use super::BLOCK_SECTORS;
use super::manifest::{Manifest, block_hash};
use super::repository::Repository;
use crate::disk::Disk;
use crate::failure::{Code, Failure, Result};
use crate::image::{Content, SECTOR};
use crate::progress::Progress;

/// Reads a point with all points below it.
pub(crate) fn verify_point(repository: &Repository, number: u32, quiet: bool) -> Result<()> {
    let chain = repository.chain(number)?;
    let Some(manifest) = chain.first() else { return Ok(()) };
    compare(manifest, &repository.disk(number), quiet)
}

/// Reads a disk that a point was restored into.
pub(crate) fn verify_disk(repository: &Repository, number: u32, path: &Path, quiet: bool) -> Result<()> {
    compare(&repository.manifest(number)?, path, quiet)
}

fn compare(manifest: &Manifest, path: &Path, quiet: bool) -> Result<()> {
    let disk = Disk::local(path)?;
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
