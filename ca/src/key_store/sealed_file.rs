//! One small secret at rest: a file that is either whole and genuine, or refused with the reason.
//!
//! Owns encryption, atomic replacement, and the checks of the file itself (C24). It does not know what is inside.
//! A process holds the file's lock from opening until it ends, however it ends, so that two never write one file.
//! It cannot notice that somebody put back an *older* genuine file: who may write the directory may do that.
//!
//! ```text
//! magic (8) │ version (1) │ length (4) │ nonce (12) │ ciphertext, tag (16)        AES-256-GCM
//! └───── authenticated, not encrypted ─┘              └─ "length" bytes ─┘
//! ```

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use zeroize::Zeroizing;

use crate::key_store::SealKey;

const MAGIC: &[u8; 8] = b"KITHSEAL";
const VERSION: u8 = 1;
const HEADER: usize = MAGIC.len() + 1 + 4;
const TAG: usize = 16;
/// The file of one authority has a few KiB; a larger one is not ours, and is not read into memory.
const MAX_PLAIN: usize = 256 * 1024;
const MAX_FILE: u64 = (HEADER + NONCE_LEN + MAX_PLAIN + TAG) as u64;
/// Nobody but the owner may read or write it.
const MODE: u32 = 0o600;
const OTHERS: u32 = 0o077;

/// Why a sealed file cannot be used. An existing file is never replaced by a new one because of these.
#[derive(Debug, thiserror::Error)]
pub enum SealedFileError {
    /// A path without a file name.
    #[error("{} names no file", path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// The operating system refused something.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// Another process uses it.
    #[error("another process uses {}; stop it first", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A symbolic link stands there (C24).
    #[error("{} is a symbolic link; put the file itself there", path.display())]
    Symlink {
        /// The file.
        path: PathBuf,
    },
    /// A directory, a device or a pipe stands there (C24).
    #[error("{} is not a regular file", path.display())]
    NotRegular {
        /// The file.
        path: PathBuf,
    },
    /// It belongs to somebody else (C24).
    #[error("{} belongs to user {owner}, not to us (user {us}); only its owner may seal with it", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// Others may read or write it (C24).
    #[error("{} has mode {mode:04o}, open to others; run chmod 600 on it and consider its keys known", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It does not start as our files do, or is larger than they are.
    #[error("{} is not a sealed file of kith", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A version of the format that this build does not know.
    #[error("{} is sealed in format {found}, this build reads {VERSION}; use the build that wrote it", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version it says.
        found: u8,
    },
    /// Bytes are missing or too many: a torn write of something else than us, or a bad disk.
    #[error("{} is torn: it has {found} bytes and should have {wanted}; restore it from a backup", path.display())]
    Torn {
        /// The file.
        path: PathBuf,
        /// Bytes it should have.
        wanted: usize,
        /// Bytes it has.
        found: usize,
    },
    /// The seal does not hold.
    #[error("{} does not open with this key: it was sealed with another key, or was changed", path.display())]
    Seal {
        /// The file.
        path: PathBuf,
    },
    /// More to seal than a sealed file takes.
    #[error("{size} bytes are more than the {MAX_PLAIN} that a sealed file takes")]
    TooLarge {
        /// How many bytes.
        size: usize,
    },
    /// The cipher failed before it saw any data.
    #[error("the cipher failed")]
    Cipher,
}

/// A sealed file that this process alone uses.
#[derive(Debug)]
pub(crate) struct SealedFile {
    path: PathBuf,
    name: OsString,
    key: SealKey,
    /// Held, never read: the kernel lets go of the lock when this is closed, also after SIGKILL.
    _lock: File,
}

impl SealedFile {
    /// Takes the file's lock; the file itself need not exist yet.
    pub(crate) fn lock(path: PathBuf, key: SealKey) -> Result<Self, SealedFileError> {
        let Some(name) = path.file_name().map(OsStr::to_owned) else {
            return Err(SealedFileError::NoName { path });
        };
        let lock_path = sibling(&path, &name, ".lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&lock_path)
            .map_err(failed("open the lock", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, name, key, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(SealedFileError::InUse { path }),
            Err(TryLockError::Error(source)) => Err(failed("lock", &lock_path)(source)),
        }
    }

    /// What was sealed last; `None` only when no file stands there at all.
    pub(crate) fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, SealedFileError> {
        match self.open()? {
            Some(file) => self.unseal(&self.read_bounded(file)?).map(Some),
            None => Ok(None),
        }
    }

    /// Replaces what is sealed. Durable on return; a crash at any point leaves the old file or the new one.
    pub(crate) fn write(&self, plain: &[u8]) -> Result<(), SealedFileError> {
        let sealed = self.seal(plain)?;
        let temporary = sibling(&self.path, &self.name, ".new");
        // A writer killed half way leaves this behind. Its name is ours alone while we hold the lock.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove the leftover", &temporary)(error));
            }
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&temporary)
            .map_err(failed("create", &temporary))?;
        file.write_all(&sealed).map_err(failed("write", &temporary))?;
        file.sync_all().map_err(failed("sync", &temporary))?;
        fs::rename(&temporary, &self.path).map_err(failed("replace", &self.path))?;
        let directory = directory_of(&self.path);
        let handle = File::open(directory).map_err(failed("open", directory))?;
        handle.sync_all().map_err(failed("sync", directory))
    }

    /// Opens the file and then judges the opened file, so that nothing can be swapped in between (C24).
    fn open(&self) -> Result<Option<File>, SealedFileError> {
        // Without O_NONBLOCK a pipe in the file's place would make us wait for its writer.
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
                return Err(SealedFileError::Symlink { path: self.path.clone() });
            }
            Err(error) => return Err(failed("open", &self.path)(error)),
        };
        let metadata = file.metadata().map_err(failed("examine", &self.path))?;
        let path = self.path.clone();
        if !metadata.is_file() {
            return Err(SealedFileError::NotRegular { path });
        }
        check_access(path, metadata.uid(), metadata.mode())?;
        Ok(Some(file))
    }

    fn read_bounded(&self, file: File) -> Result<Vec<u8>, SealedFileError> {
        let mut bytes = Vec::new();
        let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
        read.map_err(failed("read", &self.path))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(SealedFileError::Foreign { path: self.path.clone() });
        }
        Ok(bytes)
    }

    fn unseal(&self, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealedFileError> {
        let path = || self.path.clone();
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(SealedFileError::Torn { path: path(), wanted: HEADER, found: bytes.len() });
        };
        let [magic @ .., version, l0, l1, l2, l3] = header;
        if magic != MAGIC {
            return Err(SealedFileError::Foreign { path: path() });
        }
        if *version != VERSION {
            return Err(SealedFileError::Version { path: path(), found: *version });
        }
        let length = u32::from_be_bytes([*l0, *l1, *l2, *l3]) as usize;
        let wanted = (HEADER + NONCE_LEN).saturating_add(length);
        let Some((nonce, ciphertext)) = rest.split_first_chunk::<NONCE_LEN>() else {
            return Err(SealedFileError::Torn { path: path(), wanted, found: bytes.len() });
        };
        if ciphertext.len() != length {
            return Err(SealedFileError::Torn { path: path(), wanted, found: bytes.len() });
        }
        let mut plain = Zeroizing::new(ciphertext.to_vec());
        let opened = self
            .cipher()?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(header), &mut plain)
            .map_err(|_| SealedFileError::Seal { path: path() })?
            .len();
        plain.truncate(opened);
        Ok(plain)
    }

    fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, SealedFileError> {
        let too_large = SealedFileError::TooLarge { size: plain.len() };
        if plain.len() > MAX_PLAIN {
            return Err(too_large);
        }
        let length = u32::try_from(plain.len() + TAG).map_err(|_| too_large)?;
        let header = [MAGIC.as_slice(), &[VERSION], &length.to_be_bytes()].concat();
        // Room for the tag from the start: growing would leave a copy of the plain text behind in freed memory.
        let mut sealed = Zeroizing::new(Vec::with_capacity(plain.len() + TAG));
        sealed.extend_from_slice(plain);
        let nonce = self
            .cipher()?
            .seal_in_place_append_tag(Aad::from(&header), &mut *sealed)
            .map_err(|_| SealedFileError::Cipher)?;
        Ok([header.as_slice(), nonce.as_ref(), &sealed].concat())
    }

    fn cipher(&self) -> Result<RandomizedNonceKey, SealedFileError> {
        RandomizedNonceKey::new(&AES_256_GCM, self.key.as_bytes()).map_err(|_| SealedFileError::Cipher)
    }
}

/// Ours, and closed to everybody else (C24).
fn check_access(path: PathBuf, owner: u32, mode: u32) -> Result<(), SealedFileError> {
    let us = nix::unistd::geteuid().as_raw();
    if owner != us {
        return Err(SealedFileError::Owner { path, owner, us });
    }
    if mode & OTHERS != 0 {
        return Err(SealedFileError::Mode { path, mode: mode & 0o7777 });
    }
    Ok(())
}

/// `/dir/.NAMEsuffix` beside `/dir/NAME`.
fn sibling(path: &Path, name: &OsStr, suffix: &str) -> PathBuf {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(suffix);
    path.with_file_name(hidden)
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SealedFileError {
    move |source| SealedFileError::Io { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
