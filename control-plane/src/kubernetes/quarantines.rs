//! Quarantines as a person writes them in a cluster: objects, with rights of their own. Owns the name of a new one, which
//! follows from whom it cuts off, and that an object which means somebody else is never taken for ours.

use aws_lc_rs::digest::{SHA256, digest};
use kith_identity::SpiffeId;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, PostParams};
use serde_json::{Value, json};

use super::error::{Access, ClusterError, answer};
use super::installation::Installation;
use crate::quarantine::Target;

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

impl Installation {
    /// Writes a quarantine down; the same again is none.
    pub async fn write_quarantine(&self, target: &Target, reason: &str) -> Result<Written, ClusterError> {
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

    async fn is_the_same(&self, target: &Target, name: String) -> Result<Written, ClusterError> {
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
        let gvk = GroupVersionKind::gvk("kith.dev", "v1alpha1", "Quarantine");
        Api::all_with(self.client.clone(), &ApiResource::from_gvk_with_plural(&gvk, "quarantines"))
    }
}

fn unless_there<T>(created: Result<T, kube::Error>) -> Result<Option<T>, kube::Error> {
    match created {
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Ok(None),
        other => other.map(Some),
    }
}

fn unless_gone<T>(deleted: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match deleted {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop),
    }
}

fn object(name: &str, target: &Target, reason: &str) -> Value {
    let mut spec = spec(target);
    if !reason.is_empty() {
        spec["reason"] = reason.into();
    }
    json!({
        "apiVersion": "kith.dev/v1alpha1",
        "kind": "Quarantine",
        "metadata": { "name": name, "labels": { "app.kubernetes.io/managed-by": "kith" } },
        "spec": spec,
    })
}

/// A service account by its name: it is what people look for.
fn spec(target: &Target) -> Value {
    match target {
        Target::Identity(identity) => match identity.service_account() {
            Some(account) => {
                json!({ "serviceAccount": { "namespace": account.namespace, "name": account.name } })
            }
            None => json!({ "identity": identity.as_str() }),
        },
        Target::Pod { namespace, name } => json!({ "pod": { "namespace": namespace, "name": name } }),
        Target::Node(name) => json!({ "node": name }),
    }
}

/// `sa-shop-web`, `pod-shop-web-0`, `node-worker-1`. Where two targets could have the same one it ends in a digest.
fn name_of(target: &Target) -> String {
    match target {
        Target::Identity(identity) => match identity.service_account() {
            Some(account) => name("sa", &[account.namespace, account.name], identity.as_str()),
            None => digested("identity", identity),
        },
        Target::Pod { namespace, name: pod } => name("pod", &[namespace, pod], &format!("{namespace}/{pod}")),
        Target::Node(node) => name("node", &[node], node),
    }
}

fn name(kind: &str, parts: &[&str], whole: &str) -> String {
    let plain = format!("{kind}-{}", parts.join("-"));
    // Only the last part may have a dash for the parts to be told apart again.
    let is_clear = parts.split_last().is_none_or(|(_, first)| first.iter().all(|part| !part.contains('-')));
    if is_clear && plain.len() <= MOST_CHARS {
        return plain;
    }
    let start: String = plain.chars().take(MOST_CHARS).collect();
    format!("{}-{}", start.trim_end_matches(['-', '.']), short_digest(whole))
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

    use kith_identity::TrustDomain;
    use kith_policy::document::quarantine;

    use super::*;

    fn ours() -> TrustDomain {
        TrustDomain::parse("mesh.example").unwrap()
    }

    fn account(namespace: &str, name: &str) -> Target {
        Target::Identity(SpiffeId::for_service_account(&ours(), namespace, name).unwrap())
    }

    fn pod(namespace: &str, name: &str) -> Target {
        Target::Pod { namespace: namespace.into(), name: name.into() }
    }

    #[test]
    fn the_name_follows_from_whom_it_cuts_off_and_is_nobody_elses() {
        assert_eq!(name_of(&account("shop", "web")), "sa-shop-web");
        assert_eq!(name_of(&pod("shop", "web-0")), "pod-shop-web-0");
        assert_eq!(name_of(&Target::Node("worker-1.example".into())), "node-worker-1.example");
        let identity = SpiffeId::parse("spiffe://mesh.example/vm/7").unwrap();
        assert!(name_of(&Target::Identity(identity)).starts_with("identity-"));
        let alike = [account("a", "b-c"), account("a-b", "c"), pod("a", "b-c"), pod("a-b", "c")];
        let names: BTreeSet<_> = alike.iter().map(name_of).collect();
        assert_eq!(names.len(), alike.len(), "{names:?}");
        let long = "a".repeat(253);
        assert!(name_of(&Target::Node(long.clone())).len() <= 253);
        assert_ne!(name_of(&Target::Node(long)), name_of(&Target::Node("a".repeat(252))));
    }

    #[test]
    fn what_is_written_is_what_the_control_plane_reads() {
        let identity = SpiffeId::parse("spiffe://mesh.example/vm/7").unwrap();
        let targets = [account("shop", "web"), pod("shop", "web-0"), Target::Node("n1".into())];
        for target in targets.into_iter().chain([Target::Identity(identity)]) {
            let written = object(&name_of(&target), &target, "a leaked key");
            let read = quarantine::parse(&ours(), &written).unwrap();
            assert_eq!((&*read.name, &*read.reason), (name_of(&target).as_str(), "a leaked key"));
            let without = object("x", &target, "");
            assert!(without["spec"].get("reason").is_none());
        }
    }
}
