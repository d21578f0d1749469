//! A management server in memory, whose answers a test gives.

use std::io::{Read, Result as IoResult, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::secret::Secret;
use super::session::{Login, Server, Session};
use super::stream::{Dial, Stream};
use crate::error::Result;

/// What a server answers: the status, more header lines, and what is in the envelope's body.
pub(super) type Reply = (u16, &'static str, String);

/// How a test answers a method, given the whole request with its head.
pub(super) type Script = dyn Fn(&str, &str) -> Reply + Send + Sync;

/// A server, and what it was asked.
pub(super) struct Fake {
    script: Box<Script>,
    /// The method of each request.
    pub(super) calls: Mutex<Vec<String>>,
    /// How many connections there were.
    pub(super) dials: Mutex<usize>,
    /// Requests that a connection serves before it is closed without a word.
    pub(super) requests_each: usize,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Fake")
    }
}

/// What can be handed to a session.
#[derive(Debug, Clone)]
pub(super) struct FakeDial(pub(super) Arc<Fake>);

impl Dial for FakeDial {
    fn dial(&self, _: &str, _: u16) -> Result<Box<dyn Stream>> {
        *self.0.dials.lock().unwrap() += 1;
        Ok(Box::new(FakeStream {
            fake: Arc::clone(&self.0),
            sent: Vec::new(),
            answer: Vec::new(),
            served: 0,
        }))
    }
}

struct FakeStream {
    fake: Arc<Fake>,
    sent: Vec<u8>,
    answer: Vec<u8>,
    served: usize,
}

impl Write for FakeStream {
    fn write(&mut self, data: &[u8]) -> IoResult<usize> {
        self.sent.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> IoResult<()> {
        if self.served == self.fake.requests_each {
            return Ok(()); // closed: the reader finds the end
        }
        self.served += 1;
        let request = String::from_utf8(std::mem::take(&mut self.sent)).unwrap();
        let method = request.split("<soapenv:Body><").nth(1).unwrap().split(' ').next().unwrap();
        self.fake.calls.lock().unwrap().push(method.to_owned());
        let (status, head, body) = (self.fake.script)(method, &request);
        let body = envelope(&body);
        self.answer =
            format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{head}\r\n{body}", body.len()).into();
        Ok(())
    }
}

impl Read for FakeStream {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        let bytes = buffer.len().min(self.answer.len()).min(100);
        buffer[..bytes].copy_from_slice(&self.answer[..bytes]);
        self.answer.drain(..bytes);
        Ok(bytes)
    }
}

impl Stream for FakeStream {
    fn set_timeout(&mut self, _: Option<Duration>) -> IoResult<()> {
        Ok(())
    }
}

/// A whole answer.
pub(super) fn envelope(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    )
}

/// What a method returns.
pub(super) fn returns(method: &str, inside: &str) -> String {
    format!("<{method}Response xmlns=\"urn:vim25\">{inside}</{method}Response>")
}

/// A fault.
pub(super) fn fault(name: &str, text: &str, inside: &str) -> Reply {
    let body = format!(
        "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{text}</faultstring><detail>\
         <{name}Fault xmlns=\"urn:vim25\" xsi:type=\"{name}\">{inside}</{name}Fault></detail></soapenv:Fault>"
    );
    (500, "", body)
}

/// The head that begins a session.
pub(super) const COOKIE: &str = "Set-Cookie: vmware_soap_session=\"c0ffee\"; Path=/; HttpOnly; Secure;\r\n";

/// What every server answers; `None` for other methods.
pub(super) fn usual(method: &str, vcenter: bool) -> Option<Reply> {
    let api = if vcenter { "VirtualCenter" } else { "HostAgent" };
    let inside = match method {
        "RetrieveServiceContent" => format!(
            "<returnval><propertyCollector type=\"PropertyCollector\">pc</propertyCollector>\
             <about><fullName>Test 8.0</fullName><apiType>{api}</apiType></about>\
             <sessionManager type=\"SessionManager\">SessionManager</sessionManager>\
             <authorizationManager type=\"AuthorizationManager\">am</authorizationManager>\
             <searchIndex type=\"SearchIndex\">SearchIndex</searchIndex></returnval>"
        ),
        "Login" => "<returnval><key>k</key></returnval>".to_owned(),
        "RetrieveInternalContent" => {
            "<returnval><nfcService type=\"NfcService\">nfcService</nfcService></returnval>".to_owned()
        }
        "CurrentTime" => "<returnval>2026-01-01T00:00:00Z</returnval>".to_owned(),
        "Logout" => String::new(),
        _ => return None,
    };
    Some((200, if method == "Login" { COOKIE } else { "" }, returns(method, &inside)))
}

/// A session with a server, which lives as long as the script wants.
pub(super) fn session_with(login: Login, fake: Fake) -> (Session, Arc<Fake>) {
    let fake = Arc::new(fake);
    let server = Server {
        host: "vc.test".to_owned(),
        port: 443,
        login,
        call_limit: Duration::from_secs(60),
        idle_limit: Duration::from_secs(600),
    };
    (Session::new(server, Arc::new(FakeDial(Arc::clone(&fake)))), fake)
}

/// A server that answers so.
pub(super) fn fake(script: impl Fn(&str, &str) -> Reply + Send + Sync + 'static) -> Fake {
    Fake {
        script: Box::new(script),
        calls: Mutex::default(),
        dials: Mutex::default(),
        requests_each: usize::MAX,
    }
}

/// A session by password with a server that answers so.
pub(super) fn session(script: impl Fn(&str, &str) -> Reply + Send + Sync + 'static) -> (Session, Arc<Fake>) {
    let login = Login::Password { user: "root".to_owned(), password: Secret::new(b"p<&>w") };
    session_with(login, fake(script))
}
