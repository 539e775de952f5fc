//! Quarantines: whom each of them means, and has meant. One that does not decode keeps its last good version; without
//! one it still cuts off its target, when that can be read: a typo must not set free who was to be cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kith_identity::{SpiffeId, TrustDomain};
use kith_policy::document::quarantine::{self as document, QuarantineTarget};
use serde_json::Value;

use super::facts::ObjectFacts;
use super::key::{Key, Unreadable, uid};
use super::pod::Pod;
use super::policy::shortened;
use super::table::Row;
use crate::index::WorkloadId;
use crate::quarantine::{CutOff, Target};

/// Workloads that one quarantine remembers. Those that are gone are forgotten above it, the oldest first: so many came
/// after them that their svids have ended.
const MOST_SEEN: usize = 8_192;

/// One stored quarantine.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QuarantineObject {
    pub(super) facts: ObjectFacts,
    pub(super) since: SystemTime,
    /// Whether what is written is right in everything.
    good: bool,
    in_force: Option<InForce>,
    /// Workloads of a pod or a node, by the order in which they were seen.
    seen: BTreeMap<WorkloadId, u64>,
    /// The next place in that order.
    next: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct InForce {
    target: Target,
    reason: Arc<str>,
}

impl QuarantineObject {
    /// `object` is the whole of it, as it is stored.
    pub(crate) fn read(
        trust_domain: &TrustDomain,
        metadata: &ObjectMeta,
        object: &Value,
    ) -> Result<(Key, Self), Unreadable> {
        let key = Key::of(metadata)?;
        let (read, in_force) = match parse(trust_domain, object) {
            Ok(in_force) => (Ok(()), Some(in_force)),
            Err(reason) => (Err(shortened(&reason)), in_spite(trust_domain, object)),
        };
        let created = metadata.creation_timestamp.as_ref().map(|time| SystemTime::from(time.0));
        let good = read.is_ok();
        let facts = ObjectFacts::of(metadata, uid(metadata, &key)?, read);
        let (seen, since) = (BTreeMap::new(), created.unwrap_or(UNIX_EPOCH));
        Ok((key, Self { facts, since, good, in_force, seen, next: 0 }))
    }

    /// The identity that is cut off, and why.
    pub(super) fn identity(&self) -> Option<(&SpiffeId, &Arc<str>)> {
        let InForce { target, reason } = self.in_force.as_ref()?;
        target.identity().map(|identity| (identity, reason))
    }

    /// Whom it cuts off, for people; `None` while nobody can be made out.
    pub(super) fn cut_off(&self) -> Option<CutOff> {
        let InForce { target, reason } = self.in_force.as_ref()?;
        Some(CutOff { target: target.clone(), since: self.since, reason: reason.clone() })
    }

    /// The single workloads that are cut off, and have been since they were first seen.
    pub(super) fn workloads(&self) -> impl Iterator<Item = &WorkloadId> {
        self.seen.keys()
    }

    /// Whether it is about workloads rather than an identity.
    pub(super) fn means_pods(&self) -> bool {
        self.in_force.as_ref().is_some_and(|in_force| in_force.target.identity().is_none())
    }

    /// Remembers a pod that it means.
    pub(super) fn see(&mut self, key: &Key, pod: &Pod) {
        let meant = match self.in_force.as_ref().map(|in_force| &in_force.target) {
            Some(Target::Pod { namespace, name }) => (namespace, name) == (&key.namespace, &key.name),
            Some(Target::Node(node)) => pod.node.as_ref() == Some(node),
            Some(Target::Identity(_)) | None => false,
        };
        if meant && pod.is_in_mesh() && !self.seen.contains_key(pod.id()) {
            self.seen.insert(pod.id().clone(), self.next);
            self.next += 1;
        }
    }

    /// Keeps what it remembers bounded, and never forgets one that is still there.
    pub(super) fn forget_the_oldest(&mut self, live: impl FnOnce() -> BTreeSet<WorkloadId>) {
        if self.seen.len() <= MOST_SEEN {
            return;
        }
        let live = live();
        // Half of them at once: it is not to happen at every change.
        let oldest = self.next.saturating_sub(MOST_SEEN as u64 / 2);
        self.seen.retain(|id, place| *place >= oldest || live.contains(id));
    }
}

impl Row for QuarantineObject {
    /// Another object of the same name is no later version of this one.
    fn after(mut self, before: &Self) -> Self {
        if before.facts.uid != self.facts.uid {
            return self;
        }
        if !self.good && before.good {
            (self.in_force, self.good) = (before.in_force.clone(), true);
        }
        let target = |object: &Self| object.in_force.as_ref().map(|in_force| in_force.target.clone());
        if target(&self) == target(before) {
            (self.seen, self.next) = (before.seen.clone(), before.next);
        }
        self
    }
}

fn parse(trust_domain: &TrustDomain, object: &Value) -> Result<InForce, String> {
    let read = document::parse(trust_domain, object).map_err(|error| error.to_string())?;
    Ok(InForce { target: target(trust_domain, read.target)?, reason: read.reason })
}

/// Of an object with a mistake beside its target.
fn in_spite(trust_domain: &TrustDomain, object: &Value) -> Option<InForce> {
    let target = target(trust_domain, document::target_of(trust_domain, object)?).ok()?;
    Some(InForce { target, reason: "the rest of the quarantine cannot be read".into() })
}

fn target(trust_domain: &TrustDomain, target: QuarantineTarget) -> Result<Target, String> {
    match target {
        QuarantineTarget::Identity(identity) => Ok(Target::Identity(identity)),
        QuarantineTarget::ServiceAccount { namespace, name } => {
            let identity = SpiffeId::for_service_account(trust_domain, &namespace, &name);
            identity
                .map(Target::Identity)
                .map_err(|error| format!("spec.serviceAccount has no identity: {error}"))
        }
        QuarantineTarget::Pod { namespace, name } => {
            Ok(Target::Pod { namespace: namespace.to_string(), name: name.to_string() })
        }
        QuarantineTarget::Node(name) => Ok(Target::Node(name.to_string())),
    }
}
