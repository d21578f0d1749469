//! What a client holds: the library, connections, open disks and their asynchronous requests.
//!
//! ```text
//!   library     InitEx .. Exit: counted, with a configuration      table    handles are numbers, never addresses
//!     └─ connection   parameters; with a server (remote) a session, which logs in when the first disk is opened
//!          └─ open_disk   a local_disk or a remote_disk, each behind a lock that Close takes
//!               ├─ local_disk   a share of a disk::Disk (shared); a reader looks again when a writer of the same
//!               │               process has flushed (changes)
//!               ├─ remote_disk  a disk of a host
//!               └─ queue  threads for asynchronous requests, from the first one until Exit
//! ```
//!
//! [`manage`] has the calls on whole disks. This is the only room that joins a transport to a chain. No lock of it is held while a log, progress or
//! completion function of the client runs.

mod changes;
pub mod config;
pub mod connection;
pub mod library;
mod local_disk;
pub mod manage;
pub mod open_disk;
pub mod queue;
mod remote;
mod remote_disk;
mod shared;
pub mod survey;
pub mod table;
mod tracking;

pub use connection::{
    ConnectParams, Credentials, Spec, cleanup, connect, connect_params, disconnect, end_access,
    prepare_for_access,
};
pub use manage::create;
pub use open_disk::{Compression, OpenFlags, close, disk, open};
pub use tracking::{changed_since, tracked_disk};

pub use crate::disk::allocation::Block;
pub use crate::disk::check::Health;
pub use crate::disk::create::{DiskKind, NewDisk};
pub use crate::disk::geometry::{Adapter, Geometry};
pub use crate::disk::info::{Info, LinkInfo};
pub use crate::vsphere::changes::TrackedDisk;
