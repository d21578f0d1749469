//! Where it is known what has changed since a point.

use vixDiskLib::session::Block;

use super::manifest::Manifest;
use crate::failure::Result;
use crate::image::Content;

/// A source of changes. What a server tracks will be another one; hashes are the one that always works.
pub(crate) trait Changes {
    /// What may have changed since `previous`, sorted; everything else has not. `None` when nobody knows, and all of
    /// it has to be read.
    fn since(&self, content: &dyn Content, previous: &Manifest) -> Result<Option<Vec<Block>>>;

    /// What to give to [`Changes::since`] another time, kept in the manifest.
    fn change_id(&self) -> Option<String>;
}

/// Knows nothing: blocks are read, and their hashes tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hashes;

impl Changes for Hashes {
    fn since(&self, _content: &dyn Content, _previous: &Manifest) -> Result<Option<Vec<Block>>> {
        Ok(None)
    }

    fn change_id(&self) -> Option<String> {
        None
    }
}
