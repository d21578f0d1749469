//! qcow2 images, by the crate imago. Neither a backing file nor a data file of an image is ever opened: they are names
//! of any files, in a file that nobody vouches for.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use imago::file::File;
use imago::qcow2::Qcow2 as Image;
use imago::{DenyImplicitOpenGate, FormatAccess, FormatCreateBuilder, FormatDriverBuilder, Mapping};
use vixDiskLib::session::Block;

use super::{Content, SECTOR, Sink};
use crate::failure::{Code, Failure, Result};

/// A qcow2 image.
pub(crate) struct Qcow2 {
    image: FormatAccess<File>,
    path: PathBuf,
}

fn failed(error: io::Error, what: &str, path: &Path) -> Failure {
    let unusable = matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput);
    match error.kind() {
        io::ErrorKind::Unsupported => {
            Failure::new(Code::NotSupported, format!("{what} '{}': {error}", path.display()))
        }
        _ if unusable => {
            Failure::new(Code::Damaged, format!("{what} '{}': no sound qcow2 image: {error}", path.display()))
        }
        _ => Failure::io(error, what, path),
    }
}

fn open_image(path: &Path, writable: bool) -> io::Result<Image<File>> {
    let file = OpenOptions::new().read(true).write(writable).open(path)?;
    let builder = Image::<File>::builder(File::try_from(file)?);
    builder.write(writable).backing(None).data_file(None).open(DenyImplicitOpenGate::default())
}

impl Qcow2 {
    /// Opens it to be read.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let image = open_image(path, false).map_err(|error| failed(error, "opening", path))?;
        if image.implicit_backing_file().is_some() || image.requires_external_data_file() {
            let text = format!("opening '{}': the qcow2 image needs another file", path.display());
            let command = format!("qemu-img convert -O qcow2 '{}' alone.qcow2", path.display());
            return Err(Failure::new(Code::NotSupported, text).advise(command));
        }
        Ok(Self { image: FormatAccess::new(image), path: path.to_owned() })
    }
}

impl Content for Qcow2 {
    fn sectors(&self) -> u64 {
        self.image.size().div_ceil(SECTOR)
    }

    fn read(&self, start: u64, buffer: &mut [u8]) -> Result<()> {
        let offset = start.saturating_mul(SECTOR);
        let known = self.image.size().saturating_sub(offset).min(buffer.len() as u64) as usize;
        let (known, tail) = buffer.split_at_mut(known);
        tail.fill(0);
        self.image.read(known, offset).map_err(|error| failed(error, "reading", &self.path))
    }

    fn allocated(&self, start: u64, sectors: u64, chunk: u64) -> Result<Vec<Block>> {
        let (begin, end) =
            (start.saturating_mul(SECTOR), start.saturating_add(sectors).saturating_mul(SECTOR));
        let (chunk, limit) = (chunk.max(1), end.min(self.image.size()));
        let mut blocks: Vec<Block> = Vec::new();
        let mut position = begin;
        while position < limit {
            let (mapping, length) = self
                .image
                .get_mapping(position, limit - position)
                .map_err(|error| failed(error, "reading the tables of", &self.path))?;
            let next = position.saturating_add(length.max(1));
            if !matches!(mapping, Mapping::Zero { .. } | Mapping::Eof { .. }) {
                let first = (position / SECTOR - start) / chunk * chunk + start;
                let last =
                    ((next.div_ceil(SECTOR) - start).div_ceil(chunk) * chunk + start).min(start + sectors);
                match blocks.last_mut() {
                    Some(block) if block.start + block.sectors >= first => block.sectors = last - block.start,
                    _ => blocks.push(Block { start: first, sectors: last - first }),
                }
            }
            position = next;
        }
        Ok(blocks)
    }
}

/// A qcow2 image that is being made.
pub(crate) struct Qcow2Sink {
    image: FormatAccess<File>,
    path: PathBuf,
}

impl Qcow2Sink {
    /// Makes the image, whose file must not exist.
    pub(crate) fn create(path: &Path, sectors: u64) -> Result<Self> {
        let make = || {
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
            Image::<File>::create_builder(File::try_from(file)?)
                .size(sectors.saturating_mul(SECTOR))
                .create()?;
            Ok(FormatAccess::new(open_image(path, true)?))
        };
        let image = make().map_err(|error| failed(error, "creating", path))?;
        Ok(Self { image, path: path.to_owned() })
    }
}

impl Sink for Qcow2Sink {
    fn write(&mut self, start: u64, data: &[u8]) -> Result<()> {
        let written = self.image.write(data, start.saturating_mul(SECTOR));
        written.map_err(|error| failed(error, "writing", &self.path))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let finished = self.image.flush().and_then(|()| self.image.sync());
        finished.map_err(|error| failed(error, "writing", &self.path))
    }
}
