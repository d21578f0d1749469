//! What the program says on standard output: text for people, or JSON for programs.

use std::io::{self, IsTerminal, Write};

use clap::Args;
use serde::Serialize;
use vixDiskLib::error::harmless;

use crate::failure::{Code, Failure, Result};

/// Columns that every line for people fits into.
pub(crate) const COLUMNS: usize = 80;

/// The form of an answer.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Form {
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Form {
    /// Says `answer` as JSON, or else what `text` makes of it.
    pub(crate) fn say<T: Serialize>(self, answer: &T, text: impl FnOnce(&T) -> String) -> Result<()> {
        if !self.json {
            return say(&text(answer));
        }
        let json = serde_json::to_string_pretty(answer)
            .map_err(|error| Failure::new(Code::Internal, format!("writing the answer as JSON: {error}")))?;
        say(&(json + "\n"))
    }
}

/// Writes to standard output. A reader that has gone, as `head` does, ends the program in silence.
pub(crate) fn say(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::new(Code::Storage, format!("writing to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// A remark for people, on standard error.
pub(crate) fn remark(text: &str) {
    // Nobody is left to tell when this fails.
    let _ = writeln!(io::stderr().lock(), "vixen: {}", printable(text.as_bytes()));
}

/// Text from a file or a name, with nothing in it that a terminal acts on.
pub(crate) fn printable(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().map(harmless).collect()
}

/// A number of bytes for people: at most three digits before the unit.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("EiB");
    let number = format!("{value:.1}");
    format!("{} {name}", number.strip_suffix(".0").unwrap_or(&number))
}

/// As [`size`], of sectors.
pub(crate) fn size_of_sectors(sectors: u64) -> String {
    size(sectors.saturating_mul(512))
}

/// A part of a whole in per cent, for people.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".into() } else { format!("{:.1} %", part as f64 * 100.0 / whole as f64) }
}

/// Lines of a name and a value, below each other; a long value goes on below itself.
pub(crate) fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let below = format!("\n{:1$}", "", width + 2);
    let value = |value: &str| wrapped(value, COLUMNS - width - 2).join(&below);
    pairs.iter().map(|(name, text)| format!("{name:width$}  {}\n", value(text))).collect()
}

/// Which side of its column a cell stands on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Rows below a head; the last column has what space is left of [`COLUMNS`] and goes on below itself.
pub(crate) fn table(head: &[(&str, Side)], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        let name = head.get(column).map_or(0, |(name, _)| name.len());
        cells.chain([name]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let last = head.len().saturating_sub(1);
    let before: usize = widths.iter().take(last).map(|width| width + 2).sum();
    let room = COLUMNS.saturating_sub(before).max(20);
    let names: Vec<String> = head.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut text = String::new();
    for row in std::iter::once(&names).chain(rows) {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate().take(last) {
            let width = widths.get(column).copied().unwrap_or(0);
            match head.get(column) {
                Some((_, Side::Right)) => line += &format!("{cell:>width$}  "),
                _ => line += &format!("{cell:width$}  "),
            }
        }
        let pieces = wrapped(row.get(last).map_or("", String::as_str), room);
        for (number, piece) in pieces.iter().enumerate() {
            let indent = " ".repeat(before);
            let start = if number == 0 { line.as_str() } else { indent.as_str() };
            text += format!("{start}{piece}").trim_end();
            text.push('\n');
        }
    }
    text
}

/// Text in lines of at most `width` characters, broken between words where there are any.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let used = lines.last().map_or(0, |line| line.chars().count());
            let gap = usize::from(used > 0);
            if used + gap + word.len() <= width {
                if let Some(line) = lines.last_mut() {
                    line.extend(std::iter::repeat_n(' ', gap).chain(word));
                }
                break;
            }
            if used == 0 {
                let rest = word.split_off(width.max(1).min(word.len()));
                if let Some(line) = lines.last_mut() {
                    line.extend(word);
                }
                word = rest;
            }
            lines.push(String::new());
        }
    }
    lines
}

/// Colours, for terminals of people who want them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(bool);

impl Paint {
    /// Colours when standard output is a terminal, NO_COLOR is not set and TERM is not "dumb".
    pub(crate) fn of_stdout() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self(io::stdout().is_terminal() && !set("NO_COLOR") && !dumb)
    }

    fn with(self, number: u8, text: &str) -> String {
        if self.0 { format!("\x1b[{number}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Something good.
    pub(crate) fn green(self, text: &str) -> String {
        self.with(32, text)
    }

    /// Something to look at.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.with(33, text)
    }

    /// Something bad.
    pub(crate) fn red(self, text: &str) -> String {
        self.with(31, text)
    }

    /// Data in pictures.
    pub(crate) fn blue(self, text: &str) -> String {
        self.with(34, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1 << 20), "1 MiB");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size((1 << 20) - 1), "1 MiB");
        assert_eq!(size(u64::MAX), "16 EiB");
    }

    #[test]
    fn what_a_terminal_would_act_on_is_not_printed() {
        assert_eq!(printable(b"a\x1b[31m\nb\x9b"), "a?[31m?b\u{fffd}");
        assert_eq!(printable("\u{9b}31m".as_bytes()), "?31m");
        assert_eq!(printable("a\u{202e}b".as_bytes()), "a?b");
    }

    #[test]
    fn no_line_of_a_table_is_longer_than_a_screen() {
        let rows = vec![
            vec!["1".to_owned(), "word ".repeat(60)],
            vec!["22".to_owned(), "/very/long/path".repeat(20)],
        ];
        let text = table(&[("no", Side::Right), ("what", Side::Left)], &rows);
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        // Nothing is lost where lines are broken.
        let whole = text.replace("\n    ", "");
        assert_eq!(whole.matches("/very/long/path").count(), 20, "{text}");
    }
}
