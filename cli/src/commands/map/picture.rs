//! A disk as a picture: cells of the same size, each as dark as it is full.

use crate::output::{Paint, percent, printable, size_of_sectors};

/// Cells of a line in the terminal, and how many lines there are.
const COLUMNS: usize = 64;
const ROWS: usize = 16;

/// Cells of a picture in the terminal.
pub(super) const CELLS: usize = COLUMNS * ROWS;

/// How cells look, from empty to full.
const SHADES: [&str; 5] = ["·", "░", "▒", "▓", "█"];

/// Pixels of a cell in SVG.
const PIXELS: usize = 12;

/// Cells of a disk, and how many sectors of each are allocated.
pub(super) struct Cells {
    capacity: u64,
    /// Sectors of a cell; the last one may have fewer.
    size: u64,
    used: Vec<u64>,
}

impl Cells {
    /// Empty cells, at most `most`.
    pub(super) fn new(capacity: u64, most: usize) -> Self {
        let size = capacity.div_ceil(most as u64).max(1);
        let count = capacity.div_ceil(size).min(most as u64) as usize;
        Self { capacity, size, used: vec![0; count] }
    }

    /// Counts an allocated run.
    pub(super) fn add(&mut self, start: u64, sectors: u64) {
        let end = start.saturating_add(sectors).min(self.capacity);
        let mut position = start;
        while position < end {
            let cell = position / self.size;
            let next = cell.saturating_add(1).saturating_mul(self.size).min(end);
            if let Some(used) = self.used.get_mut(cell as usize) {
                *used += next - position;
            }
            position = next;
        }
    }

    fn sectors_of(&self, cell: usize) -> u64 {
        self.size.min(self.capacity.saturating_sub(cell as u64 * self.size)).max(1)
    }

    /// From 0, empty, to 4, full; a cell with anything in it is not shown empty, and one that lacks anything not full.
    fn shade(&self, cell: usize, used: u64) -> usize {
        let sectors = self.sectors_of(cell);
        match used {
            0 => 0,
            used if used >= sectors => 4,
            used => 1 + (used.saturating_mul(3) / sectors).min(2) as usize,
        }
    }

    fn summary(&self) -> String {
        let used = self.used.iter().sum();
        format!(
            "{} of {} allocated ({}), one cell is {}",
            size_of_sectors(used),
            size_of_sectors(self.capacity),
            percent(used, self.capacity),
            size_of_sectors(self.size)
        )
    }

    /// Lines for a terminal of 80 columns.
    pub(super) fn terminal(&self, name: &str, paint: Paint) -> String {
        let mut text = format!("{}\n{}\n\n", fitting(name), self.summary());
        for (row, cells) in self.used.chunks(COLUMNS).enumerate() {
            let first = row * COLUMNS;
            let shade = |(index, used): (usize, &u64)| SHADES.get(self.shade(first + index, *used)).copied();
            let line: String = cells.iter().enumerate().filter_map(shade).collect();
            let start = size_of_sectors(first as u64 * self.size);
            text += &format!("{start:>10}  {}\n", paint.blue(&line));
        }
        text + &format!("\n{:12}· empty   ░ ▒ ▓ in part   █ full\n", "")
    }

    /// A picture as SVG, with what each cell is as its tooltip.
    pub(super) fn svg(&self, name: &str) -> String {
        let rows = self.used.len().div_ceil(COLUMNS);
        let (width, height) = (COLUMNS * PIXELS + 20, rows * PIXELS + 60);
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             font-family=\"sans-serif\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"10\" y=\"20\" font-size=\"14\">{}</text>\n<text x=\"10\" y=\"38\" font-size=\"12\" \
             fill=\"#555\">{}</text>\n",
            escaped(name),
            self.summary()
        );
        for (cell, used) in self.used.iter().enumerate() {
            let (x, y) = (10 + cell % COLUMNS * PIXELS, 50 + cell / COLUMNS * PIXELS);
            let colour = ["#eeeeee", "#c6dbef", "#9ecae1", "#4292c6", "#08519c"];
            let fill = colour.get(self.shade(cell, *used)).copied().unwrap_or("#eeeeee");
            let (first, sectors) = (cell as u64 * self.size, self.sectors_of(cell));
            text += &format!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{side}\" height=\"{side}\" fill=\"{fill}\"><title>sector {first}: \
                 {used} of {sectors}</title></rect>\n",
                side = PIXELS - 1
            );
        }
        text + "</svg>\n"
    }
}

/// The end of a name that is too long for a line.
fn fitting(name: &str) -> String {
    let name = printable(name.as_bytes());
    let length = name.chars().count();
    if length <= 78 { name } else { format!("...{}", name.chars().skip(length - 75).collect::<String>()) }
}

fn escaped(name: &str) -> String {
    printable(name.as_bytes()).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::COLUMNS as SCREEN;

    #[test]
    fn every_sector_is_counted_in_its_cell() {
        for (capacity, most) in [(1, 4), (7, 4), (100, 10), (u64::MAX / 512, 1024)] {
            let mut cells = Cells::new(capacity, most);
            cells.add(0, capacity);
            assert_eq!(cells.used.iter().sum::<u64>(), capacity);
            assert!((0..cells.used.len()).all(|cell| cells.shade(cell, cells.used[cell]) == 4));
        }
        let mut cells = Cells::new(100, 10);
        cells.add(9, 2);
        assert_eq!(cells.used[..3], [1, 1, 0]);
    }

    #[test]
    fn lines_fit_a_screen() {
        let mut cells = Cells::new(1 << 40, CELLS);
        cells.add(5, 1 << 39);
        let text = cells.terminal(&"long/".repeat(60), Paint::of_stdout());
        assert!(text.lines().all(|line| line.chars().count() <= SCREEN), "{text}");
        assert_eq!(text.matches('█').count(), CELLS / 2);
    }
}
