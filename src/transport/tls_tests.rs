//! TLS against the library's own server.

use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

fn server_config(versions: &[&'static SupportedProtocolVersion]) -> (Arc<ServerConfig>, Certificate) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let shown = Certificate::of_der(made.cert.der());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a key");
    (Arc::new(config), shown)
}

/// Sends back what comes, up to the end of the connection.
fn echo(config: Arc<ServerConfig>) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let running = thread::spawn(move || {
        let (socket, _) = listener.accept().expect("a client");
        let session = ServerConnection::new(config).expect("a session");
        let mut stream = StreamOwned::new(session, socket);
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            if stream.write_all(&buffer[..length]).and_then(|()| stream.flush()).is_err() {
                break;
            }
        }
    });
    (port, running)
}

fn dial(port: u16, trust: &Trust) -> Result<TlsStream> {
    let socket = tcp::connect("127.0.0.1", port, LIMIT)?;
    TlsStream::handshake(socket, "localhost", trust, LIMIT)
}

#[test]
fn one_thread_reads_while_another_one_writes() {
    for version in [&TLS12, &TLS13] {
        let (config, shown) = server_config(&[version]);
        let (port, running) = echo(config);
        let stream = dial(port, &Trust::Thumbprint(shown.sha1.clone())).expect("a session");
        assert_eq!(*stream.certificate(), shown);
        let (mut reader, mut writer) = stream.split();
        let data: Vec<u8> =
            (0..8u32 << 20).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let sent = data.clone();
        let sending = thread::spawn(move || {
            for piece in sent.chunks(100_003) {
                writer.write_all(piece).expect("sent");
            }
            writer
        });
        let mut back = vec![0; data.len()];
        for piece in back.chunks_mut(70_001) {
            reader.read_exact(piece).expect("received");
        }
        assert!(back == data, "bytes were changed");
        drop((reader, sending.join().expect("the sender")));
        running.join().expect("the server");
    }
}

#[test]
fn certificates_are_checked_in_the_session() {
    let (config, shown) = server_config(&[&TLS12, &TLS13]);
    let wrong = Thumbprint::Sha256([7; 32]);
    let attempts = [
        (Trust::Thumbprint(shown.sha256.clone()), None),
        (Trust::Anything, None),
        (Trust::Thumbprint(wrong), Some("thumbprint: ")),
        (Trust::Thumbprint(Thumbprint::Sha1([7; 20])), Some("thumbprint: ")),
        (Trust::SystemRoots, Some("TLS: ")),
    ];
    for (trust, refused) in attempts {
        let (port, running) = echo(Arc::clone(&config));
        match (dial(port, &trust), refused) {
            (Ok(stream), None) => drop(stream),
            (Err(error), Some(begins)) => {
                assert_eq!(error.kind(), Kind::Untrusted, "{error}");
                assert!(error.to_string().starts_with(begins), "{error}");
            }
            (result, _) => panic!("{trust:?}: {result:?}"),
        }
        running.join().expect("the server");
    }
}

#[test]
fn a_silent_server_and_one_without_tls_are_left() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let socket = tcp::connect("127.0.0.1", port, LIMIT).expect("connected");
    let error = TlsStream::handshake(socket, "localhost", &Trust::Anything, Duration::from_millis(50));
    assert_eq!(error.expect_err("silence").kind(), Kind::ConnectionLost);
    let socket = tcp::connect("127.0.0.1", port, LIMIT).expect("connected");
    let mut sides: Vec<TcpStream> = (0..2).map(|_| listener.accept().expect("a client").0).collect();
    sides[1].write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("sent");
    let error = TlsStream::handshake(socket, "localhost", &Trust::Anything, LIMIT).expect_err("no TLS");
    assert_eq!(error.kind(), Kind::TlsFailed, "{error}");
}

/// What a server says that goes on with TLS 1.1 although more was offered: its part of the handshake in one record.
fn older_hello(version: u8) -> Vec<u8> {
    let random = [7; 32];
    let cipher = [0xc0, 0x13]; // ECDHE with RSA and AES-128-CBC, the best there was
    let hello = [&[3, version][..], &random, &[0], &cipher, &[0]].concat();
    let message = [&[2, 0, 0, hello.len() as u8][..], &hello].concat();
    [&[0x16, 3, version, 0, message.len() as u8][..], &message].concat()
}

#[test]
fn older_versions_of_tls_are_refused_and_nothing_is_said_in_them() {
    for version in [0, 1, 2] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let running = thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("a client");
            socket.write_all(&older_hello(version)).expect("sent");
            let mut said = Vec::new();
            let _ = socket.read_to_end(&mut said); // the client may reset the connection
            said
        });
        let error = dial(port, &Trust::Anything).expect_err("an old version");
        assert_eq!(error.kind(), Kind::NotSupported, "{error}");
        let said = running.join().expect("the server");
        let first = 5 + usize::from(u16::from_be_bytes([said[3], said[4]]));
        assert!(said.len() < first + 16, "{} bytes behind the first message", said.len() - first);
    }
}

#[test]
fn a_connection_comes_back_as_it_was() {
    let (config, _) = server_config(&[&TLS12]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let running = thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a client");
        let mut session = ServerConnection::new(config).expect("a session");
        while session.is_handshaking() {
            session.complete_io(&mut socket).expect("a handshake");
        }
        let mut clear = [0; 5];
        socket.read_exact(&mut clear).expect("what comes in clear");
        clear
    });
    let stream = dial(port, &Trust::Anything).expect("a session");
    let mut socket = stream.into_tcp().expect("nothing is left over");
    socket.write_all(b"clear").expect("sent");
    assert_eq!(&running.join().expect("the server"), b"clear");
}
