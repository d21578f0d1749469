//! `vixen doctor`.
use crate::failure::{Code, Result};
use clap::Args;
/// S
#[derive(Debug, Args)]
pub(crate) struct Options {}
pub(crate) fn run(_o: &Options, _c: &crate::arguments::Common) -> Result<Code> {
    Ok(Code::Success)
}
