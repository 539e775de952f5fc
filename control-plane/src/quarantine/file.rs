//! A small file that only we may read or write. Owns what makes it durable and what makes it ours; knows nothing of
//! its content.
//!
//! A crash at any point leaves the old content or the new one, and at most a temporary file beside it. The
//! authority's sealed file is locked for as long as this process lives, so that nobody else writes here.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;

const MODE: u32 = 0o600;
const OTHERS: u32 = 0o077;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("cannot {what} {}: {error}", .path.display())]
    Io { what: &'static str, path: PathBuf, error: io::Error },
    #[error("{} is a symbolic link; put the file itself there", .0.display())]
    Symlink(PathBuf),
    #[error("{} is not a regular file", .0.display())]
    NotRegular(PathBuf),
    #[error("{} belongs to user {owner}, not to us (user {us}); check what it says, then take it over with chown", .path.display())]
    Owner { path: PathBuf, owner: u32, us: u32 },
    #[error("{} has mode {mode:04o}, open to others; check what it says, then run: chmod 600 {}", .path.display(), .path.display())]
    Mode { path: PathBuf, mode: u32 },
    #[error("{} has more than {most} bytes, which none of ours has; restore it from a backup", .path.display())]
    TooLarge { path: PathBuf, most: u64 },
}

/// What stands in the file; `None` when there is none.
pub(super) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, FileError> {
    // Without O_NONBLOCK a pipe in the file's place would make us wait for its writer.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            return Err(FileError::Symlink(path.into()));
        }
        Err(error) => return Err(failed("open", path)(error)),
    };
    check(path, &file)?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells "too large" from "just fits".
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() as u64 > most {
        return Err(FileError::TooLarge { path: path.into(), most });
    }
    Ok(Some(bytes))
}

/// Writes the file if there is none. Never replaces one, not even one that appears in the meantime.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    // A start that loses the race for the authority's lock may be at the same place at the same time.
    let temporary = sibling(path, &format!(".{}.new", std::process::id()));
    write_synced(&temporary, bytes)?;
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary).map_err(failed("remove", &temporary))?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed("create", path)(error)),
        _ => sync_folder(path),
    }
}

/// Replaces the file. Durable on return.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let temporary = sibling(path, ".new");
    write_synced(&temporary, bytes)?;
    fs::rename(&temporary, path).map_err(failed("replace", path))?;
    sync_folder(path)
}

/// A writer that was killed half way leaves its temporary file behind.
fn write_synced(temporary: &Path, bytes: &[u8]) -> Result<(), FileError> {
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove the leftover", temporary)(error));
        }
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(temporary)
        .map_err(failed("create", temporary))?;
    file.write_all(bytes).map_err(failed("write", temporary))?;
    file.sync_all().map_err(failed("sync", temporary))
}

/// A new name is durable when its folder is.
fn sync_folder(path: &Path) -> Result<(), FileError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let handle = File::open(folder).map_err(failed("open", folder))?;
    handle.sync_all().map_err(failed("sync", folder))
}

/// The opened file is judged, so that nothing can be swapped in between (C24).
fn check(path: &Path, file: &File) -> Result<(), FileError> {
    let (path, us) = (path.to_owned(), geteuid().as_raw());
    let found = file.metadata().map_err(failed("examine", &path))?;
    if !found.is_file() {
        return Err(FileError::NotRegular(path));
    }
    if found.uid() != us {
        return Err(FileError::Owner { path, owner: found.uid(), us });
    }
    match found.mode() & 0o7777 {
        mode if mode & OTHERS != 0 => Err(FileError::Mode { path, mode }),
        _ => Ok(()),
    }
}

/// `/dir/.NAMEsuffix` beside `/dir/NAME`.
fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut hidden = OsString::from(".");
    hidden.push(path.file_name().unwrap_or_default());
    hidden.push(suffix);
    path.with_file_name(hidden)
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |error| FileError::Io { what, path: path.to_owned(), error }
}
