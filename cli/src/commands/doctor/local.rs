//! Stages that need no server.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use vixDiskLib::session::library;

use super::{Options, Stage, Verdict};
use crate::arguments::Common;
use crate::disk::{self, Disk};
use crate::failure::{Failure, Result};
use crate::image::{Content, SECTOR};
use crate::output::size;

/// Names by which clients load the library.
const NAMES: [&str; 5] = [
    "libvixDiskLib.so",
    "libvixDiskLib.so.6",
    "libvixDiskLib.so.7",
    "libvixDiskLib.so.8",
    "libvixDiskLib.so.9",
];

/// Open files that a chain of many split links takes.
const ENOUGH_FILES: u64 = 1024;

/// Sectors that are read to measure speed: 64 MiB.
const SPEED_SECTORS: u64 = 131_072;

pub(super) fn stages(options: &Options, common: &Common) -> Vec<Stage> {
    let version = format!("vixen {}, interface {}", env!("CARGO_PKG_VERSION"), library::INTERFACE_VERSION);
    let mut stages = vec![Stage::new("version", Verdict::Good, version)];
    let started = disk::start(common);
    stages.push(configuration(common, started.as_ref().err()));
    stages.push(Stage::new("transport", Verdict::Good, library::transport_modes()));
    stages.push(library_files(options));
    stages.push(open_files());
    stages.push(temporary());
    match &options.path {
        Some(path) if started.is_ok() && options.remote.server.is_none() => stages.extend(open_disk(path)),
        Some(_) | None => {}
    }
    stages
}

fn configuration(common: &Common, failure: Option<&Failure>) -> Stage {
    const NAME: &str = "configuration";
    match (failure, &common.config) {
        (Some(failure), _) => Stage::new(NAME, Verdict::Failed, failure.to_string())
            .advise("correct the file, or leave --config out"),
        (None, Some(path)) => Stage::new(NAME, Verdict::Good, path.display().to_string()),
        (None, None) => Stage::new(NAME, Verdict::Good, "none, the defaults are in force"),
    }
}

/// Folders in which clients look for the library.
fn folders(options: &Options) -> Vec<PathBuf> {
    if let Some(folder) = &options.library {
        return vec![folder.clone()];
    }
    let named = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let usual = ["/usr/local/lib", "/usr/lib", "/usr/lib64", "/usr/lib/vmware-vix-disklib/lib64"];
    std::env::split_paths(&named)
        .filter(|folder| !folder.as_os_str().is_empty())
        .chain(usual.map(PathBuf::from))
        .collect()
}

fn library_files(options: &Options) -> Stage {
    const NAME: &str = "library files";
    let found = folders(options).into_iter().find(|folder| folder.join(NAMES[0]).symlink_metadata().is_ok());
    let Some(folder) = found else {
        let text = "libvixDiskLib.so is in no folder that clients look into; this command does not need it";
        let verdict = if options.library.is_some() { Verdict::Failed } else { Verdict::Remark };
        return Stage::new(NAME, verdict, text).advise("make dist, and name its lib64 with --library");
    };
    let shown = folder.display();
    for name in NAMES {
        if let Err(why) = check_library(&folder.join(name)) {
            let text = format!("'{shown}/{name}': {why}");
            let advice = "install the library anew, with all its links: make install";
            return Stage::new(NAME, Verdict::Failed, text).advise(advice);
        }
    }
    Stage::new(NAME, Verdict::Good, format!("{shown}: the library, and links for all generations"))
}

/// The file must be there, readable and a library for this machine.
fn check_library(path: &Path) -> std::result::Result<(), String> {
    let mut head = [0; 20];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.map_err(|error| error.to_string())?;
    let machine = u16::from_le_bytes([head[18], head[19]]);
    let wanted = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
    if !head.starts_with(b"\x7fELF") {
        return Err("it is no shared library".into());
    }
    if machine == wanted { Ok(()) } else { Err(format!("it is for another machine (ELF {machine})")) }
}

fn open_files() -> Stage {
    const NAME: &str = "open files";
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    match line.and_then(|line| line.split_whitespace().next()) {
        Some("unlimited") => Stage::new(NAME, Verdict::Good, "no limit"),
        Some(limit) => match limit.parse::<u64>() {
            Ok(number) if number >= ENOUGH_FILES => {
                Stage::new(NAME, Verdict::Good, format!("limit {number}"))
            }
            _ => Stage::new(
                NAME,
                Verdict::Remark,
                format!("limit {limit}: long chains of split disks need more"),
            )
            .advise(format!("ulimit -n {ENOUGH_FILES}")),
        },
        None => Stage::skipped(NAME, "/proc/self/limits cannot be read"),
    }
}

fn temporary() -> Stage {
    const NAME: &str = "temporary";
    let folder = std::env::temp_dir();
    let probe = folder.join(format!("vixen-doctor-{}", std::process::id()));
    let written = File::options().write(true).create_new(true).open(&probe);
    drop(fs::remove_file(&probe));
    match written {
        Ok(_) => Stage::new(NAME, Verdict::Good, format!("'{}' can be written to", folder.display())),
        Err(error) => Stage::new(NAME, Verdict::Failed, format!("'{}': {error}", folder.display()))
            .advise("set TMPDIR to a folder that can be written to"),
    }
}

fn open_disk(path: &Path) -> Vec<Stage> {
    let opened = match Disk::local(path) {
        Ok(disk) => disk,
        Err(failure) => {
            let stage = Stage::new("open", Verdict::Failed, failure.to_string());
            return vec![stage.advise("'vixen check' and 'vixen chain --single-link' tell more")];
        }
    };
    let links = opened.links().map_or(0, |links| links.len());
    let text = format!("{} with {links} link(s)", size(opened.sectors().saturating_mul(SECTOR)));
    vec![Stage::new("open", Verdict::Good, text), speed(&opened)]
}

/// Reads the first part of a disk.
pub(super) fn speed(disk: &Disk) -> Stage {
    const NAME: &str = "first read";
    let sectors = disk.sectors().min(SPEED_SECTORS);
    let mut buffer = vec![0; (2048 * SECTOR) as usize];
    let began = Instant::now();
    let mut read = || -> Result<()> {
        let mut sector = 0;
        while sector < sectors {
            let part = (sectors - sector).min(2048);
            Content::read(disk, sector, buffer.get_mut(..(part * SECTOR) as usize).unwrap_or_default())?;
            sector += part;
        }
        Ok(())
    };
    match read() {
        Ok(()) => {
            let speed = (sectors * SECTOR) as f64 / began.elapsed().as_secs_f64().max(1e-6);
            let text = format!("{} at {}/s", size(sectors * SECTOR), size(speed as u64));
            Stage::new(NAME, Verdict::Good, text)
        }
        Err(failure) => Stage::new(NAME, Verdict::Failed, failure.to_string())
            .advise("'vixen check' tells whether the disk is damaged"),
    }
}
