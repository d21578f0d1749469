//! A handle's disk that is on a server.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::OpenFlags;
use super::config::Config;
use super::remote::Remote;
use super::{Adapter, Block, Geometry, Info};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::transport::nfc::{Done, Loan, Shared};
use crate::transport::{self, nfc};
use crate::vsphere::ticket::{Ticket, TicketSource};
use crate::vsphere::tickets::{DiskSpec, DiskTickets};

/// Keys of the disk database that a server can be asked for; it cannot be asked for all that there are.
const KEYS: [&str; 15] = [
    "adapterType",
    "geometry.biosCylinders",
    "geometry.biosHeads",
    "geometry.biosSectors",
    "geometry.cylinders",
    "geometry.heads",
    "geometry.sectors",
    "logicalSectorSize",
    "longContentID",
    "physicalSectorSize",
    "thinProvisioned",
    "toolsVersion",
    "toolsInstallType",
    "uuid",
    "virtualHWVersion",
];

/// What a transport offers of a disk on a host; any function may be called on any thread.
pub(super) trait HostDisk: Send + Sync + std::fmt::Debug {
    /// Capacity in sectors.
    fn sectors(&self) -> u64;
    /// Physical geometry, as the host told when the disk was opened.
    fn geometry(&self) -> Geometry;
    /// The host and port of the disk service.
    fn place(&self) -> String;
    /// Reads whole sectors.
    fn read(&self, start: u64, buffer: &mut [u8]) -> Result<()>;
    /// Writes whole sectors; they are durable when it returns.
    fn write(&self, start: u64, data: &[u8]) -> Result<()>;
    /// Starts a read of whole sectors; `done` is told of its end, on a thread of the transport, and not when this fails.
    fn read_async(&self, start: u64, into: Loan, done: Done) -> Result<()>;
    /// Starts a write of whole sectors, as [`HostDisk::read_async`] does a read.
    fn write_async(&self, start: u64, data: Shared, done: Done) -> Result<()>;
    /// Whether writes that have ended can be relied on.
    fn flush(&self) -> Result<()>;
    /// The value of a key of the disk database; `None` when there is no such key.
    fn metadata(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;
    /// What is allocated, in whole chunks from `start` on: sorted and disjoint.
    fn allocated(&self, start: u64, chunks: u64, chunk: u64) -> Result<Vec<Block>>;
    /// Ends the connection.
    fn close(&self) -> Result<()>;
}

/// A remote disk. The lock is taken as that of a local one.
#[derive(Debug)]
pub(super) struct RemoteDisk {
    disk: RwLock<Option<Box<dyn HostDisk>>>,
    sectors: u64,
    writable: bool,
    mode: &'static str,
    place: Arc<str>,
}

fn where_from(mode: &str, place: &str) -> String {
    format!("{mode} at {place}")
}

impl RemoteDisk {
    /// Opens a disk by the first mode that works. Where a mode in clear follows nbdssl only because the client named
    /// none, it is not tried.
    ///
    /// # Errors
    /// Those of servers, the text says which stage failed.
    pub(super) fn open(remote: &Remote, path: &Path, flags: OpenFlags, config: &Config) -> Result<Self> {
        let name = path.to_str().map(str::trim).filter(|name| name.starts_with('[') && name.contains("] "));
        let name = name.ok_or_else(|| {
            let text = format!(
                "'{}' is no path of a disk on a server, as '[datastore] folder/name.vmdk'",
                path.display()
            );
            Error::new(Kind::InvalidArgument, text)
        })?;
        let spec = DiskSpec {
            vm: remote.vm.clone(),
            snapshot: remote.snapshot.clone(),
            path: name.to_owned(),
            writable: !flags.read_only,
            nfc_port: remote.nfc_port,
        };
        let tickets: Arc<dyn TicketSource> = Arc::new(DiskTickets::new(remote.session(config), spec));
        let mut failure = None;
        for mode in &remote.modes {
            if failure.is_some() && *mode == transport::NBD && !remote.modes_named {
                break;
            }
            match open_by(mode, &tickets, name, flags, config) {
                Ok(disk) => return Ok(Self::new(disk, !flags.read_only, mode)),
                // Only what this mode lacks may be there in the next one.
                Err(error) if error.kind() == Kind::NotSupported => {
                    log::info!("transport mode '{mode}': {error}");
                    failure.get_or_insert(error);
                }
                Err(error) => return Err(error.context(format!("opening '{name}' by {mode}"))),
            }
        }
        let none = || Error::new(Kind::NotSupported, "no transport mode is left");
        Err(failure.unwrap_or_else(none).context(format!("opening '{name}'")))
    }

    fn new(disk: Box<dyn HostDisk>, writable: bool, mode: &'static str) -> Self {
        let (sectors, place) = (disk.sectors(), disk.place().into());
        Self { disk: RwLock::new(Some(disk)), sectors, writable, mode, place }
    }

    pub(super) fn sectors(&self) -> u64 {
        self.sectors
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    pub(super) fn mode(&self) -> &'static str {
        self.mode
    }

    /// As tools look for it in the log.
    pub(super) fn full_name(&self, path: &Path) -> String {
        format!("{}://{}@{}", self.mode, path.display(), self.place)
    }

    /// Does something with the disk, as long as it is open.
    ///
    /// # Errors
    /// `InvalidHandle`, those of `act`.
    pub(super) fn with<R>(&self, act: impl FnOnce(&dyn HostDisk) -> Result<R>) -> Result<R> {
        let guard = self.disk.read().unwrap_or_else(PoisonError::into_inner);
        let closed = || Error::new(Kind::InvalidHandle, "the disk has been closed");
        act(guard.as_deref().ok_or_else(closed)?).context(|| where_from(self.mode, &self.place))
    }

    /// Starts a read, as [`HostDisk::read_async`].
    ///
    /// # Errors
    /// `InvalidHandle`, those of the transport; `done` does not run then.
    pub(super) fn read_async(
        &self,
        start: u64,
        into: Loan,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<()> {
        self.with(|disk| disk.read_async(start, into, self.named(done)))
    }

    /// Starts a write, as [`HostDisk::write_async`].
    ///
    /// # Errors
    /// As for [`RemoteDisk::read_async`].
    pub(super) fn write_async(
        &self,
        start: u64,
        data: Shared,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<()> {
        self.with(|disk| disk.write_async(start, data, self.named(done)))
    }

    /// Has errors say where they come from, as [`RemoteDisk::with`] does.
    fn named(&self, done: impl FnOnce(Result<()>) + Send + 'static) -> Done {
        let (mode, place) = (self.mode, Arc::clone(&self.place));
        Box::new(move |result: Result<()>| done(result.context(|| where_from(mode, &place))))
    }

    /// Ends the connection.
    ///
    /// # Errors
    /// Those of the transport.
    pub(super) fn close(&self) -> Result<()> {
        let disk = self.disk.write().unwrap_or_else(PoisonError::into_inner).take();
        disk.map_or(Ok(()), |disk| disk.close())
    }

    /// The value of a key of the disk database.
    pub(super) fn metadata(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.with(|disk| disk.metadata(key))
    }

    /// Those of [`KEYS`] that the disk has.
    pub(super) fn metadata_keys(&self) -> Result<Vec<Vec<u8>>> {
        self.with(|disk| {
            let mut present = Vec::new();
            for key in KEYS {
                if disk.metadata(key.as_bytes())?.is_some() {
                    present.push(key.as_bytes().to_vec());
                }
            }
            Ok(present)
        })
    }

    /// What the disk tells of itself.
    pub(super) fn info(&self) -> Result<Info> {
        self.with(|disk| {
            let number = |key: &str| -> Result<Option<u32>> {
                let value = disk.metadata(key.as_bytes())?;
                Ok(value.and_then(|value| std::str::from_utf8(&value).ok()?.trim().parse().ok()))
            };
            let sector_size = |key| Ok(if number(key)? == Some(4096) { 4096 } else { 512 });
            let adapter = disk.metadata(b"adapterType")?;
            let uuid = disk.metadata(b"uuid")?;
            Ok(Info {
                capacity: disk.sectors(),
                geometry: disk.geometry(),
                bios_geometry: Geometry {
                    cylinders: number("geometry.biosCylinders")?.unwrap_or(0),
                    heads: number("geometry.biosHeads")?.unwrap_or(0),
                    sectors: number("geometry.biosSectors")?.unwrap_or(0),
                },
                adapter: adapter.map_or(Adapter::Unknown, |name| Adapter::from_name(&name)),
                links: 1,
                parent_hint: None,
                uuid: uuid.map(|uuid| String::from_utf8_lossy(&uuid).into_owned()),
                logical_sector_size: sector_size("logicalSectorSize")?,
                physical_sector_size: sector_size("physicalSectorSize")?,
            })
        })
    }

    /// What is allocated. The host answers for whole chunks; a part of one at the end counts as allocated.
    pub(super) fn allocated_blocks(&self, start: u64, sectors: u64, chunk: u64) -> Result<Vec<Block>> {
        let end = start.checked_add(sectors).filter(|end| *end <= self.sectors);
        let (Some(end), 1.., 1..) = (end, sectors, chunk) else {
            let text = format!(
                "{sectors} sectors from sector {start} on in chunks of {chunk} are no part of a disk of {}",
                self.sectors
            );
            return Err(Error::new(Kind::InvalidArgument, text));
        };
        // The host wants a start that is a multiple of the chunk.
        let first = start / chunk * chunk;
        let whole = end / chunk * chunk;
        let mut blocks = match whole.saturating_sub(first) / chunk {
            0 => Vec::new(),
            chunks => self.with(|disk| disk.allocated(first, chunks, chunk))?,
        };
        if whole < end {
            blocks.push(Block { start: whole, sectors: end - whole });
        }
        Ok(clipped(blocks, start, end))
    }
}

/// The parts of blocks that are inside of a range, those joined that touch.
fn clipped(blocks: Vec<Block>, start: u64, end: u64) -> Vec<Block> {
    let mut inside: Vec<Block> = Vec::with_capacity(blocks.len());
    for block in blocks {
        let (first, last) = (block.start.max(start), block.start.saturating_add(block.sectors).min(end));
        match inside.last_mut() {
            _ if first >= last => {}
            Some(before) if before.start + before.sectors >= first => {
                before.sectors = before.sectors.max(last - before.start);
            }
            _ => inside.push(Block { start: first, sectors: last - first }),
        }
    }
    inside
}

/// Opens a disk by one mode.
fn open_by(
    mode: &str,
    tickets: &Arc<dyn TicketSource>,
    path: &str,
    flags: OpenFlags,
    config: &Config,
) -> Result<Box<dyn HostDisk>> {
    let encryption = if mode == transport::NBD { nfc::Encryption::Clear } else { nfc::Encryption::Tls };
    let open = nfc::Open {
        writable: !flags.read_only,
        single_link: flags.single_link,
        compression: flags.compression,
    };
    let source = Arc::new(Noting { tickets: Arc::clone(tickets), place: Mutex::default() });
    let disk = nfc::RemoteDisk::open(Arc::clone(&source) as _, path, open, &config.nfc(encryption))?;
    let place = source.place.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Box::new(NfcDisk { disk, place }))
}

/// Tickets, and the host and port of the last one.
#[derive(Debug)]
struct Noting {
    tickets: Arc<dyn TicketSource>,
    place: Mutex<String>,
}

impl TicketSource for Noting {
    fn ticket(&self) -> Result<Ticket> {
        let ticket = self.tickets.ticket()?;
        let (host, port) = ticket.endpoint(self.tickets.server());
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = format!("{host}:{port}");
        Ok(ticket)
    }

    fn server(&self) -> &str {
        self.tickets.server()
    }
}

/// A disk of a host's disk service.
#[derive(Debug)]
struct NfcDisk {
    disk: nfc::RemoteDisk,
    place: String,
}

impl HostDisk for NfcDisk {
    fn sectors(&self) -> u64 {
        self.disk.info().sectors
    }

    fn geometry(&self) -> Geometry {
        let [cylinders, heads, sectors] = self.disk.info().geometry;
        Geometry { cylinders, heads, sectors }
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    fn read(&self, start: u64, buffer: &mut [u8]) -> Result<()> {
        self.disk.read(start, buffer)
    }

    fn write(&self, start: u64, data: &[u8]) -> Result<()> {
        self.disk.write(start, data)
    }

    fn read_async(&self, start: u64, into: Loan, done: Done) -> Result<()> {
        self.disk.start_read(start, into, done)
    }

    fn write_async(&self, start: u64, data: Shared, done: Done) -> Result<()> {
        self.disk.start_write(start, data, done)
    }

    fn flush(&self) -> Result<()> {
        self.disk.flush()
    }

    fn metadata(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let key = std::str::from_utf8(key)
            .map_err(|_| Error::new(Kind::InvalidArgument, "a key that is not UTF-8"))?;
        Ok(self.disk.metadata(key)?.map(String::into_bytes))
    }

    fn allocated(&self, start: u64, chunks: u64, chunk: u64) -> Result<Vec<Block>> {
        let blocks = self.disk.allocated(start, chunks.saturating_mul(chunk), chunk)?;
        Ok(blocks.into_iter().map(|block| Block { start: block.start, sectors: block.sectors }).collect())
    }

    fn close(&self) -> Result<()> {
        self.disk.close();
        Ok(())
    }
}

#[cfg(test)]
#[path = "remote_disk_tests.rs"]
mod tests;
