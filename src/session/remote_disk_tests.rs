//! Tests of disks on servers, without a server.

use super::*;

/// A disk of 1000 sectors in memory, every chunk of which is allocated but the second.
#[derive(Debug, Default)]
struct Fake {
    data: Mutex<Vec<u8>>,
    asked: Mutex<Vec<(u64, u64, u64)>>,
}

impl HostDisk for Arc<Fake> {
    fn sectors(&self) -> u64 {
        1000
    }

    fn geometry(&self) -> Geometry {
        Geometry { cylinders: 1, heads: 2, sectors: 3 }
    }

    fn place(&self) -> String {
        "esx.test:902".to_owned()
    }

    fn read(&self, start: u64, buffer: &mut [u8]) -> Result<()> {
        let data = self.data.lock().unwrap();
        buffer.copy_from_slice(&data[start as usize * 512..][..buffer.len()]);
        Ok(())
    }

    fn write(&self, start: u64, data: &[u8]) -> Result<()> {
        self.data.lock().unwrap()[start as usize * 512..][..data.len()].copy_from_slice(data);
        Ok(())
    }

    fn read_async(&self, start: u64, mut into: Loan, done: Done) -> Result<()> {
        done(self.read(start, into.bytes()));
        Ok(())
    }

    fn write_async(&self, start: u64, data: Shared, done: Done) -> Result<()> {
        done(self.write(start, data.bytes()));
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn metadata(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let value = match key {
            b"adapterType" => "lsilogic",
            b"geometry.biosHeads" => "16",
            b"uuid" => "60 00",
            b"logicalSectorSize" => "4096",
            _ => return Ok(None),
        };
        Ok(Some(value.into()))
    }

    fn allocated(&self, start: u64, chunks: u64, chunk: u64) -> Result<Vec<Block>> {
        self.asked.lock().unwrap().push((start, chunks, chunk));
        let all = (0..chunks).filter(|number| *number != 1);
        Ok(all.map(|number| Block { start: start + number * chunk, sectors: chunk }).collect())
    }

    fn close(&self) -> Result<()> {
        Ok(())
    }
}

fn disk() -> (RemoteDisk, Arc<Fake>) {
    let fake = Arc::new(Fake { data: Mutex::new(vec![0; 512_000]), asked: Mutex::default() });
    (RemoteDisk::new(Box::new(Arc::clone(&fake)), true, transport::NBD), fake)
}

#[test]
fn what_is_allocated_is_asked_in_whole_chunks_and_told_within_the_range() {
    let (disk, fake) = disk();
    let blocks = |start, sectors| -> Vec<(u64, u64)> {
        let blocks = disk.allocated_blocks(start, sectors, 128).unwrap();
        blocks.into_iter().map(|block| (block.start, block.sectors)).collect()
    };
    assert_eq!(blocks(0, 1000), [(0, 128), (256, 744)], "the tail that is no whole chunk counts");
    assert_eq!(blocks(100, 300), [(100, 28), (256, 144)]);
    assert_eq!(blocks(10, 20), [(10, 20)]);
    assert_eq!(*fake.asked.lock().unwrap(), [(0, 7, 128), (0, 3, 128)]);
    for (start, sectors) in [(0, 1001), (1000, 1), (0, 0), (u64::MAX, 2)] {
        let error = disk.allocated_blocks(start, sectors, 128).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument);
    }
}

#[test]
fn a_disk_tells_of_itself_what_the_host_tells() {
    let (disk, _) = disk();
    let info = disk.info().unwrap();
    assert_eq!((info.capacity, info.geometry.sectors, info.bios_geometry.heads), (1000, 3, 16));
    assert_eq!((info.adapter, info.uuid.as_deref()), (Adapter::LsiLogic, Some("60 00")));
    assert_eq!((info.logical_sector_size, info.physical_sector_size), (4096, 512));
    let keys = disk.metadata_keys().unwrap();
    assert_eq!(keys, [&b"adapterType"[..], b"geometry.biosHeads", b"logicalSectorSize", b"uuid"]);
    assert_eq!(disk.full_name(Path::new("[ds] a.vmdk")), "nbd://[ds] a.vmdk@esx.test:902");
}

#[test]
fn a_closed_disk_is_closed() {
    let (disk, _) = disk();
    disk.with(|disk| disk.write(1, &[7; 512])).unwrap();
    let mut sector = [0; 512];
    disk.with(|disk| disk.read(1, &mut sector)).unwrap();
    assert_eq!(sector, [7; 512]);
    disk.close().unwrap();
    assert_eq!(disk.with(|disk| disk.flush()).unwrap_err().kind(), Kind::InvalidHandle);
}
