//! Pods for the tests of what people ask in a cluster. Owns how a world looks in which some are cut off.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use kith_identity::BundleSet;
use kith_policy::document;

use crate::index::{Cut, Workload, WorkloadId, Workloads, World, workloads_from_wire};
use crate::quarantine::{CutOff, Target};
use crate::testing::{trust_domain, workload};

const ALLOW_WEB: &str = "\
apiVersion: kith.dev/v1alpha1
kind: AuthorizationPolicy
metadata: { name: orders-callers, namespace: shop }
spec:
  action: ALLOW
  rules:
  - sources: [{ type: ServiceAccount, serviceAccount: { name: web } }]
";

/// A pod of the service account `shop/ACCOUNT`, or of `NAMESPACE/ACCOUNT`.
pub(super) fn pod(name: &str, account: &str) -> Workload {
    let (namespace, account) = account.split_once('/').unwrap_or(("shop", account));
    let wire = kith_proto::v1::Workload { namespace: namespace.into(), ..workload(account, &[]) };
    let list = kith_proto::v1::Workloads { workloads: vec![wire] };
    let made = workloads_from_wire(&trust_domain(), list).unwrap();
    let made = made.iter().next().unwrap().clone();
    Workload {
        id: uid(&format!("{namespace}/{name}")),
        name: format!("{namespace}/{name}"),
        port: 0,
        node: Some("worker-1".into()),
        ..made
    }
}

/// That of the pod `NAMESPACE/NAME`.
pub(super) fn uid(pod: &str) -> WorkloadId {
    WorkloadId::new(&format!("uid-{}", pod.replace('/', "-")))
}

pub(super) fn world(workloads: impl IntoIterator<Item = Workload>) -> World {
    let workloads: Workloads = workloads.into_iter().collect();
    World::new(1, trust_domain(), BundleSet::default()).replace_workloads(workloads).unwrap()
}

/// These pods, where `web` of `shop` may call everybody there.
pub(super) fn open_to_web(workloads: impl IntoIterator<Item = Workload>) -> World {
    world(workloads).replace_policies(document::parse("p.yaml", ALLOW_WEB).unwrap()).unwrap()
}

/// The pod `shop/NAME`, as a quarantine means it.
pub(super) fn target(name: &str) -> Target {
    Target::Pod { namespace: "shop".into(), name: name.into() }
}

/// With one quarantine, called `emergency`, that cuts these pods off.
pub(super) fn cut(world: &World, target: Target, pods: &[&str]) -> World {
    let object = CutOff { target, since: UNIX_EPOCH, reason: "it scans".into() };
    World {
        cut: Arc::new(Cut { workloads: pods.iter().map(|pod| uid(pod)).collect(), ..Cut::default() }),
        quarantine_objects: Arc::new([("emergency".to_owned(), object)].into()),
        ..world.clone()
    }
}
