//! The life of the library: started and ended by count, with one configuration.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use super::config::{Config, Remark};
use super::{connection, open_disk, queue};
use crate::error::{Error, Kind, Result};
use crate::transport;

/// The generation of the interface that is served; tools read it from the first line of the log.
pub const INTERFACE_VERSION: &str = "8.0.3";

/// Versions of the interface that clients may ask for.
const MAJOR_VERSIONS: std::ops::RangeInclusive<u32> = 1..=9;

/// What the library is doing.
enum State {
    /// Nothing: it has not been started, or has ended.
    Ended,
    /// It has been started so often.
    Running { starts: u32, config: Arc<Config> },
    /// This thread is ending it.
    Ending(ThreadId),
}

static STATE: Mutex<State> = Mutex::new(State::Ended);
static ENDED: Condvar = Condvar::new();

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state once nobody is ending the library any more.
fn settled_state() -> Result<MutexGuard<'static, State>> {
    let mut state = state();
    while let State::Ending(thread) = &*state {
        if *thread == std::thread::current().id() {
            let text = "VixDiskLib_Exit is under way on this very thread";
            return Err(Error::new(Kind::Busy, text));
        }
        state = ENDED.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    Ok(state)
}

/// Starts the library, or counts one more start. `begin` runs once, before the first message, when this is the
/// first start.
///
/// # Errors
/// `InvalidArgument` for a version that is not served, those of the configuration file. Nothing is counted then.
pub fn init(
    major: u32,
    minor: u32,
    lib_dir: Option<&Path>,
    config_file: Option<&Path>,
    begin: impl FnOnce(),
) -> Result<()> {
    if !MAJOR_VERSIONS.contains(&major) {
        let text = format!("interface version {major}.{minor} is not one of 1.0 to 9.x");
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    let config = config_file.map(Config::load).transpose()?.unwrap_or_default();
    let (level, remarks) = (config.log_level(), config.remarks());
    let first = {
        let mut state = settled_state()?;
        if let State::Running { starts, .. } = &mut *state {
            *starts += 1;
            false
        } else {
            *state = State::Running { starts: 1, config: Arc::new(config) };
            true
        }
    };
    if first {
        begin();
        log::set_max_level(level);
        announce(major, minor, lib_dir, config_file);
        remarks.iter().for_each(tell);
    }
    Ok(())
}

/// The first lines of the log. Tools look for the first one as it stands, with the digits of a build number.
fn announce(major: u32, minor: u32, lib_dir: Option<&Path>, config_file: Option<&Path>) {
    log::info!("VMware VixDiskLib ({INTERFACE_VERSION}) Release build-{}", build_number());
    log::info!(
        "Vixen {}, an independent implementation, asked for version {major}.{minor}",
        env!("CARGO_PKG_VERSION")
    );
    let shown = |path: Option<&Path>| path.map_or("none".into(), |path| path.display().to_string());
    log::debug!(
        "libDir {} (nothing is loaded from it), configuration file {}",
        shown(lib_dir),
        shown(config_file)
    );
}

/// Tells what a line of the configuration file does.
fn tell(remark: &Remark) {
    match remark {
        Remark::InForce(line) => log::info!("configuration: {line}"),
        Remark::NoEffect(line) => log::debug!("configuration: {line}; no effect in this library"),
        Remark::Malformed(line) => {
            log::info!("configuration: {line}: no valid value, the default is in force")
        }
        Remark::Unknown(name) => log::debug!("configuration: nothing here knows '{name}'"),
    }
}

/// A number that grows with our own version: 1002003 for 1.2.3.
fn build_number() -> u64 {
    let parts =
        [env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"), env!("CARGO_PKG_VERSION_PATCH")];
    parts.iter().fold(0, |sum, part| sum * 1000 + part.parse::<u64>().unwrap_or(0))
}

/// Takes one start back. The last one closes what was left open and ends every thread, then `end` runs. Without a
/// start, and from within a completion function, nothing happens.
pub fn exit(end: impl FnOnce()) {
    if queue::in_any_callback() {
        log::warn!("VixDiskLib_Exit from within a completion function is ignored: it would wait for itself");
        return;
    }
    {
        let mut state = state();
        match &mut *state {
            State::Ended | State::Ending(_) => return,
            State::Running { starts, .. } if *starts > 1 => {
                *starts -= 1;
                return;
            }
            // The library counts as ended from here on: what is opened by a call that has begun already is closed
            // by that call, and a new start waits.
            State::Running { .. } => *state = State::Ending(std::thread::current().id()),
        }
    }
    open_disk::close_all(|_| true);
    connection::forget_all();
    queue::stop();
    log::debug!("the library has ended");
    end();
    *state() = State::Ended;
    ENDED.notify_all();
}

/// The configuration in force.
///
/// # Errors
/// `NotInitialized` before the first start and after the last exit.
pub(super) fn config() -> Result<Arc<Config>> {
    match &*state() {
        State::Running { config, .. } => Ok(Arc::clone(config)),
        State::Ended | State::Ending(_) => Err(ended()),
    }
}

/// Whether the life that a configuration belongs to goes on.
pub(super) fn is_current(config: &Arc<Config>) -> bool {
    matches!(&*state(), State::Running { config: current, .. } if Arc::ptr_eq(current, config))
}

/// The answer of calls that need a library that runs.
pub(super) fn ended() -> Error {
    Error::new(Kind::NotInitialized, "VixDiskLib_InitEx has not been called, or VixDiskLib_Exit has")
}

/// The transport modes of this build, separated by colons.
pub fn transport_modes() -> String {
    transport::MODES.join(":")
}
