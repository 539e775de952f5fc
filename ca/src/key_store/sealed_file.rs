//! One small secret at rest: a file that is either whole and genuine, or refused with the reason.
//!
//! Owns encryption and the lock; the checks of the file itself (C24) and its atomic replacement are `private_file`'s.
//! It does not know what is inside.
//! A process holds the file's lock from opening until it ends, however it ends, so that two never write one file.
//! It cannot notice that somebody put back an *older* genuine file: who may write the directory may do that.
//!
//! ```text
//! magic (8) │ version (1) │ length (4) │ nonce (12) │ ciphertext, tag (16)        AES-256-GCM
//! └───── authenticated, not encrypted ─┘              └─ "length" bytes ─┘
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use nix::fcntl::OFlag;
use zeroize::Zeroizing;

use crate::key_store::SealKey;
use crate::private_file::{self, MODE, PrivateFileError, failed, sibling};

const MAGIC: &[u8; 8] = b"KITHSEAL";
const VERSION: u8 = 1;
const HEADER: usize = MAGIC.len() + 1 + 4;
const TAG: usize = 16;
/// The file of one authority has a few KiB; a larger one is not ours, and is not read into memory.
const MAX_PLAIN: usize = 256 * 1024;
const MAX_FILE: u64 = (HEADER + NONCE_LEN + MAX_PLAIN + TAG) as u64;

/// Why a sealed file cannot be used. An existing file is never replaced by a new one because of these.
#[derive(Debug, thiserror::Error)]
pub enum SealedFileError {
    /// The file itself is refused, or the operating system refused something.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// Another process uses it.
    #[error("another process uses {}; stop it first", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It does not start as our files do.
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
    key: SealKey,
    /// Held, never read: the kernel lets go of the lock when this is closed, also after SIGKILL.
    _lock: File,
}

impl SealedFile {
    /// Takes the file's lock; the file itself need not exist yet.
    pub(crate) fn lock(path: PathBuf, key: SealKey) -> Result<Self, SealedFileError> {
        let lock_path = sibling(&path, ".lock")?;
        // Neither a link is followed, nor the reader of a pipe waited for, that somebody put in the lock's place.
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .custom_flags(flags.bits())
            .open(&lock_path)
            .map_err(failed("open the lock", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, key, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(SealedFileError::InUse { path }),
            Err(TryLockError::Error(error)) => Err(failed("lock", &lock_path)(error).into()),
        }
    }

    /// What was sealed last; `None` only when no file stands there at all.
    pub(crate) fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, SealedFileError> {
        let sealed = private_file::read(&self.path, MAX_FILE)?;
        sealed.map(|sealed| self.unseal(&sealed)).transpose()
    }

    /// Replaces what is sealed. Durable on return; a crash at any point leaves the old file or the new one.
    pub(crate) fn write(&self, plain: &[u8]) -> Result<(), SealedFileError> {
        Ok(private_file::replace(&self.path, &self.seal(plain)?)?)
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

#[cfg(test)]
mod tests;
