//! Whom to trust: thumbprints, the system's authorities, or anybody.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::{Error, Kind, Result};

/// The hash of a certificate.
#[derive(Clone, PartialEq, Eq)]
pub enum Thumbprint {
    /// What vSphere shows.
    Sha1([u8; 20]),
    /// What newer tools show.
    Sha256([u8; 32]),
}

impl Thumbprint {
    /// Reads hex digits of either length; colons, blanks and case are free.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = || {
            let text = format!("thumbprint: '{text}' is neither 20 (SHA-1) nor 32 (SHA-256) bytes in hex");
            Error::new(Kind::InvalidArgument, text)
        };
        let digits: Vec<u8> = text
            .chars()
            .filter(|letter| *letter != ':' && !letter.is_whitespace())
            .map(|letter| letter.to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or_else(invalid))
            .collect::<Result<_>>()?;
        let bytes: Vec<u8> =
            digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + digit)).collect();
        if digits.len() % 2 != 0 {
            return Err(invalid());
        }
        match (<[u8; 20]>::try_from(bytes.as_slice()), <[u8; 32]>::try_from(bytes.as_slice())) {
            (Ok(hash), _) => Ok(Self::Sha1(hash)),
            (_, Ok(hash)) => Ok(Self::Sha256(hash)),
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: &[u8] = match self {
            Self::Sha1(hash) => hash,
            Self::Sha256(hash) => hash,
        };
        for (index, byte) in bytes.iter().enumerate() {
            write!(formatter, "{}{byte:02X}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The certificate that a server showed, by its hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its SHA-1.
    pub sha1: Thumbprint,
    /// Its SHA-256.
    pub sha256: Thumbprint,
}

impl Certificate {
    /// The hashes of a certificate in DER.
    pub fn of_der(der: &[u8]) -> Self {
        let mut sha1 = [0; 20];
        let mut sha256 = [0; 32];
        sha1.copy_from_slice(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der).as_ref());
        sha256.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
        Self { sha1: Thumbprint::Sha1(sha1), sha256: Thumbprint::Sha256(sha256) }
    }

    /// Whether it has that thumbprint.
    pub fn is(&self, expected: &Thumbprint) -> bool {
        self.sha1 == *expected || self.sha256 == *expected
    }
}

/// Which servers are talked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The one whose certificate has this hash; who signed it and what name it has do not matter.
    Thumbprint(Thumbprint),
    /// Those that an authority of the system vouches for, by their names.
    SystemRoots,
    /// All. For laboratories: whoever is in between reads the password.
    Anything,
}

/// The check of a server's certificate, inside the handshake. It keeps what it saw.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
    roots: Option<Arc<WebPkiServerVerifier>>,
    seen: OnceLock<Certificate>,
}

impl Verifier {
    /// # Errors
    /// `Untrusted` when the system's authorities are asked for and there are none.
    pub(super) fn new(trust: &Trust, provider: &Arc<CryptoProvider>) -> Result<Self> {
        let roots = match trust {
            Trust::SystemRoots => Some(system_roots(provider)?),
            _ => None,
        };
        Ok(Self { trust: trust.clone(), provider: Arc::clone(provider), roots, seen: OnceLock::new() })
    }

    /// The certificate that the server showed, whether it was trusted or not.
    pub(super) fn seen(&self) -> Option<&Certificate> {
        self.seen.get()
    }
}

fn system_roots(provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().map_err(
        |error| {
            let text =
                format!("TLS: no thumbprint was given, and the system's certificate authorities: {error}");
            Error::new(Kind::Untrusted, text)
        },
    )
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let certificate = self.seen.get_or_init(|| Certificate::of_der(end_entity));
        match (&self.trust, &self.roots) {
            (Trust::Thumbprint(expected), _) if certificate.is(expected) => {}
            (Trust::SystemRoots, Some(roots)) => {
                return roots.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
            }
            (Trust::Anything, _) => {}
            _ => return Err(CertificateError::ApplicationVerificationFailure.into()),
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprints_are_read_in_every_spelling() {
        let plain = Thumbprint::parse("00112233445566778899aabbccddeeff00112233").expect("20 bytes");
        let text = " 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33 ";
        assert_eq!(Thumbprint::parse(text).expect("colons"), plain);
        assert_eq!(plain.to_string(), text.trim());
        assert!(matches!(Thumbprint::parse(&"ab ".repeat(32)), Ok(Thumbprint::Sha256(_))));
        for wrong in ["", "0", "zz", &"ab".repeat(21), &"a".repeat(39)] {
            assert!(Thumbprint::parse(wrong).is_err(), "{wrong}");
        }
    }
}
