//! Five hundred lives of a client, each with a random fault of the host: none hangs, none crashes, and what is said to be
//! read or written is so. `VIXEN_FAULT_RUNS` makes more of them, `VIXEN_FAULT_SEED` others.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod lab;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use esxi_sim::{Fault, Kind, Planned, Profile};
use lab::{COMPRESSIONS, Disk, Lab, MODES, SECTOR, pattern};
use vixDiskLib::error::{Error, Kind as ErrorKind};
use vixDiskLib::session::OpenFlags;
use vixDiskLib::transport::nfc::compress::Compression;

const SECTORS: u64 = 3000;
/// Lives that go on at the same time; they mostly wait.
const AT_ONCE: usize = 48;
/// Longest life. The time-outs below and the tries of the client end each call long before that.
const LIMIT: Duration = Duration::from_secs(240);

/// Short time-outs: a call that the host does not answer ends after them. What is slower than that on a busy machine
/// fails, as it may.
const CONFIG: &str = "vixen.connectTimeoutMs = 5000\nvixDiskLib.nfc.AcceptTimeoutMs = 1500\n\
    vixDiskLib.nfc.RequestTimeoutMs = 1500\nvixDiskLib.nfc.ReadTimeoutMs = 1500\nvixDiskLib.nfc.WriteTimeoutMs = 1500\n";

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.roll(choices.len() as u64) as usize]
    }
}

/// What goes wrong in a life.
#[derive(Debug, Clone)]
enum Trouble {
    Planned(Planned),
    /// Sessions of the management interface end, or all connections do, now and then.
    Expire,
    HangUp,
}

impl Trouble {
    fn roll(dice: &mut Dice) -> Self {
        let fault = match dice.roll(31) {
            0 | 1 => Fault::Cut { bytes: dice.roll(2 << 20) },
            2 => Fault::Stall { millis: 100 + dice.roll(2500) },
            3 => Fault::Corrupt,
            4 => Fault::WrongCertificate,
            5 => Fault::OtherCertificate,
            6 => Fault::WrongThumbprint,
            7 => Fault::WrongSha256,
            8 => Fault::ExpiredSession,
            9 => Fault::ExpiredTicket,
            10 => Fault::NoPermission,
            11 => Fault::Locked,
            12 => Fault::NoMemory,
            13 => Fault::SlowBlocks { millis: 100 + dice.roll(2500) },
            14 => Fault::Maintenance,
            15 => Fault::SilentGreeting,
            16 => Fault::GreetingWithoutSha256,
            17 => Fault::GreetingWithoutNfcSsl,
            18 => Fault::BadGreeting,
            19 => Fault::ProxyMismatch,
            20 => Fault::Refuse,
            21 => Fault::Status,
            22 => Fault::OutOfRange,
            23 => Fault::Overlap,
            24 => Fault::WrongLength,
            25 => Fault::CorruptZlib,
            26 => Fault::SkipzOverrun,
            27 => Fault::WrongOperation,
            28 => Fault::BadMagic,
            29 => Fault::Shuffle,
            _ => return dice.pick(&[Self::Expire, Self::HangUp].each_ref()).clone(),
        };
        // Once mostly, sometimes a few times, rarely for ever, and not always at the first chance.
        let times = if dice.roll(25) == 0 { 0 } else { dice.pick(&[1, 1, 1, 1, 1, 2, 3]) };
        Self::Planned(Planned { fault, times, skip: dice.pick(&[0, 0, 0, 1, 5]) })
    }

    fn name(&self) -> String {
        let text = match self {
            Self::Planned(planned) => format!("{:?}", planned.fault),
            other => format!("{other:?}"),
        };
        text.split(' ').next().unwrap_or_default().to_owned()
    }

    /// Makes it happen; a planned fault waits for its chances.
    fn strike(&self, lab: &Lab) {
        match self {
            Self::Planned(planned) => lab.simulator.inject(planned.clone()),
            Self::Expire => lab.simulator.expire_sessions(),
            Self::HangUp => lab.simulator.cut_connections(),
        }
    }

    /// Whether a client that opens a disk with it must find out. With a TLS of its own only "nbdssl" has two.
    fn is_imposture(&self, mode: &str) -> bool {
        let Self::Planned(Planned { fault, .. }) = self else { return false };
        match fault {
            Fault::WrongCertificate | Fault::WrongThumbprint | Fault::WrongSha256 => true,
            Fault::OtherCertificate => mode == "nbdssl",
            _ => false,
        }
    }

    /// Bytes that may be wrong without anybody knowing: the protocol has no check of what is not in zlib.
    fn spoils(&self) -> bool {
        matches!(self, Self::Planned(Planned { fault: Fault::Corrupt, .. }))
    }
}

/// What each sector may hold: the seed of its pattern, 0 for zeros; more than one after a write that failed.
struct Model(Vec<Vec<u64>>);

impl Model {
    fn new() -> Self {
        Self(vec![vec![0]; SECTORS as usize])
    }

    fn write(&mut self, start: u64, sectors: u64, seed: u64, done: bool) {
        for candidates in &mut self.0[start as usize..(start + sectors) as usize] {
            if done {
                candidates.clear();
            }
            candidates.push(seed);
        }
    }

    /// Bytes in sectors that hold what they cannot, at most those of a byte a piece.
    fn wrong_bytes(&self, start: u64, data: &[u8]) -> usize {
        let sectors = (start..).zip(data.chunks(SECTOR));
        let wrong = |(sector, bytes): (u64, &[u8])| {
            let differs = |seed: &u64| {
                let wanted = if *seed == 0 { vec![0; SECTOR] } else { pattern(*seed, sector, 1) };
                wanted.iter().zip(bytes).filter(|(one, other)| one != other).count()
            };
            self.0[sector as usize].iter().map(differs).min().unwrap_or(SECTOR)
        };
        sectors.map(wrong).sum()
    }
}

/// How a life went.
#[derive(Default)]
struct Counts {
    lives: usize,
    /// Its fault had its chance.
    struck: usize,
    /// Calls that did what they should, and calls that failed.
    fine: usize,
    failed: usize,
}

struct Life<'a> {
    lab: &'a Lab,
    trouble: Trouble,
    mode: &'static str,
    compression: Compression,
    dice: Dice,
    model: Model,
    counts: Counts,
}

impl Life<'_> {
    /// Counts a call.
    fn came<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(value) => {
                self.counts.fine += 1;
                Some(value)
            }
            Err(error) => {
                lab::told(&error);
                self.counts.failed += 1;
                None
            }
        }
    }

    fn range(&mut self) -> (u64, u64) {
        let start = self.dice.roll(SECTORS - 1);
        let most = self.dice.pick(&[1, 8, 129, SECTORS]);
        (start, 1 + self.dice.roll(most.min(SECTORS - start)))
    }

    fn call(&mut self, disk: &Disk, seed: u64) {
        let (start, sectors) = self.range();
        match self.dice.roll(8) {
            0..=3 => {
                if let Some(data) = self.came(disk.read(start, sectors)) {
                    let wrong = self.model.wrong_bytes(start, &data);
                    // The fault changes a byte of a frame, and a fastlz one may be repeated.
                    let may = self.trouble.spoils() && self.compression != Compression::Zlib;
                    assert!(
                        wrong == 0 || may && wrong <= 4 * SECTOR,
                        "{wrong} wrong bytes from sector {start} on"
                    );
                }
            }
            4 | 5 => {
                let result = disk.write(start, &pattern(seed, start, sectors));
                let done = self.came(result).is_some();
                self.model.write(start, sectors, seed, done);
            }
            6 => {
                let start = start / 128 * 128;
                let result = disk.get().allocated_blocks(start, SECTORS - start, 128);
                if let Some(blocks) = self.came(result) {
                    let ends = blocks.iter().map(|block| block.start + block.sectors);
                    assert!(
                        ends.max().unwrap_or(0) <= SECTORS && blocks.iter().all(|block| block.start >= start)
                    );
                }
            }
            _ => {
                let result = disk.get().info();
                if let Some(info) = self.came(result) {
                    assert_eq!(info.capacity, SECTORS);
                }
            }
        }
    }

    fn run(&mut self) {
        let before = self.dice.roll(2) == 0;
        if before {
            self.trouble.strike(self.lab);
        }
        let planned = self.lab.simulator.planned_faults();
        let flags = OpenFlags { compression: self.compression, ..OpenFlags::default() };
        let result = self.lab.open(0, self.mode, flags);
        let used = planned > self.lab.simulator.planned_faults();
        if before && used && self.trouble.is_imposture(self.mode) {
            let error = result.as_ref().expect_err("an impostor was believed");
            assert_eq!(error.kind(), ErrorKind::Untrusted, "{error}");
        }
        if let Some(disk) = self.came(result) {
            let calls = 3 + self.dice.roll(5);
            for call in 0..calls {
                if !before && call == 1 {
                    self.trouble.strike(self.lab);
                }
                self.call(&disk, call + 1);
            }
            disk.close();
        }
        let left = self.lab.simulator.planned_faults();
        self.counts.struck += usize::from(match &self.trouble {
            Trouble::Planned(planned) => planned.times == 0 || left == 0,
            _ => true,
        });
        self.counts.lives += 1;
    }

    /// After all, the disk holds what it may hold, and a new client reads it. A busy machine may need some tries.
    fn check(&mut self) {
        self.lab.simulator.clear_faults();
        let until = Instant::now() + LIMIT / 2;
        loop {
            let flags = OpenFlags { read_only: true, ..OpenFlags::default() };
            let data = self.lab.open(0, self.mode, flags).and_then(|disk| {
                let data = disk.read(0, SECTORS);
                disk.close();
                data
            });
            match data {
                Ok(data) => {
                    assert_eq!(self.model.wrong_bytes(0, &data), 0, "wrong bytes on the disk");
                    return;
                }
                Err(error) => assert!(Instant::now() < until, "it stays broken: {error}"),
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn live(number: usize, seed: u64) -> (String, Counts) {
    let mut dice = Dice((seed << 32 ^ number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    dice.roll(2);
    let kind = dice.pick(&[Kind::Vcenter, Kind::Esxi]);
    let profile = dice.pick(&[Profile::V80, Profile::V80, Profile::V703, Profile::V70, Profile::V67]);
    let strict = dice.roll(4) == 0;
    let lab =
        Lab::new(1, SECTORS, |config| (config.kind, config.profile, config.strict) = (kind, profile, strict));
    let trouble = Trouble::roll(&mut dice);
    let (mode, compression) = (dice.pick(&MODES), dice.pick(&COMPRESSIONS));
    let told =
        format!("life {number}: {trouble:?}, {mode}, {compression:?}, {kind:?} {profile:?} strict {strict}");
    let name = trouble.name();
    let mut life =
        Life { lab: &lab, trouble, mode, compression, dice, model: Model::new(), counts: Counts::default() };
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        life.run();
        life.check();
    }));
    assert!(done.is_ok(), "{told}");
    (name, life.counts)
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Waits for the workers, and gives up on the process when a life takes too long: nothing else would end it.
fn watch(running: &[Mutex<Option<(usize, Instant)>>], ended: &mpsc::Receiver<()>) {
    let mut left = running.len();
    while left > 0 {
        match ended.recv_timeout(Duration::from_secs(1)) {
            Ok(()) => left -= 1,
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                for place in running {
                    if let Some((life, since)) = *place.lock().unwrap() {
                        if since.elapsed() > LIMIT {
                            let text = format!("life {life} hangs\n");
                            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
                            std::process::abort();
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn five_hundred_lives_with_a_random_fault_each() {
    lab::start_library(CONFIG);
    let (lives, seed) = (number("VIXEN_FAULT_RUNS", 500) as usize, number("VIXEN_FAULT_SEED", 1));
    let next = AtomicUsize::new(0);
    let running: Vec<Mutex<Option<(usize, Instant)>>> = (0..AT_ONCE).map(|_| Mutex::default()).collect();
    let counts: Mutex<BTreeMap<String, Counts>> = Mutex::default();
    thread::scope(|scope| {
        let (sender, ended) = mpsc::channel();
        for place in &running {
            let (sender, next, counts) = (sender.clone(), &next, &counts);
            scope.spawn(move || {
                loop {
                    let life = next.fetch_add(1, Ordering::SeqCst);
                    if life >= lives {
                        break;
                    }
                    *place.lock().unwrap() = Some((life, Instant::now()));
                    let (name, went) = live(life, seed);
                    *place.lock().unwrap() = None;
                    let mut counts = counts.lock().unwrap();
                    let sum = counts.entry(name).or_default();
                    sum.lives += went.lives;
                    sum.struck += went.struck;
                    sum.fine += went.fine;
                    sum.failed += went.failed;
                }
                sender.send(()).unwrap();
            });
        }
        drop(sender);
        watch(&running, &ended);
    });
    let counts = counts.into_inner().unwrap();
    // The test is worth something when faults strike, and when there is a life in spite of them.
    let sum = |of: fn(&Counts) -> usize| counts.values().map(of).sum::<usize>();
    assert_eq!(sum(|count| count.lives), lives);
    assert!(sum(|count| count.fine) > 2 * lives && sum(|count| count.failed) > lives / 20);
    assert!(sum(|count| count.struck) > lives / 4);
    if lives >= 500 {
        // Which of them find their chance is a matter of the seed.
        assert!(counts.len() >= 29, "{:?}", counts.keys());
        assert!(counts.values().filter(|count| count.struck > 0).count() > 20);
    }
    for words in ["NBD_ClientOpen", "logged in to", "ticket for", "connecting again"] {
        assert!(lab::was_told(words), "the log lacks '{words}'");
    }
}
