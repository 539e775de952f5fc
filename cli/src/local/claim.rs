//! The name of a mesh, claimed for one supervisor by a lock beside its socket. Whether a mesh runs is asked of the
//! lock: its socket is gone while the control plane restarts, and stays behind when the supervisor is killed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::layout::{LayoutError, MeshSocket, exists, gone, io_error, make_private};
use super::lock::Lock;

/// The longest path of a unix socket on Linux, without its closing zero.
const MAX_SOCKET_PATH: usize = 107;

/// Refuses a path that the system would cut short.
pub(crate) fn check_length(socket: &Path) -> Result<(), LayoutError> {
    if socket.as_os_str().len() > MAX_SOCKET_PATH {
        return Err(LayoutError::TooLong { path: socket.to_owned() });
    }
    Ok(())
}

/// A name that no other mesh in the same folder has, until this is dropped.
#[derive(Debug)]
pub struct Claim {
    lock: Lock,
    socket: MeshSocket,
    // The folder, when it goes with the last claim in it.
    made: Option<PathBuf>,
    // What is there under this name afterwards may be another's.
    removed: AtomicBool,
}

impl Claim {
    /// Claims the socket, in a folder that is made if it is missing.
    pub(crate) fn take(folder: &Path, name: &str) -> Result<Self, LayoutError> {
        let socket = MeshSocket::of(folder, name);
        check_length(socket.path())?;
        loop {
            let made = (!exists(folder)?).then(|| folder.to_owned());
            make_private(folder)?;
            let lock = socket.lock_path();
            return match Lock::take(&lock) {
                Ok(Some(lock)) if !socket.answers() => {
                    Ok(Self { lock, socket, made, removed: AtomicBool::new(false) })
                }
                // It answers without a lock: not a supervisor's, and all the more not ours.
                Ok(_) => Err(LayoutError::Running { name: name.to_owned() }),
                // The mesh before took the folder away with it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => Err(io_error("lock", &lock)(error)),
            };
        }
    }

    /// Takes the folder away as well, also if it was there before.
    pub(crate) fn with_folder(mut self) -> Self {
        self.made = self.socket.path().parent().map(Path::to_owned);
        self
    }

    /// Where the mesh answers people.
    pub fn socket(&self) -> &MeshSocket {
        &self.socket
    }

    /// Makes the folder of the workloads' sockets, which is this mesh's alone. What a mesh of this name that was killed
    /// left in it is removed.
    pub(crate) fn make_workload_sockets(&self) -> Result<(), LayoutError> {
        let folder = self.workload_sockets();
        gone(fs::remove_dir_all(&folder), &folder)?;
        make_private(&folder)
    }

    /// The folder of the workloads' sockets, beside the mesh's own.
    pub(crate) fn workload_sockets(&self) -> PathBuf {
        self.socket.path().with_extension("")
    }

    /// Removes what there is of it on disk, once; what is gone already is no error.
    pub(crate) fn remove(&self) -> Result<(), LayoutError> {
        if self.removed.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let workloads = self.workload_sockets();
        gone(fs::remove_dir_all(&workloads), &workloads)?;
        gone(fs::remove_file(self.socket.path()), self.socket.path())?;
        gone(fs::remove_file(self.lock.path()), self.lock.path())?;
        match &self.made {
            Some(folder) => remove_empty(folder),
            None => Ok(()),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Nobody is left to tell; `remove` is where this error is returned.
        let _ = self.remove();
    }
}

/// Removes a folder unless something else is in it, such as the socket of another mesh of this user.
pub(crate) fn remove_empty(folder: &Path) -> Result<(), LayoutError> {
    match fs::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        removed => gone(removed, folder),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::super::layout::check_private;
    use super::*;

    #[test]
    fn a_name_is_claimed_once_also_before_its_socket_is_there() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("kith");
        let claim = Claim::take(&folder, "demo").unwrap();
        assert!(matches!(Claim::take(&folder, "demo"), Err(LayoutError::Running { .. })));
        let other = Claim::take(&folder, "other").unwrap();
        drop(claim);
        assert!(folder.exists(), "another mesh is in it");
        drop(Claim::take(&folder, "demo").unwrap());
        drop(other);
    }

    #[test]
    fn the_last_claim_leaves_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        let claim = Claim::take(&parent.path().join("kith"), "demo").unwrap();
        // Left by a control plane that was killed.
        drop(UnixListener::bind(claim.socket().path()).unwrap());
        drop(claim);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_sockets_of_workloads_go_with_the_claim_and_those_of_a_killed_mesh_before() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("kith");
        make_private(&folder).unwrap();
        fs::create_dir(folder.join("demo")).unwrap();
        drop(UnixListener::bind(folder.join("demo/web.sock")).unwrap());
        let claim = Claim::take(&folder, "demo").unwrap();
        claim.make_workload_sockets().unwrap();
        assert_eq!(fs::read_dir(claim.workload_sockets()).unwrap().count(), 0);
        check_private(&claim.workload_sockets()).unwrap();
        drop(UnixListener::bind(claim.workload_sockets().join("web.sock")).unwrap());
        claim.remove().unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn a_claim_that_was_given_up_removes_nothing_of_the_next_one() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("kith");
        let first = Claim::take(&folder, "demo").unwrap();
        first.remove().unwrap();
        let second = Claim::take(&folder, "demo").unwrap();
        drop(first);
        assert!(second.socket().is_claimed().unwrap());
    }

    #[test]
    fn a_socket_that_answers_without_a_lock_is_not_taken_over() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("kith");
        make_private(&folder).unwrap();
        let _listener = UnixListener::bind(folder.join("demo.sock")).unwrap();
        assert!(matches!(Claim::take(&folder, "demo"), Err(LayoutError::Running { .. })));
    }

    #[test]
    fn a_socket_path_that_the_system_would_cut_short_is_refused_before_a_folder_is_made() {
        let parent = tempfile::tempdir().unwrap();
        let long = parent.path().join("x".repeat(100));
        assert!(matches!(Claim::take(&long, "demo"), Err(LayoutError::TooLong { .. })));
        assert!(!long.exists());
    }
}
