//! The profiles of the two kinds of svid: X509-SVID, what an end certificate and a signing certificate must look like, and
//! JWT-SVID, what a token must.
//!
//! Owns the single function by which a certificate becomes an identity, [`Leaf::parse`], and the single one by which a
//! token does, [`JwtSvid::verify`]. The first reads what the certificate says; whether a trusted authority said it, and
//! whether it holds now, is for `kith-mtls`.

use std::fmt;

mod authority;
mod findings;
pub mod inspect;
mod inspect_token;
pub(crate) mod jwt;
mod key_hash;
mod leaf;
mod profile;
mod rules;
mod serial;

pub use authority::Authority;
pub(crate) use jwt::Algorithm;
pub use jwt::{JwtAuthority, JwtError, JwtPart, JwtSvid};
pub use key_hash::KeyHash;
pub use leaf::Leaf;
pub use profile::{Broken, ProfileError};
pub use serial::Serial;

pub use crate::certificate::PublicKey;
pub use crate::der::DerError;

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut octets = [0; 32];
    octets.copy_from_slice(digest.as_ref());
    octets
}

fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
