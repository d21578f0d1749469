//! Which parent has which piece of the disk. What was found out once is remembered, so that a chain of thirty links costs
//! no more than one of two.
//!
//! ```text
//!   leaf ──────> always asked: it may be written
//!   parents ───> pieces of the disk ──> the first parent that has anything of the piece
//! ```
//!
//! Parents do not change while a chain is open (their locks see to that), so what is remembered stays true. It is a
//! table of fixed size, in which a piece has one place that it shares with others. A place is one atomic number, so
//! readers need no lock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::content::PIECE_SECTORS;

/// Most places: 2 MiB, which is enough for every piece of 16 GiB.
const MOST_PLACES: u64 = 1 << 18;

/// Bits of a place that hold the number of a link; the others hold the piece.
const LINK_BITS: u32 = 8;

/// What is known of the parents of one chain.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// Made by the first read; 0 is an empty place, since no parent has the number 0.
    places: OnceLock<Box<[AtomicU64]>>,
}

/// The first link, counted from the leaf, that has anything of some sectors, and how many of those that holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    /// The links between the leaf and this one have none of the sectors. The number of links: nobody has them.
    pub(super) link: usize,
    /// Never 0.
    pub(super) sectors: u64,
}

impl Owners {
    fn places(&self, disk_sectors: u64) -> &[AtomicU64] {
        self.places.get_or_init(|| {
            let count = disk_sectors.div_ceil(PIECE_SECTORS).clamp(1, MOST_PLACES);
            (0..count).map(|_| AtomicU64::new(0)).collect()
        })
    }

    /// What is known of the sectors from `sector` on, at most `limit` of them.
    pub(super) fn find(&self, sector: u64, limit: u64, disk_sectors: u64) -> Option<Owner> {
        let places = self.places(disk_sectors);
        let known = |piece: u64| {
            let place = places.get((piece % places.len() as u64) as usize)?.load(Ordering::Relaxed);
            let link = (place & ((1 << LINK_BITS) - 1)) as usize;
            (place >> LINK_BITS == piece && link > 0).then_some(link)
        };
        let first = sector / PIECE_SECTORS;
        let link = known(first)?;
        let mut next = first + 1;
        while next * PIECE_SECTORS - sector < limit && known(next) == Some(link) {
            next += 1;
        }
        Some(Owner { link, sectors: limit.min(next * PIECE_SECTORS - sector) })
    }

    /// Remembers the owner of whole pieces from `first` on.
    pub(super) fn keep(&self, first: u64, pieces: u64, link: usize, disk_sectors: u64) {
        let places = self.places(disk_sectors);
        let Ok(link) = u8::try_from(link) else { return };
        // Of more pieces than there are places only the last ones would stay.
        for piece in first..first + pieces.min(places.len() as u64) {
            if let Some(place) = places.get((piece % places.len() as u64) as usize) {
                place.store(piece << LINK_BITS | u64::from(link), Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::disk::chain::Disk;
    use crate::disk::create::{self, DiskKind, NewDisk};
    use crate::disk::geometry::Adapter;
    use crate::disk::open::{Options, open};
    use crate::io::Files;
    use crate::io::memory::MemoryFiles;

    #[test]
    fn pieces_with_one_owner_are_found_together() {
        let (owners, sectors) = (Owners::default(), 10 * PIECE_SECTORS - 5);
        assert_eq!(owners.find(0, 8, sectors), None);
        owners.keep(2, 3, 7, sectors);
        owners.keep(5, 1, 255, sectors);
        let start = 2 * PIECE_SECTORS;
        assert_eq!(owners.find(start - 1, 8, sectors), None);
        for (sector, limit, link, found) in [
            (start, 8, 7, 8),
            (start + 1, 1000, 7, 3 * PIECE_SECTORS - 1),
            (start + 3 * PIECE_SECTORS - 1, 1000, 7, 1),
            (start + 3 * PIECE_SECTORS, 1000, 255, PIECE_SECTORS),
        ] {
            assert_eq!(owners.find(sector, limit, sectors), Some(Owner { link, sectors: found }));
        }
    }

    #[test]
    fn a_place_belongs_to_the_piece_that_came_last() {
        let (owners, sectors) = (Owners::default(), u64::MAX >> 9);
        let far = MOST_PLACES + 3;
        owners.keep(3, 1, 1, sectors);
        owners.keep(far, 1, 2, sectors);
        assert_eq!(owners.find(3 * PIECE_SECTORS, 1, sectors), None);
        assert_eq!(owners.find(far * PIECE_SECTORS, 1, sectors), Some(Owner { link: 2, sectors: 1 }));
        owners.keep(0, u64::MAX >> 17, 4, sectors);
        assert!(owners.find(3 * PIECE_SECTORS, 1, sectors).is_some(), "no endless loop for endless pieces");
        owners.keep(3, 1, 256, sectors);
        assert_eq!(owners.find(3 * PIECE_SECTORS, 1, sectors).map(|owner| owner.link), Some(4));
    }

    /// A chain in memory over a disk of 400 sectors and a bit for each link, and its content. Each link has sectors of
    /// its own here and there, some of them zeros.
    fn chain(links: u8) -> (Arc<dyn Files>, Disk, Vec<u8>) {
        let (files, mut numbers) = (MemoryFiles::default(), 1u64);
        let capacity = 40_007;
        let mut content = vec![0; capacity as usize * 512];
        let new = NewDisk { kind: DiskKind::SplitSparse, adapter: Adapter::LsiLogic, hardware: 19, capacity };
        create::create(&files, Path::new("./0.vmdk"), &new, &mut |_| ()).unwrap();
        let files: Arc<dyn Files> = Arc::new(files);
        for link in 0..links {
            let path = format!("./{link}.vmdk");
            let disk = open(&files, Path::new(&path), Options::default()).unwrap();
            for _ in 0..30 {
                numbers =
                    numbers.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let sectors = 1 + (numbers >> 20) % 300;
                let start = (numbers >> 33) % (capacity - sectors);
                let data = vec![if numbers >> 63 == 1 { 0 } else { link + 1 }; sectors as usize * 512];
                disk.write(start, &data).unwrap();
                content[start as usize * 512..][..data.len()].copy_from_slice(&data);
            }
            disk.finish().unwrap();
            if link + 1 < links {
                let child = format!("./{}.vmdk", link + 1);
                disk.create_child(&*files, Path::new(&child), DiskKind::MonolithicSparse, &mut |_| ())
                    .unwrap();
            }
        }
        let disk = open(&files, Path::new(&format!("./{}.vmdk", links - 1)), Options::default()).unwrap();
        (files, disk, content)
    }

    #[test]
    fn a_chain_reads_the_same_with_what_is_remembered_and_after_writes() {
        for links in [2, 3, 6] {
            let (_files, disk, mut content) = chain(links);
            let mut buffer = vec![0xAA; content.len()];
            for step in [8, 129, 1000, 40_007] {
                for start in (0..disk.sectors()).step_by(step) {
                    let sectors = (step as u64).min(disk.sectors() - start) as usize;
                    disk.read(start, &mut buffer[..sectors * 512]).unwrap();
                    assert!(buffer[..sectors * 512] == content[start as usize * 512..][..sectors * 512]);
                }
                // The leaf gets something that hides what is remembered of its parents.
                let start = step * 17 % 39_000;
                disk.write(start as u64, &[9; 3 * 512]).unwrap();
                content[start * 512..][..3 * 512].fill(9);
            }
            disk.read(0, &mut buffer).unwrap();
            assert!(buffer == content, "{links} links");
        }
    }

    #[test]
    fn many_threads_remember_at_once() {
        let (_files, disk, content) = chain(5);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (disk, content) = (&disk, &content);
                scope.spawn(move || {
                    let mut buffer = [0xAA; 24 * 512];
                    for round in 0..2000 {
                        let start = (round * 7919 + thread * 10_007) % 39_900;
                        disk.read(start as u64, &mut buffer).unwrap();
                        assert!(buffer == content[start * 512..][..buffer.len()]);
                    }
                });
            }
        });
    }
}
