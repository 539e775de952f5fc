//! How changes become a world, one burst at a time.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kith_identity::{BundleSet, TrustDomain};
use kith_policy::Revision;
use kith_runtime::{Clock, Tasks};
use tokio::time::timeout;

use super::*;
use crate::index::World;
use crate::index::cluster::{Event, Key, NamespaceObject, Pod, ServiceAccount};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

struct Written {
    changes: mpsc::Sender<Change>,
    worlds: Arc<Worlds>,
    facts: watch::Receiver<Arc<Facts>>,
    hearing: Hearing,
    _tasks: Tasks,
}

fn written() -> Written {
    let trust_domain = TrustDomain::parse("mesh.example").unwrap();
    let worlds = Arc::new(Worlds::new(World::new(7, trust_domain.clone(), BundleSet::default())));
    let (changes, waiting) = mpsc::channel(1024);
    let (facts_out, facts) = watch::channel(Arc::default());
    let hearing = Hearing::new(Clock::system());
    let tasks = Tasks::new();
    tasks.spawn(
        Writer::new(Cluster::new(trust_domain), worlds.clone(), facts_out, hearing.clone()).run(waiting),
    );
    Written { changes, worlds, facts, hearing, _tasks: tasks }
}

/// An empty list of one kind.
fn empty(kind: Kind) -> Change {
    match kind {
        Kind::Namespaces => Change::Namespaces(Event::All(vec![])),
        Kind::Pods => Change::Pods(Event::All(vec![])),
        Kind::Services => Change::Services(Event::All(vec![])),
        Kind::EndpointSlices => Change::EndpointSlices(Event::All(vec![])),
        Kind::ServiceAccounts => Change::ServiceAccounts(Event::All(vec![])),
        Kind::AuthorizationPolicies => Change::AuthorizationPolicies(Event::All(vec![])),
        Kind::Quarantines => Change::Quarantines(Event::All(vec![])),
    }
}

fn namespace(name: &str) -> Change {
    let labels = [("kith.dev/posture".to_owned(), "Encrypt".to_owned())].into();
    let metadata = ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() };
    let (key, namespace) = NamespaceObject::read(metadata).unwrap();
    Change::Namespaces(Event::Apply(key, namespace))
}

fn account(name: &str) -> Change {
    let metadata = serde_json::json!({ "namespace": "shop", "name": name, "uid": format!("uid-{name}") });
    let (key, account) = ServiceAccount::read(&serde_json::from_value(metadata).unwrap()).unwrap();
    Change::ServiceAccounts(Event::Apply(key, account))
}

/// A pod of the mesh; `seen` is what the kubelet says at each of its probes.
fn pod(ip: &str, seen: &str) -> Change {
    let object = serde_json::json!({
        "metadata": { "namespace": "shop", "name": "web", "uid": "uid-web" },
        "spec": {
            "nodeName": "node-1", "serviceAccountName": "web",
            "initContainers": [{ "name": "kith-sidecar", "restartPolicy": "Always" }],
            "containers": [{ "name": "app" }],
        },
        "status": {
            "phase": "Running", "podIPs": [{ "ip": ip }],
            "conditions": [{ "type": "ContainersReady", "status": "True", "lastProbeTime": seen }],
        },
    });
    let (key, pod) = Pod::read(serde_json::from_value(object).unwrap()).unwrap();
    Change::Pods(Event::Apply(key, pod))
}

impl Written {
    async fn list_everything(&self) {
        for kind in Kind::ALL {
            self.changes.send(empty(kind)).await.unwrap();
        }
        self.hearing.first_world().await;
    }

    async fn has_namespace(&self, name: &str) {
        let mut worlds = self.worlds.watch();
        worlds.wait_for(|world| world.namespace(name).is_some()).await.unwrap();
    }

    fn revision(&self) -> Revision {
        self.worlds.now().revision
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_of_the_cluster_before_every_kind_was_listed() {
    let written = written();
    let first = written.revision();
    written.changes.send(namespace("shop")).await.unwrap();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Pods) {
        // A list replaces what was told one by one.
        written.changes.send(empty(kind)).await.unwrap();
    }
    written.changes.send(namespace("shop")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(written.revision(), first);
    assert!(written.worlds.now().policies.is_none() && written.worlds.now().workloads.is_none());
    assert!(written.facts.borrow().namespace("shop").is_none());
    assert_eq!(written.hearing.waiting_for(), ["kubernetes/pods"]);

    written.changes.send(empty(Kind::Pods)).await.unwrap();
    written.hearing.first_world().await;
    assert!(written.worlds.now().policies.is_some() && written.worlds.now().workloads.is_some());
    assert!(written.worlds.now().namespace("shop").is_some());
    assert_eq!(written.facts.borrow().namespace("shop").unwrap().labels["kith.dev/posture"], "Encrypt");
}

#[tokio::test(start_paused = true)]
async fn a_change_after_a_silence_is_in_the_world_at_once_and_a_burst_is_one_world() {
    let written = written();
    written.list_everything().await;
    tokio::time::sleep(BURST).await;
    let (before, began) = (written.revision(), Instant::now());
    written.changes.send(namespace("a")).await.unwrap();
    written.has_namespace("a").await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    for number in 0..500 {
        written.changes.send(namespace(&format!("n{number}"))).await.unwrap();
    }
    written.has_namespace("n499").await;
    assert!(began.elapsed() <= BURST + Duration::from_millis(1), "{:?}", began.elapsed());
    assert_eq!(written.revision().counter, before.counter + 2);
}

#[tokio::test(start_paused = true)]
async fn what_changes_nothing_makes_no_world() {
    let written = written();
    written.list_everything().await;
    written.changes.send(namespace("a")).await.unwrap();
    written.has_namespace("a").await;
    let before = written.revision();
    written.changes.send(namespace("a")).await.unwrap();
    written.changes.send(Change::Pods(Event::Delete(Key::new("shop", "nobody")))).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(written.revision(), before);
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_which_nothing_that_is_kept_changed_wakes_nobody() {
    let mut written = written();
    written.list_everything().await;
    let mut worlds = written.worlds.watch();
    let has_pod_at = |ip: &str| {
        let ip = ip.parse().unwrap();
        move |world: &Arc<World>| world.services.pods.contains_key(&ip)
    };
    written.changes.send(account("web")).await.unwrap();
    written.changes.send(pod("10.0.0.1", "2026-01-01T00:00:00Z")).await.unwrap();
    timeout(LIMIT, worlds.wait_for(has_pod_at("10.0.0.1"))).await.unwrap().unwrap();
    written.facts.mark_unchanged();
    written.changes.send(pod("10.0.0.1", "2026-01-01T00:00:10Z")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!worlds.has_changed().unwrap() && !written.facts.has_changed().unwrap());
    // What is kept of it is not among the facts.
    written.changes.send(pod("10.0.0.2", "2026-01-01T00:00:10Z")).await.unwrap();
    timeout(LIMIT, worlds.wait_for(has_pod_at("10.0.0.2"))).await.unwrap().unwrap();
    assert!(!written.facts.has_changed().unwrap());
    written.changes.send(namespace("shop")).await.unwrap();
    written.has_namespace("shop").await;
    assert!(written.facts.has_changed().unwrap());
}
