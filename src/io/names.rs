//! Names of files: where they lead, without asking for the files themselves.

use std::path::{Component, Path, PathBuf};

use super::folder_of;

/// A path that stays good when the process changes its current folder: absolute, unless that would lead through a
/// folder that the process may not enter.
pub fn lasting_path(path: &Path) -> PathBuf {
    match std::path::absolute(path) {
        Ok(absolute) if !folder_of(path).exists() || folder_of(&absolute).exists() => absolute,
        _ => path.to_owned(),
    }
}

/// A name as it is seen from `folder`; `None` when it leads out of it. An absolute name may lead back in.
pub(super) fn below(folder: &Path, name: &Path) -> Option<PathBuf> {
    if name.components().any(|part| part == Component::ParentDir) {
        return None;
    }
    if !name.is_absolute() {
        return Some(name.to_owned());
    }
    let inside = |folder: &Path| name.strip_prefix(folder).ok().map(Path::to_owned);
    inside(folder).or_else(|| inside(&folder.canonicalize().ok()?))
}
