//! Any bytes as an authentication daemon: its greeting and its part of the dialogue, without the TLS around it.
//!
//! The first byte chooses the mode and the pieces in which the rest comes.
//!
//! Run: `fuzz/smoke.sh 20 authd`, or longer with `cargo fuzz run authd`.
#![no_main]

mod wire;

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use vixDiskLib::transport::nfc::{Encryption, authd};
use vixDiskLib::transport::tls::Certificate;
use vixDiskLib::vsphere::secret::Secret;
use vixDiskLib::vsphere::ticket::Ticket;

const SECRET: &str = "52b7c1a0-ticket";

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, input)) = bytes.split_first() else { return };
    let encryption = if choice % 2 == 0 { Encryption::Clear } else { Encryption::Tls };
    let mut wire = wire::Wire::new(input, choice >> 1);
    let until = Instant::now() + Duration::from_secs(60);
    let ticket = Ticket {
        host: None,
        port: None,
        ssl_thumbprint: None,
        service: "vpxa-nfc".to_owned(),
        session_id: Secret::new(SECRET.as_bytes()),
    };
    let result = authd::line(&mut wire, until, "host:902").and_then(|line| authd::greeting(&line)).and_then(
        |greeting| {
            let first = Certificate::of_der(b"a certificate");
            authd::dialogue(&mut wire, &ticket, encryption, greeting, (until, "host:902"), &first)
        },
    );
    if let Err(error) = result {
        let text = error.to_string();
        assert!(text.len() < 2000 && !text.contains(char::is_control), "{text:?}");
        // Unless the host says it itself.
        assert!(!text.contains(SECRET) || input.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()));
    }
});
