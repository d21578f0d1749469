//! `vixen list`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::backup::{Repository, State};
use crate::failure::{Code, Result};
use crate::output::{Form, Side, size, size_of_sectors, table};

/// Lists the points of a backup
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Folder of the backup
    #[arg(value_name = "REPOSITORY")]
    repository: PathBuf,
    /// The form of the answer.
    #[command(flatten)]
    form: Form,
}

#[derive(Serialize)]
struct Point {
    number: u32,
    kind: &'static str,
    parent: Option<u32>,
    /// Seconds since 1970, UTC.
    created: Option<u64>,
    source: Option<String>,
    capacity_sectors: Option<u64>,
    data_sectors: Option<u64>,
    zero_sectors: Option<u64>,
    stored_bytes: u64,
    /// Why the point cannot be read.
    error: Option<String>,
}

pub(crate) fn run(options: &Options) -> Result<Code> {
    let repository = Repository::open(&options.repository)?;
    let mut points = Vec::new();
    let mut first_failure = None;
    for (number, state) in repository.points()? {
        let stored_bytes = repository.stored_bytes(number);
        let (kind, manifest, error) = match state {
            State::Whole(manifest) if manifest.parent.is_none() => ("full", Some(manifest), None),
            State::Whole(manifest) => ("increment", Some(manifest), None),
            State::Interrupted => ("interrupted", None, None),
            State::Unreadable(failure) => {
                let text = failure.to_string();
                first_failure.get_or_insert(failure);
                ("unreadable", None, Some(text))
            }
        };
        points.push(Point {
            number,
            kind,
            parent: manifest.as_ref().and_then(|manifest| manifest.parent),
            created: manifest.as_ref().map(|manifest| manifest.created),
            capacity_sectors: manifest.as_ref().map(|manifest| manifest.capacity_sectors),
            data_sectors: manifest.as_ref().map(|manifest| manifest.sectors_of(true)),
            zero_sectors: manifest.as_ref().map(|manifest| manifest.sectors_of(false)),
            source: manifest.map(|manifest| manifest.source),
            stored_bytes,
            error,
        });
    }
    options.form.say(&points, |points| text(points))?;
    first_failure.map_or(Ok(Code::Success), Err)
}

fn text(points: &[Point]) -> String {
    let head = [
        ("point", Side::Right),
        ("kind", Side::Left),
        ("made (UTC)", Side::Left),
        ("capacity", Side::Right),
        ("data", Side::Right),
        ("zeros", Side::Right),
        ("stored", Side::Left),
    ];
    let sectors = |value: Option<u64>| value.map_or_else(|| "-".into(), size_of_sectors);
    let rows: Vec<Vec<String>> = points
        .iter()
        .map(|point| {
            vec![
                point.number.to_string(),
                point.kind.to_owned(),
                point.created.map_or_else(|| "-".into(), date),
                sectors(point.capacity_sectors),
                sectors(point.data_sectors),
                sectors(point.zero_sectors),
                size(point.stored_bytes),
            ]
        })
        .collect();
    table(&head, &rows)
}

/// A time in seconds since 1970 as a date and a time of the day, UTC.
fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Counted in years that begin in March, so that the day of a leap year is the last one.
    let day = days.saturating_add(719_468);
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let month_day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{month_day:02} {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00:00");
        assert_eq!(date(951_782_399), "2000-02-28 23:59:59");
        assert_eq!(date(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(date(1_709_251_199), "2024-02-29 23:59:59");
        assert_eq!(date(4_102_444_800), "2100-01-01 00:00:00");
    }
}
