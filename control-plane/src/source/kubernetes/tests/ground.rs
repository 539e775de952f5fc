//! What the tests stand on: a real API server with our definitions in it, a source that reads it through a door that can
//! be closed, and a hand that writes to it past that door.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kith_identity::BundleSet;
use kith_runtime::Stopper;
use kube::Config;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::core::params::ValidationDirective;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::super::*;
use crate::index::World;

/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at what cannot be waited for.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) struct Ground {
    /// Past the door.
    pub(crate) client: Client,
    door: Door,
}

/// A source and what it wrote.
pub(crate) struct Running {
    pub(crate) source: KubernetesSource,
    pub(crate) worlds: Arc<Worlds>,
    _stopper: Stopper,
    _tasks: Tasks,
}

/// Passes connections on to the API server while it is open; closing it ends them.
struct Door {
    address: SocketAddr,
    open: watch::Sender<bool>,
    _tasks: Tasks,
}

impl Ground {
    pub(crate) async fn new() -> Self {
        let config = Config::infer().await.expect("run this in a cluster: make test-cluster");
        let behind = config.cluster_url.authority().unwrap().as_str().parse().unwrap();
        let ground = Self { client: Client::try_from(config).unwrap(), door: Door::new(behind).await };
        for document in crate::crd::documents().unwrap() {
            let definition: Value = serde_saphyr::from_str(&document.text).unwrap();
            ground.apply(&definition).await;
        }
        // The definitions are served a moment after they are stored.
        ground.apply(&policy("default", "probe", &[])).await;
        ground.apply(&quarantine("probe", &json!({ "node": "no-such-node" }))).await;
        ground.delete("kith.dev/v1alpha1", "AuthorizationPolicy", "default", "probe").await;
        ground.delete("kith.dev/v1alpha1", "Quarantine", "", "probe").await;
        ground
    }

    /// Starts a source behind the door, which has everything when this returns.
    pub(crate) async fn source(&self) -> Running {
        let running = self.start().await;
        within("the first list", running.source.first_list()).await;
        running
    }

    pub(crate) async fn start(&self) -> Running {
        let mut config = Config::infer().await.unwrap();
        config.tls_server_name = Some(config.cluster_url.host().unwrap().to_owned());
        config.cluster_url = format!("https://{}", self.door.address).parse().unwrap();
        let trust_domain = TrustDomain::parse("mesh.example").unwrap();
        let worlds = Arc::new(Worlds::new(World::new(1, trust_domain.clone(), BundleSet::default())));
        let (tasks, (stopper, stop)) = (Tasks::new(), Stop::new());
        let client = Client::try_from(config).unwrap();
        let source =
            KubernetesSource::start(&client, worlds.clone(), &trust_domain, &tasks, &stop, Clock::system());
        Running { source, worlds, _stopper: stopper, _tasks: tasks }
    }

    /// Makes or changes an object, unknown fields and all; again while the API server does not know the kind yet.
    pub(crate) async fn apply(&self, object: &Value) -> DynamicObject {
        let metadata = &object["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let api =
            self.api(&text(&object["apiVersion"]), &text(&object["kind"]), &text(&metadata["namespace"]));
        let mut params = PatchParams::apply("kith-tests").force();
        params.field_validation = Some(ValidationDirective::Ignore);
        let stored = async {
            loop {
                match api.patch(&text(&metadata["name"]), &params, &Patch::Apply(object)).await {
                    Ok(stored) => return stored,
                    Err(kube::Error::Api(status)) if matches!(status.code, 404 | 429 | 500..) => {
                        sleep(LOOK).await
                    }
                    Err(error) => panic!("{error:?}: {metadata}"),
                }
            }
        };
        within("the object to be stored", stored).await
    }

    pub(crate) async fn delete(&self, version: &str, kind: &str, namespace: &str, name: &str) {
        self.api(version, kind, namespace).delete(name, &DeleteParams::default()).await.unwrap();
    }

    pub(crate) async fn set_status(
        &self,
        version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
        status: &Value,
    ) {
        let api = self.api(version, kind, namespace);
        let patch = Patch::Merge(json!({ "status": status }));
        api.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    pub(crate) fn close_the_door(&self) {
        self.door.open.send_replace(false);
    }

    pub(crate) fn open_the_door(&self) {
        self.door.open.send_replace(true);
    }

    fn api(&self, version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        match namespace {
            "" => Api::all_with(self.client.clone(), &resource),
            namespace => Api::namespaced_with(self.client.clone(), namespace, &resource),
        }
    }
}

impl Running {
    /// Waits until the world is so.
    pub(crate) async fn world(&self, what: &str, is_so: impl FnMut(&Arc<World>) -> bool) -> Arc<World> {
        let mut worlds = self.worlds.watch();
        within(what, worlds.wait_for(is_so)).await.unwrap().clone()
    }

    /// Waits until so many kinds fail.
    pub(crate) async fn failing(&self, count: usize) {
        let look = async {
            while self.source.failing().len() != count {
                sleep(LOOK).await;
            }
        };
        within("the failures to be told", look).await;
    }
}

impl Door {
    async fn new(behind: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (open, is_open) = watch::channel(true);
        let tasks = Tasks::new();
        let connections = tasks.clone();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(pass(stream, behind, is_open.clone()));
            }
        });
        Self { address, open, _tasks: tasks }
    }
}

async fn pass(mut stream: TcpStream, behind: SocketAddr, mut is_open: watch::Receiver<bool>) {
    if !*is_open.borrow() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(behind).await else { return };
    tokio::select! {
        _ = is_open.wait_for(|open| !open) => {}
        _ = tokio::io::copy_bidirectional(&mut stream, &mut server) => {}
    }
}

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// What the cluster that the test runs in says of itself.
#[expect(clippy::disallowed_methods, reason = "the test is told by the command that it is run by")]
fn told(variable: &str) -> String {
    std::env::var(variable).expect("run this in a cluster: make test-cluster")
}

/// Takes a component of the cluster away, or brings it back.
pub(crate) fn component(verb: &str, name: &str) {
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cluster/run");
    command(Command::new(run).args([verb, "--name", &told("KITH_CLUSTER"), name]));
}

fn command(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// Where the cluster keeps its objects.
pub(crate) struct Store {
    folder: PathBuf,
    backup: tempfile::TempDir,
}

impl Store {
    pub(crate) fn of_the_cluster() -> Self {
        let folder = Path::new(&told("KUBECONFIG")).with_file_name("etcd");
        assert!(folder.is_dir(), "{} is no folder", folder.display());
        Self { folder, backup: tempfile::tempdir().unwrap() }
    }

    /// Does something while nobody uses it. The API server is started again after it, as after every restore: it does
    /// not expect its store to go back in time either.
    pub(crate) fn away(&self, then: impl FnOnce(&Self)) {
        component("stop", "etcd");
        then(self);
        component("start", "etcd");
        component("stop", "kube-apiserver");
        component("start", "kube-apiserver");
    }

    pub(crate) fn back_up(&self) {
        command(Command::new("cp").arg("-a").arg(&self.folder).arg(self.backup.path()));
    }

    pub(crate) fn restore(&self) {
        std::fs::remove_dir_all(&self.folder).unwrap();
        command(Command::new("cp").arg("-a").arg(self.backup.path().join("etcd")).arg(&self.folder));
    }
}

pub(crate) fn policy(namespace: &str, name: &str, rules: &[Value]) -> Value {
    json!({
        "apiVersion": "kith.dev/v1alpha1", "kind": "AuthorizationPolicy",
        "metadata": { "namespace": namespace, "name": name },
        "spec": { "action": "ALLOW", "rules": rules },
    })
}

pub(crate) fn quarantine(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "kith.dev/v1alpha1", "kind": "Quarantine", "metadata": { "name": name }, "spec": spec,
    })
}
