//! Who mints? The root and issuing authorities of one trust domain, and the svids they sign.
//!
//! Owns the keys that sign, the sealed file that keeps them, and what an svid looks like. It does not decide
//! *who* gets which identity: attestation does, in the control plane, and hands an already proven identity over.
//! Beside the trust domain's authorities, `web` makes certificates for one HTTPS server, by name.
//! It knows no transport, starts no task and reads no clock: everything that depends on time takes `now`.
//!
//! ```text
//! path, seal key ──► key_store::SealedFile ──► state ──► authority::{root, issuing} ──► Ca
//!
//! DER of a CSR ──► issue::csr (the key out, nothing else) ──► SubjectKey ─┐
//! identity, from attestation ────────────────────────────────────────────┴─► Ca::issue
//!     key_memory (whose key is it?) ──► profile (what it looks like) ──► sign ──► window (when to renew) ──► Issued
//! ```

mod authority;
mod ca;
mod extension;
mod issue;
mod key_store;
mod lifetimes;
mod pem;
pub mod private_file;
mod random;
mod state;
#[cfg(test)]
mod testing;
mod validity;
mod web;

pub use authority::AuthorityError;
pub use ca::{Ca, OpenError, OpenOptions, RenewError};
pub use issue::{CsrError, DerError, IssueError, Issued, SubjectKey};
pub use key_store::{KeyError, SealKey, SealedFileError};
pub use lifetimes::{Lifetimes, LifetimesError};
pub use random::NoRandomness;
pub use state::StateError;
pub use validity::{ClockError, OutsideAuthority};
pub use web::{WebAuthority, WebCertificate, WebError};
