//! A session with a management server: logs in when first needed, and again when the server has forgotten it.
//!
//! Nothing goes over the network before the first call that needs it. While the session is logged in, a thread asks
//! the server for its time now and then, since a server forgets sessions without calls; it ends with the session.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::http::{Answer, Connection, Failure, Post};
use super::secret::Secret;
use super::soap::{self, Moref, Request, Returned};
use super::stream::Dial;
use crate::error::{Error, Kind, Result, ResultExt};

/// The version of the interface that is spoken: the oldest one that has every call, since a server knows those
/// before its own.
const ACTION: &str = "urn:vim25/6.7";

/// Where the interface is.
const PATH: &str = "/sdk";

/// The usual port.
pub const HTTPS_PORT: u16 = 443;

/// The name of the cookie that stands for a session.
const COOKIE: &str = "vmware_soap_session";

/// How to log in.
#[derive(Debug, Clone)]
pub enum Login {
    /// By name and password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// By a session that exists already, and is left alone in the end.
    Cookie {
        /// The value of the cookie, or the cookie.
        cookie: Secret,
        /// Name and password for when that session has ended.
        then: Option<(String, Secret)>,
    },
}

/// A server, and how to deal with it.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How to log in.
    pub login: Login,
    /// How long one call may take.
    pub call_limit: Duration,
    /// How long the session may be without a call before one is made to keep it.
    pub idle_limit: Duration,
}

/// What a server has, as it tells before anybody logs in.
#[derive(Debug, Clone)]
pub struct Content {
    /// Whether it is a vCenter; else it is a single host.
    pub is_vcenter: bool,
    /// Its name and version, for people.
    pub full_name: String,
    pub(super) property_collector: Moref,
    pub(super) session_manager: Moref,
    pub(super) search_index: Option<Moref>,
    pub(super) authorization_manager: Option<Moref>,
}

/// A session.
#[derive(Debug)]
pub struct Session {
    inner: Arc<Inner>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Inner {
    server: Server,
    dial: Arc<dyn Dial>,
    /// Held during each call: they follow one another.
    state: Mutex<State>,
    /// Whether the keeper has to end.
    ending: Mutex<bool>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Connection>,
    content: Option<Content>,
    /// The cookie of the session that is logged in.
    cookie: Option<Secret>,
    /// The session was made here, so it is ended here.
    own: bool,
    /// When the last call ended.
    used: Option<Instant>,
    nfc_service: Option<Moref>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// A session that is still to begin.
    pub fn new(server: Server, dial: Arc<dyn Dial>) -> Self {
        let inner =
            Inner { server, dial, state: Mutex::default(), ending: Mutex::new(false), ended: Condvar::new() };
        Self { inner: Arc::new(inner), keeper: Mutex::default() }
    }

    /// The server's name or address.
    pub fn host(&self) -> &str {
        &self.inner.server.host
    }

    /// Logs in unless that has been done, and tells what the server has.
    ///
    /// # Errors
    /// Those of [`Dial::dial`]; `NoPermission`, `NotLoggedIn`, `ServerFault`, `ConnectionLost`.
    pub fn content(&self) -> Result<Content> {
        let content = self.inner.logged_in(&mut locked(&self.inner.state))?;
        self.keep();
        Ok(content)
    }

    /// What the server has, without logging in.
    ///
    /// # Errors
    /// Those of [`Dial::dial`]; `ServerFault`, `HostUnavailable`, `ConnectionLost`.
    pub fn about(&self) -> Result<Content> {
        self.inner.content(&mut locked(&self.inner.state))
    }

    /// Calls a method. `request` is made anew when the session has to begin anew; `what` says what it is for.
    ///
    /// # Errors
    /// As for [`Session::content`], that of the fault, those of `read`.
    pub(super) fn call<R>(
        &self,
        what: &str,
        request: impl Fn(&Content) -> Result<Request>,
        read: impl Fn(Returned<'_, '_>) -> Result<R>,
    ) -> Result<R> {
        let result = self.inner.call(&mut locked(&self.inner.state), request, read);
        self.keep();
        result.context(|| format!("{what} at {}", self.inner.place()))
    }

    /// The service that gives tickets for disks.
    ///
    /// # Errors
    /// As for [`Session::call`]; `NotSupported` when there is none.
    pub(super) fn nfc_service(&self) -> Result<Moref> {
        if let Some(known) = &locked(&self.inner.state).nfc_service {
            return Ok(known.clone());
        }
        let instance = Moref::new("ServiceInstance", "ServiceInstance");
        let request = |_: &Content| Ok(Request::new("RetrieveInternalContent", &instance));
        let read = |returned: Returned<'_, '_>| Ok(soap::reference(returned.value()?, "nfcService"));
        let found = self.call("looking for the disk service", request, read)?.ok_or_else(|| {
            let text = format!("{} has no service that gives tickets for disks", self.inner.place());
            Error::new(Kind::NotSupported, text)
        })?;
        locked(&self.inner.state).nfc_service = Some(found.clone());
        Ok(found)
    }

    /// Logs out when this session was made here. What goes wrong is of no consequence: the server forgets sessions.
    pub fn end(&self) {
        *locked(&self.inner.ending) = true;
        self.inner.ended.notify_all();
        let keeper = locked(&self.keeper).take();
        if let Some(keeper) = keeper {
            drop(keeper.join());
        }
        let mut state = locked(&self.inner.state);
        if let Err(error) = self.inner.log_out(&mut state) {
            log::debug!("logging out: {error}");
        }
        *state = State::default();
    }

    /// Starts the thread that keeps the session, once it has begun. Without a thread the session ends when idle,
    /// and begins anew with the next call.
    fn keep(&self) {
        let mut keeper = locked(&self.keeper);
        if keeper.is_some() || *locked(&self.inner.ending) || locked(&self.inner.state).cookie.is_none() {
            return;
        }
        let inner = Arc::clone(&self.inner);
        let thread = std::thread::Builder::new().name("vixen-session".to_owned());
        *keeper = thread.spawn(move || inner.keep_until_ended()).ok();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

impl Inner {
    fn place(&self) -> String {
        format!("server '{}' port {}", self.server.host, self.server.port)
    }

    /// What the keeper does.
    fn keep_until_ended(&self) {
        let mut ending = locked(&self.ending);
        let mut wait = self.server.idle_limit;
        while !*ending {
            let (guard, _) = self.ended.wait_timeout(ending, wait).unwrap_or_else(PoisonError::into_inner);
            ending = guard;
            if *ending {
                return;
            }
            drop(ending);
            wait = self.keep_alive();
            ending = locked(&self.ending);
        }
    }

    /// Makes a call when there was none for long; tells when to look again.
    fn keep_alive(&self) -> Duration {
        let limit = self.server.idle_limit;
        let mut state = locked(&self.state);
        let idle = state.used.map_or(limit, |used| used.elapsed());
        if idle < limit {
            return limit - idle;
        }
        let instance = Moref::new("ServiceInstance", "ServiceInstance");
        let request = |_: &Content| Ok(Request::new("CurrentTime", &instance));
        if let Err(error) = self.call(&mut state, request, |_| Ok(())) {
            log::debug!("keeping the session at {}: {error}", self.place());
        }
        limit
    }

    fn call<R>(
        &self,
        state: &mut State,
        request: impl Fn(&Content) -> Result<Request>,
        read: impl Fn(Returned<'_, '_>) -> Result<R>,
    ) -> Result<R> {
        let began_before = state.cookie.is_some();
        let content = self.logged_in(state)?;
        match self.exchange(state, request(&content)?, &read) {
            Err(error) if error.kind() == Kind::NotLoggedIn && began_before => {
                log::info!("{} has forgotten the session; logging in again", self.place());
                state.cookie = None;
                let content = self.logged_in(state)?;
                self.exchange(state, request(&content)?, &read)
            }
            result => result,
        }
    }

    /// Logs in unless that has been done.
    fn logged_in(&self, state: &mut State) -> Result<Content> {
        let content = self.content(state)?;
        if state.cookie.is_none() {
            self.log_in(state, &content).context(|| format!("logging in to {}", self.place()))?;
        }
        Ok(content)
    }

    /// What the server has, asked once.
    fn content(&self, state: &mut State) -> Result<Content> {
        if let Some(known) = &state.content {
            return Ok(known.clone());
        }
        let content = self.retrieve_content(state).context(|| format!("talking to {}", self.place()))?;
        log::info!("{} is {}", self.place(), content.full_name);
        Ok(state.content.insert(content).clone())
    }

    fn retrieve_content(&self, state: &mut State) -> Result<Content> {
        let instance = Moref::new("ServiceInstance", "ServiceInstance");
        self.exchange(state, Request::new("RetrieveServiceContent", &instance), |returned| {
            let value = returned.value()?;
            let about = soap::child(value, "about").ok_or_else(|| soap::senseless("it has no 'about'"))?;
            let wanted = |name| {
                soap::reference(value, name).ok_or_else(|| soap::senseless(&format!("it has no '{name}'")))
            };
            Ok(Content {
                is_vcenter: soap::text(about, "apiType") == Some("VirtualCenter"),
                full_name: soap::printable(
                    soap::text(about, "fullName").unwrap_or("a server without a name"),
                ),
                property_collector: wanted("propertyCollector")?,
                session_manager: wanted("sessionManager")?,
                search_index: soap::reference(value, "searchIndex"),
                authorization_manager: soap::reference(value, "authorizationManager"),
            })
        })
    }

    fn log_in(&self, state: &mut State, content: &Content) -> Result<()> {
        match &self.server.login {
            Login::Password { user, password } => self.log_in_by_password(state, content, user, password),
            Login::Cookie { cookie, then } => match then {
                _ if self.join(state, content, cookie)? => Ok(()),
                Some((user, key)) => self.log_in_by_password(state, content, user, key),
                None => {
                    Err(Error::new(Kind::NotLoggedIn, "the server does not know the session of the cookie"))
                }
            },
        }
    }

    fn log_in_by_password(
        &self,
        state: &mut State,
        content: &Content,
        user: &str,
        password: &Secret,
    ) -> Result<()> {
        let request = Request::new("Login", &content.session_manager)
            .text("userName", user)
            .bytes("password", password.bytes());
        self.exchange(state, request, |_| Ok(())).context(|| format!("user '{}'", soap::printable(user)))?;
        if state.cookie.is_none() {
            return Err(soap::senseless("it has no cookie for the session"));
        }
        state.own = true;
        log::info!("logged in to {} as '{}'", self.place(), soap::printable(user));
        Ok(())
    }

    /// Uses a session that exists; false when the server does not know it.
    fn join(&self, state: &mut State, content: &Content, cookie: &Secret) -> Result<bool> {
        state.cookie = Some(whole_cookie(cookie)?);
        state.own = false;
        let request = super::properties::request(content, &content.session_manager, &["currentSession"]);
        let known = self.exchange(state, request, |returned| {
            let session = super::properties::objects(returned).next();
            Ok(session.is_some_and(|object| object.value("currentSession").is_some()))
        });
        let known = match known {
            Err(error) if matches!(error.kind(), Kind::NotLoggedIn | Kind::NoPermission) => Ok(false),
            other => other,
        };
        match known {
            Ok(true) => log::info!("using a session that exists at {}", self.place()),
            _ => state.cookie = None,
        }
        known
    }

    fn log_out(&self, state: &mut State) -> Result<()> {
        let (Some(content), true) = (state.content.clone(), state.own && state.cookie.is_some()) else {
            return Ok(());
        };
        self.exchange(state, Request::new("Logout", &content.session_manager), |_| Ok(()))?;
        log::info!("logged out from {}", self.place());
        Ok(())
    }

    /// One request and its answer, over the connection that is there or a new one.
    fn exchange<R>(
        &self,
        state: &mut State,
        request: Request,
        read: impl FnOnce(Returned<'_, '_>) -> Result<R>,
    ) -> Result<R> {
        let method = request.method();
        let body = request.finish()?;
        let answer = self.post(state, body.as_bytes())?;
        state.used = Some(Instant::now());
        if method == "Login" && answer.status == 200 {
            state.cookie = answer.cookie;
        }
        // A fault comes with 500; what else is no 200 has no SOAP in it.
        match answer.status {
            200 | 500 => soap::read(&answer.body, method, read),
            401 | 403 => {
                Err(Error::new(Kind::NoPermission, format!("the server answered HTTP {}", answer.status)))
            }
            502..=504 => {
                let text = format!("the server is not ready, or is being maintained: HTTP {}", answer.status);
                Err(Error::new(Kind::HostUnavailable, text))
            }
            status => {
                Err(Error::new(Kind::ServerFault, format!("the server answered HTTP {status} to '{PATH}'")))
            }
        }
    }

    fn post(&self, state: &mut State, body: &[u8]) -> Result<Answer> {
        let authority = authority(&self.server.host, self.server.port);
        let post = |connection: &mut Connection, cookie: Option<&Secret>| {
            let post = Post { authority: &authority, path: PATH, action: ACTION, cookie, body };
            connection.exchange(&post, self.server.call_limit)
        };
        if let Some(mut connection) = state.connection.take().filter(Connection::is_usable) {
            match post(&mut connection, state.cookie.as_ref()) {
                Ok(answer) => {
                    state.connection = Some(connection);
                    return Ok(answer);
                }
                Err(Failure::Stale(error)) => log::debug!("{}: {error}; connecting again", self.place()),
                Err(Failure::Other(error)) => return Err(error),
            }
        }
        let mut connection = Connection::new(self.dial.dial(&self.server.host, self.server.port)?);
        match post(&mut connection, state.cookie.as_ref()) {
            Ok(answer) => {
                state.connection = Some(connection);
                Ok(answer)
            }
            Err(Failure::Stale(error) | Failure::Other(error)) => Err(error),
        }
    }
}

/// Whether a cookie is that of a session, by its name. No copy of it is made.
pub(super) fn is_cookie(cookie: &[u8]) -> bool {
    cookie.get(..COOKIE.len()).is_some_and(|name| name.eq_ignore_ascii_case(COOKIE.as_bytes()))
}

/// The cookie from its value, or from the whole as a server sends it.
fn whole_cookie(given: &Secret) -> Result<Secret> {
    let given = given.bytes().trim_ascii();
    if given.is_empty() || given.iter().any(|byte| !(b' '..=b'~').contains(byte) || *byte == b';') {
        return Err(Error::new(Kind::InvalidArgument, "the cookie is empty, or more than a cookie"));
    }
    let mut whole = zeroize::Zeroizing::new(Vec::with_capacity(given.len() + COOKIE.len() + 3));
    if !is_cookie(given) {
        whole.extend_from_slice(COOKIE.as_bytes());
        whole.push(b'=');
        if !given.starts_with(b"\"") {
            whole.push(b'"');
            whole.extend_from_slice(given);
            whole.push(b'"');
            return Ok(Secret::new(&whole));
        }
    }
    whole.extend_from_slice(given);
    Ok(Secret::new(&whole))
}

/// The Host line: brackets around an address of IPv6, the port unless it is the usual one.
fn authority(host: &str, port: u16) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    if port == HTTPS_PORT { host } else { format!("{host}:{port}") }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
