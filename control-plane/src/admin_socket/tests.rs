//! Where a socket is bound, and where not.

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[tokio::test]
async fn the_folder_and_the_socket_are_for_their_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/kith/demo.sock");
    let (_listener, file) = bind(&path).await.unwrap();
    assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
    drop(file);
    assert!(!path.exists());
}

// W16
#[tokio::test]
async fn a_folder_that_others_can_enter_or_lead_elsewhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let open = dir.path().join("open");
    fs::create_dir(&open).unwrap();
    for mode in [0o777, 0o750, 0o701] {
        fs::set_permissions(&open, Permissions::from_mode(mode)).unwrap();
        let error = bind(&open.join("demo.sock")).await.unwrap_err();
        assert!(matches!(error, AdminSocketError::Open { .. }), "{error}");
        assert!(error.to_string().contains("chmod 700"), "{error}");
    }
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path(), &link).unwrap();
    let error = bind(&link.join("demo.sock")).await.unwrap_err();
    assert!(matches!(error, AdminSocketError::NotOurs(_)), "{error}");
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_nothing_else_is() {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("run");
    private_folder(&dir).unwrap();
    let path = dir.join("demo.sock");
    // Closing a listener leaves the file: as a killed process does.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let (_listener, _file) = bind(&path).await.unwrap();

    let error = bind(&path).await.unwrap_err();
    assert!(matches!(error, AdminSocketError::InUse(_)), "{error}");

    let other = dir.join("notes.txt");
    fs::write(&other, "keep me").unwrap();
    let error = bind(&other).await.unwrap_err();
    assert!(matches!(error, AdminSocketError::NotASocket(_)), "{error}");
    assert_eq!(fs::read_to_string(&other).unwrap(), "keep me");
}
