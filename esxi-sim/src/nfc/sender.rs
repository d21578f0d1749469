//! The sending half of a disk session: a thread of its own, so that delayed answers do not hold up later requests.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
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
    frames: SyncSender<Frame>,
    thread: JoinHandle<()>,
}

impl Sender {
    pub(super) fn new(host: &Arc<Host>, stream: &TcpStream, writer: Writer) -> io::Result<Self> {
        let (frames, waiting) = sync_channel(MAX_FRAMES);
        let (outlet, stream) =
            (Outlet { host: Arc::clone(host), writer, cut: None, free: Instant::now() }, stream.try_clone()?);
        let thread = std::thread::spawn(move || {
            if outlet.run(&waiting).is_err() {
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
        Ok(Self { host: Arc::clone(host), frames, thread })
    }

    pub(super) fn send(&self, bytes: Vec<u8>, memory: Option<Arc<Reserved>>) -> io::Result<()> {
        let latency = Duration::from_millis(self.host.latency_ms.load(Ordering::Relaxed));
        let frame = Frame { due: Instant::now() + latency, bytes, _memory: memory };
        self.frames.send(frame).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Waits until everything is out.
    pub(super) fn finish(self) {
        drop(self.frames);
        let _ = self.thread.join();
    }
}

struct Outlet {
    host: Arc<Host>,
    writer: Writer,
    /// Bytes until the connection is cut.
    cut: Option<u64>,
    /// When the line is free again.
    free: Instant,
}

impl Outlet {
    fn run(mut self, frames: &Receiver<Frame>) -> io::Result<()> {
        for frame in frames {
            sleep(frame.due.saturating_duration_since(Instant::now()));
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
            let length = frame.bytes.len() as u64;
            self.free = pace(&self.host, self.free, length);
            if let Some(left) = self.cut {
                let part = frame.bytes.get(..left.min(length) as usize).unwrap_or_default();
                self.writer.write_all(part)?;
                if left <= length {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                self.cut = Some(left - length);
            } else {
                self.writer.write_all(&frame.bytes)?;
            }
        }
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
