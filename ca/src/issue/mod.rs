//! From a proven identity and a public key to an svid. Owns each step in a file of its own, in this order:
//! `csr` (the key out, nothing else), `key_memory` (whose key is it?), `profile` (what the svid says), `sign`
//! (and read back), `window` (when to renew).

use std::fmt;
use std::time::SystemTime;

use kith_identity::svid::{Broken, KeyHash, Serial};
use kith_identity::{SpiffeId, TrustDomain};

use crate::random::NoRandomness;
use crate::validity::{ClockError, OutsideAuthority};

mod csr;
mod der;
mod key_memory;
mod profile;
mod sign;
mod window;

pub use csr::{CsrError, SubjectKey};
pub use der::DerError;
pub(crate) use key_memory::KeyMemory;
pub(crate) use sign::{Signers, sign};

/// A freshly minted svid; its private key is its owner's and was never here.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// DER certificates: the svid's, then the issuing authority's.
    pub chain: Vec<Vec<u8>>,
    /// The svid's serial number.
    pub serial: Serial,
    /// The first second at which it holds.
    pub not_before: SystemTime,
    /// The last second at which it holds.
    pub not_after: SystemTime,
    /// When its owner should start to renew it.
    pub renew_from: SystemTime,
    /// When its owner should have renewed it.
    pub renew_until: SystemTime,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("serial", &self.serial).finish_non_exhaustive()
    }
}

/// Why no svid was minted.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The control plane's own identity.
    #[error("{identity} is reserved for the control plane and granted to nobody")]
    Reserved {
        /// What was asked for.
        identity: SpiffeId,
    },
    /// An identity of another trust domain (C23).
    #[error("{identity} is not in {ours}; ask its own trust domain")]
    Foreign {
        /// What was asked for.
        identity: SpiffeId,
        /// The trust domain that this authority mints for.
        ours: TrustDomain,
    },
    /// X509-SVID §3.1: the trust domain's own identity is for authorities.
    #[error("{identity} has no path, and an svid needs one (X509-SVID 3.1)")]
    NoPath {
        /// What was asked for.
        identity: SpiffeId,
    },
    /// The key is one of the authority's own (C9).
    #[error("key {key} is an authority's own; make a key of your own")]
    AuthorityKey {
        /// The hash of the public key.
        key: KeyHash,
    },
    /// The key was certified for another identity before (C9).
    #[error("key {key} was certified for another identity already; make a fresh key")]
    KeyReused {
        /// The hash of the public key.
        key: KeyHash,
    },
    /// The issuing authority or the root does not hold now (C18).
    #[error("nothing can be signed now")]
    Outside(#[from] OutsideAuthority),
    /// The clock says something impossible.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// No serial number could be drawn.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The certificate could not be built or signed.
    #[error("the svid could not be signed")]
    Sign(#[source] rcgen::Error),
    /// What was signed is not an svid; it was thrown away.
    #[error("the signed certificate is not an svid")]
    Profile(#[source] Broken),
    /// What was signed says something else than was asked for; it was thrown away.
    #[error("the signed certificate has another {field} than it should")]
    Mismatch {
        /// What differs.
        field: &'static str,
    },
}
