//! The socket that answers people. Owns who can reach it: a folder of mode 0700 that is ours, and in it a socket of
//! mode 0600. Nothing is removed that is not a dead socket.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use tokio::net::{UnixListener, UnixStream};

/// Why there is no admin socket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminSocketError {
    #[error("{}: {what}: {error}", .path.display())]
    Io { path: PathBuf, what: &'static str, error: io::Error },
    #[error("{}: the path has no folder", .0.display())]
    NoFolder(PathBuf),
    #[error("{}: is not a folder of ours (a link, or another user's); choose another", .0.display())]
    NotOurs(PathBuf),
    #[error("{}: others can enter it (mode {mode:o}); run: chmod 700 {}", .path.display(), .path.display())]
    Open { path: PathBuf, mode: u32 },
    #[error("{}: is something else than a socket; choose another path", .0.display())]
    NotASocket(PathBuf),
    #[error("{}: another control plane answers there; stop it, or choose another path", .0.display())]
    InUse(PathBuf),
}

/// A bound socket's file; dropping it removes the file.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.0.display(), %error, "The admin socket could not be removed");
        }
    }
}

/// Binds the socket; the folder is made if it is missing.
pub(crate) async fn bind(path: &Path) -> Result<(UnixListener, SocketFile), AdminSocketError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.ok_or_else(|| AdminSocketError::NoFolder(path.into()))?;
    private_folder(folder)?;
    remove_dead_socket(path).await?;
    let listener = UnixListener::bind(path).map_err(|error| failed(path, "cannot be bound", error))?;
    let file = SocketFile(path.into());
    // Between the two calls the folder's mode protects it, whatever the umask.
    fs::set_permissions(path, Permissions::from_mode(0o600))
        .map_err(|error| failed(path, "mode 0600 cannot be set", error))?;
    Ok((listener, file))
}

/// W16: a folder that others can enter, or lead elsewhere, is refused rather than repaired.
fn private_folder(folder: &Path) -> Result<(), AdminSocketError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| failed(folder, "cannot be made", error))?;
    let found = fs::symlink_metadata(folder).map_err(|error| failed(folder, "cannot be read", error))?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() {
        return Err(AdminSocketError::NotOurs(folder.into()));
    }
    match found.mode() & 0o777 {
        mode if mode & 0o077 != 0 => Err(AdminSocketError::Open { path: folder.into(), mode }),
        _ => Ok(()),
    }
}

/// A control plane that was killed leaves its socket behind: nobody answers there.
async fn remove_dead_socket(path: &Path) -> Result<(), AdminSocketError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(path, "cannot be read", error)),
        Ok(found) if !found.file_type().is_socket() => return Err(AdminSocketError::NotASocket(path.into())),
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(AdminSocketError::InUse(path.into())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| failed(path, "cannot be removed", error))
        }
        Err(error) => Err(failed(path, "cannot be tried", error)),
    }
}

fn failed(path: &Path, what: &'static str, error: io::Error) -> AdminSocketError {
    AdminSocketError::Io { path: path.into(), what, error }
}

#[cfg(test)]
mod tests;
