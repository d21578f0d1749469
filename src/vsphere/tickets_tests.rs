//! Tests of tickets, and of announcing a backup.

use super::super::testing::{Fake, Reply, fault, returns, session, usual};
use super::*;

fn tickets(
    writable: bool,
    script: impl Fn(&str, &str) -> Option<Reply> + Send + Sync + 'static,
) -> (DiskTickets, Arc<Fake>) {
    let (session, fake) = session(move |method, request| {
        script(method, request).or_else(|| usual(method, true)).expect(method)
    });
    let disk = DiskSpec {
        vm: VmSpec::Id("vm-1".to_owned()),
        snapshot: None,
        path: "[ds] a.vmdk".to_owned(),
        writable,
        nfc_port: None,
    };
    (DiskTickets::new(Arc::new(session), disk), fake)
}

const VCENTER: &str = "<returnval><host>esx7</host><port>902</port><sslThumbprint>AA:BB</sslThumbprint>\
    <service>vpxa-nfc</service><serviceVersion>1.1</serviceVersion><sessionId>52d0-secret</sessionId></returnval>";

#[test]
fn reading_needs_a_ticket_for_the_machine() {
    let (source, fake) = tickets(false, |method, request| {
        (method == "NfcGetVmFiles").then(|| {
            assert!(request.contains(
                "<_this type=\"NfcService\">nfcService</_this><vm type=\"VirtualMachine\">vm-1</vm>"
            ));
            (200, "", returns(method, VCENTER))
        })
    });
    for _ in 0..2 {
        let ticket = source.ticket().unwrap();
        assert_eq!(ticket.endpoint(source.server()), ("esx7", 902));
        assert_eq!((ticket.service.as_str(), ticket.ssl_thumbprint.as_deref()), ("vpxa-nfc", Some("AA:BB")));
        assert_eq!(ticket.session_id.bytes(), b"52d0-secret");
        assert!(!format!("{ticket:?}").contains("secret"));
    }
    let calls = fake.calls.lock().unwrap().clone();
    assert_eq!(calls.iter().filter(|call| *call == "NfcGetVmFiles").count(), 2, "each ticket is a new one");
    assert_eq!(calls.len(), 5, "{calls:?}");
}

#[test]
fn writing_needs_a_ticket_for_the_device() {
    let (source, _) = tickets(true, |method, request| match method {
        "RetrievePropertiesEx" => Some((
            200,
            "",
            returns(
                method,
                "<returnval><objects><obj type=\"VirtualMachine\">vm-1</obj>\
                 <propSet><name>config.hardware.device</name><val><VirtualDevice xsi:type=\"VirtualDisk\"><key>2004</key>\
                 <backing><fileName>[ds] a.vmdk</fileName></backing></VirtualDevice></val></propSet>\
                 <propSet><name>runtime.host</name><val type=\"HostSystem\">ha-host</val></propSet></objects></returnval>",
            ),
        )),
        "NfcRandomAccessOpenDisk" => {
            assert!(request.contains(
                "<vm type=\"VirtualMachine\">vm-1</vm><diskDeviceKey>2004</diskDeviceKey>\
                 <hostForAccess type=\"HostSystem\">ha-host</hostForAccess>"
            ));
            let ticket = "<returnval><service>nfc</service><sessionId>s</sessionId></returnval>";
            Some((200, "", returns(method, ticket)))
        }
        _ => None,
    });
    let ticket = source.ticket().unwrap();
    assert_eq!(ticket.endpoint(source.server()), ("vc.test", 902), "a host gives tickets for itself");
}

#[test]
fn tickets_that_make_no_sense_are_refused() {
    for ticket in [
        "",
        "<returnval/>",
        "<returnval><service>nfc</service></returnval>",
        "<returnval><service>nfc\r\nX</service><sessionId>s</sessionId></returnval>",
        "<returnval><service>nfc</service><sessionId>a b</sessionId></returnval>",
        "<returnval><service>nfc</service><sessionId>s</sessionId><port>70000</port></returnval>",
    ] {
        let (source, _) = tickets(false, |method, _| {
            (method == "NfcGetVmFiles").then(|| (200, "", returns(method, ticket)))
        });
        assert_eq!(source.ticket().unwrap_err().kind(), Kind::ServerFault, "{ticket}");
    }
    let (source, _) = tickets(false, |method, _| {
        (method == "NfcGetVmFiles")
            .then(|| fault("ManagedObjectNotFound", "gone", "<obj type=\"VirtualMachine\">vm-1</obj>"))
    });
    let error = source.ticket().unwrap_err();
    assert_eq!(error.kind(), Kind::VmNotFound);
    assert!(error.to_string().contains("virtual machine 'vm-1' at server 'vc.test' port 443"), "{error}");
}

#[test]
fn a_backup_is_announced_to_vcenter_only() {
    for vcenter in [true, false] {
        let (session, fake) = session(move |method, request| match method {
            "DisableMethods" | "EnableMethods" => {
                assert!(request.contains("RelocateVM_Task") && request.contains(">nightly<"), "{request}");
                (200, "", returns(method, ""))
            }
            _ => usual(method, vcenter).unwrap(),
        });
        let vm = VmSpec::Id("vm-1".to_owned());
        for result in [
            super::super::access::prepare(&session, &vm, "nightly"),
            super::super::access::end(&session, &vm, "nightly"),
        ] {
            assert_eq!(
                result.map_err(|error| error.kind()),
                if vcenter { Ok(()) } else { Err(Kind::NotSupported) }
            );
        }
        assert_eq!(
            fake.calls.lock().unwrap().iter().filter(|call| call.ends_with("Methods")).count(),
            if vcenter { 2 } else { 0 }
        );
    }
}
