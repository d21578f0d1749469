//! The control socket: one command of JSON a line, one answer of JSON a line.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Deserialize;

use crate::fault::Planned;
use crate::host::Host;

const MAX_LINE: u64 = 65536;

#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
enum Command {
    /// Adds a fault.
    Inject { fault: Planned },
    /// Forgets all faults, and latency and bandwidth.
    Clear,
    /// Ends all sessions of the management interface.
    ExpireSessions,
    /// Cuts all connections.
    Cut,
    /// Milliseconds before every answer of the disk service.
    Latency { millis: u64 },
    /// Bytes a second and connection; 0 for no limit.
    Bandwidth { bytes: u64 },
}

/// Listens on a socket at `path` until the host stops.
pub(crate) fn start(host: &Arc<Host>, path: &Path) -> io::Result<()> {
    let listener = UnixListener::bind(path)?;
    let host = Arc::clone(host);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if host.stopping.load(Ordering::Relaxed) {
                return;
            }
            let host = Arc::clone(&host);
            std::thread::spawn(move || serve(&host, &stream));
        }
    });
    Ok(())
}

/// Wakes the thread that listens, and removes the socket.
pub(crate) fn stop(path: &Path) {
    let _ = UnixStream::connect(path);
    let _ = std::fs::remove_file(path);
}

fn serve(host: &Host, stream: &UnixStream) -> io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    loop {
        let mut line = String::new();
        if reader.by_ref().take(MAX_LINE).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let answer = match serde_json::from_str(&line) {
            Ok(command) => {
                run(host, command);
                serde_json::json!({"ok": true})
            }
            Err(error) => serde_json::json!({"ok": false, "error": error.to_string()}),
        };
        writer.write_all(format!("{answer}\n").as_bytes())?;
    }
}

fn run(host: &Host, command: Command) {
    match command {
        Command::Inject { fault } => host.faults.add(fault),
        Command::Clear => {
            host.faults.clear();
            host.latency_ms.store(0, Ordering::Relaxed);
            host.bandwidth.store(0, Ordering::Relaxed);
        }
        Command::ExpireSessions => host.end_sessions(),
        Command::Cut => host.cut_all(),
        Command::Latency { millis } => host.latency_ms.store(millis, Ordering::Relaxed),
        Command::Bandwidth { bytes } => host.bandwidth.store(bytes, Ordering::Relaxed),
    }
}
