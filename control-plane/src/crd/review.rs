//! What admission says of one of our objects: the reader's own word, before the object is stored. Owns which reader is asked.

use kith_identity::TrustDomain;
use kith_policy::document::{object, quarantine};
use serde_json::Value;

/// Whether an object may be stored in a mesh of this trust domain: every unknown field, and whatever else the reader refuses.
/// The error names the field, the value and what to write instead.
pub fn review(own: &TrustDomain, object: &Value) -> Result<(), String> {
    let read = match object["kind"].as_str() {
        Some("AuthorizationPolicy") => object::parse(object).map(drop),
        Some("Quarantine") => quarantine::parse(own, object).map(drop),
        Some(other) => {
            return Err(format!(
                "kind: {other:?} is no kind of ours; known: AuthorizationPolicy, Quarantine"
            ));
        }
        None => return Err("kind is missing".to_owned()),
    };
    read.map_err(|error| error.to_string())
}
