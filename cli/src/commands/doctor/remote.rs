//! Stages on the way to a disk of a server.
//!
//! Name and ports are looked at here. What lies behind them is the session's: [`Checks`] is the place where a client of
//! the server's interface tells of certificate, login, virtual machine and ticket one by one.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use vixDiskLib::session::OpenFlags;

use super::{Options, Stage, Verdict, local};
use crate::disk::{Connection, Disk};

/// The port of servers.
const HTTPS: u16 = 443;

/// How long a port may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What knows more of the way than that the session could or could not connect.
trait Checks {
    /// Its stages, in order, up to the first failure.
    fn stages(&self, options: &Options) -> Vec<Stage>;
}

/// Knows nothing.
struct NoChecks;

impl Checks for NoChecks {
    fn stages(&self, _options: &Options) -> Vec<Stage> {
        let names = [
            "certificate",
            "login",
            "machine",
            "privileges",
            "snapshot",
            "change tracking",
            "ticket",
            "authd",
        ];
        names.map(|name| Stage::skipped(name, "part of 'connect' in this release")).into()
    }
}

/// All stages; those behind a failure are skipped.
pub(super) fn stages(options: &Options) -> Vec<Stage> {
    let server = options.remote.server.as_deref().unwrap_or_default();
    let port = if options.remote.port == 0 { HTTPS } else { options.remote.port };
    let (stage, address) = name(server, port);
    let mut stages = vec![stage];
    let Some(address) = address else { return skip_rest(stages) };
    stages.push(reach("server port", address));
    if failed(&stages) {
        return skip_rest(stages);
    }
    stages.extend(NoChecks.stages(options));
    stages.push(reach("disk port", SocketAddr::new(address.ip(), options.disk_port)));
    stages.extend(connect(options));
    stages
}

fn failed(stages: &[Stage]) -> bool {
    stages.iter().any(|stage| stage.verdict == Verdict::Failed)
}

fn skip_rest(mut stages: Vec<Stage>) -> Vec<Stage> {
    stages.push(Stage::skipped("connect", "not tried after the failure above"));
    stages
}

fn name(server: &str, port: u16) -> (Stage, Option<SocketAddr>) {
    const NAME: &str = "server name";
    match (server, port).to_socket_addrs().map(|mut addresses| addresses.next()) {
        Ok(Some(address)) => {
            (Stage::new(NAME, Verdict::Good, format!("{server} is {}", address.ip())), Some(address))
        }
        Ok(None) => (Stage::new(NAME, Verdict::Failed, format!("{server} has no address")), None),
        Err(error) => {
            let advice = format!("correct the name, or let it be known: getent hosts {server}");
            (Stage::new(NAME, Verdict::Failed, format!("{server}: {error}")).advise(advice), None)
        }
    }
}

fn reach(stage: &'static str, address: SocketAddr) -> Stage {
    let began = Instant::now();
    match TcpStream::connect_timeout(&address, PATIENCE) {
        Ok(_) => {
            let time = began.elapsed().as_millis();
            Stage::new(stage, Verdict::Good, format!("{address} answers after {time} ms"))
        }
        Err(error) => Stage::new(stage, Verdict::Failed, format!("{address}: {error}"))
            .advise(format!("let firewalls pass TCP to {address}, and look whether the service runs")),
    }
}

fn connect(options: &Options) -> Vec<Stage> {
    let connection = match Connection::to(&options.remote, true) {
        Ok(connection) => connection,
        Err(failure) => {
            let stage = Stage::new("connect", Verdict::Failed, failure.to_string());
            return vec![stage.advise("check user, password, thumbprint and virtual machine")];
        }
    };
    let mut stages = vec![Stage::new("connect", Verdict::Good, "logged in")];
    let Some(path) = &options.path else {
        stages.push(Stage::skipped("open", "no disk was named"));
        return stages;
    };
    match Disk::open(connection, path, OpenFlags { read_only: true, ..OpenFlags::default() }) {
        Ok(disk) => {
            stages.push(Stage::new("open", Verdict::Good, format!("by {}", disk.transport_mode())));
            stages.push(local::speed(&disk));
        }
        Err(failure) => stages.push(
            Stage::new("open", Verdict::Failed, failure.to_string())
                .advise("check the path, the snapshot and the transport modes"),
        ),
    }
    stages
}
