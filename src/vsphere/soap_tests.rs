//! Tests of SOAP requests, answers and faults.

use super::super::testing::{envelope, returns};
use super::*;

fn kind_of(body: &str) -> Kind {
    read(body.as_bytes(), "M", |returned| returned.value().map(|_| ())).expect_err(body).kind()
}

#[test]
fn requests_escape_what_they_carry() {
    let this = Moref::new("A\"B", "x<y");
    let request = Request::new("M", &this).text("user", "a&b'\r\n").bytes("password", "\u{e4}]]>".as_bytes());
    let text = request.finish().unwrap();
    let document = Document::parse(&text).unwrap();
    let method = document.root_element().first_element_child().unwrap().first_element_child().unwrap();
    assert_eq!(reference(method, "_this"), Some(this.clone()));
    assert_eq!(child(method, "user").unwrap().text(), Some("a&b'\r\n"));
    assert_eq!(child(method, "password").unwrap().text(), Some("\u{e4}]]>"));
    for bad in [&b"\0"[..], b"\x1b", b"\xff"] {
        let error = Request::new("M", &this).bytes("password", bad).finish().unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument);
    }
}

#[test]
fn faults_become_kinds() {
    let fault = |name: &str, inside: &str| {
        let (_, _, body) = super::super::testing::fault(name, "It is &lt;so&gt;.", inside);
        read(envelope(&body).as_bytes(), "M", |_| Ok(())).unwrap_err()
    };
    for (name, kind) in [
        ("InvalidLogin", Kind::NoPermission),
        ("NotAuthenticated", Kind::NotLoggedIn),
        ("InvalidRequest", Kind::NotSupported),
        ("FileLocked", Kind::Locked),
        ("HostNotConnected", Kind::HostUnavailable),
        ("SomethingElse", Kind::ServerFault),
        ("ManagedObjectNotFound", Kind::VmNotFound),
    ] {
        let error = fault(name, "");
        assert_eq!(error.kind(), kind, "{name}");
        assert!(error.to_string().contains(name) && error.to_string().contains("It is <so>."), "{error}");
    }
    let error = fault("ManagedObjectNotFound", "<obj type=\"VirtualMachineSnapshot\">snapshot-9</obj>");
    assert_eq!(error.kind(), Kind::SnapshotNotFound);
    assert!(error.to_string().contains("'snapshot-9'"), "{error}");
    let bare = envelope("<soapenv:Fault><faultstring>bad\nluck</faultstring></soapenv:Fault>");
    let error = read(bare.as_bytes(), "M", |_| Ok(())).unwrap_err();
    assert_eq!(error.kind(), Kind::ServerFault);
    assert!(error.to_string().contains("bad luck"), "{error}");
}

#[test]
fn nonsense_is_refused() {
    for body in [
        "",
        "no xml",
        "<a/>",
        "<Envelope/>",
        "<Envelope><Body/></Envelope>",
        "<Envelope><Body><OtherResponse/></Body></Envelope>",
        "<Envelope><Body><MResponse/></Body></Envelope>",
        "<Envelope><Body><MResponse><returnval>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><Envelope><Body><MResponse><returnval>&b;</returnval></MResponse></Body></Envelope>",
    ] {
        assert_eq!(kind_of(body), Kind::ServerFault);
    }
    let error = read(b"\xff\xfe", "M", |_| Ok(())).unwrap_err();
    assert_eq!(error.kind(), Kind::ServerFault);
}

#[test]
fn what_would_take_long_to_read_is_refused() {
    let attributes: String = (0..2000).map(|number| format!(" a{number}=\"\"")).collect();
    assert_eq!(kind_of(&format!("<Envelope{attributes}/>")), Kind::ServerFault);
    let hidden = format!("<Envelope a='>'{attributes}/>");
    assert!(read(hidden.as_bytes(), "M", |_| Ok(())).unwrap_err().to_string().contains("tag"));
    let spaces: String = (0..100).map(|number| format!("<a xmlns:p{number}=\"u\">")).collect();
    assert!(read(spaces.as_bytes(), "M", |_| Ok(())).unwrap_err().to_string().contains("namespaces"));
    let deep = "<a>".repeat(100_000);
    assert_eq!(kind_of(&deep), Kind::ServerFault);
    let deep = envelope(&returns("M", &format!("{}{}", "<a>".repeat(300_000), "</a>".repeat(300_000))));
    assert_eq!(kind_of(&deep), Kind::ServerFault);
    assert_eq!(kind_of(&"<a/>".repeat(1_000_000)), Kind::ServerFault);
}

#[test]
fn texts_of_servers_fit_into_a_line() {
    assert_eq!(printable(" a\r\nb\u{7}c "), "a  b c");
    assert_eq!(printable(&"x".repeat(1000)).len(), MAX_FAULT_TEXT + 3);
}
