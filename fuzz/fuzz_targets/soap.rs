//! Any bytes as a management server: HTTP, SOAP, faults, properties and tickets, over as many connections as the
//! client makes.
//!
//! The first byte chooses what is asked and the pieces in which the answers come; a connection gets what stands up to the
//! next NUL.
//!
//! Run: `fuzz/smoke.sh 20 soap`, or longer with `cargo fuzz run soap`.
#![no_main]

mod wire;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use vixDiskLib::error::{Error, Kind, Result};
use vixDiskLib::vsphere::access;
use vixDiskLib::vsphere::inventory::VmSpec;
use vixDiskLib::vsphere::secret::Secret;
use vixDiskLib::vsphere::session::{Login, Server, Session};
use vixDiskLib::vsphere::stream::{Dial, Stream};
use vixDiskLib::vsphere::ticket::TicketSource;
use vixDiskLib::vsphere::tickets::{DiskSpec, DiskTickets};

const PASSWORD: &str = "pass<word>&7311";

/// Connections that a client is given.
const MOST_CONNECTIONS: usize = 12;

#[derive(Debug)]
struct Answers {
    connections: Mutex<VecDeque<Vec<u8>>>,
    piece: u8,
}

impl Dial for Answers {
    fn dial(&self, _: &str, _: u16) -> Result<Box<dyn Stream>> {
        let next = self.connections.lock().expect("nobody panics").pop_front();
        let next = next.ok_or_else(|| Error::new(Kind::ConnectionRefused, "no more connections"))?;
        Ok(Box::new(wire::Wire::new(&next, self.piece)))
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, input)) = bytes.split_first() else { return };
    let connections = input.split(|byte| *byte == 0).take(MOST_CONNECTIONS).map(<[u8]>::to_vec).collect();
    let answers = Answers { connections: Mutex::new(connections), piece: choice | 0x0f };
    let secret = || Secret::new(PASSWORD.as_bytes());
    let login = match choice & 1 {
        0 => Login::Password { user: "root".to_owned(), password: secret() },
        _ => Login::Cookie { cookie: Secret::new(b"c0ffee"), then: Some(("root".to_owned(), secret())) },
    };
    let server = Server {
        host: "vc.test".to_owned(),
        port: 443,
        login,
        call_limit: Duration::from_secs(60),
        idle_limit: Duration::from_secs(600),
    };
    let session = Arc::new(Session::new(server, Arc::new(answers)));
    let vm = match choice >> 4 & 3 {
        0 => VmSpec::parse("moref=vm-42"),
        1 => VmSpec::parse("uuid=421ce5c1-0000"),
        2 => VmSpec::parse("path=dc/vm/web"),
        _ => VmSpec::parse("web/web.vmx?dcPath=dc&dsName=ds0"),
    };
    let vm = vm.expect("well formed");
    let result = if choice & 2 == 0 {
        let disk = DiskSpec {
            vm,
            snapshot: (choice & 4 != 0).then(|| "snapshot-7".to_owned()),
            path: "[ds0] web/web.vmdk".to_owned(),
            writable: choice & 8 != 0,
            nfc_port: None,
        };
        DiskTickets::new(Arc::clone(&session), disk).ticket().map(drop)
    } else {
        access::prepare(&session, &vm, "fuzz")
    };
    if let Err(error) = result {
        let text = error.to_string();
        assert!(text.len() < 4000 && !text.contains(char::is_control), "{text:?}");
        assert!(!text.contains("7311") || input.windows(4).any(|part| part == b"7311"), "{text}");
    }
    session.end();
});
