//! Peers of `make bench`: the crates vmdk-core and rust-img-vmdk. The same commands as in `benches/bench.c`.
//!
//! usage: vixen-bench-peers CRATE seq DISK SECONDS | rnd DISK SECONDS OFFSETS | cat DISK | map DISK | open DISK
//!
//! SPDX-License-Identifier: Apache-2.0 OR MIT

use std::error::Error;
use std::io::{Read, Seek, SeekFrom, Write, stdout};
use std::path::Path;
use std::time::Instant;

const LARGE: usize = 1 << 20;
const SMALL: usize = 4096;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A disk, as far as both crates have it.
trait Disk {
    fn size(&self) -> u64;
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<()>;
    /// Bytes that are allocated.
    fn allocated(&mut self) -> Result<u64>;
}

impl Disk for vmdk::VmdkFileReader {
    fn size(&self) -> u64 {
        self.virtual_disk_size()
    }

    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.seek(SeekFrom::Start(offset))?;
        Ok(self.read_exact(buffer)?)
    }

    fn allocated(&mut self) -> Result<u64> {
        Ok(self.iter_allocated_grains()?.iter().map(|run| run.sector_count * 512).sum())
    }
}

impl Disk for img_vmdk::VmdkReader {
    fn size(&self) -> u64 {
        self.virtual_size()
    }

    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<()> {
        Ok(img_vmdk::VmdkReader::read_at(self, offset, buffer)?)
    }

    fn allocated(&mut self) -> Result<u64> {
        Err("rust-img-vmdk has no map".into())
    }
}

fn first_word(data: &[u8]) -> u64 {
    data.first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}

fn report(began: Instant, passes: u32, check: u64) {
    println!("{:.9}\t{check}", began.elapsed().as_secs_f64() / f64::from(passes));
}

/// Does `pass` again and again for at least so many seconds.
fn measure(least: &str, mut pass: impl FnMut() -> Result<u64>) -> Result<()> {
    let least: f64 = least.parse()?;
    let (mut passes, mut sum) = (0, 0);
    let began = Instant::now();
    while passes == 0 || began.elapsed().as_secs_f64() < least {
        sum = pass()?;
        passes += 1;
    }
    report(began, passes, sum);
    Ok(())
}

fn sequential(disk: &mut dyn Disk, least: &str) -> Result<()> {
    let mut buffer = vec![0xff; LARGE];
    measure(least, || {
        let mut sum = 0u64;
        for at in (0..disk.size()).step_by(LARGE) {
            disk.read_at(&mut buffer, at)?;
            sum = sum.wrapping_add(first_word(&buffer));
        }
        Ok(sum)
    })
}

fn random(disk: &mut dyn Disk, least: &str, list: &str) -> Result<()> {
    let offsets: Vec<u64> = std::fs::read(list)?.chunks_exact(8).map(first_word).collect();
    let mut buffer = vec![0xff; SMALL];
    measure(least, || {
        let mut sum = 0u64;
        for &offset in &offsets {
            disk.read_at(&mut buffer, offset)?;
            sum = sum.wrapping_add(first_word(&buffer));
        }
        Ok(sum)
    })
}

fn cat(disk: &mut dyn Disk) -> Result<()> {
    let mut buffer = vec![0; LARGE];
    for at in (0..disk.size()).step_by(LARGE) {
        disk.read_at(&mut buffer, at)?;
        stdout().write_all(&buffer)?;
    }
    Ok(())
}

fn map(disk: &mut dyn Disk) -> Result<()> {
    let began = Instant::now();
    let allocated = disk.allocated()?;
    report(began, 1, allocated);
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [name, command, path, rest @ ..] = arguments.as_slice() else {
        return Err("usage: vixen-bench-peers CRATE COMMAND DISK [ARGUMENT]".into());
    };
    let mut disk: Box<dyn Disk> = match *name {
        "vmdk-core" => Box::new(vmdk::VmdkFileReader::open_path(Path::new(path))?),
        "rust-img-vmdk" => Box::new(img_vmdk::VmdkReader::open(path)?),
        _ => return Err(format!("unknown crate '{name}'").into()),
    };
    match (*command, rest) {
        ("seq", [least]) => sequential(&mut *disk, least),
        ("rnd", [least, list]) => random(&mut *disk, least, list),
        ("cat", []) => cat(&mut *disk),
        ("map", []) => map(&mut *disk),
        ("open", []) => Ok(()),
        _ => Err(format!("unknown command '{command}'").into()),
    }
}
