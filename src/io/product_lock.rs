//! Locks of VMware's products: a folder `NAME.lck` beside a disk or an extent that one of them has open, with a file
//! `M` and a number and `.lck` in it. They are respected and never made here: what this library holds are locks of the
//! open file, which go with the process.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The folder by which a product has locked a file.
///
/// # Errors
/// Those of the system.
pub(super) fn find(path: &Path) -> Result<Option<PathBuf>> {
    // The product may have opened it by this name, or by the one that a symbolic link leads to.
    let mut names = vec![path.to_owned()];
    names.extend(path.canonicalize().ok().filter(|target| target != path));
    for name in names {
        let mut folder = name.into_os_string();
        folder.push(".lck");
        let folder = PathBuf::from(folder);
        let held = holds_lock(&folder)
            .map_err(|error| Error::from_io(error, format!("looking into '{}'", folder.display())))?;
        if held {
            return Ok(Some(folder));
        }
    }
    Ok(None)
}

/// Whether a folder of locks is there and has one in it. What may not be looked into may have.
fn holds_lock(folder: &Path) -> io::Result<bool> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(true),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
                || error.raw_os_error() == Some(libc::ENAMETOOLONG) =>
        {
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name().to_ascii_lowercase();
        let name = name.as_encoded_bytes();
        if name.starts_with(b"m") && name.ends_with(b".lck") {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_counts_when_a_member_is_in_it() {
        let place = tempfile::tempdir().unwrap();
        let disk = place.path().join("a.vmdk");
        fs::write(&disk, "").unwrap();
        let folder = place.path().join("a.vmdk.lck");
        assert_eq!(find(&disk).unwrap(), None);
        fs::write(&folder, "a file").unwrap();
        assert_eq!(find(&disk).unwrap(), None, "it is no folder");
        fs::remove_file(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        assert_eq!(find(&disk).unwrap(), None, "what a product left behind is empty");
        for other in ["E12345.lck", "M12345", "notes.lck"] {
            fs::write(folder.join(other), "").unwrap();
        }
        assert_eq!(find(&disk).unwrap(), None);
        fs::write(folder.join("M12345.lck"), "").unwrap();
        assert_eq!(find(&disk).unwrap(), Some(folder.clone()));
        let link = place.path().join("link.vmdk");
        std::os::unix::fs::symlink("a.vmdk", &link).unwrap();
        assert_eq!(find(&link).unwrap(), Some(folder.canonicalize().unwrap()));
        let long = place.path().join("x".repeat(254));
        fs::write(&long, "").unwrap();
        assert_eq!(find(&long).unwrap(), None, "a name without room for the ending");
    }
}
