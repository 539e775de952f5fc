//! A mesh's state that outlives it: `.kith/` beside the file that describes the mesh. In it are the sealed authorities
//! and, beside them, the key that opens them: **whoever reads this folder owns the mesh.**
//!
//! ```text
//! .kith/                0700
//!   .gitignore          `*`: none of this belongs into a repository
//!   lock                held while a mesh uses the folder
//!   seal.key            0600, 32 bytes
//!   authorities/sealed  the control plane's
//! ```

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

use super::layout::{LayoutError, STATE_FOLDER, exists, io_error, make_private};
use super::lock::Lock;

const FOLDER: &str = ".kith";
const LOCK: &str = "lock";
const KEY: &str = "seal.key";
const IGNORE: &str = ".gitignore";
const PRIVATE: u32 = 0o600;

/// The key that seals the control plane's state.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey([u8; Self::BYTES]);

impl SealKey {
    const BYTES: usize = 32;

    /// A new one.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut key = [0; Self::BYTES];
        rand::fill(&mut key).map_err(|_| NoRandomness)?;
        Ok(Self(key))
    }

    /// Its bytes, for the control plane.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(..)")
    }
}

/// The system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandomness;

/// Why a kept state cannot be used. Nothing of it is ever replaced because of these.
#[derive(Debug, thiserror::Error)]
pub enum KeptStateError {
    /// The folder or a file of it cannot be used.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Two meshes of one folder.
    #[error("another mesh uses {}; stop it first", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The key is open to others, or is no key.
    #[error("{} is not the key of this folder ({reason}); remove {} to begin anew", key.display(), folder.display())]
    BadKey {
        /// The key.
        key: PathBuf,
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is something to open, and nothing to open it with.
    #[error("{} is there, and its key {} is not; restore it, or remove {} to begin anew", state.display(), key.display(), folder.display())]
    NoKey {
        /// The sealed state.
        state: PathBuf,
        /// The key.
        key: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// No new key.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// A folder of kept state, used by this process alone until it is dropped.
#[derive(Debug)]
pub struct KeptState {
    folder: PathBuf,
    key: SealKey,
    // Held, never read.
    _lock: Lock,
}

impl KeptState {
    /// Opens the state beside a file, in this folder; makes it when there is none.
    pub fn open(beside: &Path) -> Result<Self, KeptStateError> {
        let folder = beside.join(FOLDER);
        make_private(&folder)?;
        let lock = folder.join(LOCK);
        let lock = Lock::take(&lock).map_err(io_error("lock", &lock))?;
        let Some(lock) = lock else { return Err(KeptStateError::InUse { path: folder }) };
        let ignore = folder.join(IGNORE);
        if !exists(&ignore)? {
            fs::write(&ignore, "*\n").map_err(io_error("write", &ignore))?;
        }
        let path = folder.join(KEY);
        let key = match read(&path, &folder)? {
            Some(key) => key,
            None => {
                let state = folder.join(STATE_FOLDER);
                if exists(&state)? {
                    return Err(KeptStateError::NoKey { state, key: path, folder });
                }
                make(&folder, &path)?
            }
        };
        Ok(Self { folder, key, _lock: lock })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The key.
    pub fn key(&self) -> &SealKey {
        &self.key
    }
}

/// The key that is there; `None` when there is none. A link is not followed, which somebody could have laid, nor is a pipe
/// waited for.
fn read(path: &Path, folder: &Path) -> Result<Option<SealKey>, KeptStateError> {
    let mut file = match OpenOptions::new().read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open", path)(error).into()),
    };
    let bad =
        |reason: String| KeptStateError::BadKey { key: path.to_owned(), folder: folder.to_owned(), reason };
    let metadata = file.metadata().map_err(io_error("look at", path))?;
    let user = nix::unistd::geteuid().as_raw();
    if !metadata.is_file() {
        return Err(bad("it is no file".to_owned()));
    }
    if metadata.uid() != user {
        return Err(bad(format!("it belongs to user {}, not {user}", metadata.uid())));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(bad(format!(
            "its mode is {:o}, open to others; if nobody has read it, chmod 600 it",
            metadata.mode() & 0o777
        )));
    }
    let wanted = u64::try_from(SealKey::BYTES).unwrap_or(u64::MAX);
    if metadata.len() != wanted {
        return Err(bad(format!("it has {} bytes, not {wanted}", metadata.len())));
    }
    let mut key = [0; SealKey::BYTES];
    file.read_exact(&mut key).map_err(io_error("read", path))?;
    Ok(Some(SealKey(key)))
}

/// A new key, on disk before anything is sealed with it: under its name there is a whole key or none.
fn make(folder: &Path, path: &Path) -> Result<SealKey, KeptStateError> {
    let key = SealKey::generate()?;
    let draft = path.with_extension("new");
    let write = || -> io::Result<()> {
        // What a crash left, or somebody else: its mode would be the key's.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(&draft)?;
        file.write_all(&key.0)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(io_error("write", path))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_state_is_closed_to_others_and_to_version_control_and_its_key_is_found_again() {
        // C24
        let parent = tempfile::tempdir().unwrap();
        let first = KeptState::open(parent.path()).unwrap();
        let (folder, key) = (first.folder().to_owned(), first.key().clone());
        assert_eq!((mode(&folder), mode(&folder.join(KEY))), (0o700, 0o600));
        assert_eq!(fs::read_to_string(folder.join(".gitignore")).unwrap(), "*\n");
        assert_eq!(fs::read(folder.join(KEY)).unwrap(), key.bytes());
        drop(first);
        assert_eq!(*KeptState::open(parent.path()).unwrap().key(), key);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(*KeptState::open(other.path()).unwrap().key(), key);
    }

    #[test]
    fn a_state_is_used_by_one_mesh_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let _first = KeptState::open(parent.path()).unwrap();
        assert!(matches!(KeptState::open(parent.path()), Err(KeptStateError::InUse { .. })));
    }

    #[test]
    fn a_key_that_others_could_know_or_that_is_none_is_refused_and_stays_as_it_is() {
        // C24
        let parent = tempfile::tempdir().unwrap();
        let folder = KeptState::open(parent.path()).unwrap().folder().to_owned();
        let key = folder.join(KEY);
        for (bytes, bits) in [(&[7; 32][..], 0o644), (&[7; 32], 0o620), (&[7; 31], 0o600), (&[7; 33], 0o600)]
        {
            fs::write(&key, bytes).unwrap();
            fs::set_permissions(&key, Permissions::from_mode(bits)).unwrap();
            assert!(matches!(KeptState::open(parent.path()), Err(KeptStateError::BadKey { .. })), "{bits:o}");
            assert_eq!(fs::read(&key).unwrap(), bytes);
        }
        fs::remove_file(&key).unwrap();
        let elsewhere = parent.path().join("elsewhere");
        fs::write(&elsewhere, [7; 32]).unwrap();
        symlink(&elsewhere, &key).unwrap();
        assert!(matches!(
            KeptState::open(parent.path()),
            Err(KeptStateError::Layout(LayoutError::Io { .. }))
        ));
    }

    #[test]
    fn a_pipe_in_the_place_of_the_key_is_refused_and_not_waited_for() {
        let parent = tempfile::tempdir().unwrap();
        let folder = KeptState::open(parent.path()).unwrap().folder().to_owned();
        fs::remove_file(folder.join(KEY)).unwrap();
        nix::unistd::mkfifo(&folder.join(KEY), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let refused = KeptState::open(parent.path()).unwrap_err().to_string();
        assert!(refused.contains("it is no file"), "{refused}");
    }

    #[test]
    fn a_draft_that_a_crash_left_open_to_others_does_not_become_the_key() {
        // C24
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join(FOLDER);
        make_private(&folder).unwrap();
        let draft = folder.join(KEY).with_extension("new");
        fs::write(&draft, "begun").unwrap();
        fs::set_permissions(&draft, Permissions::from_mode(0o666)).unwrap();
        let state = KeptState::open(parent.path()).unwrap();
        assert_eq!(mode(&folder.join(KEY)), 0o600);
        assert_eq!(fs::read(folder.join(KEY)).unwrap(), state.key().bytes());
        assert!(!draft.exists());
    }

    #[test]
    fn a_sealed_state_whose_key_is_lost_is_not_begun_anew() {
        let parent = tempfile::tempdir().unwrap();
        let folder = KeptState::open(parent.path()).unwrap().folder().to_owned();
        fs::remove_file(folder.join(KEY)).unwrap();
        make_private(&folder.join(STATE_FOLDER)).unwrap();
        assert!(matches!(KeptState::open(parent.path()), Err(KeptStateError::NoKey { .. })));
        assert!(!folder.join(KEY).exists());
    }

    #[test]
    fn a_folder_that_others_may_enter_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let folder = KeptState::open(parent.path()).unwrap().folder().to_owned();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        let opened = KeptState::open(parent.path());
        assert!(matches!(opened, Err(KeptStateError::Layout(LayoutError::NotPrivate { .. }))));
    }

    #[test]
    fn a_key_is_not_printed() {
        assert_eq!(format!("{:?}", SealKey([7; 32])), "SealKey(..)");
    }
}
