//! Who? The names of the mesh, and the certificates and tokens that carry them.
//!
//! Owns the parsers of trust domains, SPIFFE IDs, bundles and of the profiles: once a value of one of these types
//! exists, it is valid, and nothing downstream checks it again. Whether a certificate is trusted now is not decided
//! here: that needs a handshake, and lives in `kith-mtls`. A token proves itself, so `svid::JwtSvid` is verified here.
//! Pure: no I/O, no async, no clock; time is an argument.
//!
//! ```text
//! text ──► TrustDomain, SpiffeId          DER ──► svid::Leaf (an end certificate and its one identity)
//!                                         DER ──► svid::Authority ──► Bundle ──► BundleSet
//!                                         DER ──► svid::inspect (for people: all it shows, every rule it breaks)
//! JWK set ──► Bundle    map of them ──► BundleMap ──► BundleSet
//! token, BundleSet, audience, now ──► svid::JwtSvid
//! ```

mod bundle;
mod bundle_map;
mod bundle_set;
mod certificate;
mod der;
mod json;
mod jwk;
mod spiffe_id;
pub mod svid;
#[cfg(test)]
mod testing;
mod trust_domain;

pub use bundle::{Bundle, BundleError, Ignored, IgnoredBecause, SequenceError};
pub use bundle_map::{BundleMap, BundleMapError};
pub use bundle_set::BundleSet;
pub use json::JsonError;
pub use jwk::JwkError;
pub use spiffe_id::{ServiceAccount, SpiffeId, SpiffeIdError, is_name};
pub use trust_domain::{TrustDomain, TrustDomainError};
