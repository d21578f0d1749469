//! Raw device mappings and block devices.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use vixDiskLib::error::Kind;
use vixDiskLib::io::local::{DeviceAccess, LocalFiles};

use crate::common::SECTOR;
use crate::common::esx::descriptor;
use crate::{Folder, content_of, plainly, random, with_files};

/// A raw device mapping in `folder`, without anything that it leads to.
fn mapping(folder: &Folder, kind: &str, line: &str) -> PathBuf {
    folder.put("lun.vmdk", descriptor(kind, 0x22, None, &[line.to_owned()]))
}

#[test]
fn a_mapping_without_its_device_tells_of_itself_and_what_to_do() {
    for (kind, line) in [
        ("vmfsRawDeviceMap", "RW 100 VMFSRDM \"lun-rdm.vmdk\""),
        ("vmfsPassthroughRawDeviceMap", "RW 100 VMFSRDM \"lun-rdm.vmdk\""),
        ("vmfsRaw", "RW 100 VMFSRAW \"/vmfs/devices/disks/naa.6000\""),
    ] {
        let folder = Folder::new();
        // The file of a mapping is there in a copied folder, but has no data.
        folder.put("lun-rdm.vmdk", [0; 512]);
        let path = mapping(&folder, kind, line);
        for read_only in [true, false] {
            let disk = plainly(&path, read_only).unwrap();
            assert_eq!((disk.sectors(), disk.info().capacity, disk.create_type().as_str()), (100, 100, kind));
            assert!(disk.metadata(b"longContentID").is_ok());
            let error = disk.read(99, &mut [0; 512]).unwrap_err();
            assert!(error.kind() == Kind::NotSupported, "{error}");
            let last = if kind == "vmfsRaw" { "naa.6000" } else { "lun-rdm.vmdk" };
            let advice = format!("vixen.rawDevice.{} = ", folder.path(last).display());
            assert!(error.to_string().contains(&advice), "{error}");
            assert_eq!(disk.allocated_blocks(0, 100, 1).unwrap_err().kind(), Kind::NotSupported);
            let refused = disk.write(0, &[0; 512]).unwrap_err().kind();
            assert_eq!(refused, if read_only { Kind::ReadOnly } else { Kind::NotSupported });
            disk.finish().unwrap();
        }
    }
    let folder = Folder::new();
    let path = mapping(&folder, "vmfsRawDeviceMap", "RW 100 VMFSRDM \"lun.vmdk\"");
    assert_eq!(plainly(&path, true).unwrap_err().kind(), Kind::InvalidDisk, "it names itself");
}

#[test]
fn a_mapping_is_read_where_the_configuration_says_or_from_a_copy() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    let content = random(100, 1);
    let device = elsewhere.put("device", [content.as_slice(), &[1; 5000]].concat());
    let path = mapping(&folder, "vmfsRawDeviceMap", "RW 100 VMFSRDM \"LUN-rdm.vmdk\"");
    let files = |name: PathBuf, device: &Path| LocalFiles {
        raw_devices: HashMap::from([(name.to_str().unwrap().to_ascii_lowercase(), device.to_owned())]),
        ..LocalFiles::default()
    };
    let disk = with_files(files(folder.path("LUN-rdm.vmdk"), &device), &path, false).unwrap();
    assert!(content_of(&disk) == content);
    assert_eq!(disk.write(0, &[0; 512]).unwrap_err().kind(), Kind::ReadOnly);
    // The mapping of the same name in another folder is another one.
    let disk = with_files(files(elsewhere.path("LUN-rdm.vmdk"), &device), &path, true).unwrap();
    assert_eq!(disk.read(0, &mut [0; 512]).unwrap_err().kind(), Kind::NotSupported);
    // What the configuration names must serve.
    let short = elsewhere.put("short", &content[1..]);
    let error = with_files(files(folder.path("LUN-rdm.vmdk"), &short), &path, true).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidDisk);
    let error =
        with_files(files(folder.path("LUN-rdm.vmdk"), &elsewhere.path("no")), &path, true).unwrap_err();
    assert!(error.kind() == Kind::FileNotFound && error.to_string().contains("rawDevice"), "{error}");
    // A copy of the device under the name of the mapping.
    folder.put("LUN-rdm.vmdk", &content);
    let disk = plainly(&path, false).unwrap();
    assert!(content_of(&disk) == content);
    assert_eq!(disk.write(0, &[0; 512]).unwrap_err().kind(), Kind::ReadOnly);
}

/// A block device of the content of a file; goes when it is dropped.
struct Device(PathBuf);

impl Device {
    fn of(file: &Path) -> Self {
        let needed = "a loop device is needed: run as root, after `modprobe loop`";
        let output = Command::new("losetup").args(["--find", "--show"]).arg(file).output().expect(needed);
        assert!(output.status.success(), "{needed}: {}", String::from_utf8_lossy(&output.stderr));
        Self(PathBuf::from(String::from_utf8(output.stdout).unwrap().trim()))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.0).status();
    }
}

#[test]
fn devices_are_opened_only_as_the_configuration_allows() {
    let folder = Folder::new();
    let content = random(400, 1);
    let device = Device::of(&folder.put("device.raw", &content));
    let line = |sectors: u64, first: u64| format!("RW {sectors} FLAT \"{}\" {first}", device.0.display());
    let lines = ["RW 3 ZERO".to_owned(), line(100, 63), line(50, 350)];
    let path = folder.put("disk.vmdk", descriptor("partitionedDevice", 0x22, None, &lines));
    let files = |devices| LocalFiles { devices, ..LocalFiles::default() };
    let mut expected =
        [&[0; 3 * SECTOR], &content[63 * SECTOR..163 * SECTOR], &content[350 * SECTOR..]].concat();

    for (files, kind) in [
        (LocalFiles::default(), Kind::BadName),
        (LocalFiles { allow_outside_folder: true, ..LocalFiles::default() }, Kind::InvalidDisk),
    ] {
        let error = with_files(files, &path, true).unwrap_err();
        assert!(error.kind() == kind && error.to_string().contains("vixen.allowDevices"), "{error}");
    }

    let before = std::fs::read(&path).unwrap();
    for read_only in [true, false] {
        let disk = with_files(files(DeviceAccess::ReadOnly), &path, read_only).unwrap();
        assert!(content_of(&disk) == expected);
        assert_eq!(disk.allocated_blocks(0, 153, 1).unwrap().len(), 1, "a device has no holes");
        let error = disk.write(5, &[1; SECTOR]).unwrap_err();
        assert_eq!(error.kind(), Kind::ReadOnly);
        assert!(read_only || error.to_string().contains("vixen.allowDeviceWrites"), "{error}");
    }
    assert!(std::fs::read(&path).unwrap() == before);

    let disk = with_files(files(DeviceAccess::ReadWrite), &path, false).unwrap();
    let data = random(60, 2);
    disk.write(93, &data).unwrap();
    disk.finish().unwrap();
    expected[93 * SECTOR..].copy_from_slice(&data);
    drop(disk);
    assert!(content_of(&with_files(files(DeviceAccess::ReadOnly), &path, true).unwrap()) == expected);
    let now = std::fs::read(&device.0).unwrap();
    assert!(
        now[..153 * SECTOR] == content[..153 * SECTOR]
            && now[163 * SECTOR..350 * SECTOR] == content[163 * SECTOR..350 * SECTOR]
    );

    // A device ends where it ends.
    folder.put("disk.vmdk", descriptor("fullDevice", 0x22, None, &[line(401, 0)]));
    assert_eq!(with_files(files(DeviceAccess::ReadOnly), &path, true).unwrap_err().kind(), Kind::InvalidDisk);
    folder.put("disk.vmdk", descriptor("fullDevice", 0x22, None, &[line(400, 0)]));
    assert!(content_of(&with_files(files(DeviceAccess::ReadOnly), &path, true).unwrap()) == now);

    // The configuration names the device of a mapping, and needs no other permission.
    let lun = mapping(&folder, "vmfsRawDeviceMap", "RW 400 VMFSRDM \"lun-rdm.vmdk\"");
    let known_as = folder.path("lun-rdm.vmdk").to_str().unwrap().to_ascii_lowercase();
    let mapped =
        LocalFiles { raw_devices: HashMap::from([(known_as, device.0.clone())]), ..LocalFiles::default() };
    assert!(content_of(&with_files(mapped, &lun, false).unwrap()) == now);
}

#[test]
fn to_allow_devices_allows_nothing_else() {
    let (folder, outside) = (Folder::new(), Folder::new());
    let secret = outside.put("secret", random(1, 1));
    for name in [secret.to_str().unwrap(), "/dev/null", "/dev/zero", "/etc/passwd", "/"] {
        let line = format!("RW 1 FLAT \"{name}\" 0");
        let path = folder.put("disk.vmdk", descriptor("fullDevice", 0x22, None, &[line]));
        let files = LocalFiles { devices: DeviceAccess::ReadWrite, ..LocalFiles::default() };
        let error = with_files(files, &path, true).unwrap_err();
        assert!(matches!(error.kind(), Kind::BadName), "{name}: {error}");
    }
}
