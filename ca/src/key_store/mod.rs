//! Where signing keys live: in memory as [`SigningKey`], at rest in a [`SealedFile`]. Knows nothing of
//! certificates; what is sealed is bytes to it.

mod seal_key;
mod sealed_file;
mod signing_key;

pub use seal_key::SealKey;
pub(crate) use sealed_file::SealedFile;
pub use sealed_file::SealedFileError;
pub use signing_key::KeyError;
pub(crate) use signing_key::SigningKey;
