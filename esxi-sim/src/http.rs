//! HTTPS: the transport of the management interface.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use flate2::read::GzDecoder;

use crate::host::Host;
use crate::soap;
use crate::tls::{self, Reader, Writer};

const MAX_LINE: u64 = 16384;
const MAX_HEADERS: usize = 100;
const MAX_BODY: u64 = 4 << 20;
const COOKIE: &str = "vmware_soap_session";
/// How long a connection may be idle.
const PATIENCE: Duration = Duration::from_secs(600);

struct Request {
    method: String,
    target: String,
    cookie: String,
    close: bool,
    body: Vec<u8>,
}

fn bad(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Serves one connection.
pub(crate) fn serve(host: &Arc<Host>, stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let (reader, mut writer) = tls::open(stream, Some(&host.identity.https))?;
    let mut reader = BufReader::new(reader);
    while let Some(request) = read(&mut reader, &mut writer)? {
        answer(host, &request, &mut writer)?;
        if request.close {
            break;
        }
    }
    Ok(())
}

fn read_line(reader: &mut BufReader<Reader>) -> io::Result<String> {
    let mut line = Vec::new();
    reader.take(MAX_LINE).read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn read(reader: &mut BufReader<Reader>, writer: &mut Writer) -> io::Result<Option<Request>> {
    let first = read_line(reader)?;
    let mut words = first.split(' ');
    let (Some(method), Some(target)) = (words.next().filter(|word| !word.is_empty()), words.next()) else {
        return Ok(None);
    };
    let mut request = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        cookie: String::new(),
        close: words.next() == Some("HTTP/1.0"),
        body: Vec::new(),
    };
    let (mut length, mut gzip, mut chunked, mut expects) = (0, false, false, false);
    for count in 0.. {
        let line = read_line(reader)?;
        if line.is_empty() {
            break;
        }
        if count >= MAX_HEADERS {
            return Err(bad("too many headers"));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| bad("a header without a colon"))?;
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().map_err(|_| bad("no length"))?,
            "content-encoding" => gzip = value.eq_ignore_ascii_case("gzip"),
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            "expect" => expects = true,
            "connection" => request.close |= value.eq_ignore_ascii_case("close"),
            "cookie" => {
                let values =
                    value.split(';').filter_map(|part| part.trim().strip_prefix(COOKIE)?.strip_prefix('='));
                request.cookie = values.fold("", |_, value| value).trim_matches('"').to_owned();
            }
            _ => {}
        }
    }
    if expects {
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    request.body = if chunked { read_chunks(reader)? } else { read_body(reader, length)? };
    if gzip {
        let mut body = Vec::new();
        GzDecoder::new(request.body.as_slice()).take(MAX_BODY).read_to_end(&mut body)?;
        request.body = body;
    }
    Ok(Some(request))
}

fn read_body(reader: &mut BufReader<Reader>, length: u64) -> io::Result<Vec<u8>> {
    if length > MAX_BODY {
        return Err(bad("the body is too long"));
    }
    let mut body = vec![0; length as usize];
    reader.read_exact(&mut body)?;
    Ok(body)
}

fn read_chunks(reader: &mut BufReader<Reader>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(reader)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| bad("a chunk without a size"))?;
        if size.saturating_add(body.len() as u64) > MAX_BODY {
            return Err(bad("the body is too long"));
        }
        body.extend(read_body(reader, size)?);
        read_line(reader)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn respond(writer: &mut Writer, status: &str, headers: &str, body: &[u8]) -> io::Result<()> {
    let mut bytes =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    writer.write_all(&bytes)
}

const XML: &str = "Content-Type: text/xml; charset=utf-8\r\nCache-Control: no-cache\r\n";

fn answer(host: &Arc<Host>, request: &Request, writer: &mut Writer) -> io::Result<()> {
    let path = request.target.split('?').next().unwrap_or_default();
    match (request.method.as_str(), path) {
        ("POST", "/sdk" | "/sdk/" | "/sdk/vimService" | "/sdk/nfcService") => {
            let body = String::from_utf8_lossy(&request.body);
            let reply = soap::answer(host, &body, &request.cookie);
            let cookie = reply
                .cookie
                .map(|cookie| format!("Set-Cookie: {COOKIE}=\"{cookie}\"; Path=/; HttpOnly; Secure;\r\n"));
            let headers = format!("{XML}{}", cookie.unwrap_or_default());
            let status = if reply.fault { "500 Internal Server Error" } else { "200 OK" };
            respond(writer, status, &headers, reply.body.as_bytes())
        }
        ("GET", "/sdk/vimServiceVersions.xml") => versions(host, "urn:vim25", writer),
        ("GET", "/sdk/nfcServiceVersions.xml") => versions(host, "urn:nfc", writer),
        ("GET", path) if path.starts_with("/folder/") => folder(host, request, writer),
        _ => respond(writer, "404 Not Found", "Content-Type: text/plain\r\n", b"Not found"),
    }
}

fn versions(host: &Host, space: &str, writer: &mut Writer) -> io::Result<()> {
    let known =
        ["8.0.3.0", "8.0.2.0", "8.0.1.0", "8.0.0.1", "7.0.3.0", "7.0.0.0", "6.7.3", "6.7", "6.5", "6.0"];
    let version = host.config.profile.api();
    let older: String = known
        .iter()
        .skip_while(|known| **known != version)
        .skip(1)
        .map(|known| format!("<version>{known}</version>"))
        .collect();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<namespaces version=\"1.0\"><namespace><name>{space}</name>\
         <version>{version}</version><priorVersions>{older}</priorVersions></namespace></namespaces>"
    );
    respond(writer, "200 OK", XML, body.as_bytes())
}

/// Text in which `%` and two digits stand for a byte.
fn unescape(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match (first, pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Longest descriptor that is given out.
const MAX_DESCRIPTOR: usize = 1 << 20;

/// The descriptor of a disk; other files of the datastore are not given out.
fn folder(host: &Host, request: &Request, writer: &mut Writer) -> io::Result<()> {
    const PLAIN: &str = "Content-Type: application/octet-stream\r\n";
    if host.session(&request.cookie).is_none() {
        return respond(
            writer,
            "401 Unauthorized",
            "WWW-Authenticate: Basic realm=\"VMware HTTP server\"\r\n",
            b"",
        );
    }
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let store = query.split('&').find_map(|part| part.strip_prefix("dsName=")).map(unescape);
    let path = unescape(path.strip_prefix("/folder/").unwrap_or_default());
    let name = format!("[{}] {path}", store.unwrap_or_default());
    let Some((file, ..)) = host.vms.iter().find_map(|vm| vm.find_link(&name)) else {
        return respond(writer, "404 Not Found", PLAIN, b"Not found");
    };
    let mut bytes = vec![0; MAX_DESCRIPTOR];
    let mut open = std::fs::File::open(file)?.take(MAX_DESCRIPTOR as u64);
    let mut length = 0;
    while let Some(count) =
        Some(open.read(bytes.get_mut(length..).unwrap_or_default())?).filter(|count| *count > 0)
    {
        length += count;
    }
    bytes.truncate(length);
    // A sparse extent holds its descriptor behind its header.
    if bytes.starts_with(b"KDMV") {
        let begin = bytes.windows(21).position(|part| part == b"# Disk DescriptorFile").unwrap_or(0);
        bytes.drain(..begin);
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        bytes.truncate(end);
    }
    respond(writer, "200 OK", PLAIN, &bytes)
}
