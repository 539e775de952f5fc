//! What the platform says of namespaces, and which of them are closed because a policy in them cannot be read.

use crate::index::Namespaces;
use crate::index::cluster::namespace::NamespaceObject;
use crate::index::cluster::policy::PolicyObject;
use crate::index::cluster::table::Table;

/// The first reason is said; the others come to light when it is gone, and stand in the status of their objects.
pub(in crate::index::cluster) fn namespaces(
    objects: &Table<NamespaceObject>,
    policies: &Table<PolicyObject>,
) -> Namespaces {
    let named = objects.iter().map(|(key, object)| (key.name.clone(), object.meaning(&key.name)));
    let mut namespaces: Namespaces = named.collect();
    for (key, policy) in policies.iter() {
        if let Some(reason) = policy.closes(key) {
            // The namespace itself may not be known yet: closed all the same.
            let namespace = namespaces.entry(key.namespace.clone()).or_default();
            namespace.refuse_all.get_or_insert(reason);
        }
    }
    namespaces
}
