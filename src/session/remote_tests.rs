//! Tests of the parameters of connections to servers.

use super::*;

fn params(server: &str, vmx: &str) -> ConnectParams {
    let text = |text: &str| Some(CString::new(text).unwrap());
    ConnectParams {
        server_name: text(server),
        vmx_spec: text(vmx),
        cred_type: 1,
        credentials: Credentials::User { user: text("root"), password: Some(Secret::new(b"")) },
        ..ConnectParams::default()
    }
}

fn refused(params: &ConnectParams, modes: Option<&str>) -> Kind {
    Remote::new(params, None, modes).expect_err("these parameters cannot be used").kind()
}

#[test]
fn no_server_is_the_local_host() {
    assert!(Remote::new(&ConnectParams::default(), None, None).unwrap().is_none());
    assert!(Remote::new(&params("", ""), None, None).unwrap().is_none());
}

#[test]
fn what_nbdkit_passes_is_accepted() {
    let remote = Remote::new(&params("vc.test", "moref=vm-16"), Some("snapshot-12"), Some("file:nbdssl:nbd"));
    let remote = remote.unwrap().unwrap();
    assert_eq!((remote.host.as_str(), remote.params.port, remote.nfc_port), ("vc.test", 443, None));
    assert_eq!(remote.snapshot.as_deref(), Some("snapshot-12"));
    assert_eq!(remote.modes, ["nbdssl", "nbd"]);
    let mut bracketed = params("[::1]", "moref=2");
    (bracketed.port, bracketed.nfc_host_port) = (8443, 9020);
    let remote = Remote::new(&bracketed, Some(""), None).unwrap().unwrap();
    assert_eq!((remote.host.as_str(), remote.params.port, remote.nfc_port), ("::1", 8443, Some(9020)));
    assert!(remote.snapshot.is_none());
}

#[test]
fn nonsense_is_refused_without_a_network() {
    assert_eq!(refused(&params("vc", ""), None), Kind::InvalidArgument);
    assert_eq!(refused(&params("vc", "other=1"), None), Kind::InvalidArgument);
    assert_eq!(refused(&params("v c", "moref=1"), None), Kind::InvalidArgument);
    assert_eq!(refused(&params("vc", "moref=1"), Some("file")), Kind::InvalidArgument);
    let bad = ConnectParams { port: 65536, ..params("vc", "moref=1") };
    assert_eq!(refused(&bad, None), Kind::InvalidArgument);
    let bad = ConnectParams { credentials: Credentials::None, ..params("vc", "moref=1") };
    assert_eq!(refused(&bad, None), Kind::InvalidArgument);
    let user = Credentials::User { user: None, password: None };
    let bad = ConnectParams { credentials: user, ..params("vc", "moref=1") };
    assert_eq!(refused(&bad, None), Kind::InvalidArgument);
    let session = Credentials::Session { cookie: None, user: None, key: None };
    let bad = ConnectParams { credentials: session, ..params("vc", "moref=1") };
    assert_eq!(refused(&bad, None), Kind::InvalidArgument);
    for spec in [
        Spec::VStorageObject { id: None, datastore: None, snapshot: None },
        Spec::Datastore { datastore: None, folder: None },
    ] {
        let bad = ConnectParams { spec, ..params("vc", "") };
        assert_eq!(refused(&bad, None), Kind::NotSupported);
    }
}

#[test]
fn modes_are_tried_in_the_order_of_the_list() {
    let picked = |list| pick_modes(list).unwrap();
    assert_eq!(picked(None), (vec!["nbdssl", "nbd"], false));
    assert_eq!(picked(Some("")), (vec!["nbdssl", "nbd"], false));
    assert_eq!(picked(Some("NBD: nbdssl")), (vec!["nbd", "nbdssl"], true));
    assert_eq!(picked(Some("san:hotadd:nbdssl:nbd")), (vec!["nbdssl", "nbd"], true));
    assert_eq!(picked(Some("san")), (vec!["nbdssl"], true));
    assert!(pick_modes(Some("file")).is_err() && pick_modes(Some("nonsense")).is_err());
}

#[test]
fn no_certificate_is_taken_unverified_unless_the_configuration_says_so() {
    let trust = |print: Option<&str>, config: &str| {
        let mut params = params("vc", "moref=1");
        params.thumb_print = print.map(|print| CString::new(print).unwrap());
        Remote::new(&params, None, None).unwrap().unwrap().trust(&Config::parse(config.as_bytes()))
    };
    assert!(matches!(trust(None, ""), Trust::SystemRoots));
    assert!(matches!(trust(Some(""), "vixDiskLib.linuxSSL.verifyCertificates = 0"), Trust::SystemRoots));
    assert!(matches!(trust(None, "vixen.allowUnverifiedCertificates = 1"), Trust::Anything));
    let print = "AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01";
    assert!(matches!(trust(Some(print), "vixen.allowUnverifiedCertificates = 1"), Trust::Thumbprint(_)));
    assert!(matches!(trust(Some("xx"), ""), Trust::Thumbprint(Thumbprint::Sha1(hash)) if hash == [0; 20]));
}
