//! Stages on the way to a disk of a server: each is tried by itself, up to the first that fails.

use std::fmt::Display;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, Instant};

use vixDiskLib::error::{Error, Kind};
use vixDiskLib::session::survey::{Machine, MachineDisk, Survey, Trust, survey};
use vixDiskLib::session::{Credentials, OpenFlags};

use super::{Options, Stage, Verdict, local};
use crate::disk::{Connection, Disk, c_string, partial_parameters};
use crate::failure::Result;
use crate::image::SECTOR;
use crate::output::size;

/// The port of servers.
const HTTPS: u16 = 443;

/// How long a port may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What reading a disk needs.
const READING: [&str; 2] =
    ["VirtualMachine.Provisioning.DiskRandomRead", "VirtualMachine.Provisioning.GetVmFiles"];

/// What a backup program needs besides, and restoring.
const MORE: [&str; 3] = [
    "VirtualMachine.Provisioning.DiskRandomAccess",
    "VirtualMachine.State.CreateSnapshot",
    "VirtualMachine.Config.ChangeTracking",
];

/// All stages, in their order.
const NAMES: [&str; 15] = [
    "server name",
    "server port",
    "certificate",
    "server",
    "login",
    "machine",
    "privileges",
    "snapshot",
    "change tracking",
    "disk",
    "ticket",
    "disk port",
    "authd",
    "open",
    "first read",
];

/// All stages; those behind a failure are skipped.
pub(super) fn stages(options: &Options) -> Vec<Stage> {
    let mut way = Way { options, stages: Vec::new() };
    // What ended it stands in the stages.
    let ended = way.walk().is_none();
    let mut stages = way.stages;
    let failed = stages.iter().any(|stage| stage.verdict == Verdict::Failed);
    let last = stages.last().map_or("", |stage| stage.stage);
    let behind = NAMES.iter().skip_while(|name| **name != last).skip(1);
    if ended {
        let why = if failed { "not tried after the failure above" } else { "not tried without the above" };
        stages.extend(behind.map(|name| Stage::skipped(name, why)));
    }
    stages
}

/// How far one got. Its functions return `None` where it ends.
struct Way<'a> {
    options: &'a Options,
    stages: Vec<Stage>,
}

impl Way<'_> {
    /// Notes how a stage ended, and what to do when it failed.
    fn note<T, E: Display>(
        &mut self,
        stage: &'static str,
        result: std::result::Result<T, E>,
        good: impl FnOnce(&T) -> String,
        advice: impl FnOnce(&E) -> String,
    ) -> Option<T> {
        match result {
            Ok(value) => {
                self.stages.push(Stage::new(stage, Verdict::Good, good(&value)));
                Some(value)
            }
            Err(error) => {
                let failed = Stage::new(stage, Verdict::Failed, error.to_string());
                self.stages.push(failed.advise(advice(&error)));
                None
            }
        }
    }

    fn skip(&mut self, stage: &'static str, why: &str) {
        self.stages.push(Stage::skipped(stage, why));
    }

    fn walk(&mut self) -> Option<()> {
        self.reach_server()?;
        let connection = self.connection()?;
        let survey = survey(connection.handle()).ok()?; // there is a server, so this is one
        self.certificate(&survey)?;
        let advice = |_: &Error| "look whether this is the port of a vCenter or an ESXi host".to_owned();
        self.note("server", survey.server(), String::clone, advice)?;
        self.log_in(&survey)?;
        let machine = self.machine(&survey)?;
        self.privileges(&survey, &machine);
        let disks = self.snapshot(&survey, &machine)?;
        self.tracking(&machine);
        let path = self.disk(&survey, &machine, disks.as_deref().unwrap_or(&machine.disks))?;
        let (host, port) = self.note(
            "ticket",
            survey.ticket(&path),
            |(host, port)| format!("for {host}, port {port}"),
            ticket_advice,
        )?;
        self.reach("disk port", &host, port)?;
        self.authd(&survey, &host, port)?;
        self.open(connection, &path)
    }

    fn reach_server(&mut self) -> Option<()> {
        let server = self.options.remote.server.as_deref().unwrap_or_default();
        let server = server.trim_start_matches('[').trim_end_matches(']');
        let port = if self.options.remote.port == 0 { HTTPS } else { self.options.remote.port };
        let addresses = resolve(server, port);
        let good = |address: &SocketAddr| format!("{server} is {}", address.ip());
        let advice = |_: &String| format!("correct the name, or let it be known: getent hosts {server}");
        self.note("server name", addresses, good, advice)?;
        self.reach("server port", server, port)
    }

    /// Connects to a port, and leaves again.
    fn reach(&mut self, stage: &'static str, host: &str, port: u16) -> Option<()> {
        let began = Instant::now();
        let reached = resolve(host, port).and_then(|address| {
            let connected = TcpStream::connect_timeout(&address, PATIENCE);
            connected.map_err(|error| format!("{address}: {error}")).map(|_| address)
        });
        let good =
            |address: &SocketAddr| format!("{address} answers after {} ms", began.elapsed().as_millis());
        let advice =
            |_: &String| format!("let firewalls pass TCP to {host} port {port}, and look whether it runs");
        self.note(stage, reached, good, advice).map(drop)
    }

    /// The connection, with something in place of what was not named: what needs that is skipped.
    fn connection(&mut self) -> Option<Connection> {
        let remote = &self.options.remote;
        let connect = || -> Result<Connection> {
            let mut params = partial_parameters(remote)?;
            if params.vmx_spec.is_none() {
                params.vmx_spec = Some(c_string("moref=none")?);
            }
            if let Credentials::User { user: user @ None, .. } = &mut params.credentials {
                *user = Some(c_string("nobody")?);
            }
            params.nfc_host_port = self.options.disk_port.map_or(0, u32::from);
            Connection::with(params, true, remote.snapshot.as_deref(), remote.transport.as_deref())
        };
        match connect() {
            Ok(connection) => Some(connection),
            Err(failure) => {
                let failed = Stage::new("certificate", Verdict::Failed, failure.to_string());
                self.stages.push(failed.advise("correct the options: vixen doctor --help"));
                None
            }
        }
    }

    fn certificate(&mut self, survey: &Survey) -> Option<()> {
        let good = |(_, trust): &(_, Trust)| {
            let text = match trust {
                Trust::Thumbprint(_) => "it has the thumbprint that was given",
                Trust::SystemRoots => "an authority of this system vouches for it",
                Trust::Anything => "not checked (vixen.allowUnverifiedCertificates)",
            };
            text.to_owned()
        };
        let advice = |error: &Error| match (error.kind(), survey.shown_certificate()) {
            (Kind::Untrusted, Ok(shown)) => format!(
                "make sure that this is the thumbprint of the server and of nobody in between, and give it: \
                 --thumbprint {}",
                shown.sha1
            ),
            (Kind::NotSupported, _) => "the server needs an update: its TLS is too old".to_owned(),
            _ => "look whether this is the port of a vCenter or an ESXi host".to_owned(),
        };
        self.note("certificate", survey.certificate(), good, advice).map(drop)
    }

    fn log_in(&mut self, survey: &Survey) -> Option<()> {
        let Some(user) = &self.options.remote.user else {
            self.skip("login", "no user was named (--user)");
            return None;
        };
        let advice = |error: &Error| match error.kind() {
            Kind::NoPermission => "correct the name (with its domain: user@vsphere.local) or the password; \
                 many wrong ones lock a user out"
                .to_owned(),
            _ => "look at the log of the server".to_owned(),
        };
        self.note("login", survey.log_in(), |()| format!("as {user}"), advice)
    }

    fn machine(&mut self, survey: &Survey) -> Option<Machine> {
        if self.options.remote.vm.is_none() {
            self.skip("machine", "none was named (--vm)");
            return None;
        }
        let good = |machine: &Machine| {
            let power = if machine.powered_on { "running" } else { "switched off" };
            let disks = machine.disks.len();
            format!("{}: '{}' on {}, {power}, {disks} disk(s)", machine.id, machine.name, machine.host)
        };
        let advice = |error: &Error| match error.kind() {
            Kind::VmNotFound => {
                "name it by its id (--vm vm-42), or by uuid=, instanceUuid= or path=DC/vm/NAME; \
                 a user without rights does not see it either"
                    .to_owned()
            }
            _ => "look at the machine in the server's own interface".to_owned(),
        };
        let machine = self.note("machine", survey.machine(), good, advice)?;
        if !machine.connected {
            let text = format!("'{}' is out of the server's reach on {}", machine.name, machine.host);
            self.stages.pop();
            let failed = Stage::new("machine", Verdict::Failed, text);
            self.stages.push(failed.advise("connect the host to its vCenter again"));
            return None;
        }
        Some(machine)
    }

    /// What is missing for reading is a failure, but not the end: the ticket tells for sure.
    fn privileges(&mut self, survey: &Survey, machine: &Machine) {
        const NAME: &str = "privileges";
        let wanted = [&READING[..], &MORE[..]].concat();
        let stage = match survey.missing_privileges(machine, &wanted) {
            Err(error) => Stage::new(NAME, Verdict::Remark, format!("cannot be asked for: {error}")),
            Ok(missing) if missing.is_empty() => {
                Stage::new(NAME, Verdict::Good, "all for backup and restore")
            }
            Ok(missing) => {
                let for_reading = missing.iter().any(|name| READING.contains(name));
                let verdict = if for_reading { Verdict::Failed } else { Verdict::Remark };
                let text = format!("missing: {}", missing.join(", "));
                Stage::new(NAME, verdict, text)
                    .advise("give a role with these privileges to the user, on the machine")
            }
        };
        self.stages.push(stage);
    }

    /// The disks of the snapshot, if one is named.
    fn snapshot(&mut self, survey: &Survey, machine: &Machine) -> Option<Option<Vec<MachineDisk>>> {
        const NAME: &str = "snapshot";
        let found = survey.snapshot_disks();
        let id = self.options.remote.snapshot.as_deref().unwrap_or_default();
        match &found {
            Ok(None) if machine.powered_on => {
                let text = "none was named, and the disks of a running machine cannot be opened";
                let remark = Stage::new(NAME, Verdict::Remark, text);
                self.stages.push(remark.advise("make a snapshot, and name it: --snapshot snapshot-7"));
                return Some(None);
            }
            Ok(None) => {
                self.skip(NAME, "none was named (--snapshot)");
                return Some(None);
            }
            _ => {}
        }
        let good = |disks: &Option<Vec<_>>| format!("{id}: {} disk(s)", disks.as_ref().map_or(0, Vec::len));
        let advice = |_: &Error| "name a snapshot of this machine by its id, such as snapshot-7".to_owned();
        self.note(NAME, found, good, advice)
    }

    fn tracking(&mut self, machine: &Machine) {
        let stage = if machine.tracked {
            Stage::new("change tracking", Verdict::Good, "on")
        } else {
            let text = "off: incremental backups read the whole disk";
            let stage = Stage::new("change tracking", Verdict::Remark, text);
            stage.advise("switch it on with the machine switched off, or before a snapshot is made")
        };
        self.stages.push(stage);
    }

    /// The disk that was named, else the first one.
    fn disk(&mut self, survey: &Survey, machine: &Machine, disks: &[MachineDisk]) -> Option<String> {
        let named = self.options.path.as_ref().map(|path| path.display().to_string());
        let path = named.or_else(|| disks.first().map(|disk| disk.file.clone()));
        let Some(path) = path else {
            self.skip("disk", "none was named, and the machine has none");
            return None;
        };
        let good = |key: &i32| format!("'{path}', device {key}");
        let advice = |_: &Error| "name one of its disks as '[datastore] folder/name.vmdk'".to_owned();
        self.note("disk", survey.device(machine, &path), good, advice)?;
        Some(path)
    }

    fn authd(&mut self, survey: &Survey, host: &str, port: u16) -> Option<()> {
        let advice = |_: &Error| format!("look whether another program has port {port} of {host}");
        let good = |tls: &bool| {
            let text =
                if *tls { "it greets, and offers TLS" } else { "it greets; only nbd, in clear, is offered" };
            text.to_owned()
        };
        self.note("authd", survey.offers_tls(host, port), good, advice).map(drop)
    }

    fn open(&mut self, connection: Connection, path: &str) -> Option<()> {
        let flags = OpenFlags { read_only: true, ..OpenFlags::default() };
        let opened = Disk::open(connection, Path::new(path), flags);
        let good = |disk: &Disk| {
            format!("{} by {}", size(disk.sectors().saturating_mul(SECTOR)), disk.transport_mode())
        };
        let advice = |_: &_| {
            "a running machine's disk opens by a snapshot only (--snapshot); for a host without TLS add nbd to --transport"
                .to_owned()
        };
        let disk = self.note("open", opened, good, advice)?;
        self.stages.push(local::speed(&disk));
        Some(())
    }
}

fn ticket_advice(error: &Error) -> String {
    let text = match error.kind() {
        Kind::NoPermission => "give a role with the privilege that is named to the user, on the machine",
        Kind::Busy | Kind::HostUnavailable => "wait until the host has left maintenance, or is less busy",
        Kind::NotSupported => "this server gives no tickets for disks: it is no vCenter and no ESXi host",
        _ => "look at the log of the server",
    };
    text.to_owned()
}

/// An address of a host.
fn resolve(host: &str, port: u16) -> std::result::Result<SocketAddr, String> {
    match (host, port).to_socket_addrs().map(|mut addresses| addresses.next()) {
        Ok(Some(address)) => Ok(address),
        Ok(None) => Err(format!("{host} has no address")),
        Err(error) => Err(format!("{host}: {error}")),
    }
}
