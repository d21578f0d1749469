//! Tests of asking for changed areas.

use std::sync::Arc;

use super::super::testing::{Fake, fault, returns, session, usual};
use super::*;

/// A machine with two disks, one of them with a parent and a change id; 10 MiB each.
fn devices(leaf_id: &str) -> String {
    let disk = |key: u32, file: &str, more: &str, size: &str| {
        format!(
            "<VirtualDevice xsi:type=\"VirtualDisk\"><key>{key}</key><backing><fileName>{file}</fileName>{more}\
             </backing>{size}</VirtualDevice>"
        )
    };
    let parent = format!("{leaf_id}<parent><fileName>[ds] base.vmdk</fileName></parent>");
    let val = disk(2000, "[ds] leaf.vmdk", &parent, "<capacityInBytes>10485760</capacityInBytes>")
        + &disk(2001, "[ds] old.vmdk", "", "<capacityInKB>10240</capacityInKB>")
        + &disk(2002, "[ds] none.vmdk", "", "");
    format!(
        "<returnval><objects><obj type=\"VirtualMachine\">vm-1</obj><propSet><name>config.hardware.device</name>\
         <val>{val}</val></propSet></objects></returnval>"
    )
}

/// A session with a server that answers queries so.
fn server(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> (Session, Arc<Fake>) {
    session(move |method, request| match method {
        "RetrievePropertiesEx" => (200, "", returns(method, &devices("<changeId>52 aa/7</changeId>"))),
        "QueryChangedDiskAreas" => match answer(request) {
            Some(inside) => (200, "", returns(method, &inside)),
            None => fault("InvalidArgument", "A specified parameter was not correct: changeId", ""),
        },
        _ => usual(method, true).expect(method),
    })
}

fn info(start: u64, length: u64, areas: &[(u64, u64)]) -> String {
    let areas: String = areas
        .iter()
        .map(|(start, length)| {
            format!("<changedArea><start>{start}</start><length>{length}</length></changedArea>")
        })
        .collect();
    format!("<returnval><startOffset>{start}</startOffset><length>{length}</length>{areas}</returnval>")
}

fn find(session: &Session, snapshot: Option<&str>, path: &str) -> Result<TrackedDisk> {
    TrackedDisk::find(session, &VmSpec::Id("vm-1".to_owned()), snapshot, path)
}

#[test]
fn a_disk_is_found_by_its_own_file_only() {
    let (session, _) = server(|_| None);
    let leaf = find(&session, None, "[ds] leaf.vmdk").unwrap();
    assert_eq!((leaf.device_key, leaf.capacity_bytes), (2000, 10 << 20));
    assert_eq!(leaf.change_id.as_deref(), Some("52 aa/7"));
    let old = find(&session, Some("snapshot-3"), "[ds] old.vmdk").unwrap();
    assert_eq!((old.device_key, old.capacity_bytes, old.change_id), (2001, 10 << 20, None));
    let error = find(&session, None, "[ds] base.vmdk").unwrap_err();
    assert_eq!(error.kind(), Kind::FileNotFound);
    assert!(error.to_string().contains("virtual machine 'vm-1'"), "{error}");
    assert_eq!(find(&session, None, "[ds] none.vmdk").unwrap_err().kind(), Kind::ServerFault);
}

#[test]
fn changes_are_asked_for_part_by_part_and_joined() {
    let (session, fake) = server(|request| {
        let wanted =
            "<snapshot type=\"VirtualMachineSnapshot\">snapshot-3</snapshot><deviceKey>2000</deviceKey>";
        assert!(request.contains(wanted) && request.contains("<changeId>52 aa/5</changeId>"), "{request}");
        Some(match request {
            _ if request.contains("<startOffset>0</startOffset>") => {
                info(0, 4 << 20, &[(65536, 65536), (131_072, 65536), (0, 1), (3 << 20, 1 << 20)])
            }
            // The last part may be told as longer than the disk.
            _ => info(4 << 20, 10 << 20, &[(4 << 20, 512), ((10 << 20) - 1, 1), (5 << 20, 0)]),
        })
    });
    let disk = find(&session, Some("snapshot-3"), "[ds] leaf.vmdk").unwrap();
    let changed = disk.changed_since(&session, "52 aa/5").unwrap();
    let last = (10 << 20) - 1;
    assert_eq!(changed, [0..1, 65536..196_608, 3 << 20..(4 << 20) + 512, last..last + 1]);
    let calls = fake.calls.lock().unwrap();
    assert_eq!(calls.iter().filter(|call| *call == "QueryChangedDiskAreas").count(), 2);
}

#[test]
fn an_id_that_is_not_known_is_an_error() {
    let (session, _) = server(|_| None);
    let disk = find(&session, None, "[ds] leaf.vmdk").unwrap();
    let error = disk.changed_since(&session, "other/1").unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(error.to_string().contains("changeId"), "{error}");
}

#[test]
fn answers_that_make_no_sense_are_refused() {
    for answer in [
        String::new(),
        "<returnval/>".to_owned(),
        // It would never end.
        info(0, 0, &[]),
        info(512, 10 << 20, &[]),
        info(0, u64::MAX, &[(0, u64::MAX), (1, u64::MAX)]),
        info(0, 10 << 20, &[((10 << 20) - 1, 2)]),
        "<returnval><startOffset>0</startOffset><length>-1</length></returnval>".to_owned(),
    ] {
        let shown = answer.clone();
        let (session, _) = server(move |_| Some(answer.clone()));
        let disk = find(&session, None, "[ds] leaf.vmdk").unwrap();
        assert_eq!(disk.changed_since(&session, "x").unwrap_err().kind(), Kind::ServerFault, "{shown}");
    }
    // A byte at a time would take for ever.
    let (session, fake) = server(|request| {
        let start = request.split("<startOffset>").nth(1)?.split('<').next()?.parse().ok()?;
        Some(info(start, 1, &[]))
    });
    let disk = find(&session, None, "[ds] leaf.vmdk").unwrap();
    assert_eq!(disk.changed_since(&session, "x").unwrap_err().kind(), Kind::ServerFault);
    assert!(fake.calls.lock().unwrap().len() < MAX_PARTS + 10);
}
