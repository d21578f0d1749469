//! `vixen meta`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::arguments::Source;
use crate::disk::Disk;
use crate::failure::{Code, Result};
use crate::output::{Form, printable};

/// Reads and writes the disk database, the keys 'ddb.*' of the descriptor
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Shows the value of a key
    Get {
        #[command(flatten)]
        source: Source,
        /// The key, without 'ddb.'
        key: String,
        #[command(flatten)]
        form: Form,
    },
    /// Sets the value of a key
    Set {
        /// The disk
        #[arg(value_name = "DISK")]
        path: PathBuf,
        /// The key, without 'ddb.'
        key: String,
        /// The value
        value: String,
    },
    /// Shows all keys with their values
    List {
        #[command(flatten)]
        source: Source,
        #[command(flatten)]
        form: Form,
    },
}

#[derive(Serialize)]
struct Entry {
    key: String,
    value: String,
}

fn entry(disk: &Disk, key: &[u8]) -> Result<Entry> {
    let value = disk.metadata(key)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Entry { key: text(key), value: text(&value) })
}

pub(crate) fn run(options: &Options) -> Result<Code> {
    match &options.action {
        Action::Get { source, key, form } => {
            let entry = entry(&Disk::of(source)?, key.as_bytes())?;
            form.say(&entry, |entry| printable(entry.value.as_bytes()) + "\n")?;
        }
        Action::Set { path, key, value } => {
            let disk = Disk::writable(path)?;
            disk.set_metadata(key.as_bytes(), value.as_bytes())?;
            disk.close()?;
        }
        Action::List { source, form } => {
            let disk = Disk::of(source)?;
            let keys = disk.metadata_keys()?;
            let entries = keys.iter().map(|key| entry(&disk, key)).collect::<Result<Vec<_>>>()?;
            form.say(&entries, |entries| {
                let line = |entry: &Entry| printable(format!("{} = {}", entry.key, entry.value).as_bytes());
                entries.iter().map(|entry| line(entry) + "\n").collect()
            })?;
        }
    }
    Ok(Code::Success)
}
