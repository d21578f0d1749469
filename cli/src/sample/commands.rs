//! The commands of the sample, with its lines.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::thread;

use vixDiskLib::error::{Error, Kind};
use vixDiskLib::session::{
    self, Adapter, ConnectParams, Credentials, DiskKind, Geometry, NewDisk, OpenFlags, Spec, library, manage,
};

use super::arguments::{Arguments, Command};
use super::bench;
use crate::disk::{Connection, Disk, c_string};
use crate::failure::{Code, Failure, Result};
use crate::image::{Content, SECTOR};
use crate::output::{printable, say};

/// Virtual hardware of new disks: Workstation 5.
const HARDWARE: u16 = 4;

/// In whose name access is announced.
const IDENTITY: &[u8] = b"Sample";

/// Sectors that are copied at a time by -multithread.
const COPY_SECTORS: u64 = 128;

fn obey(arguments: &Arguments) -> Result<()> {
    let Some(path) = arguments.paths.first() else { return Ok(()) };
    match &arguments.command {
        Command::Create => create(arguments, path),
        Command::Redo(parent) => {
            let flags = OpenFlags { read_only: true, single_link: arguments.single, ..OpenFlags::default() };
            let parent = Disk::open(connect(arguments, false)?, parent, flags)?;
            manage::create_child(parent.handle(), path, DiskKind::MonolithicSparse, &mut |_| ())?;
            parent.close()
        }
        Command::Info => info(&open(arguments, path, true)?),
        Command::Dump => dump(arguments, &open(arguments, path, true)?),
        Command::Fill => fill(arguments, open(arguments, path, false)?),
        Command::WriteMeta(key, value) => {
            let disk = open(arguments, path, false)?;
            disk.set_metadata(key.as_bytes(), value.as_bytes())?;
            disk.close()
        }
        Command::ReadMeta(key) => meta(&open(arguments, path, true)?, key.as_bytes()),
        Command::Meta => {
            let disk = open(arguments, path, true)?;
            disk.metadata_keys()?.iter().try_for_each(|key| meta(&disk, key))
        }
        Command::Clone(source) => clone(arguments, source, path),
        Command::Bench { sectors, write, asynchronous } => {
            for (number, path) in arguments.paths.iter().enumerate() {
                let disk = open(arguments, path, !write)?;
                bench::run(&disk, number, *sectors, *write, *asynchronous)?;
                disk.close()?;
            }
            Ok(())
        }
        Command::Multithread(threads) => multithread(arguments, path, *threads),
        Command::Check(repair) => {
            let connection = connect(arguments, !repair)?;
            let mut tell = |finding: &str| drop(say(&(printable(finding.as_bytes()) + "\n")));
            let health = manage::check_and_tell(connection.handle(), path, *repair, &mut tell)?;
            match health.left {
                0 => Ok(()),
                left => Err(Failure::new(Code::Damaged, format!("{left} findings of damage"))),
            }
        }
        Command::AllocatedBlocks => allocated(arguments, &open(arguments, path, true)?),
        Command::Mount => {
            let text = "-mount needs vixMntapi, which this build does not have; \
                        'vixen serve' gives the disk to NBD tools, which mount it";
            Err(Error::new(Kind::NotSupported, text).into())
        }
    }
}

/// Runs the command, announced to the server when it is about a virtual machine.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let announced = match (&arguments.host, &arguments.vm) {
        (Some(_), Some(_)) => announce(session::prepare_for_access(parameters(arguments)?, IDENTITY))?,
        _ => false,
    };
    let done = obey(arguments);
    if announced {
        // What the command itself said counts more.
        done.and(announce(session::end_access(parameters(arguments)?, IDENTITY)).map(drop))
    } else {
        done
    }
}

/// Whether there was somebody to hear an announcement: a host that stands alone moves no machines.
fn announce(result: vixDiskLib::error::Result<()>) -> Result<bool> {
    match result {
        Err(error) if error.kind() == Kind::NotSupported => Ok(false),
        other => Ok(other.map(|()| true)?),
    }
}

fn parameters(arguments: &Arguments) -> Result<ConnectParams> {
    let text = |value: &Option<String>| value.as_deref().map(c_string).transpose();
    let secret =
        |value: &Option<String>| value.as_ref().map(|text| session::connection::Secret::new(text.as_bytes()));
    let user = text(&arguments.user)?;
    let (cred_type, credentials) = match &arguments.cookie {
        _ if arguments.host.is_none() => (1, Credentials::None),
        None => (1, Credentials::User { user, password: secret(&arguments.password) }),
        cookie => {
            (2, Credentials::Session { cookie: secret(cookie), user, key: secret(&arguments.password) })
        }
    };
    let spec = match &arguments.fcd {
        None => Spec::Vmx,
        id => Spec::VStorageObject {
            id: text(id)?,
            datastore: text(&arguments.datastore)?,
            snapshot: text(&arguments.fcd_snapshot)?,
        },
    };
    Ok(ConnectParams {
        vmx_spec: text(&arguments.vm)?,
        server_name: text(&arguments.host)?,
        thumb_print: text(&arguments.thumbprint)?,
        cred_type,
        credentials,
        port: arguments.port,
        nfc_host_port: arguments.nfc_port,
        spec,
    })
}

fn connect(arguments: &Arguments, read_only: bool) -> Result<Connection> {
    let (snapshot, modes) = (arguments.snapshot.as_deref(), arguments.modes.as_deref());
    Connection::with(parameters(arguments)?, read_only, snapshot, modes)
}

fn open(arguments: &Arguments, path: &Path, read_only: bool) -> Result<Disk> {
    let flags = OpenFlags {
        read_only,
        single_link: arguments.single,
        unbuffered: arguments.unbuffered,
        compression: arguments.compression,
    };
    Disk::open(connect(arguments, read_only)?, path, flags)
}

fn new_disk(arguments: &Arguments, capacity: u64) -> Result<NewDisk> {
    if let Some(size) = arguments.sector_sizes.iter().find(|size| ![0, SECTOR].contains(size)) {
        let text = format!("a disk with sectors of {size} bytes cannot be made, only with 512");
        return Err(Error::new(Kind::NotSupported, text).into());
    }
    let adapter = if arguments.ide { Adapter::Ide } else { Adapter::BusLogic };
    Ok(NewDisk { kind: DiskKind::MonolithicSparse, adapter, hardware: HARDWARE, capacity })
}

fn create(arguments: &Arguments, path: &Path) -> Result<()> {
    let too_large = || Failure::new(Code::Usage, "-cap is too large");
    let sectors = arguments.capacity.checked_mul(2048).ok_or_else(too_large)?;
    let connection = connect(arguments, false)?;
    Ok(session::create(connection.handle(), path, &new_disk(arguments, sectors)?, &mut |_| ())?)
}

fn clone(arguments: &Arguments, source: &Path, path: &Path) -> Result<()> {
    let (to, from) = (connect(arguments, false)?, Connection::local()?);
    let mut tell = |percent: u8| {
        drop(say(&format!("\rCloning : {percent}% Done")));
        true
    };
    let (target, source) = ((to.handle(), path), (from.handle(), source));
    manage::clone(target, source, &new_disk(arguments, 0)?, true, &mut tell)?;
    say("\n Done\n")
}

fn info(disk: &Disk) -> Result<()> {
    let info = disk.info()?;
    let adapter = match info.adapter {
        Adapter::Ide => "IDE",
        Adapter::BusLogic => "BusLogic SCSI",
        Adapter::LsiLogic => "LsiLogic SCSI",
        Adapter::Unknown => "unknown",
    };
    let shape =
        |geometry: Geometry| format!("{}/{}/{}", geometry.cylinders, geometry.heads, geometry.sectors);
    let lines = [
        ("capacity", format!("{} sectors", info.capacity)),
        ("logical sector size", format!("{} bytes", info.logical_sector_size)),
        ("physical sector size", format!("{} bytes", info.physical_sector_size)),
        ("number of links", info.links.to_string()),
        ("adapter type", adapter.to_owned()),
        ("BIOS geometry", shape(info.bios_geometry)),
        ("physical geometry", shape(info.geometry)),
        ("Transport modes", library::transport_modes()),
    ];
    let text: String = lines.iter().map(|(label, value)| format!("{label:<21}= {value}\n")).collect();
    say(&text)
}

fn dump(arguments: &Arguments, disk: &Disk) -> Result<()> {
    let mut bytes = [0; SECTOR as usize];
    for number in 0..arguments.count {
        Content::read(disk, arguments.start.saturating_add(number), &mut bytes)?;
        let mut text = String::new();
        for (line, piece) in bytes.chunks(16).enumerate() {
            let hex: String = piece.iter().map(|byte| format!("{byte:02x} ")).collect();
            let shown = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
            let characters: String = piece.iter().map(shown).collect();
            text += &format!("{:04x} : {hex} {characters}\n", line * 16);
        }
        say(&(text + "\n"))?;
    }
    Ok(())
}

fn fill(arguments: &Arguments, disk: Disk) -> Result<()> {
    let piece = vec![arguments.value; (COPY_SECTORS * SECTOR) as usize];
    let mut done = 0;
    while done < arguments.count {
        let part = COPY_SECTORS.min(arguments.count - done);
        let data = piece.get(..(part * SECTOR) as usize).unwrap_or_default();
        (*disk).write(arguments.start.saturating_add(done), data)?;
        done += part;
    }
    disk.close()
}

fn meta(disk: &Disk, key: &[u8]) -> Result<()> {
    let value = disk.metadata(key)?;
    say(&format!("{} = {}\n", printable(key), printable(&value)))
}

fn allocated(arguments: &Arguments, disk: &Disk) -> Result<()> {
    let capacity = disk.sectors();
    let blocks = disk.allocated_blocks(0, capacity, arguments.chunk)?;
    let mut text = format!("\nNumber of blocks: {}\n{:<14}  {:<14}\n", blocks.len(), "Offset", "Length");
    for block in &blocks {
        text += &format!("0x{:012X}  0x{:012X}\n", block.start, block.sectors);
    }
    let used: u64 = blocks.iter().map(|block| block.sectors).sum();
    let percent = used as f64 * 100.0 / capacity.max(1) as f64;
    say(&format!("{text}Allocated: {used} of {capacity} sectors ({percent:.1}%)\n"))
}

fn multithread(arguments: &Arguments, path: &Path, threads: u64) -> Result<()> {
    let copy = |number: u64| -> Result<()> {
        let disk = open(arguments, path, true)?;
        let target = std::env::temp_dir().join(format!("test{}-{number}", std::process::id()));
        let failed = |error| Failure::io(error, "writing", &target);
        let mut file = File::options().write(true).create_new(true).open(&target).map_err(failed)?;
        let copied = copy_to(&disk, &mut file, &target);
        fs::remove_file(&target).map_err(failed)?;
        copied?;
        say(&format!("CopyThread to {} succeeded.\n", target.display()))
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|number| scope.spawn(move || copy(number))).collect();
        let crashed = || Err(Failure::new(Code::Internal, "a thread has crashed"));
        running.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| crashed()))
    })
}

fn copy_to(disk: &Disk, file: &mut File, target: &Path) -> Result<()> {
    let mut buffer = vec![0; (COPY_SECTORS * SECTOR) as usize];
    let (mut sector, end) = (0, disk.sectors());
    while sector < end {
        let part = COPY_SECTORS.min(end - sector);
        let piece = buffer.get_mut(..(part * SECTOR) as usize).unwrap_or_default();
        Content::read(disk, sector, piece)?;
        file.write_all(piece).map_err(|error| Failure::io(error, "writing", target))?;
        sector += part;
    }
    Ok(())
}
