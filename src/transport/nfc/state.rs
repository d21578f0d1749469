//! What is known of the requests of one disk.

use std::collections::{HashMap, VecDeque};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::budget::Lease;
use super::config::Config;
use super::covered::Covered;
use super::inlet::Packed;
use super::job::Piece;
use super::window::Window;
use crate::error::{Error, Kind};

/// Errors whose answers may still come are remembered up to so many.
const MAX_FAILED: usize = 256;

/// A piece that has been sent.
pub(super) struct Flying {
    pub(super) piece: Piece,
    pub(super) covered: Covered,
    /// Compressed fragments.
    pub(super) packed: Vec<Packed>,
    /// When it was sent, and when something was last heard of it.
    pub(super) sent: Instant,
    pub(super) heard: Instant,
    /// It was the request of this number, and so many had been answered when it was sent.
    pub(super) number: u64,
    answered: u64,
    /// It is still being sent: its data must stay.
    pub(super) sending: bool,
    /// What the host said meanwhile.
    pub(super) said: Option<Said>,
    _lease: Option<Lease>,
}

/// What a host says of a write.
pub(super) enum Said {
    Done,
    Refused(u64, String),
}

/// All of them.
pub(super) struct State {
    pub(super) waiting: VecDeque<Piece>,
    pub(super) flying: HashMap<u32, Flying>,
    /// Requests that the host reported an error for; their answers may still come.
    failed: VecDeque<u32>,
    /// Pieces that have not ended, wherever they are.
    pub(super) pieces: usize,
    pub(super) window: Window,
    /// Requests that were sent, and that were answered.
    pub(super) sent: u64,
    pub(super) answered: u64,
    /// Nothing is sent before.
    pub(super) pause: Option<Instant>,
    /// Somebody has taken it upon themselves to receive.
    pub(super) receiving: bool,
    /// For shutting the connection down.
    pub(super) socket: Option<TcpStream>,
    /// Why the connection can no longer be used.
    pub(super) broken: Option<Error>,
    pub(super) closing: bool,
    /// Nothing is received any more.
    pub(super) ended: bool,
    /// Why nothing will be done any more.
    pub(super) dead: Option<(Kind, String)>,
}

impl State {
    pub(super) fn new(depth: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            flying: HashMap::new(),
            failed: VecDeque::new(),
            pieces: 0,
            window: Window::new(depth),
            sent: 0,
            answered: 0,
            pause: None,
            receiving: false,
            socket: None,
            broken: None,
            closing: false,
            ended: false,
            dead: None,
        }
    }

    /// A piece is in flight from here on.
    pub(super) fn launch(&mut self, operation: u32, piece: Piece, sending: bool, lease: Option<Lease>) {
        let now = Instant::now();
        let flying = Flying {
            piece,
            covered: Covered::default(),
            packed: Vec::new(),
            sent: now,
            heard: now,
            number: self.sent,
            answered: self.answered,
            sending,
            said: None,
            _lease: lease,
        };
        self.sent += 1;
        self.flying.insert(operation, flying);
    }

    /// A request has failed, whose answer may still come.
    pub(super) fn note_failure(&mut self, operation: u32) {
        self.failed.push_back(operation);
        if self.failed.len() > MAX_FAILED {
            self.failed.pop_front();
        }
    }

    /// Forgets what was told about the last connection.
    pub(super) fn renew(&mut self, socket: TcpStream) {
        self.failed.clear();
        self.broken = None;
        self.socket = Some(socket);
    }

    /// How long to wait until a piece may be sent; `None` when none may, whatever the time.
    pub(super) fn ready(&self) -> Option<Duration> {
        if self.broken.is_some() || self.waiting.is_empty() || self.flying.len() >= self.window.size() {
            return None;
        }
        Some(self.pause.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now())))
    }

    /// Whether an answer to a request may come that was told to have failed.
    pub(super) fn has_failed(&self, operation: u32) -> bool {
        self.failed.contains(&operation)
    }

    /// What is awaited, and for too long: silence while one is awaited, one that takes longer than any may, or that
    /// stays away while others that were sent after it are answered again and again.
    pub(super) fn overdue(&self, config: &Config, heard: Instant) -> Option<String> {
        let many = 4 * config.depth.max(16) as u64;
        self.flying.values().find_map(|flying| {
            let limits = config.limits_of(&flying.piece.work);
            let silence = heard.max(flying.sent).elapsed();
            let overtaken = self.answered - flying.answered > many && flying.heard.elapsed() > limits.silence;
            let late = limits.whole.is_some_and(|limit| flying.sent.elapsed() > limit);
            let what = flying.piece.work.name();
            if silence > limits.silence || overtaken {
                Some(format!("a {what} got no answer within {} ms", limits.silence.as_millis()))
            } else {
                late.then(|| format!("a {what} took longer than {} ms", flying.sent.elapsed().as_millis()))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Limits;
    use super::super::job::{Job, Work};
    use super::*;
    use crate::io::loan::{Loan, Shared};

    const LIMIT: Duration = Duration::from_secs(5);

    fn ago(limits: f64) -> Instant {
        Instant::now().checked_sub(LIMIT.mul_f64(limits)).expect("a machine that has run for a minute")
    }

    /// A request that was sent so many limits ago, of which something was heard later.
    fn state(work: Work, sent: f64, heard: f64) -> State {
        let mut state = State::new(16);
        state.launch(0, Piece::new(work, &Job::new(1, Box::new(|_| ()), None)), false, None);
        if let Some(flying) = state.flying.get_mut(&0) {
            (flying.sent, flying.heard) = (ago(sent), ago(heard));
        }
        state
    }

    fn read() -> Work {
        Work::Read { offset: 0, into: Loan::of(vec![0; 512]) }
    }

    fn config() -> Config {
        let day = Duration::from_secs(24 * 3600);
        let read_limits = Limits { silence: LIMIT, whole: None };
        Config { read_limits, write_limits: Limits { silence: day, whole: None }, ..Config::default() }
    }

    #[test]
    fn silence_is_too_long_for_what_is_awaited_only() {
        let config = config();
        assert!(State::new(16).overdue(&config, ago(9.0)).is_none(), "nothing is awaited");
        assert!(state(read(), 2.0, 2.0).overdue(&config, ago(1.5)).is_some());
        assert!(state(read(), 2.0, 2.0).overdue(&config, ago(0.5)).is_none(), "others were answered");
        assert!(
            state(read(), 0.5, 0.5).overdue(&config, ago(9.0)).is_none(),
            "it was sent into silence just now"
        );
        let write = Work::Write { offset: 0, data: Shared::of(vec![0; 512]) };
        assert!(
            state(write, 2.0, 2.0).overdue(&config, ago(1.5)).is_none(),
            "writes have a limit of their own"
        );
    }

    #[test]
    fn one_that_stays_away_while_others_are_answered_is_overdue() {
        let overtaken = |answered, heard| {
            let mut state = state(read(), 9.0, heard);
            state.answered = answered;
            state.overdue(&config(), Instant::now()).is_some()
        };
        assert!(overtaken(65, 2.0));
        assert!(!overtaken(64, 2.0), "a host may answer those that wait in any order");
        assert!(!overtaken(1000, 0.5), "a part of it came not long ago");
    }

    #[test]
    fn the_whole_of_a_request_has_a_limit_where_one_is_asked_for() {
        let read_limits = Limits { silence: LIMIT, whole: Some(LIMIT * 3) };
        let config = Config { read_limits, ..config() };
        assert!(state(read(), 4.0, 0.0).overdue(&config, Instant::now()).is_some());
        assert!(state(read(), 2.0, 0.0).overdue(&config, Instant::now()).is_none());
    }
}
