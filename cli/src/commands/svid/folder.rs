//! The folder that `--write` fills: a credential folder in the sense of the SPIFFE Filesystem Delivery standard, and the
//! names that people look for.
//!
//! ```text
//! DIR/svid.pem  svid_key.pem  bundle.pem  federated            links into ..data
//! DIR/credential-bundle.private-key.pem                        the same: key and chain in one file
//! DIR/TRUST-DOMAIN.spiffe-trust-bundle.pem                     the same: the anchors of each trust domain
//! DIR/..data -> ..svid-RANDOM                                  what holds; replaced by one rename
//! DIR/..svid-RANDOM/                                           this state, and the one before it
//! ```
//! Owns that all files change in one step, and that nobody else can put one there. Whoever reads one file reads it whole;
//! whoever needs two resolves `..data` once and reads both behind it: that state stays until the one after the next.

mod files;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use self::files::Files;
use super::update::Update;

/// The link to the state that holds.
const DATA: &str = "..data";
/// What its folder's name begins with.
const STATE: &str = "..svid-";
/// A link before it has its name.
const DRAFT: &str = "..new";

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// Somebody else could put a key or an anchor of theirs there.
    #[error("{} is not safe to write to: {reason}, or name a folder of your own", path.display())]
    Unsafe {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is something else.
    #[error("{} is no folder; name one, or one that is not there yet", .0.display())]
    NoFolder(PathBuf),
    /// A file that we did not write.
    #[error("{} is there and was not written by kith svid fetch; remove it, or name another folder", .0.display())]
    Foreign(PathBuf),
    /// Somebody writes there already.
    #[error("another kith svid fetch writes to {}; stop it, or name another folder", .0.display())]
    InUse(PathBuf),
    /// The system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    move |source| FolderError::Io { what, path: path.to_owned(), source }
}

/// A folder that is ours to write to, as long as this is held.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Its own descriptor: whoever moves the folder, or puts another in its place, leads us nowhere.
    opened: Flock<File>,
}

impl Folder {
    /// Makes the folder if it is not there, and sees that nobody else may write to it.
    pub(super) fn open(path: &Path) -> Result<Self, FolderError> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed("make", path)(error));
            }
            _ => {}
        }
        let path = path.canonicalize().map_err(failed("find", path))?;
        let opened = File::open(&path).map_err(failed("open", &path))?;
        check_safe(&path, &opened)?;
        match Flock::lock(opened, FlockArg::LockExclusiveNonblock) {
            Ok(opened) => Ok(Self { path, opened }),
            Err((_, Errno::EWOULDBLOCK)) => Err(FolderError::InUse(path)),
            Err((_, errno)) => Err(failed("lock", &path)(errno.into())),
        }
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces everything that was written before, in one step, and says which files it could not have because of their
    /// names. A failure leaves what was there.
    pub(super) fn write(&self, update: &Update) -> Result<Vec<String>, FolderError> {
        let files = Files::of(update);
        let links = files.links();
        check_safe(&self.path, &self.opened)?;
        for link in &links {
            self.check_ours(link)?;
        }
        let before = self.state()?;
        let state = self.new_state(&files)?;
        let switched = self.link_all(&links).and_then(|()| self.link(DATA, state.as_os_str()));
        if let Err(error) = switched {
            fs::remove_dir_all(self.at(&state)).map_err(failed("remove", &self.path.join(&state)))?;
            return Err(error);
        }
        self.sync()?;
        self.clear(&links, &[Some(state), before])?;
        Ok(files.into_too_long())
    }

    /// Takes everything away: what held does so no longer.
    pub(super) fn withdraw(&self) -> Result<(), FolderError> {
        gone(fs::remove_file(self.at(DATA))).map_err(failed("remove", &self.path.join(DATA)))?;
        self.sync()?;
        self.clear(&BTreeSet::new(), &[])
    }

    /// Where something in the folder is, whatever its path leads to now.
    fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.opened.as_raw_fd())).join(name)
    }

    /// The files in a folder that nobody looks at yet.
    fn new_state(&self, files: &Files) -> Result<OsString, FolderError> {
        let made = tempfile::Builder::new().prefix(STATE).tempdir_in(self.at(""));
        let state = made.map_err(failed("make a folder in", &self.path))?;
        files.write_to(state.path())?;
        // Who may look into it is DIR's to say, and the key's own mode.
        let open = fs::set_permissions(state.path(), Permissions::from_mode(0o755));
        open.map_err(failed("open", state.path()))?;
        let path = state.keep();
        // What tempfile made has a name.
        Ok(path.file_name().unwrap_or_default().to_owned())
    }

    /// The name of the state that holds.
    fn state(&self) -> Result<Option<OsString>, FolderError> {
        let data = self.path.join(DATA);
        match fs::read_link(self.at(DATA)) {
            Ok(state) => Ok(Some(state.into_os_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(FolderError::Foreign(data)),
            Err(error) => Err(failed("read", &data)(error)),
        }
    }

    /// A name is free, or a link of ours.
    fn check_ours(&self, name: &str) -> Result<(), FolderError> {
        let (at, path) = (self.at(name), self.path.join(name));
        match fs::symlink_metadata(&at) {
            Ok(_) if is_ours(&at) => Ok(()),
            Ok(_) => Err(FolderError::Foreign(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("look at", &path)(error)),
        }
    }

    /// Links that lead nowhere until `..data` does.
    fn link_all(&self, links: &BTreeSet<String>) -> Result<(), FolderError> {
        links.iter().filter(|link| !is_ours(&self.at(link))).try_for_each(|link| {
            let target = Path::new(DATA).join(link);
            self.link(link, target.as_os_str())
        })
    }

    /// Makes or replaces a link in one step.
    fn link(&self, name: &str, target: &OsStr) -> Result<(), FolderError> {
        let (draft, shown) = (self.at(DRAFT), self.path.join(DRAFT));
        gone(fs::remove_file(&draft)).map_err(failed("remove", &shown))?;
        symlink(target, &draft).map_err(failed("make", &shown))?;
        fs::rename(&draft, self.at(name)).map_err(failed("replace", &self.path.join(name)))
    }

    /// Removes links that nothing is behind any more, and states that nobody reads.
    fn clear(&self, links: &BTreeSet<String>, states: &[Option<OsString>]) -> Result<(), FolderError> {
        for entry in fs::read_dir(self.at("")).map_err(failed("read", &self.path))? {
            let entry = entry.map_err(failed("read", &self.path))?;
            let (name, path) = (entry.file_name(), entry.path());
            let shown = self.path.join(&name);
            let is_link = name.to_str().is_some_and(|name| links.contains(name));
            let is_state = name.as_encoded_bytes().starts_with(STATE.as_bytes());
            let in_use = states.iter().flatten().any(|state| *state == name);
            // A link first: a trust domain may be called like a state.
            if is_ours(&path) {
                if !is_link {
                    fs::remove_file(&path).map_err(failed("remove", &shown))?;
                }
            } else if is_state && !in_use {
                fs::remove_dir_all(&path).map_err(failed("remove", &shown))?;
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), FolderError> {
        self.opened.sync_all().map_err(failed("save", &self.path))
    }
}

/// Whether it is a link that we made.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    fs::read_link(path).is_ok_and(|target| target == Path::new(DATA).join(name))
}

/// That a file is gone is what was wanted.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A folder of this user, or of root, that nobody else may write to; and the one that was opened.
fn check_safe(path: &Path, opened: &File) -> Result<(), FolderError> {
    let metadata = opened.metadata().map_err(failed("look at", path))?;
    if !metadata.is_dir() {
        return Err(FolderError::NoFolder(path.to_owned()));
    }
    let refuse = |reason| Err(FolderError::Unsafe { path: path.to_owned(), reason });
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != 0 && owner != nix::unistd::geteuid().as_raw() {
        return refuse(format!("it belongs to user {owner}"));
    }
    if mode & 0o022 != 0 {
        return refuse(format!("others may write to it (mode {mode:o}); run: chmod go-w {}", path.display()));
    }
    // The folder that it lies in may be one that others may write to, such as a volume.
    match fs::symlink_metadata(path) {
        Ok(there) if (there.dev(), there.ino()) == (metadata.dev(), metadata.ino()) => Ok(()),
        Ok(_) => refuse("somebody has put another in its place".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            refuse("somebody has moved or removed it".to_owned())
        }
        Err(error) => Err(failed("look at", path)(error)),
    }
}

#[cfg(test)]
mod tests;
