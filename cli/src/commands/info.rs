//! `vixen info`.

use clap::Args;
use serde::Serialize;
use vixDiskLib::session::{Geometry, Info};

use super::Context;
use crate::arguments::Source;
use crate::disk::Disk;
use crate::failure::{Code, Result};
use crate::image::allocated_sectors;
use crate::output::{Form, pairs, percent, printable, size_of_sectors};

/// Shows what a disk is: kind, capacity, adapter, geometry, links
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
struct Shape {
    cylinders: u32,
    heads: u32,
    sectors: u32,
}

#[derive(Serialize)]
struct Answer {
    path: String,
    /// Hosts do not tell.
    r#type: Option<String>,
    capacity_sectors: u64,
    allocated_sectors: u64,
    adapter: &'static str,
    geometry: Shape,
    bios_geometry: Shape,
    logical_sector_bytes: u32,
    physical_sector_bytes: u32,
    links: usize,
    parent: Option<String>,
    uuid: Option<String>,
    content_id: Option<String>,
    transport: &'static str,
}

impl From<Geometry> for Shape {
    fn from(geometry: Geometry) -> Self {
        Self { cylinders: geometry.cylinders, heads: geometry.heads, sectors: geometry.sectors }
    }
}

impl Shape {
    fn text(&self) -> String {
        match (self.cylinders, self.heads, self.sectors) {
            (0, 0, 0) => "-".into(),
            (cylinders, heads, sectors) => {
                format!("{cylinders} cylinders, {heads} heads, {sectors} sectors")
            }
        }
    }
}

pub(crate) fn run(options: &Options, context: Context) -> Result<Code> {
    let disk = Disk::of(&options.source)?;
    let info = disk.info()?;
    let remote = options.source.remote.server.is_some();
    let links = if remote { Vec::new() } else { disk.links()? };
    let allocated = allocated_sectors(&disk, context.quiet)?;
    let Info { capacity, geometry, bios_geometry, adapter, parent_hint, uuid, .. } = info;
    let leaf = links.first();
    let answer = Answer {
        path: options.source.path.display().to_string(),
        r#type: leaf.map(|link| link.create_type.clone()),
        capacity_sectors: capacity,
        allocated_sectors: allocated,
        adapter: adapter.name(),
        geometry: geometry.into(),
        bios_geometry: bios_geometry.into(),
        logical_sector_bytes: info.logical_sector_size,
        physical_sector_bytes: info.physical_sector_size,
        links: info.links,
        parent: parent_hint.map(|hint| printable(&hint)),
        uuid,
        content_id: leaf.map(|link| format!("{:08x}", link.cid)),
        transport: disk.transport_mode(),
    };
    options.form.say(&answer, text)?;
    Ok(Code::Success)
}

fn text(answer: &Answer) -> String {
    let or_none = |value: &Option<String>| {
        value.as_deref().map_or_else(|| "-".to_owned(), |value| printable(value.as_bytes()))
    };
    let capacity = answer.capacity_sectors;
    let allocated = answer.allocated_sectors;
    pairs(&[
        ("disk", printable(answer.path.as_bytes())),
        ("type", or_none(&answer.r#type)),
        ("capacity", format!("{} ({capacity} sectors)", size_of_sectors(capacity))),
        ("allocated", format!("{} ({})", size_of_sectors(allocated), percent(allocated, capacity))),
        ("adapter", answer.adapter.into()),
        ("geometry", answer.geometry.text()),
        ("BIOS geometry", answer.bios_geometry.text()),
        (
            "sector sizes",
            format!("{} logical, {} physical", answer.logical_sector_bytes, answer.physical_sector_bytes),
        ),
        ("links", answer.links.to_string()),
        ("parent", or_none(&answer.parent)),
        ("uuid", or_none(&answer.uuid)),
        ("content id", or_none(&answer.content_id)),
        ("reached by", answer.transport.into()),
    ])
}
