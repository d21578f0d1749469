//! The folder of a backup.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vixDiskLib::error::Kind;
use vixDiskLib::io::local::LocalFiles;
use vixDiskLib::io::{Access, Files, Lock, Storage};

use super::manifest::Manifest;
use crate::commands::hash::hex;
use crate::failure::{Code, Failure, Result};

/// The name of the file that makes a folder a repository, and its version.
const MARK: &str = "repository.json";
const VERSION: u32 = 1;

/// Longest manifest that is read, enough for a disk of 8 TiB.
const MAX_MANIFEST: u64 = 256 << 20;

/// Longest chain of points; the library opens 255 links.
const MAX_CHAIN: usize = 250;

#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    kind: String,
    version: u32,
}

/// How far a point is.
#[derive(Debug)]
pub(crate) enum State {
    /// It can be restored.
    Whole(Box<Manifest>),
    /// Its backup was interrupted.
    Interrupted,
    /// Its manifest cannot be read.
    Unreadable(Failure),
}

/// The folder of a backup.
#[derive(Debug)]
pub(crate) struct Repository {
    folder: PathBuf,
}

impl Repository {
    /// Opens one that is there.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let mark = folder.join(MARK);
        let bytes = match read_file(&mark) {
            Err(failure) if failure.code() == Code::Found => {
                let text = format!("'{}' is no repository of backups: it has no {MARK}", folder.display());
                return Err(Failure::new(Code::Found, text).advise("'vixen backup' makes one"));
            }
            read => read?,
        };
        let known: Mark = parse(&bytes, &mark)?;
        if known.version != VERSION {
            let text = format!("'{}' has version {}, not {VERSION}", mark.display(), known.version);
            return Err(Failure::new(Code::NotSupported, text));
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Opens one, or makes it in a folder that is empty or not there yet.
    pub(crate) fn make(folder: &Path) -> Result<Self> {
        if folder.join(MARK).exists() {
            return Self::open(folder);
        }
        let failed = |error| Failure::io(error, "making the repository", folder);
        // It will hold everything that the disks do, whoever may read those.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        // What writing the mark leaves behind when it is interrupted is no reason to refuse.
        let partial = format!("{MARK}.partial");
        let mut entries = fs::read_dir(folder).map_err(failed)?;
        if entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != *partial)) {
            let text = format!("'{}' is neither empty nor a repository of backups", folder.display());
            return Err(Failure::new(Code::Usage, text).advise("name a folder that is not there yet"));
        }
        let repository = Self { folder: folder.to_owned() };
        repository.write_json(MARK, &Mark { kind: "vixen backup".into(), version: VERSION })?;
        Ok(repository)
    }

    /// Keeps other backups out of the repository until what is returned goes, or the process ends.
    pub(crate) fn lock(&self) -> Result<Arc<dyn Storage>> {
        let mark = LocalFiles::default().open(&self.folder.join(MARK), Access::ReadWrite)?;
        match mark.lock(Lock::Exclusive) {
            Ok(()) => Ok(mark),
            Err(error) if error.kind() == Kind::Locked => {
                let text = format!("another backup into '{}' is running", self.folder.display());
                Err(Failure::new(Code::Denied, text).advise("wait until it has ended"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The disk of a point.
    pub(crate) fn disk(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{number:06}.vmdk"))
    }

    fn manifest_path(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{number:06}.json"))
    }

    /// All points, the oldest first.
    pub(crate) fn points(&self) -> Result<BTreeMap<u32, State>> {
        let failed = |error| Failure::io(error, "listing", &self.folder);
        let mut points = BTreeMap::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let name = Path::new(&name);
            let number = name.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            let known = name.extension().is_some_and(|extension| extension == "vmdk" || extension == "json");
            if let Some(number) = number.filter(|_| known) {
                points.insert(number, State::Interrupted);
            }
        }
        for (number, state) in &mut points {
            if self.manifest_path(*number).exists() {
                *state = match self.manifest(*number) {
                    Ok(manifest) => State::Whole(Box::new(manifest)),
                    Err(failure) => State::Unreadable(failure),
                };
            }
        }
        Ok(points)
    }

    /// The newest point that can be restored.
    pub(crate) fn newest(&self) -> Result<u32> {
        for (number, state) in self.points()?.into_iter().rev() {
            match state {
                State::Whole(_) => return Ok(number),
                State::Interrupted => {}
                // An older one without being asked for could be taken for this one.
                State::Unreadable(failure) => return Err(failure.advise("name an older point with --point")),
            }
        }
        let text = format!("'{}' has no point that can be restored", self.folder.display());
        Err(Failure::new(Code::Found, text).advise("'vixen list' shows what there is"))
    }

    /// The manifest of a point, checked.
    pub(crate) fn manifest(&self, number: u32) -> Result<Manifest> {
        let path = self.manifest_path(number);
        let bytes = read_file(&path).map_err(|failure| match failure.code() {
            Code::Found => {
                let text = format!("'{}' has no point {number}", self.folder.display());
                Failure::new(Code::Found, text).advise("'vixen list' shows what there is")
            }
            _ => failure,
        })?;
        let manifest: Manifest = parse(&bytes, &path)?;
        manifest.check(number)?;
        Ok(manifest)
    }

    /// SHA-256 of the manifest of a point.
    pub(crate) fn manifest_hash(&self, number: u32) -> Result<String> {
        Ok(hex(&Sha256::digest(read_file(&self.manifest_path(number))?)))
    }

    /// The manifests of a point and of those below it, the full backup last.
    pub(crate) fn chain(&self, number: u32) -> Result<Vec<Manifest>> {
        let mut chain: Vec<Manifest> = Vec::new();
        let mut next = Some(number);
        while let Some(number) = next {
            let manifest = self.manifest(number)?;
            if let Some(child) = chain.last() {
                let hash = self.manifest_hash(number)?;
                if child.parent_manifest != Some(hash) || child.capacity_sectors != manifest.capacity_sectors
                {
                    let text =
                        format!("point {number} is not the one that point {} was made over", child.number);
                    return Err(Failure::new(Code::Damaged, text));
                }
            }
            next = manifest.parent;
            chain.push(manifest);
            if chain.len() > MAX_CHAIN {
                return Err(Failure::new(
                    Code::Damaged,
                    format!("point {number} has too many points below it"),
                ));
            }
        }
        Ok(chain)
    }

    /// Makes a point count.
    pub(crate) fn commit(&self, manifest: &Manifest) -> Result<()> {
        self.write_json(&format!("{:06}.json", manifest.number), manifest)
    }

    /// Bytes that the files of a point take.
    pub(crate) fn stored_bytes(&self, number: u32) -> u64 {
        let files = [self.disk(number), self.manifest_path(number)];
        files
            .iter()
            .filter_map(|file| fs::metadata(file).ok())
            .map(|file| file.blocks().saturating_mul(512))
            .sum()
    }

    /// Puts a file in place that is whole and durable, or none.
    fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let (path, partial) = (self.folder.join(name), self.folder.join(format!("{name}.partial")));
        let write = || {
            let mut file = File::create(&partial)?;
            serde_json::to_writer(&mut file, value)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            // What the file tells of must be there before it.
            File::open(&self.folder)?.sync_all()?;
            fs::rename(&partial, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|error| Failure::io(error, "writing", &path))
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_MANIFEST).read_to_end(&mut bytes));
    read.map_err(|error| Failure::io(error, "reading", path))?;
    Ok(bytes)
}

fn parse<T: for<'a> Deserialize<'a>>(bytes: &[u8], path: &Path) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| Failure::new(Code::Damaged, format!("reading '{}': {error}", path.display())))
}
