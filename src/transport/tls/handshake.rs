//! How a session begins: what is asked for, the messages up to its end, and why one fails.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use rustls::client::UnbufferedClientConnection;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig};

use super::{Step, TlsReader, lock};
use crate::error::{Error, Kind};
use crate::transport::tcp;
use crate::transport::trust::{Thumbprint, Trust, Verifier};

/// The host and the port of a connection, for messages.
pub(super) fn place_of(host: &str, socket: &TcpStream) -> String {
    socket.peer_addr().map_or_else(|_| host.to_owned(), |address| format!("{host}:{}", address.port()))
}

/// A session that failed with `text`.
pub(super) fn failed(place: &str, text: &str) -> Error {
    Error::new(Kind::TlsFailed, format!("TLS: {place}: {text}"))
}

/// A session that is still to begin, with its check of certificates.
pub(super) fn new_session(
    host: &str,
    provider: &Arc<CryptoProvider>,
    verifier: &Arc<Verifier>,
) -> std::result::Result<UnbufferedClientConnection, String> {
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare).map_err(|error| format!("'{host}' is no host name: {error}"))?;
    let checked = Arc::clone(verifier);
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous() // the verifier is ours: it checks thumbprints, and all signatures
        .with_custom_certificate_verifier(checked)
        .with_no_client_auth();
    // A resumed session shows no certificate.
    config.resumption = rustls::client::Resumption::disabled();
    UnbufferedClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())
}

/// Runs the handshake up to its end.
pub(super) fn run_handshake(reader: &mut TlsReader, until: Instant) -> io::Result<()> {
    let result = loop {
        let step = lock(&reader.shared.session).step(&mut []);
        match step {
            Ok(Step::Again) => {}
            Ok(Step::Data(_)) => break Ok(()),
            Ok(Step::Wait { ready }) => {
                reader.flush()?;
                if ready {
                    break Ok(());
                }
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break Err(io::ErrorKind::TimedOut.into());
                }
                reader.socket.set_read_timeout(Some(left))?;
                reader.socket.set_write_timeout(Some(left))?;
                reader.fill()?;
            }
            Ok(Step::Closed) => break Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => break Err(error),
        }
    };
    reader.socket.set_read_timeout(None)?;
    reader.socket.set_write_timeout(None)?;
    result
}

/// Why a handshake failed.
pub(super) fn explain(error: io::Error, place: &str, trust: &Trust, verifier: &Verifier) -> Error {
    let Some(cause) = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) else {
        return tcp::lost(error, "TLS: the handshake with", place);
    };
    match (cause, trust, verifier.seen()) {
        (rustls::Error::InvalidCertificate(_), Trust::Thumbprint(expected), Some(seen))
            if !seen.is(expected) =>
        {
            let shown = if matches!(expected, Thumbprint::Sha1(_)) { &seen.sha1 } else { &seen.sha256 };
            // In the words in which people look for it: nbdkit's manual tells them to.
            log::info!(
                "VixDiskLibVim: Failed to verify SSL certificate: actual thumbprint={shown} expected={expected}"
            );
            let text = format!("thumbprint: the certificate of {place} has {shown}, expected is {expected}");
            Error::new(Kind::Untrusted, text)
        }
        (rustls::Error::InvalidCertificate(cause), _, Some(seen)) => {
            let text = format!(
                "TLS: the certificate of {place} is not trusted: {cause}; its thumbprint is {}",
                seen.sha1
            );
            Error::new(Kind::Untrusted, text)
        }
        (
            rustls::Error::PeerIncompatible(_)
            | rustls::Error::AlertReceived(
                AlertDescription::HandshakeFailure
                | AlertDescription::ProtocolVersion
                | AlertDescription::InsufficientSecurity,
            ),
            ..,
        ) => {
            let text = format!(
                "TLS: {place}: {cause}; hosts that offer only legacy TLS (ESXi 6.5 and 6.7.0, before TLS 1.2 with ECDHE and AES-GCM) are not supported"
            );
            Error::new(Kind::NotSupported, text)
        }
        _ => failed(place, &cause.to_string()),
    }
}
