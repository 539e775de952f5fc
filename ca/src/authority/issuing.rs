//! The authority that signs svids: short-lived, under the root, replaced (with a new key) at half its life.

use std::time::{Duration, SystemTime};

use kith_identity::TrustDomain;
use rcgen::BasicConstraints;

use crate::authority::{self, Authority, AuthorityError};
use crate::key_store::SigningKey;
use crate::validity::Validity;

/// A new issuing authority with a new key, which never outlives the root and may sign no further authority.
pub(crate) fn create(
    root: &Authority,
    trust_domain: &TrustDomain,
    lifetime: Duration,
    now: SystemTime,
) -> Result<Authority, AuthorityError> {
    let key = SigningKey::generate()?;
    let validity =
        Validity::starting(now, lifetime)?.within(root.validity(), now).map_err(AuthorityError::Root)?;
    let mut params = authority::certificate(
        trust_domain,
        "issuing authority",
        BasicConstraints::Constrained(0),
        validity,
    )?;
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, root.issuer()).map_err(AuthorityError::Sign)?;
    Authority::new(certificate.der().to_vec(), key, trust_domain)
}

/// Whether `current` should be replaced now.
pub(crate) fn is_due(current: Validity, root: Validity, lifetime: Duration, now: SystemTime) -> bool {
    // A clock that ran ahead and came back leaves an authority that begins in the future and signs nothing (T2).
    if now < current.not_before() {
        return true;
    }
    let life = current.not_after().duration_since(current.not_before()).unwrap_or(Duration::ZERO);
    let past_half = now >= current.not_before() + life / 2;
    // Towards the root's end every replacement would end with the root too: it would bring nothing.
    past_half && current.not_after() < root.not_after().min(now + lifetime)
}
