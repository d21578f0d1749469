//! Sockets, and a thread for each client.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::{Export, handshake, transmission};
use crate::failure::{Code, Failure, Result};
use crate::output::remark;

/// Most clients at a time; each may keep a buffer of 32 MiB for a moment.
const MAX_CLIENTS: usize = 32;

/// How long a client may be silent during the handshake.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the server listens.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    /// A socket in the file system, for this user only.
    Unix(PathBuf),
    /// A port.
    Tcp(SocketAddr),
}

/// A client's stream, buffered for replies; what is read next sends them first.
struct Buffered<S: Write>(BufWriter<S>);

/// Streams whose patience can be set.
trait Stream: Read + Write + Send + Sized + 'static {
    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()>;
}

impl Stream for UnixStream {
    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(patience)
    }
}

impl Stream for TcpStream {
    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(patience)
    }
}

impl<S: Stream> Read for Buffered<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.flush()?;
        self.0.get_mut().read(buffer)
    }
}

impl<S: Stream> Write for Buffered<S> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Begins to serve; clients are served by threads from then on. What is returned removes the socket when it goes.
pub(crate) fn serve<E: Export + Send + 'static>(address: &Address, export: Arc<E>) -> Result<Listening> {
    match address {
        Address::Unix(path) => {
            let listener = bind_unix(path).map_err(|error| Failure::io(error, "listening at", path))?;
            accept(export, move || listener.accept().map(|(stream, _)| stream));
            Ok(Listening { socket: Some(path.clone()), port: None })
        }
        Address::Tcp(address) => {
            let failed = |error| Failure::new(Code::Storage, format!("listening at {address}: {error}"));
            let listener = TcpListener::bind(address).map_err(failed)?;
            let port = listener.local_addr().map_err(failed)?;
            accept(export, move || {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                Ok(stream)
            });
            Ok(Listening { socket: None, port: Some(port) })
        }
    }
}

/// A server that listens.
#[derive(Debug)]
pub(crate) struct Listening {
    socket: Option<PathBuf>,
    /// The port that it has.
    pub(crate) port: Option<SocketAddr>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            // It may have been removed by hand.
            drop(fs::remove_file(socket));
        }
    }
}

/// Binds a socket that nobody else can reach at any moment: in a folder of its own first.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let folder = path.with_file_name(name);
    DirBuilder::new().mode(0o700).create(&folder)?;
    let bind = || {
        let inside = folder.join("s");
        let listener = UnixListener::bind(&inside)?;
        let placed = fs::set_permissions(&inside, Permissions::from_mode(0o600))
            // Unlike a rename this fails when something is there.
            .and_then(|()| fs::hard_link(&inside, path));
        fs::remove_file(&inside)?;
        placed.map(|()| listener)
    };
    let bound = bind();
    fs::remove_dir(&folder)?;
    bound
}

fn accept<S: Stream, E: Export + Send + 'static>(
    export: Arc<E>,
    next: impl Fn() -> io::Result<S> + Send + 'static,
) {
    let clients = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        loop {
            let stream = match next() {
                Ok(stream) => stream,
                Err(error) => {
                    remark(&format!("a client could not be accepted: {error}"));
                    // Out of descriptors, most likely; clients that leave give some back.
                    thread::sleep(Duration::from_millis(100));
                    continue;
                }
            };
            let guard = Guard::enter(&clients);
            if clients.load(Ordering::SeqCst) > MAX_CLIENTS {
                remark(&format!("a client was turned away: there are {MAX_CLIENTS} already"));
                continue;
            }
            let export = Arc::clone(&export);
            thread::spawn(move || {
                let _guard = guard;
                if let Err(error) = serve_stream(stream, &*export) {
                    remark(&format!("a client was lost: {error}"));
                }
            });
        }
    });
}

/// Counts a client as long as it lives.
struct Guard(Arc<AtomicUsize>);

impl Guard {
    fn enter(clients: &Arc<AtomicUsize>) -> Self {
        clients.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(clients))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn serve_stream<S: Stream>(stream: S, export: &dyn Export) -> io::Result<()> {
    stream.set_patience(Some(PATIENCE))?;
    let mut stream = Buffered(BufWriter::with_capacity(64 << 10, stream));
    let Some(agreed) = handshake::negotiate(&mut stream, export)? else {
        // A client that leaves need not wait for the last answer.
        drop(stream.flush());
        return Ok(());
    };
    stream.0.get_ref().set_patience(None)?;
    transmission::run(&mut stream, export, agreed)?;
    stream.flush()
}
