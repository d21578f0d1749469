//! Tests of the files that fail: a test of tests must not let anything through.

use std::collections::BTreeSet;

use super::*;

fn path() -> &'static Path {
    Path::new("a")
}

/// A file of four sectors of `0`, durable, and its storage.
fn set_up() -> (FaultFiles, Arc<dyn Storage>) {
    let files = FaultFiles::default();
    files.insert("a", vec![b'0'; 2048]);
    let file = files.open(path(), Access::ReadWrite).unwrap();
    (files, file)
}

/// The first bytes of the sectors of `a`, for each image.
fn images(files: &FaultFiles, count: usize) -> BTreeSet<(usize, String)> {
    let mut found = BTreeSet::new();
    files.power_losses(count, |loss| {
        let content = loss.files.content(path()).unwrap();
        found.insert((loss.operations, content.chunks(512).map(|sector| char::from(sector[0])).collect()));
    });
    found
}

fn set(pairs: &[(usize, &str)]) -> BTreeSet<(usize, String)> {
    pairs.iter().map(|(operations, text)| (*operations, (*text).to_owned())).collect()
}

#[test]
fn every_subset_of_unsynced_writes_may_survive_and_no_synced_one_may_be_lost() {
    let (files, file) = set_up();
    file.write_all_at(&[b'1'; 512], ByteOffset(0)).unwrap();
    file.write_all_at(&[b'2'; 512], ByteOffset(512)).unwrap();
    file.sync().unwrap();
    file.write_all_at(&[b'3'; 512], ByteOffset(0)).unwrap();
    let expected = [(2, "0000"), (2, "1000"), (2, "0200"), (2, "1200"), (4, "1200"), (4, "3200")];
    assert_eq!(images(&files, 4), set(&expected));
    assert_eq!(files.content(path()).unwrap()[0], b'3', "the program sees everything");
}

#[test]
fn writes_are_torn_at_sectors() {
    let (files, file) = set_up();
    file.write_all_at(&[b'1'; 1024], ByteOffset(256)).unwrap();
    // By sector: half of the first, the second, half of the third.
    let mut seen = BTreeSet::new();
    files.power_losses(200, |loss| {
        let content = loss.files.content(path()).unwrap();
        seen.insert([0, 256, 512, 1024, 1280].map(|at| char::from(content[at])).iter().collect::<String>());
    });
    let expected = ["00000", "01000", "00100", "00010", "01100", "01010", "00110", "01110"];
    assert_eq!(seen, expected.map(str::to_owned).into());
}

#[test]
fn overlapping_changes_keep_their_order() {
    let (files, file) = set_up();
    file.write_all_at(&[b'1'; 512], ByteOffset(0)).unwrap();
    file.write_all_at(&[b'2'; 512], ByteOffset(0)).unwrap();
    file.set_len(0).unwrap();
    file.write_all_at(&[b'3'; 512], ByteOffset(512)).unwrap();
    let found = images(&files, 16);
    let end = |text: &str| (4, text.to_owned());
    for possible in ["2000", "1000", "2300", "", "\u{0}3", "0300"] {
        assert!(found.contains(&end(possible)), "{possible:?} of {found:?}");
    }
    assert!(found.len() == 8, "{found:?}");
}

#[test]
fn a_lost_write_may_leave_its_length() {
    let (files, file) = set_up();
    file.write_all_at(&[b'1'; 1024], ByteOffset(2048)).unwrap();
    let found: BTreeSet<String> = images(&files, 200).into_iter().map(|(_, text)| text).collect();
    let expected = ["0000", "00001", "0000\u{0}\u{0}", "00001\u{0}", "0000\u{0}1", "000011"];
    assert_eq!(found, expected.map(str::to_owned).into());
}

#[test]
fn names_are_durable_with_their_folder() {
    let files = FaultFiles::default();
    let file = files.create(Path::new("d/new")).unwrap();
    file.write_all_at(b"content", ByteOffset(0)).unwrap();
    file.sync().unwrap();
    let seen = |files: &FaultFiles| {
        let mut seen = BTreeSet::new();
        files.power_losses(8, |loss| {
            let named = loss.files.content(Path::new("d/new")).is_some();
            seen.insert((loss.operations, named));
        });
        seen
    };
    assert_eq!(seen(&files), [(2, false), (2, true), (3, false), (3, true)].into());
    files.sync_folder(Path::new("d")).unwrap();
    files.remove(Path::new("d/new")).unwrap();
    assert!(files.open(Path::new("d/new"), Access::Read).is_err());
    let found: Vec<_> = seen(&files).into_iter().filter(|(operations, _)| *operations > 3).collect();
    assert_eq!(found, [(5, false), (5, true)], "a removal may be undone, what was there before may not go");
}

#[test]
fn a_replacement_is_whole_and_durable() {
    let (files, _) = set_up();
    files.replace(path(), &[b'9'; 512]).unwrap();
    assert_eq!(images(&files, 8), set(&[(0, "0000"), (1, "9")]));
    assert!(files.replace(Path::new("b"), b"").is_err());
}

#[test]
fn the_operation_that_is_told_to_fails_and_no_other() {
    for failing in 0..4 {
        let (files, file) = set_up();
        files.fail_at(failing, Fault::IO);
        let results = [
            file.write_all_at(&[b'1'; 512], ByteOffset(0)),
            file.set_len(1024),
            file.write_all_at(&[b'2'; 512], ByteOffset(512)),
            file.sync(),
        ];
        for (number, result) in results.into_iter().enumerate() {
            assert_eq!(result.err().map(|error| error.kind()), (number == failing).then_some(Kind::Io));
        }
        assert_eq!(files.operations(), 4);
        let content = files.content(path()).unwrap();
        assert_eq!(content[0], if failing == 0 { b'0' } else { b'1' });
        assert_eq!(content.len(), if failing == 1 { 2048 } else { 1024 });
    }
}

#[test]
fn short_writes_leave_their_beginning() {
    let (files, file) = set_up();
    files.fail_at(0, Fault::NO_SPACE.after(100));
    assert_eq!(file.write_all_at(&[b'1'; 512], ByteOffset(2000)).unwrap_err().kind(), Kind::DiskFull);
    let content = files.content(path()).unwrap();
    assert_eq!((content.len(), content[1999], content[2099]), (2100, b'0', b'1'));
}

#[test]
fn without_space_files_do_not_grow_but_take_what_they_have_room_for() {
    let (files, file) = set_up();
    files.fail_at(0, Fault::NO_SPACE.lasting());
    assert!(file.set_len(4096).is_err());
    file.write_all_at(&[b'1'; 512], ByteOffset(0)).unwrap();
    assert!(file.write_all_at(&[b'1'; 512], ByteOffset(2000)).is_err());
    assert!(files.create(Path::new("b")).is_err());
    file.sync().unwrap();
    files.stop_failing();
    files.create(Path::new("b")).unwrap();
}

#[test]
fn after_a_sync_has_failed_nothing_is_certain() {
    let (files, file) = set_up();
    file.write_all_at(&[b'1'; 512], ByteOffset(0)).unwrap();
    files.fail_at(1, Fault::IO);
    assert!(file.sync().is_err());
    files.stop_failing();
    assert!(file.sync().is_err());
    assert_eq!(images(&files, 4), set(&[(3, "0000"), (3, "1000")]));
    files.settle();
    file.sync().unwrap();
    assert_eq!(images(&files, 4), set(&[(0, "1000"), (1, "1000")]));
}

#[test]
fn many_changes_are_covered_from_both_ends() {
    let (files, file) = set_up();
    for round in 0..40u8 {
        file.write_all_at(&[round + 1], ByteOffset(u64::from(round))).unwrap();
    }
    let mut counts = BTreeSet::new();
    let mut number = 0;
    files.power_losses(200, |loss| {
        let content = loss.files.content(path()).unwrap();
        counts.insert(content[..40].iter().filter(|byte| **byte != b'0').count());
        number += 1;
    });
    assert_eq!(number, 200);
    assert!([0, 1, 39, 40].iter().all(|count| counts.contains(count)), "{counts:?}");
}
