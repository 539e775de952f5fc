//! The process under test, set up as the chart does: its own service account, the chart's roles and webhooks, its
//! configuration file. One at a time: they would all write the same objects.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kith_runtime::Tasks;
use kube::api::PostParams;
use kube::{Api, Client};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep, timeout};

pub(crate) const TRUST_DOMAIN: &str = "demo.local";
/// Longer than anything takes; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at something that has to come.
const LOOK: Duration = Duration::from_millis(50);
const API_SERVER: &str = "127.0.0.1:6443";

static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A control plane, and the API server that it asks.
pub(crate) struct Ground {
    /// As an administrator.
    pub(crate) client: Client,
    plane: Child,
    mesh: u16,
    health: u16,
    dir: TempDir,
    /// Between the process and the API server; cut in an outage.
    way: Tasks,
    _turn: MutexGuard<'static, ()>,
}

impl Ground {
    /// Ends when the control plane is ready.
    pub(crate) async fn start() -> Self {
        let turn = ONE_AT_A_TIME.lock().await;
        let client = Client::try_default().await.expect("this test runs inside a cluster's network");
        install();
        let dir = tempfile::tempdir().unwrap();
        let (way, api_server) = way_to_the_api_server().await;
        let [mesh, health, api] = [(); 3].map(|()| free_port());
        configure(&dir, mesh, health, api);
        identify(&client, &dir).await;
        let plane = spawn(&dir, api_server);
        let ground = Self { client, plane, mesh, health, dir, way, _turn: turn };
        let what = "a control plane that is ready";
        ground.until(what, async || ground.is_ready().await.then_some(())).await;
        ground
    }

    /// Where sidecars connect to.
    pub(crate) fn mesh(&self) -> SocketAddr {
        (ADDRESS_OF_THE_PLANE, self.mesh).into()
    }

    /// From now on nothing reaches the API server, and what is open is cut.
    pub(crate) async fn lose_the_api_server(&self) {
        self.way.cut();
        self.way.ended().await;
    }

    /// Waits until `look` finds something; says what was missing, and what the control plane wrote.
    pub(crate) async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "no {what}; the control plane wrote:\n{}", self.log());
            sleep(LOOK).await;
        }
    }

    /// Everything that the process wrote.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// A figure of the process.
    pub(crate) async fn figure(&self, name: &str) -> u64 {
        let text = self.ask("/metrics").await.unwrap();
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit_once(' ')).map_or(0, |(_, value)| value.parse().unwrap())
    }

    async fn is_ready(&self) -> bool {
        self.ask("/ready").await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    async fn ask(&self, path: &str) -> std::io::Result<String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.health));
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await??;
        Ok(answer)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // Whether it still runs does not matter: after this it does not.
        drop(self.plane.kill());
        drop(self.plane.wait());
        self.way.cut();
    }
}

pub(crate) const ADDRESS_OF_THE_PLANE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 244, 77, 1));

/// What the chart brings, but for the process itself; and addresses for pods that no node runs.
pub(crate) fn install() {
    run("kubectl apply --server-side -f ../charts/kith-crds/templates/authorizationpolicies.yaml \
         -f ../charts/kith-crds/templates/quarantines.yaml");
    run("kubectl create namespace kith --dry-run=client -o yaml | kubectl apply --server-side -f -");
    let templates =
        ["rbac", "serviceaccount", "service", "webhooks"].map(|name| format!("-s templates/{name}.yaml"));
    run(&format!(
        "helm template kith ../charts/kith -n kith --kube-version 1.34.2 --set trustDomain={TRUST_DOMAIN} --set dev=true {} \
         | kubectl apply -n kith --server-side --force-conflicts -f -",
        templates.join(" ")
    ));
    run("kubectl apply --server-side -f - <<< '{apiVersion: v1, kind: Node, metadata: {name: node-a}}'");
    for address in ["10.244.77.1", "10.244.77.7", "10.244.77.8"] {
        run(&format!("ip addr replace {address}/32 dev lo"));
    }
    // The API server finds the webhook by the address of its Service.
    run("address=$(kubectl get service -n kith kith-control-plane -o jsonpath={.spec.clusterIP}) && \
         ip addr replace $address/32 dev lo");
}

/// A shell's command line, from the crate's folder.
pub(crate) fn run(command: &str) {
    let output = Command::new("bash").args(["-o", "pipefail", "-c", command]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}\n{said}");
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap().local_addr().unwrap().port()
}

fn configure(dir: &TempDir, mesh: u16, health: u16, api: u16) {
    let state = dir.path().join("state");
    let config = format!(
        "trustDomain: {TRUST_DOMAIN}\n\
         namespace: kith\n\
         dev: true\n\
         svidSeconds: 60\n\
         stateFile: {}\n\
         listen: '[::]:{mesh}'\n\
         webhookListen: '[::]:443'\n\
         apiListen: 127.0.0.1:{api}\n\
         healthListen: 127.0.0.1:{health}\n\
         controlPlaneAddress: kith-control-plane.kith.svc:7450\n\
         injector:\n  sidecarImage: kith.dev/kith-sidecar:0.1.0\n",
        state.display()
    );
    fs::write(dir.path().join("config.yaml"), config).unwrap();
}

/// What the kubelet mounts: a token of the chart's service account, so that the process may do what the chart's roles
/// say and no more.
async fn identify(client: &Client, dir: &TempDir) {
    let folder = dir.path().join("serviceaccount");
    fs::create_dir(&folder).unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "kith");
    let request = TokenRequest { spec: Some(TokenRequestSpec::default()), ..TokenRequest::default() };
    let token =
        accounts.create_token_request("kith-control-plane", &PostParams::default(), &request).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let anchors = maps.get("kube-root-ca.crt").await.unwrap().data.unwrap();
    fs::write(folder.join("token"), token.status.unwrap().token.unwrap()).unwrap();
    fs::write(folder.join("ca.crt"), &anchors["ca.crt"]).unwrap();
    fs::write(folder.join("namespace"), "kith").unwrap();
}

/// In a mount namespace of its own, where those files are where a pod has them.
fn spawn(dir: &TempDir, api_server: SocketAddr) -> Child {
    let script = "mount -t tmpfs none /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount && \
                  mount --bind \"$1\" /run/secrets/kubernetes.io/serviceaccount && exec \"$2\" kubernetes --config \"$3\"";
    let log = fs::File::create(dir.path().join("log")).unwrap();
    Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(dir.path().join("serviceaccount"))
        .arg(env!("CARGO_BIN_EXE_kith-control-plane"))
        .arg(dir.path().join("config.yaml"))
        .env("KUBERNETES_SERVICE_HOST", api_server.ip().to_string())
        .env("KUBERNETES_SERVICE_PORT", api_server.port().to_string())
        .env("KITH_LOG", "debug,kube=trace,hyper=info,tower=info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Passes everything on, until its tasks are cut.
async fn way_to_the_api_server() -> (Tasks, SocketAddr) {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let way = Tasks::new();
    let open = way.clone();
    way.spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            open.spawn(async move {
                if let Ok(mut far) = TcpStream::connect(API_SERVER).await {
                    // Either side may end it in any way.
                    drop(copy_bidirectional(&mut near, &mut far).await);
                }
            });
        }
    });
    (way, address)
}
