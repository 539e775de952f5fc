//! Identities, bundles, revisions and times.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kith_identity::{Bundle, SpiffeId, TrustDomain};
use kith_policy::Revision;

use super::WireError;
use crate::v1;

/// Milliseconds since 1970; a time before that becomes 0.
pub fn to_millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The time at a number of milliseconds since 1970.
pub fn from_millis(field: &str, millis: i64) -> Result<SystemTime, WireError> {
    let millis = u64::try_from(millis).map_err(|_| WireError::new(field, "lies before 1970"))?;
    UNIX_EPOCH
        .checked_add(Duration::from_millis(millis))
        .ok_or_else(|| WireError::new(field, "lies too far in the future"))
}

/// Parses an identity.
pub fn identity_from_wire(field: &str, text: &str) -> Result<SpiffeId, WireError> {
    SpiffeId::parse(text).map_err(|error| WireError::new(field, format!("{error} (in {text:?})")))
}

/// Parses a bundle with all its anchors.
pub fn bundle_from_wire(field: &str, bundle: Option<&v1::Bundle>) -> Result<Bundle, WireError> {
    let bundle = bundle.ok_or_else(|| WireError::new(field, "is missing"))?;
    let trust_domain = TrustDomain::parse(&bundle.trust_domain)
        .map_err(|error| WireError::new(format!("{field}.trust_domain"), error.to_string()))?;
    Bundle::parse(trust_domain, &bundle.authorities)
        .map_err(|error| WireError::new(format!("{field}.authorities"), error.to_string()))
}

/// A bundle for the wire.
pub fn bundle_to_wire(bundle: &Bundle) -> v1::Bundle {
    v1::Bundle {
        trust_domain: bundle.trust_domain().to_string(),
        authorities: bundle.authorities().iter().map(|authority| authority.der().to_vec()).collect(),
    }
}

impl From<Revision> for v1::Revision {
    fn from(revision: Revision) -> Self {
        Self { epoch: revision.epoch, counter: revision.counter }
    }
}

impl From<v1::Revision> for Revision {
    fn from(revision: v1::Revision) -> Self {
        Self { epoch: revision.epoch, counter: revision.counter }
    }
}
