//! Tests of finding machines, snapshots and disks.

use super::super::testing::{fault, returns, session, usual};
use super::*;

#[test]
fn machines_are_named_in_many_ways() {
    let id = |text: &str| VmSpec::Id(text.to_owned());
    for (text, spec) in [
        ("moref=vm-13", id("vm-13")),
        ("moRef=2", id("2")),
        (" MOID=vm-1 ", id("vm-1")),
        ("vm-7", id("vm-7")),
        ("uuid=4233c48a-7874", VmSpec::Uuid("4233c48a-7874".to_owned())),
        ("instanceUuid=50", VmSpec::InstanceUuid("50".to_owned())),
        ("path=DC/vm/a b", VmSpec::InventoryPath("DC/vm/a b".to_owned())),
    ] {
        assert_eq!(VmSpec::parse(text).unwrap(), spec, "{text}");
    }
    let datastore = VmSpec::Datastore { datacenter: "F/DC".to_owned(), path: "[ds 1] a b/c.vmx".to_owned() };
    for text in ["a b/c.vmx?dcPath=F/DC&dsName=ds 1", "[ds 1] a b/c.vmx?dsName=ds 1&dcpath=F/DC"] {
        assert_eq!(VmSpec::parse(text).unwrap(), datastore);
    }
    for text in ["", "moref=", "moref=a b", "other=1", "a.vmx?dcPath=D", "?dcPath=D&dsName=d", "vm<1"] {
        assert_eq!(VmSpec::parse(text).unwrap_err().kind(), Kind::InvalidArgument, "{text}");
    }
}

#[test]
fn snapshots_come_with_and_without_a_prefix() {
    for text in ["snapshot-45", "moref=snapshot-45", "moRef = snapshot-45 "] {
        assert_eq!(snapshot_id(text), Some("snapshot-45"));
    }
    assert_eq!(snapshot_id("2-snapshot-1"), Some("2-snapshot-1"));
    assert_eq!((snapshot_id(""), snapshot_id("moref=")), (None, None));
}

const DEVICES: &str = "<propSet><name>config.hardware.device</name><val xsi:type=\"ArrayOfVirtualDevice\">\
    <VirtualDevice xsi:type=\"VirtualCdrom\"><key>3000</key><backing><fileName>[ds] a/a.vmdk</fileName></backing></VirtualDevice>\
    <VirtualDevice xsi:type=\"VirtualDisk\"><key>2000</key><backing><fileName>[ds] a/a-000002.vmdk</fileName>\
      <parent><fileName>[ds] a/a-000001.vmdk</fileName><parent><fileName>[ds] a/a.vmdk</fileName></parent></parent></backing></VirtualDevice>\
    <VirtualDevice xsi:type=\"vim25:VirtualDisk\"><key>2001</key><backing><fileName>[ds] a/b.vmdk</fileName></backing></VirtualDevice>\
    </val></propSet>";

fn devices(parts: bool) -> (Session, std::sync::Arc<super::super::testing::Fake>) {
    session(move |method, request| {
        let host = "<propSet><name>runtime.host</name><val type=\"HostSystem\" xsi:type=\"ManagedObjectReference\">host-9</val></propSet>";
        let object =
            |inside: &str| format!("<objects><obj type=\"VirtualMachine\">vm-1</obj>{inside}</objects>");
        match method {
            "RetrievePropertiesEx" if request.contains("<obj type=\"VirtualMachineSnapshot\">") => {
                let disk = DEVICES.replace("a/b.vmdk", "a/old.vmdk");
                (200, "", returns(method, &format!("<returnval>{}</returnval>", object(&disk))))
            }
            "RetrievePropertiesEx" if parts => (
                200,
                "",
                returns(method, &format!("<returnval><token>t1</token>{}</returnval>", object(DEVICES))),
            ),
            "RetrievePropertiesEx" => (
                200,
                "",
                returns(method, &format!("<returnval>{}</returnval>", object(&format!("{DEVICES}{host}")))),
            ),
            "ContinueRetrievePropertiesEx" => {
                assert!(request.contains("<token>t1</token>"));
                (200, "", returns(method, &format!("<returnval>{}</returnval>", object(host))))
            }
            _ => usual(method, true).unwrap(),
        }
    })
}

#[test]
fn the_device_is_found_by_the_disk_and_by_its_parents() {
    let vm = Moref::new("VirtualMachine", "vm-1");
    for parts in [false, true] {
        let (session, _) = devices(parts);
        for (path, key) in [
            ("[ds] a/a-000002.vmdk", 2000),
            ("[ds] a/a-000001.vmdk", 2000),
            ("[ds] a/a.vmdk", 2000),
            ("[ds] a/b.vmdk", 2001),
        ] {
            let found = attachment(&session, &vm, None, path).unwrap();
            assert_eq!(
                found,
                Attachment { device_key: key, host: Moref::new("HostSystem", "host-9") },
                "{path}"
            );
        }
    }
    let (session, _) = devices(false);
    let error = attachment(&session, &vm, None, "[ds] a/old.vmdk").unwrap_err();
    assert_eq!(error.kind(), Kind::FileNotFound);
    assert!(error.to_string().contains("its disks: '[ds] a/a-000002.vmdk', '[ds] a/b.vmdk'"), "{error}");
    let snapshot = Moref::new("VirtualMachineSnapshot", "snapshot-3");
    assert_eq!(attachment(&session, &vm, Some(&snapshot), "[ds] a/old.vmdk").unwrap().device_key, 2001);
}

#[test]
fn machines_are_searched_for() {
    let (session, _) = session(|method, request| {
        let found = |kind: &str, id: &str| {
            (200, "", returns(method, &format!("<returnval type=\"{kind}\">{id}</returnval>")))
        };
        match method {
            "FindByUuid" if request.contains("<uuid>u1</uuid>") => {
                let instance = request.contains("<instanceUuid>true</instanceUuid>");
                found("VirtualMachine", if instance { "vm-2" } else { "vm-1" })
            }
            "FindByInventoryPath" if request.contains(">DC<") => found("Datacenter", "dc-1"),
            "FindByInventoryPath" if request.contains(">DC/vm/x<") => found("VirtualMachine", "vm-3"),
            "FindByDatastorePath" => {
                assert!(
                    request
                        .contains("<datacenter type=\"Datacenter\">dc-1</datacenter><path>[d] x.vmx</path>")
                );
                found("VirtualMachine", "vm-4")
            }
            "FindByUuid" | "FindByInventoryPath" => (200, "", returns(method, "")),
            _ => usual(method, true).unwrap_or_else(|| fault("InvalidRequest", method, "")),
        }
    });
    let find = |text: &str| VmSpec::parse(text).unwrap().find(&session);
    for (text, id) in [
        ("moref=vm-9", "vm-9"),
        ("uuid=u1", "vm-1"),
        ("instanceUuid=u1", "vm-2"),
        ("path=DC/vm/x", "vm-3"),
        ("x.vmx?dcPath=DC&dsName=d", "vm-4"),
    ] {
        assert_eq!(find(text).unwrap().id, id, "{text}");
    }
    for text in ["uuid=none", "path=DC/none", "x.vmx?dcPath=none&dsName=d", "path=DC"] {
        assert_eq!(find(text).unwrap_err().kind(), Kind::VmNotFound, "{text}");
    }
}
