//! The X509-SVID profile: what an end certificate and a signing certificate must look like.
//!
//! Owns the single function by which a certificate becomes an identity, [`Leaf::parse`]. It reads what the
//! certificate says; whether a trusted authority said it, and whether it holds now, is for `kith-mtls`.

mod authority;
mod leaf;
mod profile;

pub use authority::Authority;
pub use leaf::Leaf;
pub use profile::{KeyHash, ProfileError, Serial};
