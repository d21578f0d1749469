//! The authentication daemon: a greeting in clear, a dialogue in TLS, and then the disk service on the same socket.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Kind;
use crate::fault::Fault;
use crate::host::{Host, Ticket};
use crate::nfc;
use crate::tls::{self, Reader, Writer};

/// Longest line of a client.
const MAX_LINE: usize = 1024;

/// How long a client may take over its dialogue.
const PATIENCE: Duration = Duration::from_secs(60);

const LOGIN_FIRST: &str = "530 Please login with USER and PASS";

fn greeting(host: &Host) -> String {
    let mut line = "220 VMware Authentication Daemon Version 1.10: SSL Required, ServerDaemonProtocol:SOAP, \
                    MKSDisplayProtocol:VNC , VMXARGS supported"
        .to_owned();
    if !host.faults.happens(&Fault::GreetingWithoutNfcSsl) {
        line.push_str(", NFCSSL supported/t");
    }
    if host.config.profile.has_sha256() && !host.faults.happens(&Fault::GreetingWithoutSha256) {
        line.push_str(", SHA256 supported");
    }
    line
}

/// What the dialogue found out.
struct Outcome {
    ticket: Ticket,
    /// What THUMBPRINT_SHA2 gave, if it was accepted.
    tag: Option<Vec<u8>>,
    encrypted: bool,
}

/// Serves one connection.
pub(crate) fn serve(host: &Arc<Host>, stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut socket = stream;
    if host.faults.happens(&Fault::SilentGreeting) {
        return socket.read(&mut [0]).map(drop);
    }
    if host.faults.happens(&Fault::Maintenance) || host.faults.happens(&Fault::BadGreeting) {
        return socket.write_all(b"421 Service not available, closing control connection.\r\n");
    }
    let greeting = greeting(host);
    socket.write_all(format!("{greeting}\r\n").as_bytes())?;
    let identity =
        if host.faults.happens(&Fault::WrongCertificate) { &host.impostor } else { &host.identity };
    let (reader, mut writer) = tls::open(stream, Some(&identity.authd))?;
    let mut reader = reader.exact()?;
    let Some(outcome) = dialogue(host, &mut reader, &mut writer, &greeting)? else { return Ok(()) };
    // Nothing of the first session is left: no farewell, and no byte beyond its last record was read.
    drop((reader, writer));
    let second = match host.faults.happens(&Fault::OtherCertificate) {
        true if std::ptr::eq(identity, &host.identity) => &host.impostor,
        _ => identity,
    };
    let (reader, writer) = tls::open(stream, outcome.encrypted.then_some(&second.authd))?;
    stream.set_read_timeout(None)?;
    nfc::serve(host, stream, (reader, writer), outcome.ticket, outcome.tag)
}

fn read_line(reader: &mut Reader) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        if reader.read(&mut byte)? == 0 || line.len() >= MAX_LINE {
            return Ok(None);
        }
        match byte {
            [b'\n'] => break,
            [byte] => line.push(byte),
        }
    }
    Ok(Some(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned()))
}

fn dialogue(
    host: &Host,
    reader: &mut Reader,
    writer: &mut Writer,
    greeting: &str,
) -> io::Result<Option<Outcome>> {
    let (mut session, mut tag) = (None, None);
    while let Some(line) = read_line(reader)? {
        let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match command {
            "SESSION" => {
                session = Some(argument.to_owned());
                continue;
            }
            "BANNER" => greeting.to_owned(),
            "THUMBPRINT_SHA2" if !greeting.contains("SHA256") => LOGIN_FIRST.to_owned(),
            "THUMBPRINT_SHA2" if argument.is_empty() || argument.contains([' ', ':']) => {
                "501 Invalid arguments".to_owned()
            }
            "THUMBPRINT_SHA2" => {
                tag = Some(argument.as_bytes().to_vec());
                let wrong = host.faults.happens(&Fault::WrongSha256);
                format!("200 {}", if wrong { &host.impostor.sha256 } else { &host.identity.sha256 })
            }
            "PROXY" => match proxy(host, argument, session.take()) {
                Ok((answer, ticket, encrypted)) => {
                    writer.write_all(format!("{answer}\r\n").as_bytes())?;
                    return Ok(Some(Outcome { ticket, tag, encrypted }));
                }
                Err(answer) => answer.to_owned(),
            },
            "USER" => "331 Password required".to_owned(),
            "PASS" => "530 Login incorrect".to_owned(),
            "QUIT" => return Ok(None),
            _ => LOGIN_FIRST.to_owned(),
        };
        writer.write_all(format!("{answer}\r\n").as_bytes())?;
    }
    Ok(None)
}

/// The answer to PROXY, the ticket that it took, and whether TLS follows.
fn proxy(
    host: &Host,
    service: &str,
    session: Option<String>,
) -> Result<(String, Ticket, bool), &'static str> {
    let name = match host.config.kind {
        Kind::Vcenter => "vpxa-nfc",
        Kind::Esxi => "nfc",
    };
    let encrypted = match service.strip_prefix(name) {
        Some("") => false,
        Some("ssl") => true,
        _ => return Err("530 Unknown service"),
    };
    let ticket = session.and_then(|session| host.use_ticket(&session)).ok_or(LOGIN_FIRST)?;
    let said = encrypted != host.faults.happens(&Fault::ProxyMismatch);
    Ok((format!("200 Connect ha-nfc{}", if said { "ssl" } else { "" }), ticket, encrypted))
}
