//! Backups: a folder of points, each a link of a chain of VMDKs, with a manifest beside it.
//!
//! ```text
//!   repository.json                   what this folder is
//!   000001.vmdk   000001.json         a full backup: monolithicSparse, and its manifest
//!   000002.vmdk   000002.json         an increment: a child of 000001 with what has changed, zeros included
//!   000003.vmdk                       interrupted: there is no manifest yet; the next backup goes on with it
//! ```
//!
//! A point counts once its manifest stands, which is written last and put in place by a rename. Earlier points are never
//! written to. The newest link of a point opens as the complete disk of that time, with any program that reads VMDKs.

mod changes;
mod manifest;
mod repository;
mod restore;
mod run;
mod store;
mod verify;

pub(crate) use changes::{Changes, Hashes, Tracking};
pub(crate) use manifest::Origin;
pub(crate) use repository::{Repository, State};
pub(crate) use restore::{Order, Target, restore};
pub(crate) use run::{Outcome, Terms, backup};
pub(crate) use verify::{verify_disk, verify_point};

/// Sectors of a block, which has a hash: 4 MiB.
pub(crate) const BLOCK_SECTORS: u64 = 8192;
