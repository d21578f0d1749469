//! Allocated blocks.

use super::codes::VixError;
use super::guard::entry;
use super::memory::{self, Given};
use super::pointers::{handle, out};
use super::types::{
    VIXDISKLIB_MAX_CHUNK_NUMBER, VIXDISKLIB_MAX_CHUNK_SIZE, VIXDISKLIB_MIN_CHUNK_SIZE, VixDiskLibBlock,
    VixDiskLibBlockList, VixDiskLibHandle, VixDiskLibSectorType,
};
use crate::error::{Error, Kind, Result};
use crate::session;

/// Lists what is allocated from `startSector` on, in chunks of `chunkSize` sectors: sorted and disjoint runs of
/// whole chunks, clipped to the range that was asked for. What is not listed reads as zeros; on a handle opened
/// with VIXDISKLIB_FLAG_OPEN_SINGLE_LINK it is left to the parent. `*blockList` is set on success and NULL
/// otherwise; free it with `VixDiskLib_FreeBlockList`.
///
/// Errors: VIX_E_INVALID_ARG for a range that is empty or leaves the disk, a chunk size outside
/// VIXDISKLIB_MIN_CHUNK_SIZE to VIXDISKLIB_MAX_CHUNK_SIZE or more than VIXDISKLIB_MAX_CHUNK_NUMBER chunks;
/// VIX_E_INVALID_HANDLE, VIX_E_OUT_OF_MEMORY, VIX_E_FILE_ERROR.
///
/// # Safety
/// `blockList` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_QueryAllocatedBlocks(
    diskHandle: VixDiskLibHandle,
    startSector: VixDiskLibSectorType,
    numSectors: VixDiskLibSectorType,
    chunkSize: VixDiskLibSectorType,
    blockList: *mut *mut VixDiskLibBlockList,
) -> VixError {
    entry("VixDiskLib_QueryAllocatedBlocks", || {
        // SAFETY: the caller passes NULL or a writable pointer.
        let mut list = unsafe { out(blockList, "blockList") }?;
        list.set(std::ptr::null_mut());
        let disk = session::disk(handle(diskHandle))?;
        check_chunks(numSectors, chunkSize)?;
        let blocks: Vec<VixDiskLibBlock> = disk
            .allocated_blocks(startSector, numSectors, chunkSize)?
            .into_iter()
            .map(|block| VixDiskLibBlock { offset: block.start, length: block.sectors })
            .collect();
        list.set(memory::give_block_list(&blocks)?);
        Ok(())
    })
}

/// The limits of the interface on chunks.
fn check_chunks(sectors: u64, chunk: u64) -> Result<()> {
    let allowed = u64::from(VIXDISKLIB_MIN_CHUNK_SIZE)..=u64::from(VIXDISKLIB_MAX_CHUNK_SIZE);
    if !allowed.contains(&chunk) {
        return Err(Error::new(
            Kind::InvalidArgument,
            format!("chunkSize {chunk} is not between {} and {} sectors", allowed.start(), allowed.end()),
        ));
    }
    if sectors.div_ceil(chunk) > u64::from(VIXDISKLIB_MAX_CHUNK_NUMBER) {
        return Err(Error::new(
            Kind::InvalidArgument,
            format!("{sectors} sectors are more than {VIXDISKLIB_MAX_CHUNK_NUMBER} chunks of {chunk}"),
        ));
    }
    Ok(())
}

/// Frees what `VixDiskLib_QueryAllocatedBlocks` returned. NULL and pointers that were not given out are
/// ignored. Always VIX_OK.
#[unsafe(no_mangle)]
pub extern "C" fn VixDiskLib_FreeBlockList(blockList: *mut VixDiskLibBlockList) -> VixError {
    entry("VixDiskLib_FreeBlockList", || {
        memory::take_back(Given::BlockList, blockList);
        Ok(())
    })
}
