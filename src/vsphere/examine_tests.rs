//! Tests of what a server tells of a machine and of a user's rights.

use super::super::testing::{Fake, fault, returns, session, usual};
use super::*;

/// A server with one machine, with or without parts of what it can tell.
fn lab(power: &'static str, connection: &'static str) -> (Session, std::sync::Arc<Fake>) {
    session(move |method, request| {
        let property = |name: &str, value: &str| format!("<propSet><name>{name}</name>{value}</propSet>");
        let object = |inside: String| {
            let inside = format!("<returnval><objects><obj>x</obj>{inside}</objects></returnval>");
            (200, "", returns("RetrievePropertiesEx", &inside))
        };
        let devices = property(
            "config.hardware.device",
            "<val><VirtualDevice xsi:type=\"VirtualDisk\"><key>2000</key><backing><fileName>[ds] a/a.vmdk</fileName>\
             <parent><fileName>[ds] a/old.vmdk</fileName></parent></backing></VirtualDevice>\
             <VirtualDevice xsi:type=\"VirtualDisk\"><key>x</key><backing><fileName>[ds] no key</fileName></backing>\
             </VirtualDevice><VirtualDevice xsi:type=\"VirtualDisk\"><key>2001</key></VirtualDevice></val>",
        );
        match method {
            "RetrievePropertiesEx" if request.contains(">vm-1<") => object(
                [
                    property("name", "<val>web\u{1f600}</val>"),
                    property("runtime.host", "<val type=\"HostSystem\">host-9</val>"),
                    property("runtime.powerState", &format!("<val>{power}</val>")),
                    property("runtime.connectionState", &format!("<val>{connection}</val>")),
                    property("config.changeTrackingEnabled", "<val>true</val>"),
                    devices,
                ]
                .concat(),
            ),
            "RetrievePropertiesEx" if request.contains(">host-9<") => {
                object(property("name", "<val>esx1.test</val>"))
            }
            "RetrievePropertiesEx" if request.contains(">snapshot-1<") => object(devices),
            "RetrievePropertiesEx" if request.contains("currentSession") => {
                object(property("currentSession", "<val><key>key of it</key></val>"))
            }
            "RetrievePropertiesEx" => {
                let kind =
                    if request.contains("snapshot-2") { "VirtualMachineSnapshot" } else { "VirtualMachine" };
                fault("ManagedObjectNotFound", "gone", &format!("<obj type=\"{kind}\">it</obj>"))
            }
            "HasPrivilegeOnEntity" => {
                assert!(request.contains("<sessionId>key of it</sessionId>"), "{request}");
                assert!(request.contains("<entity type=\"VirtualMachine\">vm-1</entity>"), "{request}");
                let answers = ["<returnval>true</returnval>", "<returnval>false</returnval>"];
                let wanted = request.matches("<privId>").count().min(2);
                (200, "", returns(method, &answers[..wanted].concat()))
            }
            _ => usual(method, true).unwrap(),
        }
    })
}

fn spec(text: &str) -> VmSpec {
    VmSpec::parse(text).unwrap()
}

#[test]
fn a_machine_tells_what_it_is() {
    let (session, _) = lab("poweredOn", "connected");
    let machine = machine(&session, &spec("vm-1")).unwrap();
    assert_eq!((machine.name.as_str(), machine.host.as_str()), ("web\u{1f600}", "esx1.test"));
    assert!(machine.powered_on && machine.connected && machine.tracked);
    // Devices without a key or a file are no disks that could be named.
    let disk = MachineDisk { device_key: 2000, file: "[ds] a/a.vmdk".to_owned() };
    assert_eq!(machine.disks, std::slice::from_ref(&disk));
    assert_eq!(snapshot_disks(&session, "snapshot-1").unwrap(), [disk]);
    let (session, _) = lab("poweredOff", "disconnected");
    let machine = super::machine(&session, &spec("vm-1")).unwrap();
    assert!(!machine.powered_on && !machine.connected);
}

#[test]
fn what_is_not_there_is_told() {
    let (session, _) = lab("poweredOn", "connected");
    assert_eq!(machine(&session, &spec("vm-2")).unwrap_err().kind(), Kind::VmNotFound);
    assert_eq!(snapshot_disks(&session, "snapshot-2").unwrap_err().kind(), Kind::SnapshotNotFound);
}

#[test]
fn privileges_are_asked_for_by_the_key_of_the_session() {
    let (session, _) = lab("poweredOn", "connected");
    let vm = Moref::new("VirtualMachine", "vm-1");
    assert_eq!(privileges(&session, &vm, &["a", "b"]).unwrap(), [true, false]);
    // The server must answer for each of them.
    let error = privileges(&session, &vm, &["a", "b", "c"]).unwrap_err();
    assert_eq!(error.kind(), Kind::ServerFault);
    assert!(!error.to_string().contains("key of it"), "{error}");
}
