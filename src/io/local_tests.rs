//! Tests of local files.

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn vectored_reads_fill_every_buffer_and_refuse_the_end() {
    let folder = folder();
    let files = LocalFiles::default();
    let file = files.create(&folder.path().join("a")).unwrap();
    file.write_all_at(&(0..100).collect::<Vec<u8>>(), ByteOffset(0)).unwrap();
    let (mut a, mut b, mut c) = ([0u8; 3], [0u8; 0], [0u8; 7]);
    let mut buffers = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b), IoSliceMut::new(&mut c)];
    file.read_vectored_at(&mut buffers, ByteOffset(10)).unwrap();
    assert_eq!((a, c), ([10, 11, 12], [13, 14, 15, 16, 17, 18, 19]));
    let mut cached = [0u8; 8];
    // Just written, so it is in the cache, unless the file system cannot tell; never is it something else.
    if file.read_cached_at(&mut [IoSliceMut::new(&mut cached)], ByteOffset(90)).unwrap() {
        assert_eq!(cached, [90, 91, 92, 93, 94, 95, 96, 97]);
    }
    assert!(!file.read_cached_at(&mut [IoSliceMut::new(&mut cached)], ByteOffset(95)).unwrap());
    let error = file.read_exact_at(&mut [0; 8], ByteOffset(95)).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert!(error.to_string().contains("ends too early"), "{error}");
}

#[test]
fn names_inside_disks_cannot_leave_the_folder() {
    let outer = folder();
    let inner = outer.path().join("disks");
    fs::create_dir(&inner).unwrap();
    fs::write(outer.path().join("secret"), "s").unwrap();
    fs::write(inner.join("good"), "g").unwrap();
    std::os::unix::fs::symlink("../secret", inner.join("link")).unwrap();
    std::os::unix::fs::symlink("good", inner.join("near")).unwrap();
    let strict = LocalFiles::default();
    let lax = LocalFiles { allow_outside_folder: true, ..LocalFiles::default() };
    let absolute = outer.path().join("secret");
    for name in [Path::new("../secret"), Path::new("link"), Path::new("a/../../secret"), &absolute] {
        let error = strict.open_beside(&Folder::new(&inner), name, Access::Read).unwrap_err();
        assert!(matches!(error.kind(), Kind::BadName | Kind::FileNotFound), "{name:?}: {error}");
    }
    for name in ["good", "near"] {
        strict.open_beside(&Folder::new(&inner), Path::new(name), Access::Read).unwrap();
        strict.open_beside(&Folder::new(&inner), &inner.join(name), Access::Read).unwrap();
    }
    for name in [inner.join("link"), inner.join("../secret"), inner.clone(), "/".into()] {
        assert!(strict.open_beside(&Folder::new(&inner), &name, Access::Read).is_err(), "{name:?}");
    }
    for name in [Path::new("../secret"), Path::new("link"), &absolute] {
        lax.open_beside(&Folder::new(&inner), name, Access::Read).unwrap();
    }
    // Where the kernel cannot do it.
    for name in ["../secret", "link"] {
        let error = LocalFiles::open_walking(&inner, Path::new(name), false).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EXDEV), "{name}");
    }
    for name in ["good", "near"] {
        LocalFiles::open_walking(&inner, Path::new(name), true).unwrap();
    }
    LocalFiles::open_walking(outer.path(), Path::new("disks/near"), false).unwrap();
}

/// A folder that becomes a symbolic link out of the disk's folder, and a folder again, while names in it are opened.
#[test]
fn a_folder_that_becomes_a_link_meanwhile_leads_nowhere() {
    let outer = folder();
    let (inner, outside) = (outer.path().join("disks"), outer.path().join("outside"));
    for folder in [&inner, &outside, &inner.join("sub")] {
        fs::create_dir(folder).unwrap();
    }
    fs::write(outside.join("extent"), "secret").unwrap();
    fs::write(inner.join("sub/extent"), "inside").unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (sub, aside) = (inner.join("sub"), inner.join("aside"));
            while !done.load(Ordering::Relaxed) {
                fs::rename(&sub, &aside).unwrap();
                std::os::unix::fs::symlink("../outside", &sub).unwrap();
                fs::remove_file(&sub).unwrap();
                fs::rename(&aside, &sub).unwrap();
            }
        });
        let (folder, name) = (Folder::new(&inner), Path::new("sub/extent"));
        let mut opened = 0;
        for _ in 0..2000 {
            let ways = [
                LocalFiles::open_contained(&folder, name, Access::Read),
                LocalFiles::open_walking(&inner, name, false),
            ];
            for file in ways.into_iter().flatten() {
                assert_eq!(io::read_to_string(file).unwrap(), "inside");
                opened += 1;
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(opened > 0, "the folder was never there");
    });
}

#[test]
fn a_file_that_is_to_replace_another_is_nobody_elses() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let (file, path) = new_beside(&folder.path().join("a")).unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0);
    // A link that waits under the next name is not followed.
    let next = path.to_str().unwrap().replace("-0.tmp", "-1.tmp");
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &next).unwrap();
    let (_, path) = new_beside(&folder.path().join("a")).unwrap();
    assert!(path.to_str().unwrap().ends_with("-2.tmp"), "{path:?}");
    assert!(!folder.path().join("elsewhere").exists());
}

#[test]
fn only_ordinary_files_are_opened() {
    let files = LocalFiles::default();
    for access in [Access::Read, Access::ReadWrite] {
        for path in ["/", "/dev/null"] {
            assert_eq!(files.open(Path::new(path), access).unwrap_err().kind(), Kind::InvalidDisk, "{path}");
        }
    }
    assert_eq!(files.open(Path::new("/nowhere/a"), Access::Read).unwrap_err().kind(), Kind::FileNotFound);
}

#[test]
fn an_exclusive_lock_keeps_others_out_until_it_goes() {
    let folder = folder();
    let files = LocalFiles::default();
    let path = folder.path().join("a");
    let (first, second) = (files.create(&path).unwrap(), files.open(&path, Access::ReadWrite).unwrap());
    first.lock(Lock::Exclusive).unwrap();
    assert_eq!(second.lock(Lock::Exclusive).unwrap_err().kind(), Kind::Locked);
    assert_eq!(second.lock(Lock::Shared).unwrap_err().kind(), Kind::Locked);
    drop(first);
    second.lock(Lock::Shared).unwrap();
    let third = files.open(&path, Access::ReadWrite).unwrap();
    third.lock(Lock::Shared).unwrap();
    assert_eq!(third.lock(Lock::Exclusive).unwrap_err().kind(), Kind::Locked);
}

#[test]
fn replacing_keeps_permissions_and_leaves_no_other_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let path = folder.path().join("a");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let replaced = LocalFiles::default().replace(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    replaced.write_all_at(b"N", ByteOffset(0)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"New", "the file that is returned is the one with the name");
    // What a process that died left behind is not in the way, and stays: it may be somebody's.
    let left = folder.path().join(format!("a.{}-0.tmp", std::process::id()));
    fs::write(&left, "left").unwrap();
    LocalFiles::default().replace(&path, b"newer").unwrap();
    assert_eq!((fs::read(&path).unwrap(), fs::read(&left).unwrap()), (b"newer".to_vec(), b"left".to_vec()));
}

#[test]
fn holes_are_told_from_data() {
    let folder = folder();
    let file = LocalFiles::default().create(&folder.path().join("a")).unwrap();
    file.set_len(1 << 20).unwrap();
    file.write_all_at(&[1; 4096], ByteOffset(512 << 10)).unwrap();
    assert_eq!(file.region_at(ByteOffset(0)).unwrap(), Region::Hole(ByteOffset(512 << 10)));
    assert_eq!(file.region_at(ByteOffset(512 << 10)).unwrap(), Region::Data(ByteOffset(516 << 10)));
    assert_eq!(file.region_at(ByteOffset(516 << 10)).unwrap(), Region::Hole(ByteOffset(1 << 20)));
}

#[test]
fn unbuffered_transfers_of_any_place_and_memory_are_right() {
    let folder = folder();
    let path = folder.path().join("a");
    fs::write(&path, vec![0; 3 << 20]).unwrap();
    let files = LocalFiles { unbuffered: true, ..LocalFiles::default() };
    let file = files.open(&path, Access::ReadWrite).unwrap();
    let mut model = vec![0u8; 3 << 20];
    let data: Vec<u8> = (0..2u32 << 20).map(|n| (n * 7 + n / 512) as u8).collect();
    let places =
        [(0, 0, 2 << 20), (512, 3, (1 << 20) + 512), (4096, 8, 40_960), (9_000, 1, 17_000), (1, 0, 5)];
    for (position, memory, length) in places {
        let piece = &data[memory..memory + length.min(data.len() - memory)];
        file.write_all_at(piece, ByteOffset(position)).unwrap();
        model[position as usize..][..piece.len()].copy_from_slice(piece);
        let mut whole = vec![1; (3 << 20) + 64];
        file.read_exact_at(&mut whole[memory..][..3 << 20], ByteOffset(0)).unwrap();
        assert!(whole[memory..][..3 << 20] == model, "after {length} bytes at {position}");
        let mut back = vec![1; piece.len() + 1];
        file.read_exact_at(&mut back[1..], ByteOffset(position)).unwrap();
        assert!(&back[1..] == piece);
    }
    assert_eq!(
        file.read_exact_at(&mut [0; 40_960], ByteOffset((3 << 20) - 4096)).unwrap_err().kind(),
        Kind::Io
    );
    assert!(fs::read(&path).unwrap() == model, "both views of the file are the same");
}
