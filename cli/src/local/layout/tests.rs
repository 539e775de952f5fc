//! With real folders and sockets.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use super::super::kept_state::SealKey;
use super::*;
use kith_identity::TrustDomain;

fn folder() -> Temporary {
    Temporary::make("kith-layout-", &std::env::temp_dir()).unwrap()
}

fn reason(error: LayoutError) -> String {
    match error {
        LayoutError::NotPrivate { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn a_temporary_folder_is_closed_to_others() {
    let folder = folder();
    assert_eq!(fs::metadata(folder.path()).unwrap().mode() & 0o777, 0o700);
    check_private(folder.path()).unwrap();
}

#[test]
fn a_folder_that_others_may_enter_is_refused() {
    let folder = folder();
    for mode in [0o750, 0o701, 0o770, 0o777, 0o710] {
        fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
        assert_eq!(
            reason(make_private(folder.path()).unwrap_err()),
            format!("its mode is {mode:o}, not 700")
        );
    }
}

#[test]
fn a_link_to_a_private_folder_is_refused() {
    let folder = folder();
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    make_private(&target).unwrap();
    symlink(&target, &link).unwrap();
    assert_eq!(reason(make_private(&link).unwrap_err()), "it is no folder");
}

#[test]
fn a_folder_of_another_user_is_refused() {
    let folder = folder();
    let theirs = folder.path().join("theirs");
    make_private(&theirs).unwrap();
    let user = nix::unistd::Uid::from_raw(nix::unistd::geteuid().as_raw() + 1);
    if nix::unistd::chown(&theirs, Some(user), None).is_err() {
        // Only root can give a folder away. Without that, the root folder is another user's for sure.
        assert!(reason(check_private(Path::new("/")).unwrap_err()).contains("belongs to user 0"));
        return;
    }
    assert!(reason(make_private(&theirs).unwrap_err()).contains("belongs to user"));
}

#[test]
fn the_socket_folder_is_in_the_runtime_folder_when_there_is_one() {
    let with = SocketFolder::of_user(Some(Path::new("/run/user/7")));
    assert_eq!(with.path(), Path::new("/run/user/7/kith"));
    let own = format!("/tmp/kith-{}", nix::unistd::geteuid());
    assert_eq!(SocketFolder::of_user(None).path(), Path::new(&own));
}

#[test]
fn the_only_running_mesh_is_found_and_several_are_listed() {
    let parent = folder();
    let sockets = SocketFolder::of_user(Some(parent.path()));
    assert!(matches!(sockets.find(None), Err(LayoutError::NoMesh)));
    make_private(sockets.path()).unwrap();
    let _one = UnixListener::bind(sockets.path().join("one.sock")).unwrap();
    // Left behind by a mesh that was killed.
    drop(UnixListener::bind(sockets.path().join("dead.sock")).unwrap());
    assert_eq!(sockets.find(None).unwrap().path(), sockets.path().join("one.sock"));
    let _two = UnixListener::bind(sockets.path().join("two.sock")).unwrap();
    let error = sockets.find(None).unwrap_err().to_string();
    assert_eq!(error, "several meshes are running here (one, two); choose one with --name");
    assert_eq!(sockets.find(Some("two")).unwrap().path(), sockets.path().join("two.sock"));
    assert!(matches!(sockets.find(Some("dead")), Err(LayoutError::NoSuchMesh { .. })));
    assert!(matches!(sockets.find(Some("../one")), Err(LayoutError::NoSuchMesh { .. })));
}

#[test]
fn a_socket_folder_that_others_may_enter_is_not_trusted() {
    let parent = folder();
    let sockets = SocketFolder::of_user(Some(parent.path()));
    make_private(sockets.path()).unwrap();
    let _mesh = UnixListener::bind(sockets.path().join("one.sock")).unwrap();
    fs::set_permissions(sockets.path(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(reason(sockets.find(None).unwrap_err()), "its mode is 755, not 700");
}

fn spec(state: Option<PathBuf>, sockets: Option<PathBuf>) -> MeshSpec {
    let mut spec =
        MeshSpec::new("demo", TrustDomain::parse("demo.local").unwrap(), "policies", "kith", vec![]);
    spec.state_dir = state;
    spec.socket_dir = sockets;
    spec
}

#[test]
fn what_a_mesh_made_is_removed_and_what_it_found_is_kept() {
    let parent = folder();
    let (state, sockets) = (parent.path().join("state"), parent.path().join("sockets"));
    make_private(&sockets).unwrap();
    let files = MeshFiles::make(&spec(Some(state.clone()), Some(sockets.clone())), None).unwrap();
    fs::write(files.state_file(), "sealed").unwrap();
    drop(UnixListener::bind(files.admin_socket()).unwrap());
    files.remove().unwrap();
    assert!(!state.exists());
    assert!(sockets.exists() && fs::read_dir(&sockets).unwrap().next().is_none());
    // Twice is no error: `stop` and `drop` both do it.
    files.remove().unwrap();
}

#[test]
fn a_mesh_without_a_state_folder_gets_a_temporary_one() {
    let files = MeshFiles::make(&spec(None, None), None).unwrap();
    let folder = files.authorities.parent().unwrap().to_owned();
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    files.remove().unwrap();
    assert!(!folder.exists());
}

#[test]
fn state_that_a_killed_mesh_left_is_not_taken_over() {
    let parent = folder();
    let spec = spec(Some(parent.path().join("state")), None);
    let state = parent.path().join("state").join(STATE_FOLDER);
    DirBuilder::new().recursive(true).mode(PRIVATE).create(&state).unwrap();
    fs::write(state.join(STATE_FILE), "sealed with a lost key").unwrap();
    let files = MeshFiles::make(&spec, None).unwrap();
    assert!(!files.state_file().exists());
    assert_eq!(fs::metadata(&files.authorities).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn a_state_whose_key_is_known_is_kept_and_found_again() {
    let parent = folder();
    let mut spec = spec(Some(parent.path().join("state")), None);
    spec.seal_key = Some(SealKey::generate().unwrap());
    let files = MeshFiles::make(&spec, None).unwrap();
    fs::write(files.state_file(), "sealed").unwrap();
    files.remove().unwrap();
    drop(files);
    let files = MeshFiles::make(&spec, None).unwrap();
    assert_eq!(fs::read_to_string(files.state_file()).unwrap(), "sealed");
}

#[test]
fn a_second_mesh_of_the_same_name_is_refused_before_any_socket_is_there() {
    let parent = folder();
    let spec = spec(Some(parent.path().join("state")), None);
    let _first = MeshFiles::make(&spec, None).unwrap();
    assert!(matches!(MeshFiles::make(&spec, None), Err(LayoutError::Running { .. })));
}

#[test]
fn a_mesh_whose_control_plane_restarts_runs_all_the_same() {
    let parent = folder();
    let sockets = SocketFolder::of_user(Some(parent.path()));
    let claim = sockets.claim("demo").unwrap();
    let found = sockets.find(None).unwrap();
    assert_eq!((found.path(), found.name().as_str()), (claim.socket().path(), "demo"));
    assert_eq!(found.presence().unwrap(), Presence::Running);
    drop(claim);
    assert_eq!(found.presence().unwrap(), Presence::Stopped);
    make_private(sockets.path()).unwrap();
    fs::write(found.lock_path(), "").unwrap();
    assert_eq!(found.presence().unwrap(), Presence::Left, "its supervisor was killed");
    assert!(matches!(sockets.find(None), Err(LayoutError::NoMesh)));
}
