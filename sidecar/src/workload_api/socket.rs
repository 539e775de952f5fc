//! The socket's place on disk. Owns who can put something there: a folder of ours that nobody else writes to, reached
//! without following a link (W16). Nothing is replaced that is not a socket.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmodat, fstatat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};
use tokio::net::UnixListener;

/// What the address of a unix socket holds, without its closing zero. Ours is bound by another name, so that the path may
/// be as long as it likes; but a client must name it, too.
const MAX_PATH: usize = 107;
/// The first of them is the group's, the second everybody else's.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub(super) enum SocketError {
    #[error("{}: {what}: {error}", .path.display())]
    Io { path: PathBuf, what: &'static str, error: io::Error },
    #[error("{}: the path has no folder and name, or is not absolute", .0.display())]
    NoFolder(PathBuf),
    #[error("{}: the path is longer than {MAX_PATH} bytes; choose a shorter one", .0.display())]
    TooLong(PathBuf),
    #[error("{}: is a link, or no folder; choose another", .0.display())]
    NotAFolder(PathBuf),
    #[error("{}: is the folder of user {owner}, and this is user {own}; choose another", .path.display())]
    NotOurs { path: PathBuf, owner: u32, own: u32 },
    #[error("{}: others can write to it (mode {mode:o}); run: chmod go-w {}", .path.display(), .path.display())]
    Open { path: PathBuf, mode: u32 },
    #[error("{}: is something else than a socket; choose another path", .0.display())]
    NotASocket(PathBuf),
}

/// A bound socket's file; dropping it removes the file, unless another one has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    folder: File,
    path: PathBuf,
    name: PathBuf,
    inode: (u64, u64),
}

/// Binds the socket. Its folder is made with the first mode if it is missing; the socket gets the second.
pub(super) fn bind(
    path: &Path,
    (folder_mode, mode): (u32, u32),
) -> Result<(UnixListener, SocketFile), SocketError> {
    let no_folder = || SocketError::NoFolder(path.into());
    if path.as_os_str().len() > MAX_PATH {
        return Err(SocketError::TooLong(path.into()));
    }
    if !path.is_absolute() {
        return Err(no_folder());
    }
    let (parent, name) = (path.parent().ok_or_else(no_folder)?, path.file_name().ok_or_else(no_folder)?);
    let folder = private_folder(parent, folder_mode)?;
    check_replaceable(&folder, path, Path::new(name))?;
    // Made beside its place and moved there: at no moment is there none, or one with another mode.
    let fresh = fresh_name();
    let listener = bind_in(&folder, &fresh, mode).map_err(|error| failed(path, "cannot be bound", error))?;
    let moved = renameat(&folder, &fresh, &folder, name)
        .and_then(|()| fstatat(&folder, name, AtFlags::AT_SYMLINK_NOFOLLOW));
    let inode = moved.map(|found| (found.st_dev, found.st_ino));
    let inode = inode.map_err(|error| failed(path, "cannot be put in its place", error.into()))?;
    Ok((listener, SocketFile { folder, path: path.into(), name: name.into(), inode }))
}

/// Opened once, checked as opened, and named by its descriptor from then on: nobody can lead us elsewhere in between.
fn private_folder(path: &Path, mode: u32) -> Result<File, SocketError> {
    let made = match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(failed(path, "cannot be made", error)),
    };
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let folder = match openat(nix::fcntl::AT_FDCWD, path, flags, Mode::empty()) {
        Ok(folder) => File::from(folder),
        Err(Errno::ENOTDIR | Errno::ELOOP) => return Err(SocketError::NotAFolder(path.into())),
        Err(error) => return Err(failed(path, "cannot be opened", error.into())),
    };
    let found = folder.metadata().map_err(|error| failed(path, "cannot be read", error))?;
    let (owner, own) = (found.uid(), geteuid().as_raw());
    if owner != own {
        return Err(SocketError::NotOurs { path: path.into(), owner, own });
    }
    if made {
        // Whatever the umask is.
        let mode = fs::Permissions::from_mode(mode);
        folder.set_permissions(mode).map_err(|error| failed(path, "its mode cannot be set", error))?;
        return Ok(folder);
    }
    match found.mode() & 0o7777 {
        mode if mode & WRITABLE_BY_OTHERS != 0 => Err(SocketError::Open { path: path.into(), mode }),
        _ => Ok(folder),
    }
}

/// What a sidecar left behind that was killed is a socket. The folder is ours, so it is ours as well.
fn check_replaceable(folder: &File, path: &Path, name: &Path) -> Result<(), SocketError> {
    match fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => Ok(()),
        Err(error) => Err(failed(path, "cannot be read", error.into())),
        Ok(found) if is_socket(&found) => Ok(()),
        Ok(_) => Err(SocketError::NotASocket(path.into())),
    }
}

fn is_socket(found: &FileStat) -> bool {
    SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFSOCK
}

/// A short name that nobody has, whatever the other one is.
fn fresh_name() -> PathBuf {
    let random = u64::from_be_bytes(crate::random::bytes());
    PathBuf::from(format!(".{random:016x}"))
}

fn bind_in(folder: &File, name: &Path, mode: u32) -> io::Result<UnixListener> {
    // Binding takes no descriptor of a folder; this is the folder by its descriptor.
    let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
    let listener = UnixListener::bind(&path)?;
    let mode = Mode::from_bits_truncate(mode);
    if let Err(error) = fchmodat(folder.as_fd(), name, mode, FchmodatFlags::FollowSymlink) {
        unlinkat(folder, name, UnlinkatFlags::NoRemoveDir)?;
        return Err(error.into());
    }
    Ok(listener)
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let removed = match fstatat(&self.folder, &self.name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(found) if (found.st_dev, found.st_ino) == self.inode => {
                unlinkat(&self.folder, &self.name, UnlinkatFlags::NoRemoveDir)
            }
            // A successor's.
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = removed
            && error != Errno::ENOENT
        {
            tracing::warn!(path = %self.path.display(), %error, "The Workload API's socket could not be removed");
        }
    }
}

fn failed(path: &Path, what: &'static str, error: io::Error) -> SocketError {
    SocketError::Io { path: path.into(), what, error }
}

#[cfg(test)]
mod tests;
