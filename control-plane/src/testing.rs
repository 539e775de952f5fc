//! A whole control plane for tests: real authority, real sockets on loopback, a supervisor's key in hand. Owns what a
//! sidecar and a person would do from outside.

mod sidecar;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use aws_lc_rs::rand;
use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use kith_ca::SealKey;
use kith_identity::svid::KeyHash;
use kith_identity::{Bundle, BundleSet, SpiffeId, TrustDomain};
use kith_mtls::{Accept, Client, ClientIdentity, Credentials, KeyExchange, Now, Svid, WorkloadKey};
use kith_proto::v1;
use kith_proto::v1::admin_client::AdminClient;
use kith_proto::v1::issuance_client::IssuanceClient;
use kith_proto::v1::issue_request::Evidence;
use kith_proto::v1::sync_client::SyncClient;
use kith_runtime::{Clock, ManualClock, Tasks};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;

use crate::attest::{StatementClaims, StatementSigner};
use crate::config::Config;
use crate::index::{WorkloadId, World, Worlds, workloads_from_wire};
use crate::start::ControlPlane;

pub(crate) use sidecar::Sidecar;

/// Longer than anything takes; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const ALLOW_ORDERS: &str = "\
apiVersion: kith.dev/v1alpha1
kind: AuthorizationPolicy
metadata: { name: payments-callers, namespace: demo }
spec:
  targetRefs: [{ kind: Pod, selector: { matchLabels: { app: payments } } }]
  action: ALLOW
  rules:
  - name: create-charge
    sources: [{ type: ServiceAccount, serviceAccount: { namespace: demo, name: orders } }]
    operations: [{ http: { methods: [POST], paths: [\"/charge/{id}\"] } }]
";

/// What outlives a control plane: its state file, its folder, the supervisor.
pub(crate) struct Ground {
    pub(crate) dir: TempDir,
    pub(crate) signer: StatementSigner,
    pub(crate) clock: Clock,
    pub(crate) hand: ManualClock,
    pub(crate) svid_lifetime: Duration,
}

/// A control plane that runs, and what is around it.
pub(crate) struct Mesh {
    pub(crate) ground: Ground,
    pub(crate) plane: ControlPlane,
    pub(crate) instance: [u8; 16],
    tasks: Tasks,
}

pub(crate) fn trust_domain() -> TrustDomain {
    TrustDomain::parse("demo.local").unwrap()
}

pub(crate) fn id(name: &str) -> SpiffeId {
    SpiffeId::for_service_account(&trust_domain(), "demo", name).unwrap()
}

/// As the control plane numbers workloads in local mode.
pub(crate) fn workload_id(name: &str) -> WorkloadId {
    WorkloadId::new(id(name).as_str())
}

pub(crate) fn workload(name: &str, calls: &[&str]) -> v1::Workload {
    v1::Workload {
        name: name.into(),
        namespace: "demo".into(),
        service_account: name.into(),
        labels: [("app".to_owned(), name.to_owned())].into(),
        inbound_address: "127.0.0.1:15001".into(),
        port: 8080,
        calls: calls.iter().map(|name| (*name).to_owned()).collect(),
        protocol: v1::Protocol::Unspecified.into(),
    }
}

/// `orders` calls `payments`; `intruder` would like to.
pub(crate) fn demo_workloads() -> v1::Workloads {
    v1::Workloads {
        workloads: vec![
            workload("orders", &["payments"]),
            workload("payments", &[]),
            workload("intruder", &["payments"]),
        ],
    }
}

/// Waits until the world is as wanted.
pub(crate) async fn world_where(worlds: &Worlds, wanted: impl FnMut(&Arc<World>) -> bool) -> Arc<World> {
    let mut watch = worlds.watch();
    timeout(PATIENCE, watch.wait_for(wanted)).await.unwrap().unwrap().clone()
}

/// What is answered about a control plane's health: status line, headers and body.
pub(crate) async fn ask_health(mesh: &Mesh, path: &str) -> String {
    let address = mesh.plane.health_address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

impl Ground {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("policies")).unwrap();
        let (clock, hand) = Clock::manual(Clock::system().now());
        let signer = StatementSigner::generate().unwrap();
        Self { dir, signer, clock, hand, svid_lifetime: Duration::from_secs(60) }
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.dir.path().join("policies").join(file), text).unwrap();
    }

    pub(crate) fn quarantines_file(&self) -> PathBuf {
        self.dir.path().join("quarantines.json")
    }

    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.dir.path().join("run").join("admin.sock")
    }

    pub(crate) async fn start(self) -> Mesh {
        let mut instance = [0; 16];
        rand::fill(&mut instance).unwrap();
        let config = Config {
            trust_domain: trust_domain(),
            state_file: self.dir.path().join("state"),
            seal_key: SealKey::from_bytes([7; 32]),
            policies_folder: self.dir.path().join("policies"),
            watch_policies: true,
            listen: "127.0.0.1:0".parse().unwrap(),
            health: "127.0.0.1:0".parse().unwrap(),
            admin_socket: self.admin_socket(),
            statement_key: self.signer.public_key().try_into().unwrap(),
            instance,
            svid_lifetime: self.svid_lifetime,
            key_exchange: KeyExchange::PreferPq,
        };
        let plane = ControlPlane::start(config, self.clock.clone()).await.unwrap();
        Mesh { ground: self, plane, instance, tasks: Tasks::new() }
    }
}

impl Mesh {
    /// With the demo's workloads and one policy.
    pub(crate) async fn start() -> Self {
        let ground = Ground::new();
        ground.write("payments.yaml", ALLOW_ORDERS);
        let mesh = ground.start().await;
        mesh.set_workloads(demo_workloads());
        mesh
    }

    /// Ends it as a restart does, and keeps the ground.
    pub(crate) async fn stop(self) -> Ground {
        self.tasks.cut();
        let cut = self.plane.stop(std::future::pending::<()>()).await;
        assert_eq!(cut, 0, "every task ends by itself");
        self.ground
    }

    pub(crate) fn worlds(&self) -> &Worlds {
        &self.plane.services.worlds
    }

    /// As the supervisor's message does.
    pub(crate) fn set_workloads(&self, list: v1::Workloads) {
        let workloads = workloads_from_wire(&trust_domain(), list).unwrap();
        self.worlds().update(|world| world.replace_workloads(workloads));
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.ground.clock.now()
    }

    pub(crate) fn claims(&self, identity: &SpiffeId, key_hash: KeyHash) -> StatementClaims {
        let expires = self.now() + Duration::from_secs(10);
        StatementClaims { identity: identity.clone(), key_hash, instance: self.instance, expires }
    }

    pub(crate) fn statement(&self, identity: &SpiffeId, key_hash: KeyHash) -> Evidence {
        Evidence::Supervised(self.ground.signer.sign(&self.claims(identity, key_hash)).unwrap())
    }

    /// Everything that a sidecar does to get its svid.
    pub(crate) async fn svid(&self, name: &str) -> Arc<Svid> {
        let key = WorkloadKey::generate().unwrap();
        let evidence = Some(self.statement(&id(name), key.key_hash()));
        let request = v1::IssueRequest { evidence, csr: key.csr_der().unwrap() };
        let issued = self.issuance(None).await.issue(request).await.unwrap().into_inner();
        Arc::new(Svid::new(key, issued.chain).unwrap())
    }

    pub(crate) async fn issuance(&self, svid: Option<Arc<Svid>>) -> IssuanceClient<Channel> {
        IssuanceClient::with_origin(self.connect(svid).await, origin())
    }

    pub(crate) async fn sync(&self, svid: Arc<Svid>) -> SyncClient<Channel> {
        SyncClient::with_origin(self.connect(Some(svid)).await, origin())
    }

    pub(crate) async fn admin(&self) -> AdminClient<Channel> {
        AdminClient::with_origin(self.connect_admin().await, origin())
    }

    /// As `kith quarantine add` asks.
    pub(crate) async fn quarantine(&self, workload: &str) -> Result<v1::QuarantineResponse, Status> {
        let (target, reason) = (Some(quarantine_target(workload)), "a test".into());
        let request = v1::AddQuarantineRequest { target, reason, dry_run: false };
        self.admin().await.add_quarantine(request).await.map(tonic::Response::into_inner)
    }

    /// As `kith quarantine remove` asks.
    pub(crate) async fn lift(&self, workload: &str) -> Result<v1::QuarantineResponse, Status> {
        let request =
            v1::RemoveQuarantineRequest { target: Some(quarantine_target(workload)), dry_run: false };
        self.admin().await.remove_quarantine(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn status(&self) -> v1::StatusResponse {
        self.admin().await.status(v1::StatusRequest {}).await.unwrap().into_inner()
    }

    /// A connection over mTLS, with an svid or without.
    pub(crate) async fn connect(&self, svid: Option<Arc<Svid>>) -> Channel {
        let ready = self.plane.ready();
        let bundle = Bundle::parse(trust_domain(), &ready.bundle.unwrap().authorities).unwrap();
        let (_, svid) = watch::channel(svid);
        let (_, bundles) = watch::channel(Arc::new(BundleSet::from_iter([bundle])));
        let clock = self.ground.clock.clone();
        let credentials = Credentials::new(svid, bundles, Now::new(move || clock.now()));
        let client = Client::new(credentials, ClientIdentity::SvidIfAny, &[b"h2"]);
        let accept = Accept::OneOf([SpiffeId::control_plane(&trust_domain())].into());
        let stream = TcpStream::connect(self.plane.address).await.unwrap();
        let session = client.connect(stream, accept, PATIENCE).await.unwrap();
        self.http2(session.stream).await
    }

    pub(crate) async fn connect_admin(&self) -> Channel {
        self.http2(UnixStream::connect(self.ground.admin_socket()).await.unwrap()).await
    }

    async fn http2<IO>(&self, io: IO) -> Channel
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http2::handshake(self.tasks.clone(), TokioIo::new(io)).await.unwrap();
        // A connection's end shows at its streams.
        self.tasks.spawn(async move { drop(connection.await) });
        Channel(sender)
    }
}

/// Whom `kith quarantine add NAME` means.
pub(crate) fn quarantine_target(name: &str) -> v1::QuarantineTarget {
    v1::QuarantineTarget { of: Some(v1::quarantine_target::Of::Workload(name.into())) }
}

fn origin() -> http::Uri {
    http::Uri::from_static("https://kith.invalid")
}

/// One connection, as the generated clients want it.
#[derive(Clone)]
pub(crate) struct Channel(http2::SendRequest<Body>);

impl Channel {
    /// The gRPC status that a path answers a frame with; `None` when it is answered with messages.
    pub(crate) async fn status_of(&mut self, path: &str, frame: &'static [u8]) -> Option<tonic::Code> {
        let request = http::Request::post(format!("https://kith.invalid{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Body::new(Full::from(frame)))
            .unwrap();
        let response = self.0.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200, "gRPC puts its status elsewhere");
        Status::from_header_map(response.headers()).map(|status| status.code())
    }
}

impl tower::Service<http::Request<Body>> for Channel {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
