//! W16: where the socket may be, and what is done to what is there.

use std::fs::Permissions;
use std::os::unix::fs::{FileTypeExt, symlink};

use tempfile::TempDir;
use tokio::net::UnixStream;

use super::*;

const MODES: (u32, u32) = (0o700, 0o600);

/// A folder of ours that nobody else writes to.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

fn refusal(path: &Path) -> SocketError {
    bind(path, MODES).map(|_| ()).unwrap_err()
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

#[tokio::test]
async fn the_folder_is_made_and_both_have_the_modes_that_were_asked_for() {
    let outside = folder();
    for (name, modes) in [("open", (0o755, 0o666)), ("closed", MODES)] {
        let inside = outside.path().join(name);
        let path = inside.join("api.sock");
        let (_listener, file) = bind(&path, modes).unwrap();
        assert_eq!(fs::metadata(&inside).unwrap().mode() & 0o777, modes.0);
        let found = fs::symlink_metadata(&path).unwrap();
        assert!(found.file_type().is_socket());
        assert_eq!(found.mode() & 0o777, modes.1);
        assert_eq!(names(&inside), ["api.sock"], "nothing else is left there");
        UnixStream::connect(&path).await.unwrap();
        drop(file);
        assert!(names(&inside).is_empty());
    }
}

// W16.
#[tokio::test]
async fn a_folder_that_others_write_to_is_refused_and_left_as_it_is() {
    let folder = folder();
    for mode in [0o777, 0o1777, 0o770, 0o702] {
        fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
        let error = refusal(&folder.path().join("api.sock"));
        assert!(matches!(error, SocketError::Open { mode: found, .. } if found == mode), "{error}");
        assert!(names(folder.path()).is_empty());
    }
}

// W16.
#[tokio::test]
async fn a_folder_of_somebody_else_is_refused() {
    let folder = folder();
    // Whose `/` is depends on who runs this; it is one of them.
    let path = if geteuid().is_root() {
        std::os::unix::fs::chown(folder.path(), Some(65_534), None).unwrap();
        folder.path().join("api.sock")
    } else {
        PathBuf::from("/api.sock")
    };
    assert!(matches!(refusal(&path), SocketError::NotOurs { .. }));
}

// W16.
#[tokio::test]
async fn a_link_is_followed_neither_to_the_folder_nor_from_the_sockets_place() {
    let folder = folder();
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    fs::create_dir(&real).unwrap();
    symlink(&real, &link).unwrap();
    assert!(matches!(refusal(&link.join("api.sock")), SocketError::NotAFolder(_)));
    let elsewhere = folder.path().join("elsewhere");
    symlink(&elsewhere, real.join("api.sock")).unwrap();
    assert!(matches!(refusal(&real.join("api.sock")), SocketError::NotASocket(_)));
    assert!(!elsewhere.exists() && names(&real) == ["api.sock"]);
}

#[tokio::test]
async fn what_is_no_socket_is_not_replaced() {
    let folder = folder();
    let path = folder.path().join("api.sock");
    fs::write(&path, "precious").unwrap();
    assert!(matches!(refusal(&path), SocketError::NotASocket(_)));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(refusal(&file.join("api.sock")), SocketError::NotAFolder(_)));
}

// W10.
#[tokio::test]
async fn a_successor_takes_the_place_over_and_its_predecessor_leaves_it_to_it() {
    let folder = folder();
    let path = folder.path().join("api.sock");
    let (first, first_file) = bind(&path, MODES).unwrap();
    let (second, second_file) = bind(&path, MODES).unwrap();
    drop((first, first_file));
    // The first does not take what is its successor's with it.
    UnixStream::connect(&path).await.expect("it is there");
    second.accept().await.expect("it is the second");
    drop((second, second_file));
    assert!(!path.exists());
}

#[tokio::test]
async fn a_path_that_no_client_could_name_is_refused() {
    let folder = folder();
    let long = folder.path().join("x".repeat(100));
    assert!(matches!(refusal(&long.join("api.sock")), SocketError::TooLong(_)));
    for path in ["api.sock", "", "/"] {
        assert!(matches!(refusal(Path::new(path)), SocketError::NoFolder(_)), "{path:?}");
    }
    let missing = refusal(&folder.path().join("no").join("such").join("api.sock"));
    assert!(matches!(missing, SocketError::Io { .. }), "one folder is made, not a tree: {missing}");
}
