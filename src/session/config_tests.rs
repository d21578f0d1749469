//! Tests of the configuration file.

use super::*;

#[test]
fn lines_come_in_several_spellings() {
    let config = Config::parse(
        b"# a comment = 1\n\n VixDiskLib.Transport.LOGLEVEL=\"5\"\r\nother = x = y\nvixen.allowOutsideFolder = TRUE\nnonsense\n",
    );
    assert_eq!(config.log_level(), LevelFilter::Debug);
    assert!(config.local_files().allow_outside_folder);
    assert_eq!(config.values.get("other").map(String::as_str), Some("x = y"));
    assert_eq!(config.values.len(), 3, "neither comments nor nonsense");
}

#[test]
fn levels_have_a_default_and_survive_nonsense() {
    for (text, level) in [
        ("", LevelFilter::Info),
        ("vixDiskLib.transport.LogLevel=", LevelFilter::Info),
        ("vixDiskLib.transport.LogLevel=loud", LevelFilter::Info),
        ("vixDiskLib.transport.LogLevel = 0", LevelFilter::Off),
        ("vixDiskLib.transport.LogLevel=99", LevelFilter::Trace),
    ] {
        assert_eq!(Config::parse(text.as_bytes()).log_level(), level, "{text}");
    }
}

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let error = Config::load(Path::new("/nowhere/vixen.conf")).unwrap_err();
    assert_eq!(error.kind(), Kind::FileNotFound);
    assert!(error.to_string().contains("/nowhere/vixen.conf"), "{error}");
    assert_eq!(Config::load(Path::new("/dev/null")).unwrap().log_level(), LevelFilter::Info);
    assert_eq!(Config::load(Path::new("/dev/zero")).unwrap_err().kind(), Kind::InvalidArgument);
}

#[test]
fn every_line_is_told_what_it_does() {
    let config = Config::parse(
        b"vixDiskLib.transport.LogLevel = 4\nVIXDISKLIB.disklib.EnableCache=\"1\"\n\
          vixDiskLib.nfcAio.Session.BufCount = many\nvixen.allowOutsideFolder = perhaps\nfoo.bar=1\n",
    );
    assert_eq!(
        config.remarks(),
        [
            Remark::Unknown("foo.bar".into()),
            Remark::NoEffect("vixDiskLib.disklib.EnableCache = 1".into()),
            Remark::Malformed("vixDiskLib.nfcAio.Session.BufCount = many".into()),
            Remark::InForce("vixDiskLib.transport.LogLevel = 4".into()),
            Remark::Malformed("vixen.allowOutsideFolder = perhaps".into()),
        ]
    );
    assert!(!config.local_files().allow_outside_folder);
}

#[test]
fn progress_cancels_only_when_asked_for() {
    for (text, cancels) in [("", false), ("vixen.progressCancels = perhaps", false)] {
        assert_eq!(Config::parse(text.as_bytes()).progress_cancels(), cancels, "{text}");
    }
    assert!(Config::parse(b"vixdisklib.VIXEN.progressCancels=\"yes\"\n").progress_cancels());
}

#[test]
fn devices_are_named_and_allowed_one_by_one() {
    let config = Config::parse(
        b"vixen.rawDevice./vms/A/Data-RDM.vmdk = /dev/sdb\nvixDiskLib.vixen.rawDevice./vms/b-rdmp.vmdk=\"/images/b raw\"\n\
          vixen.rawDevice. = nothing\nvixen.allowDeviceWrites = 1\n",
    );
    let files = config.local_files();
    let device = |name: &str| files.raw_devices.get(name).map(|path| path.to_str().unwrap());
    assert_eq!(device("/vms/a/data-rdm.vmdk"), Some("/dev/sdb"));
    assert_eq!(device("/vms/b-rdmp.vmdk"), Some("/images/b raw"));
    assert_eq!(files.raw_devices.len(), 2);
    assert!(
        config.remarks().contains(&Remark::InForce("vixen.rawDevice./vms/a/data-rdm.vmdk = /dev/sdb".into()))
    );
    // To write to devices they must be allowed at all.
    assert_eq!(files.devices, DeviceAccess::Refused);
    for (text, devices) in [
        ("", DeviceAccess::Refused),
        ("vixen.allowDevices = yes", DeviceAccess::ReadOnly),
        ("vixen.allowDevices = yes\nvixen.allowDeviceWrites = perhaps", DeviceAccess::ReadOnly),
        ("vixen.allowDevices = 1\nvixDiskLib.vixen.allowDeviceWrites = 1", DeviceAccess::ReadWrite),
    ] {
        assert_eq!(Config::parse(text.as_bytes()).local_files().devices, devices, "{text}");
    }
}

#[test]
fn time_outs_have_defaults_and_a_longest() {
    let default = Config::default();
    assert_eq!((default.timeouts(), default.session_idle_limit()), (Timeouts::default(), SESSION_IDLE_LIMIT));
    let config = Config::parse(
        b"vixDiskLib.nfc.RequestTimeoutMs = 1500\nvixen.connectTimeoutMs = 0\nvixen.sessionIdleMs = 99999999999999\n\
          vixDiskLib.nfc.AcceptTimeoutMs = soon\n",
    );
    let day = Duration::from_millis(MAX_TIMEOUT_MS);
    assert_eq!(config.timeouts().request, Duration::from_millis(1500));
    assert_eq!((config.timeouts().connect, config.session_idle_limit()), (day, day));
    assert_eq!(config.timeouts().handshake, Timeouts::default().handshake);
    assert!(!default.allows_unverified());
}

#[test]
fn names_are_known_once() {
    let spellings = |key: &Key| [Some(key.name), key.alias].into_iter().flatten();
    for spelling in KEYS.iter().flat_map(spellings) {
        assert_eq!(KEYS.iter().filter(|key| key.is_named(spelling)).count(), 1, "{spelling}");
    }
}

#[test]
fn every_key_of_the_disk_service_is_in_force() {
    let default = nfc::Config { encryption: nfc::Encryption::Clear, ..nfc::Config::default() };
    let nfc = |text: &str| Config::parse(text.as_bytes()).nfc(nfc::Encryption::Clear);
    assert_eq!(nfc(""), default);
    let millis = Duration::from_millis;
    let (read, write) = (default.read_limits, default.write_limits);
    for (line, changed) in [
        (
            "vixDiskLib.nfc.AcceptTimeoutMs = 7",
            nfc::Config {
                timeouts: Timeouts { handshake: millis(7), ..default.timeouts },
                ..default.clone()
            },
        ),
        (
            "vixDiskLib.nfc.RequestTimeoutMs = 7",
            nfc::Config { timeouts: Timeouts { request: millis(7), ..default.timeouts }, ..default.clone() },
        ),
        (
            "vixDiskLib.nfc.ReadTimeoutMs = 7",
            nfc::Config { read_limits: nfc::Limits { silence: millis(7), ..read }, ..default.clone() },
        ),
        (
            "vixDiskLib.nfc.WriteTimeoutsMs = 7",
            nfc::Config { write_limits: nfc::Limits { silence: millis(7), ..write }, ..default.clone() },
        ),
        (
            "vixDiskLib.nfcFssrvr.TimeoutMs = 7",
            nfc::Config { read_limits: nfc::Limits { whole: Some(millis(7)), ..read }, ..default.clone() },
        ),
        (
            "vixDiskLib.nfcFssrvrWrite.TimeoutMs = 7",
            nfc::Config { write_limits: nfc::Limits { whole: Some(millis(7)), ..write }, ..default.clone() },
        ),
        ("vixDiskLib.nfcFssrvr.TimeoutMs = 0", default.clone()),
        (
            "vixDiskLib.nfcAio.Session.BufSizeIn64K = 16",
            nfc::Config { buffer_bytes: 1 << 20, ..default.clone() },
        ),
        ("vixDiskLib.nfcAio.Session.BufCount = 1", nfc::Config { buffer_count: 1, ..default.clone() }),
        ("vixen.nfcRequestKB = 64", nfc::Config { request_bytes: 64 << 10, ..default.clone() }),
        ("vixen.nfcRequestKB = 9999", nfc::Config { request_bytes: 1 << 20, ..default.clone() }),
        ("vixen.nfcDepth = 32", nfc::Config { depth: 32, ..default.clone() }),
        ("vixen.nfcDepth = 99999", nfc::Config { depth: 256, ..default.clone() }),
        ("vixDiskLib.vixen.nfcHostMB = 96", nfc::Config { host_bytes: 96 << 20, ..default.clone() }),
        ("vixen.nfcHostMB = 0", default.clone()),
    ] {
        assert_eq!(nfc(line), changed, "{line}");
        assert!(matches!(Config::parse(line.as_bytes()).remarks()[..], [Remark::InForce(_)]), "{line}");
    }
}
