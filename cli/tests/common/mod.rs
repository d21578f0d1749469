//! What the tests of the command share: a folder, the program, qemu-img.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests, and every test program uses a part of it"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The built program.
pub const VIXEN: &str = env!("CARGO_BIN_EXE_vixen");

/// A folder in which commands run.
pub struct Folder(TempDir);

/// How a command ended.
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        Self { code, out: text(&output.stdout), err: text(&output.stderr) }
    }
}

impl Folder {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program with arguments separated by spaces.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(VIXEN);
        command.args(line.split_whitespace()).current_dir(self.path()).stdin(Stdio::null());
        command.env_remove("NO_COLOR").env_remove("VIXEN_PASSWORD");
        // Cargo names folders of its own there.
        command.env_remove("LD_LIBRARY_PATH");
        command
    }

    /// Runs the program.
    pub fn run(&self, line: &str) -> Ended {
        self.command(line).output().unwrap().into()
    }

    /// Runs the program, which must succeed, and tells what it said.
    pub fn vixen(&self, line: &str) -> String {
        let ended = self.run(line);
        assert_eq!(ended.code, 0, "vixen {line}: {}{}", ended.out, ended.err);
        assert_eq!(ended.err, "", "vixen {line}");
        ended.out
    }

    /// Runs the program, which must end with this code, and tells what it said about the error.
    pub fn fails(&self, code: i32, line: &str) -> String {
        let ended = self.run(line);
        assert_eq!(ended.code, code, "vixen {line}: {}{}", ended.out, ended.err);
        ended.err
    }

    /// Runs another program, which must succeed.
    pub fn other(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let program = words.next().unwrap();
        let output = Command::new(program).args(words).current_dir(self.path()).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}; run scripts/setup.sh test"));
        let ended = Ended::from(output);
        assert_eq!(ended.code, 0, "{line}: {}{}", ended.out, ended.err);
        ended.out
    }

    /// The answer as JSON.
    pub fn json(&self, line: &str) -> serde_json::Value {
        serde_json::from_str(&self.vixen(&format!("{line} --json"))).unwrap()
    }

    /// A raw file: `size` bytes with random data in some places.
    pub fn raw(&self, name: &str, size: usize, seed: u64) -> Vec<u8> {
        let mut content = vec![0; size];
        let mut bytes = Bytes(seed);
        for _ in 0..12 {
            let length = 1 + bytes.below(size as u64 / 20) as usize;
            let start = bytes.below((size - length) as u64) as usize;
            bytes.fill(&mut content[start..start + length]);
        }
        std::fs::write(self.join(name), &content).unwrap();
        content
    }
}

/// A generator of test bytes that needs no state of the system.
pub struct Bytes(pub u64);

impl Bytes {
    pub fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}
