//! The anchor of the trust domain: signs itself and issuing authorities, nothing else.

use std::time::{Duration, SystemTime};

use kith_identity::TrustDomain;
use rcgen::BasicConstraints;

use crate::authority::{self, Authority, AuthorityError};
use crate::key_store::SigningKey;
use crate::validity::Validity;

/// A new root with a new key.
pub(crate) fn create(
    trust_domain: &TrustDomain,
    lifetime: Duration,
    now: SystemTime,
) -> Result<Authority, AuthorityError> {
    let key = SigningKey::generate()?;
    let validity = Validity::starting(now, lifetime)?;
    let params = authority::certificate(trust_domain, "root", BasicConstraints::Unconstrained, validity)?;
    let certificate = params.self_signed(&key).map_err(AuthorityError::Sign)?;
    Authority::new(certificate.der().to_vec(), key, trust_domain)
}
