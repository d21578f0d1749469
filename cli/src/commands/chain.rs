//! `vixen chain`.

use std::path::Path;

use clap::Args;
use serde::Serialize;
use vixDiskLib::session::{LinkInfo, OpenFlags};

use super::Context;
use crate::arguments::Source;
use crate::disk::{Connection, Disk};
use crate::failure::{Code, Result};
use crate::image::allocated_sectors;
use crate::output::{Form, printable, size_of_sectors, wrapped};

/// Draws the links of a chain, from the disk down to its base
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The disk.
    #[command(flatten)]
    source: Source,
    /// The form of the answer.
    #[command(flatten)]
    form: Form,
}

#[derive(Serialize)]
struct Link {
    path: String,
    r#type: String,
    cid: String,
    parent_cid: Option<String>,
    sectors: u64,
    extents: usize,
    /// What stands in this link; `None` when it cannot be told.
    own_sectors: Option<u64>,
}

#[derive(Serialize)]
struct Answer {
    links: Vec<Link>,
    /// The name of the parent that is not open.
    missing_parent: Option<String>,
}

pub(crate) fn run(options: &Options, context: Context) -> Result<Code> {
    let disk = Disk::of(&options.source)?;
    let infos = disk.links()?;
    let hint = disk.info()?.parent_hint;
    let whole = infos.last().is_none_or(|link| link.parent_cid.is_none());
    let links = infos.into_iter().map(|info| link(options, info, context)).collect::<Result<Vec<_>>>()?;
    let missing_parent = hint.filter(|_| !whole).map(|hint| printable(&hint));
    options.form.say(&Answer { links, missing_parent }, text)?;
    Ok(Code::Success)
}

fn link(options: &Options, info: LinkInfo, context: Context) -> Result<Link> {
    let flags = OpenFlags { read_only: true, single_link: true, ..OpenFlags::default() };
    let alone = Disk::open(Connection::to(&options.source.remote, true)?, &info.path, flags);
    let own_sectors = alone.and_then(|alone| allocated_sectors(&alone, context.quiet)).ok();
    Ok(Link {
        path: info.path.display().to_string(),
        r#type: info.create_type,
        cid: format!("{:08x}", info.cid),
        parent_cid: info.parent_cid.map(|cid| format!("{cid:08x}")),
        sectors: info.sectors,
        extents: info.extents,
        own_sectors,
    })
}

fn text(answer: &Answer) -> String {
    let mut text = String::new();
    let last = answer.links.len().saturating_sub(1);
    let mut above = None;
    for (number, link) in answer.links.iter().enumerate() {
        let lower = number < last || answer.missing_parent.is_some();
        let bar = if lower { "│" } else { " " };
        let path = Path::new(&link.path);
        text += &name_lines(path, above, bar);
        above = path.parent();
        let files =
            if link.extents == 1 { "1 extent".to_owned() } else { format!("{} extents", link.extents) };
        text += &format!("{bar}   {}, {files}\n", printable(link.r#type.as_bytes()));
        let own = link.own_sectors.map_or_else(|| "?".to_owned(), size_of_sectors);
        text += &format!("{bar}   {} in this link, of {}\n", own, size_of_sectors(link.sectors));
        let parent = link.parent_cid.as_deref().map(|cid| format!(", parent's content id {cid}"));
        text += &format!("{bar}   content id {}{}\n", link.cid, parent.unwrap_or_default());
        if lower {
            text += "│\n";
        }
    }
    if let Some(parent) = &answer.missing_parent {
        text += &format!("○ {} (not open)\n", wrapped(parent, 65).join("\n  "));
    }
    text
}

/// The name of a link, and its folder unless the link above named it already.
fn name_lines(path: &Path, above: Option<&Path>, bar: &str) -> String {
    let below = format!("\n{bar}   ");
    let lines = |text: &str| wrapped(&printable(text.as_bytes()), 76).join(&below);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().filter(|folder| above != Some(*folder));
    let folder = folder.map(|folder| format!("{bar}   {}\n", lines(&format!("in {}", folder.display()))));
    format!("● {}\n{}", lines(&name), folder.unwrap_or_default())
}
