//! The disk service: messages of a fixed size first, then a session of asynchronous requests.

mod aio;
mod fragments;
mod opened;
mod sender;
mod writes;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use crate::fault::Fault;
use crate::host::{Host, Ticket};
use crate::tls::{Reader, Writer};

/// Size of a classic message.
const MESSAGE: usize = 264;

/// Longest name in message 54.
const MAX_NAME: u32 = 1024;

/// Number of a classic message.
mod kind {
    pub(super) const COMPLETE: u32 = 4;
    pub(super) const FILE_COPY: u32 = 33;
    pub(super) const OPERATION_STATUS: u32 = 36;
    pub(super) const CLIENT_RANDOM: u32 = 43;
    pub(super) const VERSION: u32 = 51;
    pub(super) const AIO: u32 = 52;
    pub(super) const CONNECTION_DATA: u32 = 54;
    pub(super) const FEATURES: u32 = 55;
}

/// The number at a place of a message; 0 past its end.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|part| part.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// As [`u32_at`], of 64 bits.
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|part| part.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// A classic message with numbers at the given places.
fn message(kind: u32, numbers: &[(usize, u32)]) -> [u8; MESSAGE] {
    let mut message = [0; MESSAGE];
    for (at, number) in [(0, kind)].iter().chain(numbers) {
        if let Some(place) = message.get_mut(*at..at + 4) {
            place.copy_from_slice(&number.to_le_bytes());
        }
    }
    message
}

/// Serves a connection whose ticket was good.
pub(crate) fn serve(
    host: &Arc<Host>,
    stream: &TcpStream,
    (mut reader, mut writer): (Reader, Writer),
    ticket: Ticket,
    tag: Option<Vec<u8>>,
) -> io::Result<()> {
    if !handshake(host, &mut reader, &mut writer, tag.as_deref())? {
        return Ok(());
    }
    aio::Session::new(host, stream, ticket).run(reader, writer)
}

/// Classic messages up to the switch to AIO; false when the session ended instead.
fn handshake(host: &Host, reader: &mut Reader, writer: &mut Writer, tag: Option<&[u8]>) -> io::Result<bool> {
    let status = message(kind::OPERATION_STATUS, &[(16, 1)]);
    let strict = host.config.strict;
    let mut asked = false;
    loop {
        let mut received = [0; MESSAGE];
        reader.read_exact(&mut received)?;
        if host.faults.happens(&Fault::Refuse) {
            writer.write_all(&message(kind::COMPLETE, &[]))?;
            return Ok(false);
        }
        match u32_at(&received, 0) {
            kind::CLIENT_RANDOM => {
                // Hosts without the command know no such message; others bind it to the command.
                let sent = received.get(4..20).unwrap_or_default();
                let same = tag.is_some_and(|tag| sent.iter().zip(tag).all(|(a, b)| a == b));
                if tag.is_none() || strict && !same {
                    writer.write_all(&message(kind::COMPLETE, &[]))?;
                    return Ok(false);
                }
            }
            kind::FILE_COPY => {
                asked = true;
                if !strict {
                    writer.write_all(&status)?;
                }
            }
            kind::VERSION => {
                if strict && asked {
                    writer.write_all(&status)?;
                }
                let version = host.config.profile.session_version();
                writer.write_all(&message(kind::VERSION, &[(4, version)]))?;
            }
            kind::CONNECTION_DATA => {
                if !connection_data(reader, &received)? {
                    return refuse(writer, "the operation is not nbdmode");
                }
            }
            kind::FEATURES => {}
            kind::AIO => {
                writer.write_all(&message(kind::AIO, &[]))?;
                return Ok(true);
            }
            kind::COMPLETE => return Ok(false),
            other => return refuse(writer, &format!("message {other} is not known")),
        }
        if strict {
            reader.drop_record();
        }
    }
}

/// The names behind message 54; whether they ask for what is served.
fn connection_data(reader: &mut Reader, received: &[u8]) -> io::Result<bool> {
    let (name, operation) = (u32_at(received, 4), u32_at(received, 8));
    if name > MAX_NAME || operation > MAX_NAME {
        return Ok(false);
    }
    let mut names = vec![0; (name + operation) as usize];
    reader.read_exact(&mut names)?;
    Ok(names.get(name as usize..) == Some(b"nbdmode".as_slice()))
}

/// Says why the session ends.
fn refuse(writer: &mut Writer, text: &str) -> io::Result<bool> {
    let text = format!("{text}\0");
    let mut bytes = message(20, &[(4, 1), (8, 1), (12, text.len() as u32)]).to_vec();
    bytes.extend(text.as_bytes());
    writer.write_all(&bytes)?;
    Ok(false)
}
