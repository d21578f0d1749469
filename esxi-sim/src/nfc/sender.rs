//! The sending half of a disk session. A host that answers at once does so on the thread of the session; one that is far
//! away, or has a thin line, on a thread of its own, so that delayed answers do not hold up later requests.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::fault::Fault;
use crate::host::{Host, Reserved};
use crate::tls::Writer;

/// Most frames that wait; their bytes are bounded by the memory of the host.
const MAX_FRAMES: usize = 4096;

/// Something to send, at a time.
struct Frame {
    due: Instant,
    bytes: Vec<u8>,
    /// Given back once the frame is gone.
    _memory: Option<Arc<Reserved>>,
}

/// What is sent here goes out in this order.
pub(super) struct Sender {
    host: Arc<Host>,
    outlet: Arc<Mutex<Outlet>>,
    /// Frames that the thread has not sent yet.
    queued: Arc<AtomicUsize>,
    frames: SyncSender<Frame>,
    thread: JoinHandle<()>,
}

impl Sender {
    pub(super) fn new(host: &Arc<Host>, stream: &TcpStream, writer: Writer) -> io::Result<Self> {
        let (frames, waiting) = sync_channel(MAX_FRAMES);
        let (host, stream) = (Arc::clone(host), stream.try_clone()?);
        let outlet = Outlet { host: Arc::clone(&host), writer, stream, cut: None, free: Instant::now() };
        let (outlet, queued) = (Arc::new(Mutex::new(outlet)), Arc::new(AtomicUsize::new(0)));
        let (sending, left) = (Arc::clone(&outlet), Arc::clone(&queued));
        let thread = std::thread::spawn(move || run(&waiting, &sending, &left));
        Ok(Self { host, outlet, queued, frames, thread })
    }

    pub(super) fn send(&self, bytes: &[u8], memory: Option<&Arc<Reserved>>) -> io::Result<()> {
        let latency = self.host.latency_ms.load(Ordering::Relaxed);
        let limited = self.host.bandwidth.load(Ordering::Relaxed) != 0;
        if latency == 0 && !limited && self.queued.load(Ordering::Acquire) == 0 {
            return lock(&self.outlet).put(bytes);
        }
        let due = Instant::now() + Duration::from_millis(latency);
        self.queued.fetch_add(1, Ordering::AcqRel);
        let frame = Frame { due, bytes: bytes.to_vec(), _memory: memory.cloned() };
        self.frames.send(frame).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Waits until everything is out.
    pub(super) fn finish(self) {
        drop(self.frames);
        let _ = self.thread.join();
    }
}

fn lock(outlet: &Mutex<Outlet>) -> std::sync::MutexGuard<'_, Outlet> {
    outlet.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread does.
fn run(frames: &Receiver<Frame>, outlet: &Mutex<Outlet>, left: &AtomicUsize) {
    for frame in frames {
        sleep(frame.due.saturating_duration_since(Instant::now()));
        if lock(outlet).put(&frame.bytes).is_err() {
            return;
        }
        left.fetch_sub(1, Ordering::AcqRel);
    }
}

struct Outlet {
    host: Arc<Host>,
    writer: Writer,
    stream: TcpStream,
    /// Bytes until the connection is cut.
    cut: Option<u64>,
    /// When the line is free again.
    free: Instant,
}

impl Outlet {
    /// Sends a frame; the connection ends when that fails.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = self.try_put(bytes);
        if sent.is_err() {
            let _ = self.stream.shutdown(Shutdown::Both);
        }
        sent
    }

    fn try_put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(millis) = self.host.faults.take(|fault| match fault {
            Fault::Stall { millis } => Some(*millis),
            _ => None,
        }) {
            sleep(Duration::from_millis(millis));
        }
        self.cut = self.cut.or_else(|| {
            self.host.faults.take(|fault| match fault {
                Fault::Cut { bytes } => Some(*bytes),
                _ => None,
            })
        });
        let length = bytes.len() as u64;
        self.free = pace(&self.host, self.free, length);
        let Some(left) = self.cut else { return self.writer.write_all(bytes) };
        self.writer.write_all(bytes.get(..left.min(length) as usize).unwrap_or_default())?;
        if left <= length {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.cut = Some(left - length);
        Ok(())
    }
}

/// Waits until a line that is free at `free` has taken so many bytes; returns when that is.
pub(super) fn pace(host: &Host, free: Instant, bytes: u64) -> Instant {
    let bandwidth = host.bandwidth.load(Ordering::Relaxed);
    if bandwidth == 0 {
        return free;
    }
    let takes = Duration::from_secs_f64(bytes as f64 / bandwidth as f64);
    let free = free.max(Instant::now()) + takes;
    sleep(free.saturating_duration_since(Instant::now()));
    free
}
