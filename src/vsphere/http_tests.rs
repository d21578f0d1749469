//! Tests of HTTP answers in every form, whole, cut and senseless.

use std::io;

use super::*;

/// A server that says this, whatever it hears.
struct Says {
    text: Vec<u8>,
    said: usize,
}

impl Read for Says {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Small pieces, unless there is much to say.
        let most = if self.text.len() < 10_000 { 7 } else { buffer.len() };
        let bytes = most.min(self.text.len() - self.said);
        buffer[..bytes].copy_from_slice(&self.text[self.said..self.said + bytes]);
        self.said += bytes;
        Ok(bytes)
    }
}

impl Write for Says {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Says {
    fn set_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
}

fn connection(says: &[u8]) -> Connection {
    Connection::new(Box::new(Says { text: says.to_vec(), said: 0 }))
}

fn exchange(connection: &mut Connection) -> std::result::Result<Answer, Failure> {
    let post = Post { authority: "h", path: "/sdk", action: "urn:vim25/6.7", cookie: None, body: b"<a/>" };
    connection.exchange(&post, Duration::from_secs(60))
}

fn failure(says: &[u8]) -> Error {
    match exchange(&mut connection(says)) {
        Err(Failure::Stale(error) | Failure::Other(error)) => error,
        Ok(answer) => panic!("{answer:?}"),
    }
}

#[test]
fn answers_come_in_three_forms_and_follow_one_another() {
    let mut connection = connection(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\
          set-cookie: other=1\r\nSet-Cookie: vmware_soap_session=\"abc\"; Path=/\r\n\r\none\
          HTTP/1.1 500 Fault\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\nA;x=y\r\n0123456789\r\n0\r\nT: 1\r\n\r\n\
          HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end",
    );
    let first = exchange(&mut connection).unwrap();
    assert_eq!((first.status, first.body.as_slice()), (200, &b"one"[..]));
    assert_eq!(first.cookie.unwrap().bytes(), b"vmware_soap_session=\"abc\"");
    let second = exchange(&mut connection).unwrap();
    assert_eq!((second.status, second.body.as_slice()), (500, &b"two0123456789"[..]));
    assert!(second.cookie.is_none() && connection.is_usable());
    assert_eq!(exchange(&mut connection).unwrap().body.as_slice(), b"to the end");
    assert!(!connection.is_usable());
}

#[test]
fn nonsense_is_an_error_of_the_server() {
    for says in [
        &b"SSH-2.0-OpenSSH\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ] {
        assert_eq!(failure(says).kind(), Kind::ServerFault, "{}", says.escape_ascii());
    }
    let endless = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'a'; 2 * MAX_HEAD]].concat();
    assert_eq!(failure(&endless).kind(), Kind::ServerFault);
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'a'; MAX_BODY + 1]].concat();
    assert_eq!(failure(&endless).kind(), Kind::ServerFault);
    let endless = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_INTERIM + 1);
    assert_eq!(failure(&endless).kind(), Kind::ServerFault);
}

#[test]
fn answers_that_end_early_are_connections_that_broke() {
    for says in [
        &b"HTTP/1.1 200"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
    ] {
        assert_eq!(failure(says).kind(), Kind::ConnectionLost, "{}", says.escape_ascii());
    }
    assert!(matches!(exchange(&mut connection(b"")), Err(Failure::Stale(_))));
    assert!(matches!(exchange(&mut connection(b"H")), Err(Failure::Other(_))));
}

#[test]
fn an_exchange_has_an_end() {
    let post = Post { authority: "h", path: "/", action: "a", cookie: None, body: b"" };
    let result = connection(b"HTTP/1.1 200 OK\r\n\r\n").exchange(&post, Duration::ZERO);
    assert!(matches!(result, Err(Failure::Other(error)) if error.to_string().contains("took too long")));
}
