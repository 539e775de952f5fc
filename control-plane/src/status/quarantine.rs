//! The status of one quarantine. Owns what it says; whom the quarantine means is read where it is read.

use kith_identity::TrustDomain;
use kith_policy::document::quarantine;
use serde_json::Value;

use crate::index::cluster::ObjectFacts;

use super::document::{ACCEPTED, QuarantineStatus, Statement};

/// Whom a stored quarantine cuts off, for a column; `None` where nobody can tell.
pub(super) fn target(own: &TrustDomain, object: &Value) -> Option<String> {
    quarantine::target_of(own, object).map(|target| target.to_string())
}

/// What became of a stored quarantine with this target.
pub(super) fn status(stored: &ObjectFacts, target: Option<&str>, now: &str) -> QuarantineStatus {
    let statement = match (&stored.read, target) {
        (Ok(()), _) => {
            let message = "the quarantine is valid".to_owned();
            Statement { kind: ACCEPTED, holds: true, reason: ACCEPTED, message }
        }
        (Err(reason), target) => {
            let instead = match target {
                Some(target) => format!("{target} is cut off all the same"),
                None => "nobody is cut off by what is written now".to_owned(),
            };
            let message = format!("{reason}; {instead}");
            Statement { kind: ACCEPTED, holds: false, reason: "Invalid", message }
        }
    };
    QuarantineStatus {
        target: target.map(str::to_owned),
        conditions: vec![statement.at(stored.generation, now)],
    }
}

#[cfg(test)]
mod tests;
