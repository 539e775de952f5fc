//! What others ask of the cluster beside the world: admission, attestation, and the status of policies. Owns the tables
//! that they share, as immutable values; one that did not change stays the same value.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Cluster, Key, Kind, NamespaceObject};

/// All tables.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// By name.
    namespaces: Arc<BTreeMap<String, NamespaceObject>>,
    /// Their uids.
    service_accounts: Arc<BTreeMap<Key, String>>,
    /// Every stored policy, readable or not.
    pub(crate) policies: Arc<BTreeMap<Key, ObjectFacts>>,
    /// Every stored quarantine, by name.
    pub(crate) quarantines: Arc<BTreeMap<String, ObjectFacts>>,
}

/// One of our own objects, and whether it is in force as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectFacts {
    pub(crate) uid: String,
    /// Which version of its spec.
    pub(crate) generation: i64,
    pub(crate) resource_version: String,
    /// Otherwise, what is wrong, for its author.
    pub(crate) read: Result<(), Arc<str>>,
}

impl ObjectFacts {
    pub(super) fn of(metadata: &ObjectMeta, uid: String, read: Result<(), Arc<str>>) -> Self {
        Self {
            uid,
            generation: metadata.generation.unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            read,
        }
    }
}

impl Facts {
    /// What the platform wrote on a namespace; `None` when there is no such namespace.
    pub(crate) fn namespace(&self, name: &str) -> Option<&NamespaceObject> {
        self.namespaces.get(name)
    }

    /// All namespaces, in the order of their names.
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = (&str, &NamespaceObject)> {
        self.namespaces.iter().map(|(name, namespace)| (name.as_str(), namespace))
    }

    /// The uid of a service account; `None` when there is no such account.
    pub(crate) fn service_account_uid(&self, namespace: &str, name: &str) -> Option<&str> {
        self.service_accounts.get(&Key::new(namespace, name)).map(String::as_str)
    }

    /// The service accounts of a namespace, in the order of their names.
    pub(crate) fn service_accounts_of<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a str> {
        let from = self.service_accounts.range(Key::new(namespace, "")..);
        from.map(|(key, _)| key)
            .take_while(move |key| key.namespace == namespace)
            .map(|key| key.name.as_str())
    }

    /// These, but for what a kind has become in the cluster; whether they tell anything of that kind.
    pub(crate) fn refresh(&mut self, cluster: &Cluster, kind: Kind) -> bool {
        match kind {
            Kind::Namespaces => {
                let namespaces = cluster.namespaces.iter();
                let named = namespaces.map(|(key, namespace)| (key.name.clone(), namespace.clone()));
                self.namespaces = Arc::new(named.collect());
            }
            Kind::ServiceAccounts => {
                let accounts = cluster.service_accounts.iter();
                let uids = accounts.map(|(key, account)| (key.clone(), account.uid.clone()));
                self.service_accounts = Arc::new(uids.collect());
            }
            Kind::AuthorizationPolicies => {
                let policies = cluster.policies.iter();
                self.policies = Arc::new(policies.map(|(key, it)| (key.clone(), it.facts.clone())).collect());
            }
            Kind::Quarantines => {
                let quarantines = cluster.quarantines.iter();
                let named = quarantines.map(|(key, it)| (key.name.clone(), it.facts.clone()));
                self.quarantines = Arc::new(named.collect());
            }
            Kind::Pods | Kind::Services | Kind::EndpointSlices => return false,
        }
        true
    }
}
