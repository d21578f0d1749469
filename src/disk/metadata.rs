//! The disk database: asked in the leaf first and then up the chain, changed in the leaf.

use std::collections::HashSet;

use super::chain::Disk;
use crate::error::{Error, Kind, Result};

impl Disk {
    /// The value of a key, which has no `ddb.` prefix.
    ///
    /// # Errors
    /// `KeyNotFound`.
    pub fn metadata(&self, key: &[u8]) -> Result<Vec<u8>> {
        self.find_metadata(key).ok_or_else(|| {
            let text = format!("'{}' has no key '{}'", self.leaf().path.display(), key.escape_ascii());
            Error::new(Kind::KeyNotFound, text)
        })
    }

    pub(super) fn find_metadata(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.links().iter().find_map(|link| link.descriptor().database(key).map(<[u8]>::to_owned))
    }

    /// The names of all keys, those of the leaf first, none twice.
    pub fn metadata_keys(&self) -> Vec<Vec<u8>> {
        let (mut keys, mut known) = (Vec::new(), HashSet::new());
        for link in self.links() {
            for key in link.descriptor().database_keys() {
                if known.insert(key.to_ascii_lowercase()) {
                    keys.push(key.to_owned());
                }
            }
        }
        keys
    }

    /// Adds a key to the leaf or replaces its value, durably.
    ///
    /// # Errors
    /// `ReadOnly`, `InvalidArgument`, `DiskFull` when the descriptor has no room left, those of storage.
    pub fn set_metadata(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.check_writable()?;
        self.leaf().set_metadata(key, value)
    }
}
