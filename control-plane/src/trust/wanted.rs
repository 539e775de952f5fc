//! What the ConfigMap says, and where one is missing or wrong. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kith_proto::pod::{ROOTS_FILE, TRUST_CONFIG_MAP};

use crate::index::cluster::Facts;
use crate::inject::{Membership, NamespaceFacts};
use crate::webhook::Owner;

const OWNER_API_VERSION: &str = "admissionregistration.k8s.io/v1";
const OWNER_KIND: &str = "MutatingWebhookConfiguration";

/// What every one of them says.
pub(super) struct Wanted<'a> {
    pub(super) pem: &'a str,
    pub(super) owner: &'a Owner,
}

/// What one of them says: as much of it as is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pem: Option<String>,
    owners: Vec<String>,
}

impl Found {
    pub(super) fn read(map: &ConfigMap) -> Self {
        let owners = map.metadata.owner_references.iter().flatten().map(|owner| owner.uid.clone());
        Self {
            pem: map.data.as_ref().and_then(|data| data.get(ROOTS_FILE)).cloned(),
            owners: owners.collect(),
        }
    }
}

/// The namespaces whose pods become members. One that cannot be read takes no new pods, and keeps what it has.
pub(super) fn labelled(facts: &Facts) -> impl Iterator<Item = &str> {
    facts.namespaces().filter_map(|(name, namespace)| {
        let read = NamespaceFacts::read(name, &namespace.labels, &namespace.annotations).ok()?;
        match read.injection {
            Membership::Enabled | Membership::Required => Some(name),
            Membership::Off => None,
        }
    })
}

impl Wanted<'_> {
    /// Where it has to be written.
    pub(super) fn due<'a>(
        &self,
        namespaces: impl Iterator<Item = &'a str>,
        found: &BTreeMap<String, Found>,
    ) -> Vec<String> {
        let wrong = |namespace: &&str| !found.get(*namespace).is_some_and(|found| self.fits(found));
        namespaces.filter(wrong).map(str::to_owned).collect()
    }

    fn fits(&self, found: &Found) -> bool {
        found.pem.as_deref() == Some(self.pem) && found.owners.contains(&self.owner.uid)
    }

    /// All that we say of it.
    pub(super) fn map(&self) -> ConfigMap {
        let owner = OwnerReference {
            api_version: OWNER_API_VERSION.to_owned(),
            kind: OWNER_KIND.to_owned(),
            name: self.owner.name.to_owned(),
            uid: self.owner.uid.clone(),
            ..OwnerReference::default()
        };
        let metadata = ObjectMeta {
            name: Some(TRUST_CONFIG_MAP.to_owned()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        };
        let data = BTreeMap::from([(ROOTS_FILE.to_owned(), self.pem.to_owned())]);
        ConfigMap { metadata, data: Some(data), ..ConfigMap::default() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::index::cluster::{Change, Cluster, Event, Kind, NamespaceObject};
    use crate::testing::trust_domain;

    fn owner(uid: &str) -> Owner {
        Owner { name: "kith-injector", uid: uid.into() }
    }

    fn due(owner: &Owner, found: Option<Found>) -> bool {
        let found = found.map(|found| ("shop".to_owned(), found)).into_iter().collect();
        !Wanted { pem: "PEM", owner }.due(["shop"].into_iter(), &found).is_empty()
    }

    #[test]
    fn what_we_write_is_what_we_want_to_find() {
        let owner = owner("u");
        let written = Found::read(&Wanted { pem: "PEM", owner: &owner }.map());
        assert!(!due(&owner, Some(written)) && due(&owner, None));
    }

    #[test]
    fn drift_of_our_fields_is_overwritten_and_nothing_else_is_looked_at() {
        let owner = owner("u");
        let changed = |change: fn(&mut serde_json::Value)| {
            let mut map = serde_json::to_value(Wanted { pem: "PEM", owner: &owner }.map()).unwrap();
            change(&mut map);
            due(&owner, Some(Found::read(&serde_json::from_value(map).unwrap())))
        };
        assert!(changed(|map| map["data"]["roots.pem"] = json!("another")));
        assert!(changed(|map| map["data"] = json!({})));
        assert!(changed(|map| map["data"] = json!(null)));
        assert!(changed(|map| map["metadata"]["ownerReferences"][0]["uid"] = json!("another")));
        assert!(changed(|map| map["metadata"]["ownerReferences"] = json!(null)));
        assert!(!changed(|map| map["metadata"]["labels"] = json!({ "theirs": "1" })));
        assert!(!changed(|map| map["data"]["theirs"] = json!("1")));
    }

    #[test]
    fn labelled_namespaces_have_one_and_others_do_not() {
        let (mut cluster, mut facts) = (Cluster::new(trust_domain()), Facts::default());
        for (name, labels) in [
            ("a", json!({ "kith.dev/inject": "enabled" })),
            ("b", json!({ "kith.dev/inject": "required" })),
            ("c", json!({})),
            ("d", json!({ "kith.dev/inject": "yes" })),
        ] {
            let metadata = json!({ "name": name, "uid": name, "labels": labels });
            let (key, object) = NamespaceObject::read(serde_json::from_value(metadata).unwrap()).unwrap();
            cluster.take(Change::Namespaces(Event::Apply(key, object)));
        }
        facts.refresh(&cluster, Kind::Namespaces);
        assert_eq!(labelled(&facts).collect::<Vec<_>>(), ["a", "b"]);
    }
}
