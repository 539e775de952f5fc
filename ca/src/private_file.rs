//! A small file that only we may read or write. Owns what makes it ours and what makes it durable; knows nothing of
//! its content.
//!
//! A crash at any point leaves the old content or the new one under the name, and at most a draft beside it, which
//! the next writer replaces. Whoever writes makes sure that nobody else does at the same time. It stands here, and not
//! in `kith-runtime`, because an authority at rest needs it and links neither a runtime nor a transport.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use zeroize::Zeroizing;

/// Nobody but the owner may read or write it.
pub(crate) const MODE: u32 = 0o600;
const OTHERS: u32 = 0o077;
/// More than reading needs to notice the end of a file.
const ROOM_AT_THE_END: usize = 64;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// A path without a file name.
    #[error("{} names no file", .0.display())]
    NoName(PathBuf),
    /// The operating system refused something; what stood there stands there still.
    #[error("cannot {what} {}: {error}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// The new content is there already, and a crash of the machine may bring the old one back.
    #[error("{} is written, but the disk does not say that it stays so: {error}", .path.display())]
    Unsynced {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// A symbolic link stands there (C24).
    #[error("{} is a symbolic link; put the file itself there", .0.display())]
    Symlink(PathBuf),
    /// A directory, a device or a pipe stands there (C24).
    #[error("{} is not a regular file", .0.display())]
    NotRegular(PathBuf),
    /// It belongs to somebody else (C24).
    #[error(
        "{} belongs to user {owner}, not to us (user {us}); check what it says, then take it over with chown",
        .path.display()
    )]
    Owner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// Others may read or write it (C24).
    #[error(
        "{} has mode {mode:04o}, open to others; take what it says as known and check it, then run: chmod 600 {}",
        .path.display(), .path.display()
    )]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is larger than any of ours.
    #[error("{} has more than {most} bytes, which none of ours has; restore it from a backup", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How many it may have.
        most: u64,
    },
}

/// What stands in the file, wiped from memory when dropped; `None` only when nothing at all is there.
pub fn read(path: &Path, most: u64) -> Result<Option<Zeroizing<Vec<u8>>>, PrivateFileError> {
    // Without O_NONBLOCK a pipe in the file's place would make us wait for its writer.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            return Err(PrivateFileError::Symlink(path.into()));
        }
        Err(error) => return Err(failed("open", path)(error)),
    };
    let too_large = || PrivateFileError::TooLarge { path: path.into(), most };
    let length = check(path, &file)?;
    if length > most {
        return Err(too_large());
    }
    // Room from the start: growing would leave a copy behind in freed memory.
    let room = usize::try_from(length).map_err(|_| too_large())?.saturating_add(ROOM_AT_THE_END);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    // It may have grown since: one byte more than allowed tells "too large" from "just fits".
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() as u64 > most { Err(too_large()) } else { Ok(Some(bytes)) }
}

/// Writes the file if there is none, and says whether it did. Never replaces one, not even one that appears in the
/// meantime. Durable on return.
pub fn create(path: &Path, bytes: &[u8]) -> Result<bool, PrivateFileError> {
    // Two that start at the same time may both be here.
    let draft = sibling(path, &format!(".{}.new", std::process::id()))?;
    let folder = folder_of(path)?;
    write_synced(&draft, bytes)?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).map_err(failed("remove", &draft))?;
    let created = match linked {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(failed("create", path)(error)),
    };
    folder.sync_all().map_err(|error| PrivateFileError::Unsynced { path: path.into(), error })?;
    Ok(created)
}

/// Replaces the file, or writes the first one. Durable on return. After every error but
/// [`Unsynced`](PrivateFileError::Unsynced) nothing has changed.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), PrivateFileError> {
    replace_and(path, bytes, File::sync_all)
}

/// With the last step as an argument, because no test can make a disk fail.
fn replace_and(
    path: &Path,
    bytes: &[u8],
    sync: impl FnOnce(&File) -> io::Result<()>,
) -> Result<(), PrivateFileError> {
    let draft = sibling(path, ".new")?;
    // Before anything changes: what can fail early must not fail late.
    let folder = folder_of(path)?;
    write_synced(&draft, bytes)?;
    fs::rename(&draft, path).map_err(failed("replace", path))?;
    sync(&folder).map_err(|error| PrivateFileError::Unsynced { path: path.into(), error })
}

/// A writer that was killed half way leaves its draft behind.
fn write_synced(draft: &Path, bytes: &[u8]) -> Result<(), PrivateFileError> {
    match fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove the leftover", draft)(error));
        }
        _ => {}
    }
    // A new file, so that nothing is followed or shared that somebody laid there.
    let new = OpenOptions::new().write(true).create_new(true).mode(MODE).open(draft);
    let mut file = new.map_err(failed("create", draft))?;
    file.write_all(bytes).map_err(failed("write", draft))?;
    file.sync_all().map_err(failed("sync", draft))
}

/// A new name is durable when its folder is.
fn folder_of(path: &Path) -> Result<File, PrivateFileError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).map_err(failed("open", folder))
}

/// The opened file is judged, so that nothing can be swapped in between (C24). Says how long it is.
fn check(path: &Path, file: &File) -> Result<u64, PrivateFileError> {
    let found = file.metadata().map_err(failed("examine", path))?;
    if !found.is_file() {
        return Err(PrivateFileError::NotRegular(path.into()));
    }
    check_access(path, found.uid(), found.mode())?;
    Ok(found.len())
}

/// Ours, and closed to everybody else (C24).
fn check_access(path: &Path, owner: u32, mode: u32) -> Result<(), PrivateFileError> {
    let (path, us, mode) = (path.to_owned(), geteuid().as_raw(), mode & 0o7777);
    if owner != us {
        return Err(PrivateFileError::Owner { path, owner, us });
    }
    if mode & OTHERS == 0 { Ok(()) } else { Err(PrivateFileError::Mode { path, mode }) }
}

/// `/dir/.NAMEsuffix` beside `/dir/NAME`.
pub(crate) fn sibling(path: &Path, suffix: &str) -> Result<PathBuf, PrivateFileError> {
    let name = path.file_name().ok_or_else(|| PrivateFileError::NoName(path.into()))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(suffix);
    Ok(path.with_file_name(hidden))
}

pub(crate) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PrivateFileError {
    move |error| PrivateFileError::Io { what, path: path.to_owned(), error }
}

#[cfg(test)]
mod tests;
