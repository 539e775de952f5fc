//! The file itself: whose it is, what stands in its place, and what a crash or a failing disk leaves.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::*;

const MOST: u64 = 100;

/// A folder with a file in it that says "old".
fn written() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    replace(&path, b"old").unwrap();
    (directory, path)
}

fn content(path: &Path) -> Vec<u8> {
    read(path, MOST).unwrap().unwrap().to_vec()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

// C24
#[test]
fn what_was_written_is_read_back_by_its_owner_only_and_what_is_not_there_is_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    assert!(read(&path, MOST).unwrap().is_none());
    assert!(create(&path, b"first").unwrap());
    assert_eq!(
        (content(&path).as_slice(), fs::metadata(&path).unwrap().mode() & 0o7777),
        (&b"first"[..], 0o600)
    );
    replace(&path, b"next").unwrap();
    assert_eq!(
        (content(&path).as_slice(), fs::metadata(&path).unwrap().mode() & 0o7777),
        (&b"next"[..], 0o600)
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft stays");
}

#[test]
fn a_file_that_is_there_is_not_created_again() {
    let (_directory, path) = written();
    assert!(!create(&path, b"new").unwrap());
    assert_eq!(content(&path), b"old");
}

// C24
#[test]
fn a_file_that_others_may_read_or_write_is_refused() {
    let (_directory, path) = written();
    for mode in [0o644, 0o640, 0o604, 0o620, 0o602, 0o610, 0o601] {
        set_mode(&path, mode);
        let refused = read(&path, MOST).unwrap_err();
        assert!(
            matches!(refused, PrivateFileError::Mode { mode: found, .. } if found == mode),
            "{refused:?}"
        );
    }
}

// C24
#[test]
fn a_file_of_somebody_else_is_refused() {
    let us = geteuid().as_raw();
    let refused = check_access(Path::new("file"), us + 1, 0o600).unwrap_err();
    assert!(matches!(refused, PrivateFileError::Owner { .. }), "{refused:?}");
    assert!(check_access(Path::new("file"), us, 0o600).is_ok());
}

// C24
#[test]
fn a_link_a_folder_and_a_pipe_in_its_place_are_refused_without_waiting() {
    let (directory, path) = written();
    let place = |name: &str| directory.path().join(name);
    symlink(&path, place("link")).unwrap();
    symlink(place("nowhere"), place("dangling")).unwrap();
    for name in ["link", "dangling"] {
        let refused = read(&place(name), MOST).unwrap_err();
        assert!(matches!(refused, PrivateFileError::Symlink(_)), "{name}: {refused:?}");
    }
    fs::create_dir(place("folder")).unwrap();
    mkfifo(&place("pipe"), Mode::from_bits_truncate(0o600)).unwrap();
    for name in ["folder", "pipe"] {
        let refused = read(&place(name), MOST).unwrap_err();
        assert!(matches!(refused, PrivateFileError::NotRegular(_)), "{name}: {refused:?}");
    }
}

#[test]
fn a_file_larger_than_any_of_ours_is_not_read_into_memory() {
    let (_directory, path) = written();
    replace(&path, &[7; 100]).unwrap();
    assert_eq!(content(&path).len(), 100);
    replace(&path, &[7; 101]).unwrap();
    assert!(matches!(read(&path, MOST), Err(PrivateFileError::TooLarge { most: MOST, .. })));
}

// C20, D18: the moment before the rename.
#[test]
fn what_a_killed_writer_left_behind_changes_nothing_and_is_replaced() {
    let (directory, path) = written();
    let draft = directory.path().join(".file.new");
    fs::write(&draft, b"half of a fi").unwrap();
    set_mode(&draft, 0o444);
    assert_eq!(content(&path), b"old");
    replace(&path, b"next").unwrap();
    assert_eq!(content(&path), b"next");
    assert!(!draft.exists());
}

// C24
#[test]
fn a_link_in_the_drafts_place_is_not_written_through() {
    let (directory, path) = written();
    let elsewhere = directory.path().join("elsewhere");
    fs::write(&elsewhere, b"precious").unwrap();
    symlink(&elsewhere, directory.path().join(".file.new")).unwrap();
    replace(&path, b"next").unwrap();
    assert_eq!((content(&path), fs::read(&elsewhere).unwrap()), (b"next".to_vec(), b"precious".to_vec()));
}

// D5
#[test]
fn a_write_that_fails_before_the_end_leaves_the_old_file() {
    let (directory, path) = written();
    fs::create_dir(directory.path().join(".file.new")).unwrap();
    let refused = replace(&path, b"next").unwrap_err();
    assert!(matches!(refused, PrivateFileError::Io { .. }), "{refused:?}");
    assert_eq!(content(&path), b"old");
}

// D5
#[test]
fn a_disk_that_fails_at_the_very_end_is_told_apart_because_the_new_content_stands_there() {
    let (_directory, path) = written();
    let refused = replace_and(&path, b"next", |_| Err(io::Error::other("the disk is gone"))).unwrap_err();
    assert!(matches!(refused, PrivateFileError::Unsynced { .. }), "{refused:?}");
    assert_eq!(content(&path), b"next");
}

#[test]
fn a_path_without_a_file_name_is_refused() {
    for refused in [create(Path::new("/"), b"x").map(drop), replace(Path::new("/"), b"x")] {
        assert!(matches!(refused, Err(PrivateFileError::NoName(_))), "{refused:?}");
    }
}
