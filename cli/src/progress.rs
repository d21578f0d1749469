//! Bars on standard error for what takes more than a second; silent when that is no terminal.

use std::io::{self, IsTerminal};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What takes less time has no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// Refreshes a second.
const RATE: u8 = 10;

/// A bar that appears when it is needed.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    began: Instant,
    /// It may be shown, and is not yet.
    waiting: bool,
}

impl Progress {
    /// A bar for `bytes` bytes.
    pub(crate) fn of_bytes(what: &str, bytes: u64, quiet: bool) -> Self {
        Self::new(
            what,
            bytes,
            "{msg:12} [{bar:24}] {percent:>3} % {bytes:>11} {bytes_per_sec:>13} {eta:>4}",
            quiet,
        )
    }

    /// A bar for work that is told in per cent.
    pub(crate) fn of_percent(what: &str, quiet: bool) -> Self {
        Self::new(what, 100, "{msg:12} [{bar:40}] {percent:>3} % {elapsed:>5} {eta:>5}", quiet)
    }

    /// A sign of life for work whose end nobody can tell; it shows itself.
    pub(crate) fn of_time(what: &str, quiet: bool) -> Self {
        let progress = Self::new(what, 0, "{msg:12} {spinner} {elapsed:>5}", quiet);
        if progress.waiting {
            // It ends when the bar has.
            let bar = progress.bar.downgrade();
            thread::spawn(move || {
                thread::sleep(PATIENCE);
                if let Some(bar) = bar.upgrade() {
                    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(RATE));
                    bar.enable_steady_tick(Duration::from_millis(100));
                }
            });
        }
        progress
    }

    fn new(what: &str, length: u64, template: &str, quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what.to_owned());
        Self { bar, began: Instant::now(), waiting: !quiet && io::stderr().is_terminal() }
    }

    /// So much more is done.
    pub(crate) fn advance(&mut self, more: u64) {
        self.show();
        self.bar.inc(more);
    }

    /// So much is done in all.
    pub(crate) fn reach(&mut self, done: u64) {
        self.show();
        self.bar.set_position(done);
    }

    fn show(&mut self) {
        if self.waiting && self.began.elapsed() >= PATIENCE {
            self.waiting = false;
            self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(RATE));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
