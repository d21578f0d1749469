//! Vixen: an open, redistributable drop-in for VMware's Virtual Disk Development Kit.
//!
//! What programs use is the C library `libvixDiskLib.so` with `include/vixDiskLib.h`. The rooms behind it:
//!
//! ```text
//!   ffi ──> session ──> disk ──────> format ──> io
//!              │                                ^
//!              └──────> transport ──────────────┘        error: used by all of them
//! ```
//!
//! * [`ffi`]: the C interface; the only place with C types and codes.
//! * [`session`]: what a client holds: the library, connections, open disks, asynchronous requests.
//! * [`disk`]: the engine: a virtual disk is a chain of links, and every question about it is a walk over runs.
//! * [`format`](mod@format): bytes to meaning and back.
//! * [`transport`]: how sectors are reached.
//! * [`io`](mod@io): files.
//!
//! `ARCHITECTURE.md` follows one Read and one Write through them; `tests/layering.rs` keeps the arrows.

#![allow(non_snake_case, reason = "the library's name is the one that clients link with")]

pub mod disk;
pub mod error;
pub mod ffi;
pub mod format;
pub mod io;
pub mod session;
pub mod transport;
pub mod vsphere;
