//! The client of the management interface against one that another project wrote: govmomi's simulator of a vCenter and
//! of an ESXi host, over TCP and TLS. It has no service for disks, so it ends with the ticket.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::ffi::CString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Once};
use std::time::Duration;

use vixDiskLib::error::{Error, Kind, Result};
use vixDiskLib::session::connection::Credentials;
use vixDiskLib::session::{self, ConnectParams, OpenFlags};
use vixDiskLib::transport::tcp::Timeouts;
use vixDiskLib::transport::tls::{Thumbprint, TlsDial, Trust};
use vixDiskLib::vsphere::examine;
use vixDiskLib::vsphere::inventory::{VmSpec, attachment};
use vixDiskLib::vsphere::secret::Secret;
use vixDiskLib::vsphere::session::{Login, Server, Session};
use vixDiskLib::vsphere::soap::Moref;
use vixDiskLib::vsphere::ticket::TicketSource;
use vixDiskLib::vsphere::tickets::{DiskSpec, DiskTickets};

/// A simulator that ends with the test.
struct Vcsim {
    child: Child,
    told: String,
}

impl Vcsim {
    fn start(kind: &str) -> Self {
        Self::with(&[kind])
    }

    fn with(arguments: &[&str]) -> Self {
        static BUILD: Once = Once::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        BUILD.call_once(|| {
            let built = Command::new(root.join("tests/vcsim/build.sh")).output().unwrap();
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        });
        let mut command = Command::new(root.join("target/cache/vcsim"));
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut told = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut told).unwrap();
        Self { child, told }
    }

    /// A value of the line that it printed: a text, or the first of a list.
    fn told(&self, name: &str) -> String {
        let rest = self.told.split(&format!("\"{name}\":")).nth(1).unwrap();
        let rest = rest.trim_start_matches('[');
        if let Some(text) = rest.strip_prefix('"') {
            return text.split('"').next().unwrap().to_owned();
        }
        rest.chars().take_while(|digit| digit.is_ascii_digit() || *digit == '-').collect()
    }

    fn port(&self) -> u16 {
        self.told("Port").parse().unwrap()
    }

    fn session_with(&self, password: &str, trust: Trust) -> Session {
        let server = Server {
            host: "127.0.0.1".to_owned(),
            port: self.port(),
            login: Login::Password { user: self.told("User"), password: Secret::new(password.as_bytes()) },
            call_limit: Duration::from_secs(60),
            idle_limit: Duration::from_secs(600),
        };
        Session::new(server, Arc::new(TlsDial { trust, timeouts: Timeouts::default() }))
    }

    fn trust(&self, name: &str) -> Trust {
        Trust::Thumbprint(Thumbprint::parse(&self.told(name)).unwrap())
    }

    fn session(&self) -> Session {
        self.session_with(PASSWORD, self.trust("SHA1"))
    }

    fn vm(&self) -> Moref {
        Moref::new("VirtualMachine", &self.told("VM"))
    }
}

impl Drop for Vcsim {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// As tests/vcsim/main.go has it.
const PASSWORD: &str = "pass & <word>\"'";

fn find(session: &Session, spec: &str) -> Result<Moref> {
    VmSpec::parse(spec).unwrap().find(session)
}

fn assert_told(error: &Error, kind: Kind, words: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
    assert!(!text.contains("word>") && !text.contains("wrong"), "{text}");
}

#[test]
fn login_takes_the_right_password_and_certificate_only() {
    for (kind, vcenter) in [("vpx", true), ("esx", false)] {
        let vcsim = Vcsim::start(kind);
        for thumbprint in ["SHA1", "SHA256"] {
            let session = vcsim.session_with(PASSWORD, vcsim.trust(thumbprint));
            assert_eq!(session.about().unwrap().full_name, vcsim.told("Version"));
            assert_eq!(session.content().unwrap().is_vcenter, vcenter);
            session.end();
        }
        let error = vcsim.session_with("wrong", vcsim.trust("SHA1")).content().unwrap_err();
        assert_told(&error, Kind::NoPermission, &["127.0.0.1", "InvalidLogin", &vcsim.told("User")]);
        let other = Trust::Thumbprint(Thumbprint::Sha1([7; 20]));
        let error = vcsim.session_with(PASSWORD, other).content().unwrap_err();
        assert_told(&error, Kind::Untrusted, &["thumbprint", "07:07:07"]);
        let error = vcsim.session_with(PASSWORD, Trust::SystemRoots).content().unwrap_err();
        assert_told(&error, Kind::Untrusted, &["127.0.0.1"]);
    }
}

#[test]
fn a_weak_key_is_not_called_another_certificate() {
    let vcsim = Vcsim::with(&["vpx", "weak"]);
    let error = vcsim.session().content().unwrap_err();
    assert_told(&error, Kind::Untrusted, &["127.0.0.1", "certificate"]);
    assert!(!error.to_string().contains("expected"), "{error}");
}

#[test]
fn machines_are_found_by_every_name() {
    for kind in ["vpx", "esx"] {
        let vcsim = Vcsim::start(kind);
        let session = vcsim.session();
        let (path, vmx) = (vcsim.told("Path"), vcsim.told("VMX"));
        let (store, file) = vmx.trim_start_matches('[').split_once("] ").unwrap();
        for spec in [
            format!("moref={}", vcsim.told("VM")),
            format!("uuid={}", vcsim.told("UUID")),
            format!("instanceUuid={}", vcsim.told("InstanceUUID")),
            format!("path={path}"),
            format!("path={}", path.trim_start_matches('/')),
            format!("{file}?dcPath={}&dsName={store}", vcsim.told("Datacenter").trim_start_matches('/')),
        ] {
            assert_eq!(find(&session, &spec).unwrap(), vcsim.vm(), "{kind} {spec}");
        }
        for spec in ["uuid=00000000-0000-0000-0000-000000000000", "path=nowhere/vm/none"] {
            assert_eq!(find(&session, spec).unwrap_err().kind(), Kind::VmNotFound, "{kind} {spec}");
        }
    }
}

#[test]
fn devices_snapshots_and_privileges_are_read() {
    for kind in ["vpx", "esx"] {
        let vcsim = Vcsim::start(kind);
        let session = vcsim.session();
        let spec = VmSpec::parse(&vcsim.told("VM")).unwrap();
        let machine = examine::machine(&session, &spec).unwrap();
        assert_eq!(machine.name, vcsim.told("Name"));
        assert!(machine.powered_on && machine.connected && !machine.host.is_empty(), "{machine:?}");
        let (key, file) = (vcsim.told("DiskKeys"), vcsim.told("DiskFiles"));
        assert_eq!(machine.disks.len(), 1);
        assert_eq!((machine.disks[0].device_key.to_string(), &machine.disks[0].file), (key.clone(), &file));
        let found = attachment(&session, &vcsim.vm(), None, &file).unwrap();
        assert_eq!((found.device_key.to_string(), found.host.kind.as_str()), (key, "HostSystem"));
        let error = attachment(&session, &vcsim.vm(), None, "[no] such/disk.vmdk").unwrap_err();
        assert_told(&error, Kind::FileNotFound, &["[no] such/disk.vmdk", &file]);
        if kind == "vpx" {
            let wanted = ["System.Read", "VirtualMachine.Provisioning.GetVmFiles"];
            assert_eq!(examine::privileges(&session, &vcsim.vm(), &wanted).unwrap(), [true, true]);
        }
        // Its snapshots are bare objects.
        examine::snapshot_disks(&session, &vcsim.told("Snapshot")).unwrap();
    }
}

#[test]
fn faults_become_errors_with_their_texts() {
    let vcsim = Vcsim::start("vpx");
    let session = vcsim.session();
    let gone = examine::machine(&session, &VmSpec::parse("moref=vm-99999").unwrap()).unwrap_err();
    assert_told(&gone, Kind::VmNotFound, &["ManagedObjectNotFound", "vm-99999"]);
    let gone = examine::snapshot_disks(&session, "snapshot-99999").unwrap_err();
    assert_told(&gone, Kind::SnapshotNotFound, &["snapshot-99999"]);
    let disk = DiskSpec {
        vm: VmSpec::parse(&vcsim.told("VM")).unwrap(),
        snapshot: None,
        path: vcsim.told("DiskFiles"),
        writable: false,
        nfc_port: None,
    };
    // There is no such service.
    let error = DiskTickets::new(Arc::new(session), disk).ticket().unwrap_err();
    assert_told(&error, Kind::NotSupported, &["127.0.0.1"]);
}

#[test]
fn open_tells_how_far_it_came() {
    let vcsim = Vcsim::start("vpx");
    session::library::init(8, 0, None, None, || ()).unwrap();
    let open = |password: &str| {
        let text = |text: &str| Some(CString::new(text).unwrap());
        let credentials = Credentials::User {
            user: text(&vcsim.told("User")),
            password: Some(Secret::new(password.as_bytes())),
        };
        let params = ConnectParams {
            vmx_spec: text(&format!("moref={}", vcsim.told("VM"))),
            server_name: text("127.0.0.1"),
            thumb_print: text(&vcsim.told("SHA256")),
            cred_type: 1,
            credentials,
            port: vcsim.port().into(),
            ..ConnectParams::default()
        };
        let connection = session::connect(params, true, None, Some("nbdssl:nbd")).unwrap();
        let flags = OpenFlags { read_only: true, ..OpenFlags::default() };
        let error = session::open(connection, Path::new(&vcsim.told("DiskFiles")), flags).unwrap_err();
        session::disconnect(connection).unwrap();
        error
    };
    assert_told(&open(PASSWORD), Kind::NotSupported, &["127.0.0.1", "disk"]);
    assert_told(&open("wrong"), Kind::NoPermission, &["logging in", "InvalidLogin"]);
}
