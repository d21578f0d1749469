//! A disk of a host, as the rooms above use it.

use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};

use super::aio;
use super::compress::Compression;
use super::config::{Config, Encryption, Open};
use super::decode::{self, ToDecode};
use super::flow::{Flow, lock};
use super::job::{Done, Finished, Job, Piece, Reply, Work};
use super::manager::Manager;
use super::setup::{Link, establish};
use crate::error::{Error, Kind, Result};
use crate::io::SECTOR_SIZE;
use crate::io::loan::{Loan, Shared, lend, share};
use crate::vsphere::ticket::TicketSource;

/// Threads that decompress, per disk that is compressed.
const DECODERS: usize = 2;

/// Longest key of the disk database.
const MAX_KEY: usize = 4096;

/// What a host says of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteInfo {
    /// Its capacity in sectors of 512 bytes.
    pub sectors: u64,
    /// Cylinders, heads, sectors of the physical geometry.
    pub geometry: [u32; 3],
}

/// Sectors that are allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocated {
    /// The first one.
    pub start: u64,
    /// How many.
    pub sectors: u64,
}

/// An open disk. Every method may be called from every thread. Its threads end with it.
pub struct RemoteDisk {
    flow: Arc<Flow>,
    info: RemoteInfo,
    threads: Mutex<Vec<JoinHandle<()>>>,
    completions: Mutex<Option<Completions>>,
}

/// The thread that completion functions run on: they may take long, and may use other disks, and this one.
struct Completions {
    sender: mpsc::Sender<Finished>,
    thread: JoinHandle<()>,
}

impl std::fmt::Debug for RemoteDisk {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RemoteDisk('{}')", self.flow.path)
    }
}

/// A function that is called at the end of a request, and what waits for that.
fn waiting() -> (Done, impl FnOnce() -> Result<()>) {
    let (sender, receiver) = mpsc::sync_channel(1);
    let done: Done = Box::new(move |result| drop(sender.send(result)));
    let wait = move || {
        receiver.recv().unwrap_or_else(|_| Err(Error::new(Kind::Internal, "a request was forgotten")))
    };
    (done, wait)
}

impl RemoteDisk {
    /// Connects to the host that a ticket of `source` leads to, and opens the disk at `path` there
    /// (`[datastore] folder/name.vmdk`).
    ///
    /// # Errors
    /// The text names the stage (DNS, TCP, TLS, thumbprint, ticket, authd, NFC handshake, opening), host, port and
    /// cause. Kinds: those of [`TicketSource::ticket`], `Handshake`, `NotSupported` for hosts with old protocols,
    /// and what the host reports for the disk: `ReadOnly`, `Locked`, `FileNotFound`, `AccessDenied`, `OutOfMemory`,
    /// `ServerFault`.
    pub fn open(source: Arc<dyn TicketSource>, path: &str, open: Open, config: &Config) -> Result<Self> {
        let link = establish(&*source, path, open, config)?;
        let host =
            link.socket.peer_addr().map_or_else(|_| link.place.clone(), |address| address.ip().to_string());
        let info =
            RemoteInfo { sectors: link.disk.capacity_bytes / SECTOR_SIZE, geometry: link.disk.geometry };
        let flow = Arc::new(Flow::new(path, open, config, &host));
        let (decoders, mut threads) = match open.compression {
            Compression::None => (None, Vec::new()),
            _ => decode::start(&flow, DECODERS).map(|(sender, threads)| (Some(sender), threads))?,
        };
        threads.splice(0..0, start_threads(&flow, source, decoders, link)?);
        Ok(Self { flow, info, threads: Mutex::new(threads), completions: Mutex::new(None) })
    }

    /// Capacity and geometry.
    pub fn info(&self) -> RemoteInfo {
        self.info
    }

    /// The transport mode's name: "nbd" or "nbdssl".
    pub fn mode(&self) -> &'static str {
        match self.flow.config.encryption {
            Encryption::Clear => "nbd",
            Encryption::Tls => "nbdssl",
        }
    }

    /// Reads sectors, from `start` on, into all of `buffer`.
    ///
    /// # Errors
    /// `OutOfRange`; `InvalidArgument` for a part of a sector; what the host reports; `ConnectionLost` and others when
    /// it cannot be reached any more.
    pub fn read(&self, start: u64, buffer: &mut [u8]) -> Result<()> {
        let (done, wait) = waiting();
        lend(buffer, |loan| self.submit_read(start, loan, done, None))?;
        wait()
    }

    /// As [`RemoteDisk::read`], without waiting: `done` is called once, on a thread of the disk, and not when this
    /// fails. The buffer has gone by then.
    ///
    /// # Errors
    /// `OutOfRange`, `InvalidArgument`.
    pub fn read_async(
        &self,
        start: u64,
        buffer: impl AsMut<[u8]> + Send + 'static,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<()> {
        self.start_read(start, Loan::of(buffer), Box::new(done))
    }

    /// As [`RemoteDisk::read_async`], for what has been lent already.
    ///
    /// # Errors
    /// `OutOfRange`, `InvalidArgument`.
    pub fn start_read(&self, start: u64, into: Loan, done: Done) -> Result<()> {
        let on = self.completions()?;
        self.submit_read(start, into, done, Some(on))
    }

    /// Writes sectors, from `start` on. They are on the host when this returns.
    ///
    /// # Errors
    /// As for [`RemoteDisk::read`]; `ReadOnly`.
    pub fn write(&self, start: u64, data: &[u8]) -> Result<()> {
        let (done, wait) = waiting();
        share(data, |data| self.submit_write(start, data, done, None))?;
        wait()
    }

    /// As [`RemoteDisk::write`], without waiting: `done` is called as for [`RemoteDisk::read_async`].
    ///
    /// # Errors
    /// `OutOfRange`, `InvalidArgument`, `ReadOnly`.
    pub fn write_async(
        &self,
        start: u64,
        data: impl AsRef<[u8]> + Send + 'static,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<()> {
        self.start_write(start, Shared::of(data), Box::new(done))
    }

    /// As [`RemoteDisk::write_async`], for what is shared already.
    ///
    /// # Errors
    /// `OutOfRange`, `InvalidArgument`, `ReadOnly`.
    pub fn start_write(&self, start: u64, data: Shared, done: Done) -> Result<()> {
        let on = self.completions()?;
        self.submit_write(start, data, done, Some(on))
    }

    /// The first byte of a range of sectors, which is checked.
    fn check(&self, start: u64, bytes: usize) -> Result<u64> {
        let bytes = bytes as u64;
        if bytes % SECTOR_SIZE != 0 {
            return Err(Error::new(Kind::InvalidArgument, format!("{bytes} bytes are no whole sectors")));
        }
        let end = start.checked_add(bytes / SECTOR_SIZE).filter(|end| *end <= self.info.sectors);
        let text = || format!("sectors {start} and {} on of {}", bytes / SECTOR_SIZE, self.info.sectors);
        end.and_then(|_| start.checked_mul(SECTOR_SIZE)).ok_or_else(|| Error::new(Kind::OutOfRange, text()))
    }

    /// Bytes of a piece: whole sectors, and no more than every host takes.
    fn piece_bytes(&self) -> usize {
        let bytes = u64::from(self.flow.config.request_bytes).clamp(SECTOR_SIZE, 1 << 20);
        usize::try_from(bytes - bytes % SECTOR_SIZE).unwrap_or(512)
    }

    fn submit_read(
        &self,
        start: u64,
        mut loan: Loan,
        done: Done,
        on: Option<mpsc::Sender<Finished>>,
    ) -> Result<()> {
        let mut offset = self.check(start, loan.len())?;
        let (most, on_thread) = (self.piece_bytes(), on.is_some());
        let job = Job::new(loan.len().div_ceil(most).max(1), done, on);
        let mut pieces = Vec::with_capacity(loan.len().div_ceil(most));
        while !loan.is_empty() {
            let into = loan.take_front(most);
            let bytes = into.len() as u64;
            pieces.push(Piece::new(Work::Read { offset, into }, &job));
            offset += bytes;
        }
        drop(loan);
        self.submit(&job, pieces, on_thread, false);
        Ok(())
    }

    fn submit_write(
        &self,
        start: u64,
        data: Shared,
        done: Done,
        on: Option<mpsc::Sender<Finished>>,
    ) -> Result<()> {
        let length = data.bytes().len();
        let first = self.check(start, length)?;
        if !self.flow.open.writable {
            let text = format!("'{}' was opened for reading only", self.flow.path);
            return Err(Error::new(Kind::ReadOnly, text));
        }
        let (most, on_thread) = (self.piece_bytes(), on.is_some());
        let job = Job::new(length.div_ceil(most).max(1), done, on);
        let places = (0..length).step_by(most);
        let one = |at: usize| {
            Piece::new(Work::Write { offset: first + at as u64, data: data.part(at, most) }, &job)
        };
        let pieces = places.map(one).collect();
        drop(data); // the buffer has gone when its end is told
        self.submit(&job, pieces, on_thread, true);
        Ok(())
    }

    /// Has pieces sent; waits for them unless a thread is told of their end.
    fn submit(&self, job: &Job, pieces: Vec<Piece>, on_thread: bool, large: bool) {
        if pieces.is_empty() {
            job.end_empty();
        } else if on_thread {
            self.flow.submit(pieces, large);
        } else {
            self.flow.run(pieces, || job.has_ended());
        }
    }

    /// Asks the host something, and returns the payload of its answer and what follows.
    fn ask(
        &self,
        kind: u32,
        payload: impl Fn(u64) -> Vec<u8> + Send + 'static,
        extra: Vec<u8>,
    ) -> Result<(Vec<u8>, Vec<u8>)> {
        let (done, wait) = waiting();
        let reply = Reply::default();
        let job = Job::new(1, done, None);
        let work = Work::Ask { kind, payload: Box::new(payload), extra, reply: Arc::clone(&reply) };
        self.flow.run(vec![Piece::new(work, &job)], || job.has_ended());
        wait()?;
        Ok(std::mem::take(&mut *lock(&reply)))
    }

    /// Which chunks of `chunk` sectors are allocated, from `start` on for so many sectors. Both are multiples of the
    /// chunk, but for the end of the disk.
    ///
    /// # Errors
    /// `InvalidArgument`, `OutOfRange`; what the host reports.
    pub fn allocated(&self, start: u64, sectors: u64, chunk: u64) -> Result<Vec<Allocated>> {
        let end = start.checked_add(sectors).filter(|end| *end <= self.info.sectors);
        let end =
            end.ok_or_else(|| Error::new(Kind::OutOfRange, format!("{sectors} sectors from {start} on")))?;
        let whole = |sector: u64| sector.checked_rem(chunk) == Some(0);
        if !whole(start) || !whole(end) && end != self.info.sectors || chunk > u64::MAX / SECTOR_SIZE {
            let text = format!("sectors {start} to {end} are no whole chunks of {chunk}");
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        let mut runs: Vec<Allocated> = Vec::new();
        let mut at = start;
        while at < end {
            let chunks = (end - at).div_ceil(chunk).min(aio::MAX_CHUNKS);
            for run in self.allocated_chunks(at, chunk, chunks)? {
                let sectors = run.sectors.min(end.saturating_sub(run.start));
                match runs.last_mut() {
                    Some(last) if last.start + last.sectors == run.start => last.sectors += sectors,
                    _ => runs.push(Allocated { start: run.start, sectors }),
                }
            }
            at = at.saturating_add(chunks.saturating_mul(chunk));
        }
        Ok(runs)
    }

    fn allocated_chunks(&self, start: u64, chunk: u64, chunks: u64) -> Result<Vec<Allocated>> {
        let (chunk_bytes, start_bytes) = (chunk * SECTOR_SIZE, start * SECTOR_SIZE);
        let payload = move |handle| aio::allocated_request(handle, chunk_bytes, start_bytes, chunks);
        let (payload, bitmap) = self.ask(aio::kind::ALLOCATED, payload, Vec::new())?;
        let told = aio::extra_bytes(aio::kind::ALLOCATED, &payload)?;
        if u64::from(told) != aio::bitmap_bytes(chunks) || bitmap.len() as u64 != u64::from(told) {
            return Err(aio::garbled(format!("a map of {} bytes for {chunks} chunks", bitmap.len())));
        }
        let mut runs = Vec::new();
        aio::runs(&bitmap, chunks, |first, count| {
            runs.push(Allocated { start: start + first * chunk, sectors: count * chunk });
        });
        Ok(runs)
    }

    /// An entry of the disk database, by its key without `ddb.`; `None` when there is none.
    ///
    /// # Errors
    /// `InvalidArgument` for keys that cannot be; what the host reports.
    pub fn metadata(&self, key: &str) -> Result<Option<String>> {
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(Error::new(Kind::InvalidArgument, format!("a key of {} bytes", key.len())));
        }
        let asked = key.to_owned();
        let payload = move |handle| aio::ddb_get(handle, &asked);
        let (_, value) = self.ask(aio::kind::DDB_GET, payload, key.as_bytes().to_vec())?;
        let text = String::from_utf8_lossy(&value).trim_end_matches('\0').to_owned();
        Ok((!value.is_empty()).then_some(text))
    }

    /// Whether the host can still be relied on. There is nothing to wait for: a write that has ended was acknowledged,
    /// and the protocol has no message for more.
    ///
    /// # Errors
    /// Why the disk was lost.
    pub fn flush(&self) -> Result<()> {
        match &self.flow.state().dead {
            Some((kind, text)) => Err(Error::new(*kind, text.clone())),
            None => Ok(()),
        }
    }

    /// Ends what is under way, closes the disk on the host, and ends the threads. Later requests fail.
    pub fn close(&self) {
        self.flow.wait_idle();
        self.flow.state().closing = true;
        self.flow.changed.notify_all();
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            let _ = thread.join(); // what it had to say is in the log
        }
        let Some(Completions { sender, thread }) = lock(&self.completions).take() else { return };
        drop(sender);
        if thread.thread().id() != thread::current().id() {
            let _ = thread.join();
        }
    }

    /// The way to the thread of completion functions, which is started by the first request that needs it.
    fn completions(&self) -> Result<mpsc::Sender<Finished>> {
        let mut completions = lock(&self.completions);
        if let Some(running) = &*completions {
            return Ok(running.sender.clone());
        }
        let (sender, receiver) = mpsc::channel::<Finished>();
        let work = move || receiver.into_iter().for_each(|(done, result)| done(result));
        let thread = thread::Builder::new()
            .name("vixen-nfc-done".to_owned())
            .spawn(work)
            .map_err(|error| Error::from_io(error, "starting a thread"))?;
        *completions = Some(Completions { sender: sender.clone(), thread });
        Ok(sender)
    }
}

impl Drop for RemoteDisk {
    fn drop(&mut self) {
        self.close();
    }
}

/// The manager, and the thread that receives.
fn start_threads(
    flow: &Arc<Flow>,
    source: Arc<dyn TicketSource>,
    decoders: Option<mpsc::SyncSender<ToDecode>>,
    link: Link,
) -> Result<Vec<JoinHandle<()>>> {
    let failed = |error| Error::from_io(error, "starting a thread");
    let named = |name: &str| thread::Builder::new().name(name.to_owned());
    let manager = Manager::new(flow, source, decoders, link);
    let receiving = Arc::clone(flow);
    let receiver = named("vixen-nfc-read").spawn(move || receiving.serve()).map_err(failed)?;
    let manager = named("vixen-nfc").spawn(move || manager.run()).map_err(|error| {
        flow.stop_receiving();
        failed(error)
    })?;
    Ok(vec![manager, receiver])
}
