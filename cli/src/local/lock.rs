//! A file whose lock says whether its owner lives: the kernel lets go of the lock when the process ends, however it
//! ends. Owns taking, asking and removing; what such a file stands for is its callers' business.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// A file that this process has locked, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    // Held, never read.
    _file: Flock<File>,
}

impl Lock {
    /// Locks the file, which is made if it is missing; `None` when another process has it.
    pub(crate) fn take(path: &Path) -> io::Result<Option<Self>> {
        Self::take_with(path, OpenOptions::new().write(true).create(true).truncate(false).mode(0o600))
    }

    /// As [`Lock::take`], but a file that is not there is an error.
    pub(crate) fn take_left(path: &Path) -> io::Result<Option<Self>> {
        Self::take_with(path, OpenOptions::new().write(true))
    }

    fn take_with(path: &Path, how: &OpenOptions) -> io::Result<Option<Self>> {
        loop {
            match Flock::lock(how.open(path)?, FlockArg::LockExclusiveNonblock) {
                Ok(file) if is_at(&file, path)? => {
                    return Ok(Some(Self { path: path.to_owned(), _file: file }));
                }
                // Its last owner removed it between the two calls.
                Ok(_) => {}
                // Whoever asks whether it is held shares it for a moment, which an owner never does.
                Err((file, Errno::EWOULDBLOCK)) => {
                    if !can_share(file)? {
                        return Ok(None);
                    }
                }
                Err((_, errno)) => return Err(errno.into()),
            }
        }
    }

    /// Makes a locked file in a folder of our own. It has its name only once it is locked, so that nobody takes it
    /// for one whose owner is gone.
    pub(crate) fn make(path: &Path) -> io::Result<Self> {
        let draft = path.with_extension("new");
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        let file = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno)?;
        fs::rename(&draft, path)?;
        Ok(Self { path: path.to_owned(), _file: file })
    }

    /// Whether a living process has the lock of this file. Nobody has that of a file that is not there.
    pub(crate) fn is_held(path: &Path) -> io::Result<bool> {
        match File::open(path) {
            Ok(file) => Ok(!can_share(file)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether nobody has the file for himself.
fn can_share(file: File) -> io::Result<bool> {
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_) => Ok(true),
        Err((_, Errno::EWOULDBLOCK)) => Ok(false),
        Err((_, errno)) => Err(errno.into()),
    }
}

/// Whether the file is still the one of this name.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_by_one_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo.lock");
        assert!(!Lock::is_held(&path).unwrap());
        let lock = Lock::take(&path).unwrap().unwrap();
        assert!(Lock::is_held(&path).unwrap());
        assert!(Lock::take(&path).unwrap().is_none());
        drop(lock);
        assert!(!Lock::is_held(&path).unwrap());
        assert!(Lock::take_left(&path).unwrap().is_some());
    }

    #[test]
    fn a_file_that_was_removed_meanwhile_is_not_the_lock_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo.lock");
        let old = Lock::take(&path).unwrap().unwrap();
        fs::remove_file(old.path()).unwrap();
        // Both have a lock, but only one has the file of that name.
        let _new = Lock::take(&path).unwrap().unwrap();
        assert!(Lock::is_held(&path).unwrap());
        assert_eq!(
            Lock::take_left(&folder.path().join("other")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn somebody_who_asks_at_the_same_time_keeps_nobody_from_taking_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo.lock");
        drop(Lock::take(&path).unwrap());
        let asking = Flock::lock(File::open(&path).unwrap(), FlockArg::LockSharedNonblock).unwrap();
        let taker = std::thread::spawn(move || Lock::take(&path).unwrap().is_some());
        drop(asking);
        assert!(taker.join().unwrap());
    }

    #[test]
    fn a_lock_of_our_own_folder_is_never_seen_unlocked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let lock = Lock::make(&path).unwrap();
        assert!(Lock::is_held(lock.path()).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
