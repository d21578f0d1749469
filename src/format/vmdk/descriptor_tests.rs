//! Tests of the descriptor; the texts imitate what real products write.

use super::*;

const WORKSTATION: &str = "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID=7b5e80a7\nparentCID=ffffffff\n\
    createType=\"monolithicSparse\"\n\n# Extent description\nRW 20480 SPARSE \"a disk.vmdk\"\n\n\
    # The Disk Data Base \n#DDB\n\nddb.adapterType = \"lsilogic\"\n\
    ddb.longContentID = \"0123456789abcdef012345677b5e80a7\"\nddb.uuid = \"60 00 C2 9a\"\n";

fn parse(text: &str) -> Result<Descriptor> {
    Descriptor::parse(text.as_bytes())
}

fn kind_of(text: &str) -> Kind {
    parse(text).unwrap_err().kind()
}

#[test]
fn a_usual_text_is_read_and_written_back_unchanged() {
    let descriptor = parse(WORKSTATION).unwrap();
    assert_eq!(descriptor.cid().unwrap(), 0x7b5e_80a7);
    assert_eq!(descriptor.parent_cid().unwrap(), NO_CID);
    assert_eq!(descriptor.create_type(), "monolithicSparse");
    let line = ExtentLine {
        access: ExtentAccess::ReadWrite,
        sectors: 20480,
        kind: ExtentKind::Sparse,
        name: Some(b"a disk.vmdk".to_vec()),
        first_sector: 0,
    };
    assert_eq!(descriptor.extents(), [line]);
    assert_eq!(descriptor.database(b"adaptertype"), Some(b"lsilogic".as_slice()));
    assert_eq!(descriptor.database_keys().count(), 3);
    assert_eq!(descriptor.to_bytes(), WORKSTATION.as_bytes());
}

#[test]
fn deviations_of_real_files_are_understood() {
    let text = "\u{feff}\r\nVERSION = 1 \r\ncid=ABC\r\n#parentCID=1\r\nCreateType=\"custom\"\r\n\
        \trw\t100   flat  \"x y.vmdk\"\t128 partition device\r\nRDONLY 5 ZERO\r\nNOACCESS 7 zero \"named\"\r\n\
        RW 9 VMFS \"v\"\r\nadapterType = \"ide\"\r\nDDB.GEOMETRY.HEADS=\"16\"";
    let descriptor = parse(text).unwrap();
    assert_eq!(descriptor.cid().unwrap(), 0xabc);
    assert_eq!(descriptor.parent_cid().unwrap(), NO_CID, "a comment is not a key");
    let extents = descriptor.extents();
    assert_eq!(extents.len(), 4);
    assert_eq!((extents[0].first_sector, extents[0].name.as_deref()), (128, Some(b"x y.vmdk".as_slice())));
    assert_eq!((extents[1].access, extents[1].kind), (ExtentAccess::ReadOnly, ExtentKind::Zero));
    assert_eq!(extents[2].access, ExtentAccess::None);
    assert_eq!(descriptor.database(b"adapterType"), Some(b"ide".as_slice()));
    assert_eq!(descriptor.database(b"geometry.heads"), Some(b"16".as_slice()));
    assert!(descriptor.to_bytes().windows(2).filter(|pair| pair == b"\r\n").count() > 8);
}

#[test]
fn content_ids_come_in_several_forms() {
    for (text, cid) in [("1", 1), ("00000001", 1), ("FFFFFFFE", FRESH_CID), ("4294967294", FRESH_CID)] {
        assert_eq!(parse(&format!("CID={text}\nRW 1 ZERO\n")).unwrap().cid().unwrap(), cid, "{text}");
    }
    for text in ["", "xyz", "-1", "99999999999", "123456789a"] {
        assert_eq!(kind_of(&format!("CID={text}\nRW 1 ZERO\n")), Kind::InvalidDisk, "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    for text in [
        "",
        "hello",
        "RW 0 ZERO",
        "RW -1 ZERO",
        "RW 99999999999999999999 ZERO",
        "RW 1 WHAT \"a\"",
        "RW 1 FLAT",
        "RW 1 FLAT a 0",
        "RW 1 FLAT \"a",
        "RW 1 FLAT \"\" 0",
        "RW 1 FLAT \"a\" -5",
        "RW 1 FLAT \"a\0b\" 0",
        "RW 9223372036854775807 ZERO\nRW 9223372036854775807 ZERO\nRW 5 ZERO",
        "RW 36028797018963968 ZERO",
        "version=x\nRW 1 ZERO",
    ] {
        assert_eq!(kind_of(text), Kind::InvalidDisk, "{text:?}");
    }
    assert_eq!(kind_of("version=4\nRW 1 ZERO"), Kind::UnsupportedVersion);
    assert_eq!(kind_of("keyID=\"a\"\nRW 1 ZERO"), Kind::NeedsKey);
}

#[test]
fn changes_touch_only_their_line() {
    let mut descriptor = parse(WORKSTATION).unwrap();
    descriptor.set_cid(0x12);
    let text = String::from_utf8(descriptor.to_bytes()).unwrap();
    assert!(text.contains("\nCID=00000012\n"), "{text}");
    assert!(text.contains("\"0123456789abcdef0123456700000012\""), "{text}");
    descriptor.set_database(b"uuid", b"").unwrap();
    descriptor.set_database(b"my.key", b"v = 1").unwrap();
    let again = Descriptor::parse(&descriptor.to_bytes()).unwrap();
    assert_eq!(again.database(b"uuid"), Some(b"".as_slice()));
    assert_eq!(again.database(b"ddb.my.key"), Some(b"v = 1".as_slice()));
    assert_eq!(
        again.to_bytes().iter().filter(|byte| **byte == b'\n').count(),
        WORKSTATION.lines().count() + 1
    );
}

#[test]
fn keys_and_values_cannot_break_out_of_their_line() {
    let mut descriptor = parse(WORKSTATION).unwrap();
    for (key, value) in [("", "v"), ("a b", "v"), ("a=b", "v"), ("a\nb", "v"), ("k", "a\"b"), ("k", "a\nb")] {
        let error = descriptor.set_database(key.as_bytes(), value.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument, "{key:?} {value:?}");
    }
    assert_eq!(descriptor.to_bytes(), WORKSTATION.as_bytes());
}
