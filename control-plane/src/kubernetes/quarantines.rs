//! Quarantines as a person writes them in a cluster: objects, with rights of their own. Owns the name of a new one, which
//! follows from whom it cuts off, and that an object which means somebody else is never taken for ours. Asks nobody but
//! the API server: a quarantine has to be possible while the control plane is away.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use kith_identity::{SpiffeId, TrustDomain};
use kith_policy::document::API_VERSION;
use kith_policy::document::quarantine::{self, QuarantineTarget};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams};
use serde_json::{Value, json};

use super::error::{Access, ClusterError, answer, unless_gone};
use super::installation::Installation;
use super::kinds::QUARANTINE;

const RESOURCE: &str = "quarantines.kith.dev";
/// Names of objects have at most 253 bytes; the rest is for a digest.
const MOST_CHARS: usize = 200;

/// A quarantine that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The object's name.
    pub name: String,
    /// It was there already.
    pub unchanged: bool,
}

/// One that is stored, as it is written: who is cut off by it is the control plane's to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredQuarantine {
    /// The object's name.
    pub name: String,
    /// `None` where that cannot be read.
    pub target: Option<QuarantineTarget>,
    /// When it was written.
    pub since: SystemTime,
    /// Why; may be empty.
    pub reason: String,
}

impl Installation {
    /// Every quarantine that is stored, in the order of their names.
    pub async fn stored_quarantines(&self) -> Result<Vec<StoredQuarantine>, ClusterError> {
        let access = Access::everywhere("list", RESOURCE);
        let (api, parameters) = (self.quarantines(), ListParams::default());
        let listed = answer(&access, api.list(&parameters)).await?;
        Ok(listed.items.into_iter().map(StoredQuarantine::of).collect())
    }

    /// Writes a quarantine down; the same again is none.
    pub async fn write_quarantine(
        &self,
        target: &QuarantineTarget,
        reason: &str,
    ) -> Result<Written, ClusterError> {
        let name = name_of(target);
        let object: DynamicObject = serde_json::from_value(object(&name, target, reason))
            .map_err(|error| ClusterError::Refused { reason: error.to_string() })?;
        let access = Access::everywhere("create", RESOURCE);
        let (api, parameters) = (self.quarantines(), PostParams::default());
        let created = api.create(&parameters, &object);
        match answer(&access, async { unless_there(created.await) }).await? {
            Some(_) => Ok(Written { name, unchanged: false }),
            None => self.is_the_same(target, name).await,
        }
    }

    /// Deletes quarantines; one that is gone already is no error.
    pub async fn delete_quarantines(&self, names: &[String]) -> Result<(), ClusterError> {
        let access = Access::everywhere("delete", RESOURCE);
        let (api, parameters) = (self.quarantines(), DeleteParams::default());
        for name in names {
            let deleted = api.delete(name, &parameters);
            answer(&access, async { unless_gone(deleted.await) }).await?;
        }
        Ok(())
    }

    async fn is_the_same(&self, target: &QuarantineTarget, name: String) -> Result<Written, ClusterError> {
        let access = Access::everywhere("get", RESOURCE);
        let stored = answer(&access, self.quarantines().get(&name)).await?;
        let mut wanted = spec(target);
        if let (Some(wanted), Some(reason)) = (wanted.as_object_mut(), stored.data["spec"].get("reason")) {
            wanted.insert("reason".to_owned(), reason.clone());
        }
        if stored.data["spec"] == wanted {
            return Ok(Written { name, unchanged: true });
        }
        let reason =
            format!("the Quarantine {name} is there and cuts off somebody else; look at it, and delete it");
        Err(ClusterError::Refused { reason })
    }

    fn quarantines(&self) -> Api<DynamicObject> {
        QUARANTINE.all(self.client.clone())
    }
}

impl StoredQuarantine {
    fn of(object: DynamicObject) -> Self {
        let created = object.metadata.creation_timestamp.as_ref().map(|time| SystemTime::from(time.0));
        let name = object.metadata.name.clone().unwrap_or_default();
        let reason = object.data["spec"]["reason"].as_str().unwrap_or_default().to_owned();
        let target = target_in(&QUARANTINE.whole(object));
        Self { name, target, since: created.unwrap_or(UNIX_EPOCH), reason }
    }
}

/// As it is written. Whether its trust domain is the mesh's own only the control plane knows.
fn target_in(object: &Value) -> Option<QuarantineTarget> {
    let own = match object["spec"]["identity"].as_str() {
        Some(identity) => SpiffeId::parse(identity).ok()?.trust_domain().clone(),
        None => TrustDomain::parse("any.invalid").ok()?,
    };
    quarantine::target_of(&own, object)
}

fn unless_there<T>(created: Result<T, kube::Error>) -> Result<Option<T>, kube::Error> {
    match created {
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Ok(None),
        other => other.map(Some),
    }
}

fn object(name: &str, target: &QuarantineTarget, reason: &str) -> Value {
    let mut spec = spec(target);
    if !reason.is_empty() {
        spec["reason"] = reason.into();
    }
    json!({
        "apiVersion": API_VERSION,
        "kind": QUARANTINE.kind,
        "metadata": { "name": name, "labels": { "app.kubernetes.io/managed-by": "kith" } },
        "spec": spec,
    })
}

fn spec(target: &QuarantineTarget) -> Value {
    match target {
        QuarantineTarget::Identity(identity) => json!({ "identity": identity.as_str() }),
        QuarantineTarget::ServiceAccount { namespace, name } => {
            json!({ "serviceAccount": { "namespace": namespace.as_str(), "name": name.as_str() } })
        }
        QuarantineTarget::Pod { namespace, name } => {
            json!({ "pod": { "namespace": namespace.as_str(), "name": name.as_str() } })
        }
        QuarantineTarget::Node(name) => json!({ "node": name.as_str() }),
    }
}

/// `sa-shop-web`, `pod-shop-web-0`, `node-worker-1`. Where two targets could have the same one it ends in a digest.
fn name_of(target: &QuarantineTarget) -> String {
    match target {
        QuarantineTarget::Identity(identity) => digested("identity", identity),
        QuarantineTarget::ServiceAccount { namespace, name: account } => name("sa", [namespace, account]),
        QuarantineTarget::Pod { namespace, name: pod } => name("pod", [namespace, pod]),
        QuarantineTarget::Node(node) => name("node", [node]),
    }
}

fn name<const N: usize>(kind: &str, parts: [&str; N]) -> String {
    let plain = format!("{kind}-{}", parts.join("-"));
    // Only the last part may have a dash for the parts to be told apart again.
    let is_clear = parts.split_last().is_none_or(|(_, first)| first.iter().all(|part| !part.contains('-')));
    if is_clear && plain.len() <= MOST_CHARS {
        return plain;
    }
    let start: String = plain.chars().take(MOST_CHARS).collect();
    format!("{}-{}", start.trim_end_matches(['-', '.']), short_digest(&parts.join("/")))
}

fn digested(kind: &str, identity: &SpiffeId) -> String {
    format!("{kind}-{}", short_digest(identity.as_str()))
}

fn short_digest(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref().iter().take(5).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kith_policy::document::Name;

    use super::*;

    fn ours() -> TrustDomain {
        TrustDomain::parse("mesh.example").unwrap()
    }

    fn named(namespace: &str, name: &str) -> (Name, Name) {
        (Name::parse(namespace).unwrap(), Name::parse(name).unwrap())
    }

    fn account(namespace: &str, name: &str) -> QuarantineTarget {
        let (namespace, name) = named(namespace, name);
        QuarantineTarget::ServiceAccount { namespace, name }
    }

    fn pod(namespace: &str, name: &str) -> QuarantineTarget {
        let (namespace, name) = named(namespace, name);
        QuarantineTarget::Pod { namespace, name }
    }

    fn node(name: &str) -> QuarantineTarget {
        QuarantineTarget::Node(Name::parse(name).unwrap())
    }

    #[test]
    fn the_name_follows_from_whom_it_cuts_off_and_is_nobody_elses() {
        assert_eq!(name_of(&account("shop", "web")), "sa-shop-web");
        assert_eq!(name_of(&pod("shop", "web-0")), "pod-shop-web-0");
        assert_eq!(name_of(&node("worker-1.example")), "node-worker-1.example");
        let identity = SpiffeId::parse("spiffe://mesh.example/vm/7").unwrap();
        assert!(name_of(&QuarantineTarget::Identity(identity)).starts_with("identity-"));
        let alike = [account("a", "b-c"), account("a-b", "c"), pod("a", "b-c"), pod("a-b", "c")];
        let names: BTreeSet<_> = alike.iter().map(name_of).collect();
        assert_eq!(names.len(), alike.len(), "{names:?}");
        let long = |count| "a.".repeat(count) + "a";
        assert!(name_of(&node(&long(126))).len() <= 253);
        assert_ne!(name_of(&node(&long(126))), name_of(&node(&long(125))));
    }

    #[test]
    fn what_is_written_is_what_the_control_plane_reads() {
        let identity = SpiffeId::parse("spiffe://mesh.example/vm/7").unwrap();
        let targets = [account("shop", "web"), pod("shop", "web-0"), node("n1")];
        for target in targets.into_iter().chain([QuarantineTarget::Identity(identity)]) {
            let written = object(&name_of(&target), &target, "a leaked key");
            let read = quarantine::parse(&ours(), &written).unwrap();
            assert_eq!((&*read.name, &*read.reason), (name_of(&target).as_str(), "a leaked key"));
            assert_eq!((read.target, target_in(&written)), (target.clone(), Some(target.clone())));
            let without = object("x", &target, "");
            assert!(without["spec"].get("reason").is_none());
        }
    }
}
