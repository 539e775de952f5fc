//! A small cluster for the tests of this folder: objects in, the world and the facts that the sources would make of them.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kith_identity::BundleSet;
use serde_json::{Value, json};

use crate::index::cluster::{
    Change, Cluster, Event, Facts, Key, NamespaceObject, PolicyObject, QuarantineObject, ServiceAccount,
};
use crate::index::{Workload, World, Worlds};
use crate::stream::acks::{Acks, Registration};
use crate::testing::trust_domain;

use super::laggards::Sidecars;
use super::policy::View;
use super::since::Since;

/// When all of it happens.
pub(super) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// As conditions have it.
pub(super) const STAMP: &str = "2027-01-15T08:00:00Z";

/// Everything that statuses are made of.
pub(super) struct Ground {
    cluster: Cluster,
    pub(super) worlds: Worlds,
    pub(super) facts: Facts,
    pub(super) acks: Acks,
    pub(super) since: Since,
}

impl Ground {
    /// A namespace `shop` with the service accounts `web` and `payments`, and these pods of `payments`.
    pub(super) fn new(pods: &[&str]) -> Self {
        let cluster = Cluster::new(trust_domain());
        let worlds = Worlds::new(World::new(7, trust_domain(), BundleSet::default()));
        let (facts, acks, since) = (Facts::default(), Acks::default(), Since::default());
        let mut ground = Self { cluster, worlds, facts, acks, since };
        ground.apply(Change::Namespaces(Event::Apply(Key::new("", "shop"), NamespaceObject::default())));
        for account in ["web", "payments"] {
            let (key, account) = ServiceAccount::read(&metadata(account, 1)).unwrap();
            ground.apply(Change::ServiceAccounts(Event::Apply(key, account)));
        }
        pods.iter().for_each(|pod| ground.pod(pod, "payments"));
        ground
    }

    /// A pod of `payments` with the label `app`.
    pub(super) fn pod(&mut self, name: &str, app: &str) {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": name, "namespace": "shop", "uid": name, "labels": { "app": app } },
            "spec": {
                "nodeName": "node", "serviceAccountName": "payments",
                "containers": [], "initContainers": [{ "name": "kith-sidecar" }],
            },
            "status": { "phase": "Running" },
        }))
        .unwrap();
        let (key, pod) = crate::index::cluster::Pod::read(pod).unwrap();
        self.apply(Change::Pods(Event::Apply(key, pod)));
    }

    /// The policy `callers`.
    pub(super) fn policy(&mut self, generation: i64, spec: &Value) {
        let object = json!({
            "apiVersion": "kith.dev/v1alpha1", "kind": "AuthorizationPolicy",
            "metadata": metadata("callers", generation), "spec": spec,
        });
        let metadata = metadata("callers", generation);
        let (key, policy) = PolicyObject::read(&trust_domain(), &metadata, &object).unwrap();
        self.apply(Change::AuthorizationPolicies(Event::Apply(key, policy)));
    }

    /// The quarantine `leaked`.
    pub(super) fn quarantine(&mut self, spec: &Value) -> Value {
        let object = json!({
            "apiVersion": "kith.dev/v1alpha1", "kind": "Quarantine",
            "metadata": { "name": "leaked" }, "spec": spec,
        });
        let metadata = ObjectMeta { namespace: None, ..metadata("leaked", 2) };
        let (key, quarantine) = QuarantineObject::read(&trust_domain(), &metadata, &object).unwrap();
        self.apply(Change::Quarantines(Event::Apply(key, quarantine)));
        object
    }

    pub(super) fn apply(&mut self, change: Change) {
        let kind = change.kind();
        self.cluster.take(change);
        self.facts.refresh(&self.cluster, kind);
        // Tests of what is between the two change the facts alone.
        self.worlds.update(|world| world.replace_cluster(self.cluster.view()));
        self.since.update(&self.worlds.now());
    }

    /// The facts without the world: somebody looks between the two.
    pub(super) fn only_facts(&mut self, generation: i64, spec: &Value) {
        let before = self.worlds.now();
        self.policy(generation, spec);
        self.worlds.update(|_| Some(World::clone(&before)));
        self.since = Since::default();
        self.since.update(&before);
    }

    pub(super) fn workload(&self, pod: &str) -> Workload {
        let world = self.worlds.now();
        world.workloads().find(|workload| workload.id.as_str() == pod).unwrap().clone()
    }

    /// The sidecar of a pod comes and has everything.
    pub(super) fn confirms(&self, pod: &str) -> Registration {
        let registration = self.acks.connect(&self.workload(pod).id);
        registration.acknowledged(self.worlds.now().revision);
        registration
    }

    pub(super) fn sidecars(&self) -> Sidecars<'_> {
        Sidecars {
            acks: &self.acks,
            since: &self.since,
            now: now(),
            strangers_until: now() + Duration::from_secs(60),
        }
    }

    pub(super) fn view<'a>(&'a self, world: &'a Arc<World>) -> View<'a> {
        View { world, facts: &self.facts, sidecars: self.sidecars(), now: STAMP }
    }
}

/// Of an object in `shop`.
fn metadata(name: &str, generation: i64) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some("shop".to_owned()),
        uid: Some(format!("uid-of-{name}")),
        generation: Some(generation),
        resource_version: Some(generation.to_string()),
        ..ObjectMeta::default()
    }
}

/// The name of the policy.
pub(super) fn callers() -> Key {
    Key::new("shop", "callers")
}
