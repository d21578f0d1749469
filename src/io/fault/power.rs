//! What a loss of power can leave of the files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{Change, Event, FaultFiles, FileNumber, MemoryFiles, SECTOR_SIZE, folder_of, locked, resize};

/// Most changes of which all combinations are tried.
const FEW_CHANGES: usize = 12;

/// What may be found after power was lost.
#[derive(Debug)]
pub struct PowerLoss {
    /// Operations that had ended by then.
    pub operations: usize,
    /// The files.
    pub files: MemoryFiles,
}

/// Names and contents.
#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    pub(super) names: HashMap<PathBuf, FileNumber>,
    pub(super) contents: HashMap<FileNumber, Vec<u8>>,
}

impl FaultFiles {
    /// Shows what may be found if power is lost, at most `images` images for each moment that matters (see the
    /// module). The same run gives the same images.
    pub fn power_losses(&self, images: usize, mut visit: impl FnMut(&PowerLoss)) {
        let (mut durable, journal) = {
            let state = locked(&self.state);
            (state.start.clone(), state.journal.clone())
        };
        let mut pending: Vec<Change> = Vec::new();
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for (operations, event) in journal.into_iter().enumerate() {
            if matches!(event, Event::Sync(_) | Event::SyncFolder(_) | Event::Replace { .. }) {
                show(&durable, &pending, operations, images, &mut random, &mut visit);
            }
            match event {
                Event::Change(change) => pending.push(change),
                Event::Sync(number) => durable.settle(&mut pending, |change| change.file() == Some(number)),
                Event::SyncFolder(folder) => {
                    durable.settle(&mut pending, |change| change.folder() == Some(&folder))
                }
                Event::Replace { path, file, content } => {
                    durable.contents.insert(file, content.to_vec());
                    durable.names.insert(path.clone(), file);
                    pending.retain(|change| change.path() != Some(&path));
                }
                Event::Failed => {}
            }
        }
        let operations = self.operations();
        show(&durable, &pending, operations, images, &mut random, &mut visit);
    }
}

impl Change {
    fn file(&self) -> Option<FileNumber> {
        match self {
            Self::Write { file, .. } | Self::Length { file, .. } => Some(*file),
            Self::Name { .. } | Self::Removal { .. } => None,
        }
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::Write { .. } | Self::Length { .. } => None,
            Self::Name { path, .. } | Self::Removal { path } => Some(path),
        }
    }

    fn folder(&self) -> Option<&Path> {
        self.path().map(folder_of)
    }
}

impl Image {
    /// Takes over the changes that have become durable.
    fn settle(&mut self, pending: &mut Vec<Change>, is_durable: impl Fn(&Change) -> bool) {
        pending.retain(|change| {
            let durable = is_durable(change);
            if durable {
                self.apply(change);
            }
            !durable
        });
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { file, offset, data } => self.write(*file, *offset, data),
            Change::Length { file, length } => {
                resize(self.contents.entry(*file).or_default(), *length as usize);
            }
            Change::Name { path, file } => {
                self.names.insert(path.clone(), *file);
            }
            Change::Removal { path } => {
                self.names.remove(path);
            }
        }
    }

    fn write(&mut self, file: FileNumber, offset: u64, data: &[u8]) {
        let content = self.contents.entry(file).or_default();
        let (start, end) = (offset as usize, offset as usize + data.len());
        if content.len() < end {
            resize(content, end);
        }
        content[start..end].copy_from_slice(data);
    }

    /// Keeps some sectors of a write, and perhaps its length.
    fn tear(&mut self, file: FileNumber, offset: u64, data: &[u8], random: &mut Random) {
        let mut start = 0;
        while start < data.len() {
            let to_border = SECTOR_SIZE - (offset + start as u64) % SECTOR_SIZE;
            let end = data.len().min(start + to_border as usize);
            if random.coin() {
                self.write(file, offset + start as u64, &data[start..end]);
            }
            start = end;
        }
        let content = self.contents.entry(file).or_default();
        if random.coin() && content.len() < offset as usize + data.len() {
            resize(content, offset as usize + data.len());
        }
    }

    fn files(&self) -> MemoryFiles {
        let files = MemoryFiles::default();
        for (path, number) in &self.names {
            files.insert(path.clone(), self.contents.get(number).cloned().unwrap_or_default());
        }
        files
    }
}

/// Which of the pending changes an image has.
enum Kept {
    /// Those whose bit is set.
    These(u32),
    /// The first ones.
    First(usize),
    /// All but one.
    AllBut(usize),
    /// One.
    Only(usize),
    /// Some, and writes in part.
    Torn,
}

/// Shows images of one moment.
fn show(
    durable: &Image,
    pending: &[Change],
    operations: usize,
    images: usize,
    random: &mut Random,
    visit: &mut impl FnMut(&PowerLoss),
) {
    for kept in choices(pending.len(), images) {
        let mut image = durable.clone();
        for (index, change) in pending.iter().enumerate() {
            match (kept.keeps(index), change) {
                (Some(true), _) => image.apply(change),
                (Some(false), _) => {}
                (None, Change::Write { file, offset, data }) if random.coin() => {
                    image.tear(*file, *offset, data, random);
                }
                (None, _) if random.coin() => image.apply(change),
                (None, _) => {}
            }
        }
        visit(&PowerLoss { operations, files: image.files() });
    }
}

impl Kept {
    /// Whether a change is kept; `None` leaves it to chance.
    fn keeps(&self, index: usize) -> Option<bool> {
        match self {
            Self::These(bits) => Some(bits >> index & 1 == 1),
            Self::First(count) => Some(index < *count),
            Self::AllBut(one) => Some(index != *one),
            Self::Only(one) => Some(index == *one),
            Self::Torn => None,
        }
    }
}

/// Up to `images` choices among `changes` changes; nothing and everything come first.
fn choices(changes: usize, images: usize) -> Vec<Kept> {
    let mut choices = vec![Kept::First(0)];
    if changes == 0 {
        return choices;
    }
    choices.push(Kept::First(changes));
    if changes <= FEW_CHANGES && 1 << changes <= images {
        choices.extend((1..(1 << changes) - 1).map(Kept::These));
    } else {
        // A quarter each for the three orderly kinds; when they are too many, evenly spread ones.
        let step = (changes * 4).div_ceil(images.max(4)).max(1);
        choices.extend((1..changes).step_by(step).map(Kept::First));
        choices.extend((0..changes).step_by(step).map(Kept::AllBut));
        choices.extend((0..changes).step_by(step).map(Kept::Only));
    }
    while choices.len() < images {
        choices.push(Kept::Torn);
    }
    choices.truncate(images.max(1));
    choices
}

/// Numbers that are the same in each run (xorshift64*).
struct Random(u64);

impl Random {
    fn coin(&mut self) -> bool {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 63 == 1
    }
}
