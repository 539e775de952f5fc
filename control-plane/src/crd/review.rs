//! What admission says of one of our objects: the reader's own word, before the object is stored. Owns which reader is asked.

use kith_identity::TrustDomain;
use kith_policy::document::quarantine::QuarantineTarget;
use kith_policy::document::{AuthorizationPolicy, POLICY_KIND, object, quarantine};
use serde_json::Value;

use crate::index::cluster::policy_too_large;

/// An object as its reader takes it: what it is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Reviewed {
    /// A policy, whole.
    Policy(AuthorizationPolicy),
    /// Whom a quarantine means.
    Quarantine(QuarantineTarget),
}

/// Whether an object may be stored in a mesh of this trust domain: every unknown field, and whatever else the reader refuses.
/// The error names the field, the value and what to write instead.
pub fn review(own: &TrustDomain, object: &Value) -> Result<Reviewed, String> {
    if let Some(reason) = policy_too_large(object) {
        return Err(reason);
    }
    let read = match object["kind"].as_str() {
        Some(POLICY_KIND) => object::parse(object).map(Reviewed::Policy),
        Some(quarantine::KIND) => quarantine::parse(own, object).map(|it| Reviewed::Quarantine(it.target)),
        Some(other) => {
            return Err(format!(
                "kind: {other:?} is no kind of ours; known: {POLICY_KIND}, {}",
                quarantine::KIND
            ));
        }
        None => return Err("kind is missing".to_owned()),
    };
    read.map_err(|error| error.to_string())
}
