//! Statuses at a real API server: what its users see there. Run as the tests of `source::kubernetes` are.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kith_runtime::{Clock, Tasks};
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::*;
use crate::index::{WorkloadId, World};
use crate::source::kubernetes::tests::ground::{Ground, Running, policy, quarantine, within};

const LOOK: Duration = Duration::from_millis(20);
const OWN: &str = "kith.dev/v1alpha1";

/// A writer beside a source, and what it is told by sidecars.
struct Writing {
    namespace: String,
    ground: Ground,
    running: Running,
    acks: Acks,
    _tasks: Tasks,
}

impl Writing {
    /// In a namespace of its own: the tests share a cluster, and may be run again in it.
    async fn new(name: &str) -> Self {
        let namespace = format!("{name}-{}", std::process::id());
        let ground = Ground::new().await;
        for (kind, name) in [("Node", "paper"), ("Namespace", namespace.as_str())] {
            ground.apply(&json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name } })).await;
        }
        let account = json!({ "namespace": namespace, "name": "web" });
        ground.apply(&json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": account })).await;
        let running = ground.source().await;
        let (acks, tasks) = (Acks::default(), Tasks::new());
        let lifetime = Duration::from_secs(60);
        let writer = StatusWriter::new(
            &ground.client,
            running.worlds.clone(),
            acks.clone(),
            running.source.facts(),
            Clock::system(),
            lifetime,
        );
        tasks.spawn(writer.run());
        Self { namespace, ground, running, acks, _tasks: tasks }
    }

    /// Takes away the pods that other tests left here: a quarantine waits for those too.
    async fn alone(&self) {
        let world = self.running.worlds.now();
        for left in world.workloads().filter(|workload| workload.namespace != self.namespace) {
            let pods = Api::<Pod>::namespaced(self.ground.client.clone(), &left.namespace);
            // No kubelet is there to say that it has ended.
            pods.delete(left.pod().unwrap(), &DeleteParams::default().grace_period(0)).await.unwrap();
        }
        let is_so =
            |world: &Arc<World>| world.workloads().all(|workload| workload.namespace == self.namespace);
        self.running.world("no pod of another test", is_so).await;
    }

    /// A pod of the mesh.
    async fn pod(&self, name: &str) -> WorkloadId {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "namespace": self.namespace, "name": name },
            "spec": {
                "nodeName": "paper", "serviceAccountName": "web", "automountServiceAccountToken": false,
                "initContainers": [{ "name": "kith-sidecar", "image": "x", "restartPolicy": "Always" }],
                "containers": [{ "name": "app", "image": "x" }],
            },
        });
        let id = WorkloadId::new(self.ground.apply(&pod).await.metadata.uid.as_deref().unwrap());
        self.running.world("the pod", |world| world.workload(&id).is_ok()).await;
        id
    }

    async fn object(&self, kind: &str, name: &str) -> DynamicObject {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("kith.dev", "v1alpha1", kind));
        let client = self.ground.client.clone();
        let api = match kind {
            "Quarantine" => Api::<DynamicObject>::all_with(client, &resource),
            _ => Api::namespaced_with(client, &self.namespace, &resource),
        };
        api.get(name).await.unwrap()
    }

    /// The object, once its conditions are so: `Type=Status/Reason`.
    async fn told(&self, kind: &str, name: &str, generation: i64, wanted: &[&str]) -> DynamicObject {
        let look = async {
            loop {
                let object = self.object(kind, name).await;
                if conditions(&object, generation) == wanted {
                    return object;
                }
                sleep(LOOK).await;
            }
        };
        within(&format!("{kind} {name} to be told {wanted:?}"), look).await
    }
}

fn conditions(object: &DynamicObject, generation: i64) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let conditions = object.data["status"]["conditions"].as_array().into_iter().flatten();
    let of_generation = conditions.filter(|condition| condition["observedGeneration"] == generation);
    let told = |it: &Value| format!("{}={}/{}", text(&it["type"]), text(&it["status"]), text(&it["reason"]));
    of_generation.map(told).collect()
}

fn has(world: &World, namespace: &str, name: &str) -> bool {
    let mut policies = world.policies.iter().flat_map(|policies| policies.iter());
    policies.any(|it| (it.namespace.as_str(), it.name.as_str()) == (namespace, name))
}

fn message(object: &DynamicObject, place: usize) -> String {
    object.data["status"]["conditions"][place]["message"].as_str().unwrap_or_default().to_owned()
}

const RESOLVED: &str = "ResolvedRefs=True/ResolvedRefs";
const IN_FORCE: [&str; 3] = ["Accepted=True/Accepted", "Programmed=True/Programmed", RESOLVED];
const WAITING: [&str; 3] = ["Accepted=True/Accepted", "Programmed=False/Reconciling", RESOLVED];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_real_api_server_shows_when_a_policy_is_in_force_and_is_written_to_no_oftener_than_needed() {
    let writing = Writing::new("in-force").await;
    let shop = writing.namespace.as_str();
    let sidecar = writing.acks.connect(&writing.pod("web").await);
    writing.ground.apply(&policy(shop, "callers", &[json!({})])).await;
    let waiting = writing.told("AuthorizationPolicy", "callers", 1, &WAITING).await;
    assert_eq!(message(&waiting, 1), format!("waiting for {shop}/web (0 of 1 sidecars have it)"));
    assert_eq!(waiting.data["status"]["target"], format!("Namespace {shop}"));
    let written = Instant::now();

    sidecar.acknowledged(writing.running.worlds.now().revision);
    let in_force = writing.told("AuthorizationPolicy", "callers", 1, &IN_FORCE).await;
    // At most one write in two seconds; less what the first one took to be seen.
    assert!(written.elapsed() > Duration::from_millis(1500), "{:?}", written.elapsed());
    assert_eq!(message(&in_force, 1), "in force at 1 sidecar");
    let since = |object: &DynamicObject| object.data["status"]["conditions"][0]["lastTransitionTime"].clone();
    assert_eq!(since(&waiting), since(&in_force), "Accepted did not turn");

    // The world goes on, and the sidecar with it; nothing changes by it for the policy. A second policy shows that the
    // writer has looked.
    writing.pod("other").await;
    sidecar.acknowledged(writing.running.worlds.now().revision);
    writing.ground.apply(&policy(shop, "later", &[])).await;
    writing.running.world("the second policy", |world| has(world, shop, "later")).await;
    sidecar.acknowledged(writing.running.worlds.now().revision);
    writing.told("AuthorizationPolicy", "later", 1, &IN_FORCE).await;
    let later = writing.object("AuthorizationPolicy", "callers").await;
    assert_eq!(later.metadata.resource_version, in_force.metadata.resource_version);

    // What somebody else writes there does not stay.
    let forged = json!({ "conditions": [], "ancestors": [] });
    writing.ground.set_status(OWN, "AuthorizationPolicy", shop, "callers", &forged).await;
    writing.told("AuthorizationPolicy", "callers", 1, &IN_FORCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_real_api_server_shows_what_is_wrong_with_an_object_and_tells_it_in_one_event() {
    // K26, with fieldValidation=Ignore and no webhook.
    let writing = Writing::new("refused").await;
    writing.alone().await;
    let shop = writing.namespace.as_str();
    let sidecar = writing.acks.connect(&writing.pod("web").await);
    writing.ground.apply(&policy(shop, "misspelt", &[json!({ "sourcs": [] })])).await;
    let refused = ["Accepted=False/Invalid"];
    let object = writing.told("AuthorizationPolicy", "misspelt", 1, &refused).await;
    let says = format!(
        "spec.rules[0].sourcs: unknown field \"sourcs\"; did you mean \"sources\"?; until it is corrected or \
         deleted every call in the namespace {shop} is refused"
    );
    assert_eq!(message(&object, 0), says);

    let events = Api::<Event>::namespaced(writing.ground.client.clone(), shop);
    let told = async || {
        let events = events.list(&ListParams::default()).await.unwrap().items;
        let ours = events.into_iter().filter(|event| {
            event.regarding.as_ref().is_some_and(|it| it.name.as_deref() == Some("misspelt"))
        });
        ours.map(|event| event.note.unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!(told().await, [says.as_str()]);

    writing.ground.apply(&policy(shop, "misspelt", &[json!({ "sources": [] })])).await;
    let world = writing.running.world("the corrected policy", |world| has(world, shop, "misspelt")).await;
    sidecar.acknowledged(world.revision);
    writing.told("AuthorizationPolicy", "misspelt", 2, &IN_FORCE).await;
    assert_eq!(told().await.len(), 1);

    // A policy for nobody that there is.
    let nobody = json!({
        "apiVersion": OWN, "kind": "AuthorizationPolicy", "metadata": { "namespace": shop, "name": "nobody" },
        "spec": { "targetRefs": [{ "kind": "ServiceAccount", "name": "wbe" }] },
    });
    writing.ground.apply(&nobody).await;
    writing.told("AuthorizationPolicy", "nobody", 1, &["Accepted=False/TargetNotFound"]).await;

    writing.ground.apply(&quarantine("typo", &json!({ "node": "far", "reson": "x" }))).await;
    let object = writing.told("Quarantine", "typo", 1, &refused).await;
    assert!(message(&object, 0).ends_with("; Node far is cut off all the same"), "{}", message(&object, 0));
    assert_eq!(object.data["status"]["target"], "Node far");
    writing.ground.apply(&quarantine("good", &json!({ "node": "near" }))).await;
    // Nothing runs there.
    let waiting = [WAITING[0], WAITING[1], "ResolvedRefs=False/NotFound"];
    let object = writing.told("Quarantine", "good", 1, &waiting).await;
    assert_eq!(object.data["status"]["target"], "Node near");
    sidecar.quarantines_acknowledged(writing.running.worlds.now().revision);
    let programmed = [IN_FORCE[0], IN_FORCE[1], "ResolvedRefs=False/NotFound"];
    let object = writing.told("Quarantine", "good", 1, &programmed).await;
    assert_eq!(message(&object, 1), "in force at 1 sidecar");
}
