//! `esxi-sim`: a simulated vCenter or ESXi host. `docs/esxi-sim.md` tells how it is used.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use esxi_sim::{Config, Kind, Profile, Simulator};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Serves VMDK files as the disks of virtual machines, as a vCenter or an ESXi host does.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Everything, from a file; flags count more.
    #[arg(long)]
    config: Option<PathBuf>,
    /// A disk, which gets a virtual machine of its own. May be given more than once.
    #[arg(long)]
    vm_disk: Vec<PathBuf>,
    /// 6.7, 7.0, 7.0.3 or 8.0.
    #[arg(long)]
    profile: Option<String>,
    /// User (root).
    #[arg(long)]
    user: Option<String>,
    /// Password (vmware).
    #[arg(long)]
    password: Option<String>,
    /// Be a vCenter, which is the default.
    #[arg(long, conflicts_with = "esxi")]
    vcenter: bool,
    /// Be a host that stands alone.
    #[arg(long)]
    esxi: bool,
    /// The manners of real hosts that a forgiving server does not have.
    #[arg(long)]
    strict: bool,
    /// The virtual machines run: their leaves cannot be opened.
    #[arg(long)]
    powered_on: bool,
    /// Address to listen on.
    #[arg(long)]
    listen: Option<String>,
    /// Port of HTTPS (a free one).
    #[arg(long)]
    soap_port: Option<u16>,
    /// Port of the authentication daemon (a free one).
    #[arg(long)]
    authd_port: Option<u16>,
    /// Delay of every answer of the disk service, in milliseconds.
    #[arg(long)]
    latency_ms: Option<u64>,
    /// Limit of the disk service, in bytes a second and connection.
    #[arg(long)]
    bandwidth: Option<u64>,
    /// Path of the control socket.
    #[arg(long)]
    control: Option<PathBuf>,
}

fn configure(arguments: Arguments) -> Result<Config, Box<dyn Error>> {
    let mut config: Config = match &arguments.config {
        Some(path) => toml::from_str(&std::fs::read_to_string(path)?)?,
        None => Config::default(),
    };
    for path in &arguments.vm_disk {
        config.add_vm_disk(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if let Some(name) = &arguments.profile {
        config.profile = Profile::from_name(name).ok_or("the profiles are 6.7, 7.0, 7.0.3 and 8.0")?;
    }
    if arguments.vcenter || arguments.esxi {
        config.kind = if arguments.esxi { Kind::Esxi } else { Kind::Vcenter };
    }
    config.strict |= arguments.strict;
    config.vm.iter_mut().for_each(|vm| vm.powered_on |= arguments.powered_on);
    config.user = arguments.user.unwrap_or(config.user);
    config.password = arguments.password.unwrap_or(config.password);
    config.listen = arguments.listen.unwrap_or(config.listen);
    config.soap_port = arguments.soap_port.unwrap_or(config.soap_port);
    config.authd_port = arguments.authd_port.unwrap_or(config.authd_port);
    config.latency_ms = arguments.latency_ms.unwrap_or(config.latency_ms);
    config.bandwidth = arguments.bandwidth.unwrap_or(config.bandwidth);
    let control = arguments.control.or_else(|| config.control.take());
    let name = format!("esxi-sim-{}.sock", std::process::id());
    config.control = Some(control.unwrap_or_else(|| std::env::temp_dir().join(name)));
    Ok(config)
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let simulator = Simulator::builder().config(configure(Arguments::parse())?).start()?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", simulator.to_json())?;
    out.flush()?;
    signals.forever().next();
    drop(simulator);
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "esxi-sim: {error}");
            ExitCode::FAILURE
        }
    }
}
