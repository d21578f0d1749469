//! What a client is told of the disk that it opened.

use vixDiskLib::disk::Disk;
use vixDiskLib::disk::geometry::Geometry;
use vixDiskLib::io::SECTOR_SIZE;

/// The answer to OPEN_FILE.
pub(super) fn open_answer(disk: &Disk, handle: u64, flags: u32) -> Vec<u8> {
    let Geometry { mut cylinders, mut heads, mut sectors } = disk.info().geometry;
    if heads == 0 || sectors == 0 {
        (heads, sectors) = (255, 63);
        cylinders = u32::try_from(disk.sectors() / (255 * 63)).unwrap_or(u32::MAX);
    }
    let mut answer = vec![0; 8];
    answer.extend(handle.to_le_bytes());
    answer.extend([2, flags, 0].iter().flat_map(|number: &u32| number.to_le_bytes()));
    answer.extend((disk.sectors() * SECTOR_SIZE).to_le_bytes());
    answer.extend([512, cylinders, heads, sectors].iter().flat_map(|number| number.to_le_bytes()));
    answer.resize(60, 0);
    answer
}
