//! Where it is known what has changed since a point.

use vixDiskLib::session::table::Handle;
use vixDiskLib::session::{self, Block, TrackedDisk};

use super::manifest::Manifest;

/// What is known of the changes since a point.
#[derive(Debug)]
pub(crate) enum Since {
    /// These sectors may have changed, sorted and disjoint; everything else has not.
    Changed(Vec<Block>),
    /// Nobody knows: everything has to be read. Why, where the user should hear of it.
    Unknown(Option<String>),
}

/// A source of changes.
pub(crate) trait Changes {
    /// What has changed since a point.
    fn since(&self, previous: &Manifest) -> Since;

    /// What to give to [`Changes::since`] another time, kept in the manifest. It stands for the content as it was before
    /// the first sector was read, or earlier.
    fn change_id(&self) -> Option<String>;
}

/// Knows nothing: blocks are read, and their hashes tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hashes;

impl Changes for Hashes {
    fn since(&self, _previous: &Manifest) -> Since {
        Since::Unknown(None)
    }

    fn change_id(&self) -> Option<String> {
        None
    }
}

/// Asks the server that the disk is on (QueryChangedDiskAreas).
#[derive(Debug)]
pub(crate) struct Tracking {
    connection: Handle,
    /// The disk with its change id, or why there is none.
    disk: std::result::Result<(TrackedDisk, String), String>,
}

impl Tracking {
    /// Asks the server for the disk's change id. To be called before the disk is read: what is written between is then
    /// read twice rather than never.
    pub(crate) fn begin(connection: Handle, path: &std::path::Path) -> Self {
        let disk = match session::tracked_disk(connection, path) {
            Ok(disk) => match disk.change_id.clone() {
                Some(id) => Ok((disk, id)),
                None => Err("the server tracks no changes of this disk (changeTrackingEnabled)".to_owned()),
            },
            Err(error) => Err(error.to_string()),
        };
        Self { connection, disk }
    }
}

impl Changes for Tracking {
    fn since(&self, previous: &Manifest) -> Since {
        let (disk, id) = match (&self.disk, &previous.change_id) {
            (Ok((disk, _)), Some(id)) => (disk, id),
            (Err(why), _) => return Since::Unknown(Some(why.clone())),
            (_, None) => {
                return Since::Unknown(Some(format!("point {} has no change id", previous.number)));
            }
        };
        match session::changed_since(self.connection, disk, id) {
            Ok(blocks) => Since::Changed(blocks),
            // A server forgets when tracking is switched off, after a crash, when a snapshot is reverted to.
            Err(error) => Since::Unknown(Some(error.to_string())),
        }
    }

    fn change_id(&self) -> Option<String> {
        self.disk.as_ref().ok().map(|(_, id)| id.clone())
    }
}
