//! Who asks for an svid? Evidence in, [`Attested`] out. Each kind of evidence has a file; none of them looks at
//! what the caller says about itself.

pub mod statement;
mod supervised;

pub use statement::{StatementClaims, StatementSigner};
pub use supervised::{StatementError, StatementVerifier};

use kith_identity::SpiffeId;
use kith_identity::svid::KeyHash;

/// What evidence proved: this identity may have an svid over this key, and over no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    /// Whose svid.
    pub identity: SpiffeId,
    /// Over which key.
    pub key_hash: KeyHash,
}
