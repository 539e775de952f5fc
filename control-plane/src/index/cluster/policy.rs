//! Policies: the version in force of each, and why a newer one is not. An object that does not decode, or that makes no
//! policy set, keeps its last good version; without one, its namespace is closed (K26). Its deletion ends that.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kith_identity::TrustDomain;
use kith_policy::document::{AuthorizationPolicy, object};
use kith_policy::{PolicySet, Revision};
use serde_json::Value;

use super::facts::ObjectFacts;
use super::key::{Key, Unreadable, uid};
use super::table::Row;

/// A reason travels to every sidecar of the namespace; more than this is not one.
const MOST_CHARS: usize = 1_000;

/// What a policy says, as JSON: more of it is not a policy that somebody reads. Every version in force is held here, and
/// by every sidecar that it selects.
pub(crate) const MOST_BYTES: usize = 256 * 1024;

/// One stored policy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PolicyObject {
    pub(super) facts: ObjectFacts,
    /// The newest version that is readable.
    good: Option<AuthorizationPolicy>,
}

impl PolicyObject {
    /// `object` is the whole of it, as it is stored.
    pub(crate) fn read(
        trust_domain: &TrustDomain,
        metadata: &ObjectMeta,
        object: &Value,
    ) -> Result<(Key, Self), Unreadable> {
        let key = Key::of(metadata)?;
        let read = parse(trust_domain, object).map_err(|reason| shortened(&reason));
        let facts =
            ObjectFacts::of(metadata, uid(metadata, &key)?, read.as_ref().map(drop).map_err(Clone::clone));
        Ok((key, Self { facts, good: read.ok() }))
    }

    /// What holds now.
    pub(super) fn in_force(&self) -> Option<&AuthorizationPolicy> {
        self.good.as_ref()
    }

    /// Why nothing may be decided in its namespace; `None` while there is a version that holds.
    pub(super) fn closes(&self, key: &Key) -> Option<String> {
        match (&self.good, &self.facts.read) {
            (None, Err(reason)) => {
                Some(shortened(&format!("the policy {key} cannot be read: {reason}")).to_string())
            }
            _ => None,
        }
    }
}

impl Row for PolicyObject {
    /// Another object of the same name is no later version of this one.
    fn after(mut self, before: &Self) -> Self {
        if self.good.is_none() && before.facts.uid == self.facts.uid {
            self.good = before.good.clone();
        }
        self
    }
}

fn parse(trust_domain: &TrustDomain, object: &Value) -> Result<AuthorizationPolicy, String> {
    if let Some(reason) = policy_too_large(object) {
        return Err(reason);
    }
    let policy = object::parse(object).map_err(|error| error.to_string())?;
    // Which revision it will get is decided later; whether it compiles depends neither on that nor on its neighbours,
    // whose names differ.
    PolicySet::compile(trust_domain, std::slice::from_ref(&policy), Revision { epoch: 0, counter: 0 })
        .map_err(|error| error.to_string())?;
    Ok(policy)
}

/// Why a policy is more than is kept of one; `None` when it is not. Admission refuses such a policy.
pub(crate) fn policy_too_large(object: &Value) -> Option<String> {
    let bytes = object["spec"].to_string().len();
    (bytes > MOST_BYTES)
        .then(|| format!("spec has {bytes} bytes, more than {MOST_BYTES}; make it several policies"))
}

pub(super) fn shortened(text: &str) -> Arc<str> {
    match text.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
}
