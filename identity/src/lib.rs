//! Who? The names of the mesh and the certificates that carry them.
//!
//! Owns the parsers of trust domains, SPIFFE IDs, bundles and certificate profiles: once a value of one of
//! these types exists, it is valid, and nothing downstream checks it again. It does not verify signatures or
//! decide whether a certificate is trusted now: that needs a clock and a handshake, and lives in `kith-mtls`.
//! Pure: no I/O, no async, no clock.
//!
//! ```text
//! text ──► TrustDomain, SpiffeId          DER ──► svid::Leaf (an end certificate and its one identity)
//!                                         DER ──► svid::Authority ──► Bundle ──► BundleSet
//! ```

mod bundle;
mod bundle_set;
mod der;
mod spiffe_id;
pub mod svid;
#[cfg(test)]
mod testing;
mod trust_domain;

pub use bundle::{Bundle, BundleError};
pub use bundle_set::BundleSet;
pub use spiffe_id::{ServiceAccount, SpiffeId, SpiffeIdError, is_name};
pub use trust_domain::{TrustDomain, TrustDomainError};
