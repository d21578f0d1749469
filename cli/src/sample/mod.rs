//! S.
use std::process::ExitCode;
pub(crate) fn run(_a: &[std::ffi::OsString]) -> ExitCode {
    ExitCode::SUCCESS
}
