//! What all services of the host share.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::config::{Config, Kind};
use crate::fault::{Fault, Faults};
use crate::tls::Identity;
use crate::vm::{Vm, dashes, random};

/// The host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) config: Config,
    pub(crate) identity: Identity,
    /// A certificate that nobody expects.
    pub(crate) impostor: Identity,
    pub(crate) faults: Faults,
    pub(crate) vms: Vec<Vm>,
    /// The port of the authentication daemon, for tickets.
    pub(crate) authd_port: u16,
    pub(crate) soap: Mutex<crate::soap::Memory>,
    pub(crate) stopping: AtomicBool,
    pub(crate) latency_ms: AtomicU64,
    pub(crate) bandwidth: AtomicU64,
    sessions: Mutex<HashMap<String, Session>>,
    tickets: Mutex<HashMap<String, Ticket>>,
    connections: Mutex<HashMap<u64, TcpStream>>,
    /// Cookies, keys of sessions and tickets that were given out, the last ones.
    given: Mutex<VecDeque<String>>,
    memory: AtomicU64,
    counter: AtomicU64,
}

/// Secrets that are remembered.
const MAX_GIVEN: usize = 10_000;

/// A session of the management interface.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) key: String,
    pub(crate) login: u64,
    last: Instant,
}

/// What a ticket is good for.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    /// Place of the machine.
    pub(crate) vm: usize,
    /// One disk only.
    pub(crate) disk: Option<i32>,
    pub(crate) writable: bool,
    made: Instant,
}

/// Memory of the host that is given back in the end.
#[derive(Debug)]
pub(crate) struct Reserved {
    host: Arc<Host>,
    bytes: u64,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.host.memory.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

impl Host {
    pub(crate) fn new(config: Config, authd_port: u16) -> io::Result<Self> {
        let mut vms = Vec::new();
        for (index, vm) in config.vm.iter().enumerate() {
            let store = vm.datastore.as_ref();
            let store = config.datastore.iter().find(|known| store.is_none_or(|name| *name == known.name));
            let Some(store) = store else {
                let text = format!("machine '{}' is on a datastore that is not there", vm.name);
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            };
            let id = match config.kind {
                Kind::Vcenter => format!("vm-{}", 13001 + index),
                Kind::Esxi => (index + 1).to_string(),
            };
            let uuid = vm.uuid.clone().unwrap_or_else(|| {
                let mut bytes = *b"\x42\x1c\xe5\xc1simulated\0\0\0";
                bytes[14..].copy_from_slice(&(index as u16).to_be_bytes());
                dashes(bytes)
            });
            let names = (id, vm.name.clone(), uuid);
            let made = Vm::new(names, (store.name.clone(), store.folder.clone()), &vm.disks, vm.powered_on);
            vms.push(made.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?);
        }
        let faults = Faults::default();
        config.fault.iter().cloned().for_each(|planned| faults.add(planned));
        Ok(Self {
            identity: Identity::new(&config.listen)?,
            impostor: Identity::new("impostor.invalid")?,
            faults,
            vms,
            authd_port,
            soap: Mutex::default(),
            stopping: AtomicBool::new(false),
            latency_ms: AtomicU64::new(config.latency_ms),
            bandwidth: AtomicU64::new(config.bandwidth),
            sessions: Mutex::default(),
            tickets: Mutex::default(),
            connections: Mutex::default(),
            given: Mutex::default(),
            memory: AtomicU64::new(0),
            counter: AtomicU64::new(1),
            config,
        })
    }

    /// A number that was not given before.
    pub(crate) fn next(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    fn give(&self, secret: &str) {
        let mut given = lock(&self.given);
        if given.len() >= MAX_GIVEN {
            given.pop_front();
        }
        given.push_back(secret.to_owned());
    }

    /// What nobody but its owner may see: the password, and what was given out.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let given = lock(&self.given);
        given.iter().chain([&self.config.password]).cloned().collect()
    }

    /// A new session by its cookie, if user and password are right.
    pub(crate) fn login(&self, user: &str, password: &str) -> Option<(String, Session)> {
        if user != self.config.user || password != self.config.password {
            return None;
        }
        let cookie: String = random::<20>().iter().map(|byte| format!("{byte:02x}")).collect();
        let session = Session { key: dashes(random()), login: now(), last: Instant::now() };
        self.give(&cookie);
        self.give(&session.key);
        lock(&self.sessions).insert(cookie.clone(), session.clone());
        Some((cookie, session))
    }

    pub(crate) fn logout(&self, cookie: &str) -> bool {
        lock(&self.sessions).remove(cookie).is_some()
    }

    /// The session of a cookie, which lives on from now.
    pub(crate) fn session(&self, cookie: &str) -> Option<Session> {
        let mut sessions = lock(&self.sessions);
        let limit = Duration::from_secs(self.config.session_timeout_s);
        sessions.retain(|_, session| session.last.elapsed() < limit);
        if sessions.contains_key(cookie) && self.faults.happens(&Fault::ExpiredSession) {
            sessions.remove(cookie);
        }
        let session = sessions.get_mut(cookie)?;
        session.last = Instant::now();
        Some(session.clone())
    }

    /// The session of a key, as `SessionIsActive` asks.
    pub(crate) fn session_of_key(&self, key: &str) -> bool {
        lock(&self.sessions).values().any(|session| session.key == key)
    }

    pub(crate) fn end_sessions(&self) {
        lock(&self.sessions).clear();
    }

    pub(crate) fn new_ticket(&self, vm: usize, disk: Option<i32>, writable: bool) -> String {
        let id = dashes(random());
        self.give(&id);
        lock(&self.tickets).insert(id.clone(), Ticket { vm, disk, writable, made: Instant::now() });
        id
    }

    /// Takes a ticket, which nobody can use again.
    pub(crate) fn use_ticket(&self, id: &str) -> Option<Ticket> {
        let ticket = lock(&self.tickets).remove(id)?;
        let limit = Duration::from_secs(self.config.ticket_timeout_s);
        (ticket.made.elapsed() < limit && !self.faults.happens(&Fault::ExpiredTicket)).then_some(ticket)
    }

    /// Memory of the host, if there is some left.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: u64) -> Option<Reserved> {
        let budget = self.config.memory_budget;
        let taken = self.memory.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|sum| *sum <= budget)
        });
        taken.is_ok().then(|| Reserved { host: Arc::clone(self), bytes })
    }

    /// Runs a service on a connection that ends with the host.
    pub(crate) fn serve(
        self: &Arc<Self>,
        stream: TcpStream,
        service: fn(&Arc<Self>, &TcpStream) -> io::Result<()>,
    ) {
        let (host, number) = (Arc::clone(self), self.next());
        if let Ok(clone) = stream.try_clone() {
            lock(&self.connections).insert(number, clone);
        }
        std::thread::spawn(move || {
            let _ = stream.set_nodelay(true);
            let _ = service(&host, &stream);
            let _ = stream.shutdown(Shutdown::Both);
            lock(&host.connections).remove(&number);
        });
    }

    /// Ends every connection and waits for their threads, for a moment.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        let patience = Instant::now() + Duration::from_secs(2);
        loop {
            let connections = lock(&self.connections);
            if connections.is_empty() || Instant::now() > patience {
                return;
            }
            for stream in connections.values() {
                let _ = stream.shutdown(Shutdown::Both);
            }
            drop(connections);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Cuts every connection of now.
    pub(crate) fn cut_all(&self) {
        for stream in lock(&self.connections).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
