//! The C interface: the only place with `extern "C"`, raw pointers and [`codes::VixError`].
//!
//! ```text
//!  C client ──> library connection open transfer metadata blocks manage errors   (what the API is)
//!                    │ each body runs inside
//!                  guard      catches panics, maps errors to codes, keeps the detail for GetErrorText, logs
//!                    │ with the help of
//!                  types codes   pointers buffers params   memory   log progress completion
//!                  (the header)  (what comes in)           (out)    (calls back)
//!                    ▼
//!                 session
//! ```
//!
//! A function here converts its arguments, calls the session and converts the answer; logic lives below.

#![allow(unsafe_code, non_snake_case, reason = "the C names and pointers of the interface")]

pub mod blocks;
mod buffers;
pub mod codes;
mod completion;
pub mod connection;
pub mod errors;
mod guard;
pub mod library;
mod log;
pub mod manage;
mod memory;
pub mod metadata;
pub mod mount_types;
pub mod open;
mod params;
mod pointers;
mod progress;
pub mod transfer;
pub mod types;

pub use guard::code_of;
