//! The file at rest: what opens, what is refused and why, and what a crash leaves behind.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::*;
use crate::testing::state_file;

const PLAIN: &[u8] = b"a private key, say";

fn lock(path: &Path) -> SealedFile {
    SealedFile::lock(path.to_owned(), SealKey::from_bytes([7; 32])).unwrap()
}

/// A sealed file with `PLAIN` in it.
fn written() -> (tempfile::TempDir, SealedFile) {
    let (directory, path) = state_file();
    let file = lock(&path);
    file.write(PLAIN).unwrap();
    (directory, file)
}

/// What `read` says after the file's bytes were replaced by these.
fn refusal_of(file: &SealedFile, bytes: &[u8]) -> SealedFileError {
    fs::write(&file.path, bytes).unwrap();
    file.read().unwrap_err()
}

#[test]
fn what_was_written_is_read_back_and_a_missing_file_is_nothing() {
    let (_directory, path) = state_file();
    let file = lock(&path);
    assert!(file.read().unwrap().is_none());
    file.write(PLAIN).unwrap();
    file.write(b"").unwrap();
    assert_eq!(file.read().unwrap().unwrap().as_slice(), b"");
    file.write(PLAIN).unwrap();
    assert_eq!(file.read().unwrap().unwrap().as_slice(), PLAIN);
}

// C24
#[test]
fn the_file_is_open_to_its_owner_only() {
    let (_directory, file) = written();
    let mode = fs::metadata(&file.path).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

// G4
#[test]
fn nothing_of_the_secret_stands_in_the_file_and_no_two_writes_look_alike() {
    let (_directory, file) = written();
    let first = fs::read(&file.path).unwrap();
    file.write(PLAIN).unwrap();
    let second = fs::read(&file.path).unwrap();
    assert!(!first.windows(4).any(|window| PLAIN.windows(4).any(|secret| secret == window)));
    assert_eq!(first[..HEADER], second[..HEADER]);
    assert_ne!(first[HEADER..HEADER + NONCE_LEN], second[HEADER..HEADER + NONCE_LEN]);
    assert_ne!(first[HEADER + NONCE_LEN..], second[HEADER + NONCE_LEN..]);
}

#[test]
fn another_key_is_refused_and_the_refusal_says_so() {
    let (_directory, file) = written();
    let path = file.path.clone();
    drop(file);
    let other = SealedFile::lock(path, SealKey::from_bytes([8; 32])).unwrap();
    let refused = other.read().unwrap_err();
    assert!(matches!(refused, SealedFileError::Seal { .. }), "{refused:?}");
    assert!(refused.to_string().contains("another key"), "{refused}");
}

// D18, C20
#[test]
fn a_file_cut_off_anywhere_is_refused_as_torn() {
    let (_directory, file) = written();
    let whole = fs::read(&file.path).unwrap();
    for length in 0..whole.len() {
        let refused = refusal_of(&file, &whole[..length]);
        assert!(matches!(refused, SealedFileError::Torn { .. }), "{length}: {refused:?}");
    }
    let longer = refusal_of(&file, &[whole.as_slice(), &[0]].concat());
    assert!(matches!(longer, SealedFileError::Torn { .. }), "{longer:?}");
}

#[test]
fn a_file_changed_in_any_single_octet_is_refused() {
    let (_directory, file) = written();
    let whole = fs::read(&file.path).unwrap();
    for index in 0..whole.len() {
        let mut changed = whole.clone();
        changed[index] ^= 1;
        let refused = refusal_of(&file, &changed);
        let expected = match index {
            0..8 => matches!(refused, SealedFileError::Foreign { .. }),
            8 => matches!(refused, SealedFileError::Version { found: 0, .. }),
            9..HEADER => matches!(refused, SealedFileError::Torn { .. }),
            _ => matches!(refused, SealedFileError::Seal { .. }),
        };
        assert!(expected, "octet {index}: {refused:?}");
    }
}

// The format, put together by hand: what it writes today must open tomorrow, and the header is authenticated.
#[test]
fn the_header_is_bound_to_what_it_heads() {
    use aws_lc_rs::aead::{LessSafeKey, UnboundKey};
    let (_directory, path) = state_file();
    let file = lock(&path);
    let header = *b"KITHSEAL\x01\x00\x00\x00\x22";
    let sealed = |authenticated: &[u8]| {
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap());
        let mut sealed = PLAIN.to_vec();
        let nonce = Nonce::assume_unique_for_key([9; 12]);
        cipher.seal_in_place_append_tag(nonce, Aad::from(authenticated), &mut sealed).unwrap();
        let bytes = [header.as_slice(), &[9; 12], &sealed].concat();
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(MODE)
            .open(&path)
            .unwrap()
            .write_all(&bytes)
            .unwrap();
        file.read()
    };
    assert_eq!(sealed(&header).unwrap().unwrap().as_slice(), PLAIN);
    for other in [b"".as_slice(), b"KITHSEAL\x02\x00\x00\x00\x22"] {
        let refused = sealed(other).unwrap_err();
        assert!(matches!(refused, SealedFileError::Seal { .. }), "{refused:?}");
    }
}

#[test]
fn a_file_larger_than_any_of_ours_is_refused_and_not_written() {
    let (_directory, file) = written();
    let refused = refusal_of(&file, &vec![0; 300 * 1024]);
    assert!(matches!(refused, SealedFileError::File(PrivateFileError::TooLarge { .. })), "{refused:?}");
    let refused = file.write(&vec![0; MAX_PLAIN + 1]).unwrap_err();
    assert!(matches!(refused, SealedFileError::TooLarge { .. }), "{refused:?}");
}

// C24: what else is refused there is `private_file`'s to test.
#[test]
fn a_file_that_others_may_read_is_refused_also_when_its_seal_holds() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_directory, file) = written();
    fs::set_permissions(&file.path, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = file.read().unwrap_err();
    assert!(matches!(refused, SealedFileError::File(PrivateFileError::Mode { .. })), "{refused:?}");
}

// C24
#[test]
fn a_pipe_in_the_locks_place_is_refused_without_waiting() {
    let (directory, path) = state_file();
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
    nix::unistd::mkfifo(&directory.path().join(".ca.sealed.lock"), mode).unwrap();
    let refused = SealedFile::lock(path, SealKey::from_bytes([7; 32])).unwrap_err();
    assert!(matches!(refused, SealedFileError::File(PrivateFileError::Io { .. })), "{refused:?}");
}

// D5
#[test]
fn a_write_that_fails_leaves_the_old_file() {
    let (directory, file) = written();
    fs::create_dir(directory.path().join(".ca.sealed.new")).unwrap();
    let failed = file.write(b"next").unwrap_err();
    assert!(matches!(failed, SealedFileError::File(PrivateFileError::Io { .. })), "{failed:?}");
    assert_eq!(file.read().unwrap().unwrap().as_slice(), PLAIN);
}

// C19
#[test]
fn two_never_use_one_file_at_once() {
    let (_directory, file) = written();
    let path = file.path.clone();
    let refused = SealedFile::lock(path.clone(), SealKey::from_bytes([7; 32])).unwrap_err();
    assert!(matches!(refused, SealedFileError::InUse { .. }), "{refused:?}");
    drop(file);
    assert_eq!(lock(&path).read().unwrap().unwrap().as_slice(), PLAIN);
}

#[test]
fn a_path_without_a_file_name_is_refused() {
    let refused = SealedFile::lock(PathBuf::from("/"), SealKey::from_bytes([7; 32])).unwrap_err();
    assert!(matches!(refused, SealedFileError::File(PrivateFileError::NoName(_))), "{refused:?}");
}
