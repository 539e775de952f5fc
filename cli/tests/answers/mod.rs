//! A control plane that answers as it is told: what the verbs make of answers that a healthy mesh rarely gives.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use futures_util::stream;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use kith_proto::v1::admin_server::{Admin, AdminServer};
use kith_proto::v1::quarantine_target::Of;
use kith_proto::v1::{
    AddQuarantineRequest, Edge, EdgesRequest, EdgesResponse, ExplainRequest, ExplainResponse,
    IdentitiesRequest, IdentitiesResponse, Identity, ListQuarantinesRequest, ListQuarantinesResponse,
    Quarantine, QuarantineResponse, QuarantineTarget, RemoveQuarantineRequest, Revision, RotateRequest,
    RotateResponse, StatusRequest, StatusResponse, TapRequest, TappedLines, WhyRequest, WhyResponse,
    WorkloadStatus,
};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tonic::{Request, Response, Status};

/// The id that it knows.
pub(crate) const KNOWN_ID: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn identity(name: &str) -> String {
    format!("spiffe://demo.local/ns/demo/sa/{name}")
}

/// It knows `orders` and `web`, and that sidecars of `laggard` never confirm.
struct Told;

impl Told {
    fn find(name: &str) -> Result<String, Status> {
        let known =
            ["orders", "web", "laggard"].into_iter().find(|known| *known == name || identity(known) == name);
        known
            .map(identity)
            .ok_or_else(|| Status::not_found(format!("there is no workload {name:?}; there are: orders")))
    }

    fn effect(name: &str) -> Result<QuarantineResponse, Status> {
        if name == identity("kith-control-plane") {
            return Err(Status::invalid_argument(format!("{name} is reserved")));
        }
        let identity = Self::find(name)?;
        let edge = Edge {
            source: identity.clone(),
            destination: self::identity("payments"),
            allowed: 7,
            denied: 1,
            failed: 0,
            would_deny: 0,
        };
        let waiting_for = if identity.ends_with("/laggard") { vec!["web".to_owned()] } else { Vec::new() };
        Ok(QuarantineResponse {
            identity,
            revision: Some(Revision { epoch: 2, counter: 6 }),
            edges: vec![edge],
            known: true,
            connected: true,
            in_force_at: vec!["payments".to_owned()],
            waiting_for,
            took_ms: 12,
            ..QuarantineResponse::default()
        })
    }
}

#[tonic::async_trait]
impl Admin for Told {
    type TapStream = stream::Empty<Result<TappedLines, Status>>;

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        let workload = |name: &str| WorkloadStatus {
            name: name.to_owned(),
            identity: identity(name),
            ..WorkloadStatus::default()
        };
        Ok(Response::new(StatusResponse {
            version: "0.2.0".to_owned(),
            trust_domain: "demo.local".to_owned(),
            policies_folder: "/tmp/policies".to_owned(),
            workloads: vec![workload("orders"), workload("web")],
            ..StatusResponse::default()
        }))
    }

    async fn tap(&self, _: Request<TapRequest>) -> Result<Response<Self::TapStream>, Status> {
        Ok(Response::new(stream::empty()))
    }

    async fn explain(&self, _: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        Ok(Response::new(ExplainResponse::default()))
    }

    async fn why(&self, request: Request<WhyRequest>) -> Result<Response<WhyResponse>, Status> {
        let id = request.into_inner().id;
        if !KNOWN_ID.starts_with(&id) {
            return Err(Status::not_found(format!("no denial {id} is remembered")));
        }
        Ok(Response::new(WhyResponse {
            id: KNOWN_ID.to_owned(),
            reporter: identity("orders"),
            line: "{}".to_owned(),
            no_suggestion: "it is in quarantine".to_owned(),
            ..WhyResponse::default()
        }))
    }

    async fn edges(&self, _: Request<EdgesRequest>) -> Result<Response<EdgesResponse>, Status> {
        let edge = Edge {
            source: identity("web"),
            destination: identity("orders"),
            allowed: 12,
            denied: 3,
            failed: 1,
            would_deny: 2,
        };
        Ok(Response::new(EdgesResponse { edges: vec![edge] }))
    }

    async fn identities(
        &self,
        request: Request<IdentitiesRequest>,
    ) -> Result<Response<IdentitiesResponse>, Status> {
        let asked = request.into_inner().workload;
        let names = if asked.is_empty() {
            vec![identity("orders"), identity("web")]
        } else {
            vec![Self::find(&asked)?]
        };
        let one = |identity: String| Identity {
            name: "some".to_owned(),
            identity,
            issued: 3,
            ..Identity::default()
        };
        Ok(Response::new(IdentitiesResponse { identities: names.into_iter().map(one).collect() }))
    }

    async fn rotate(&self, request: Request<RotateRequest>) -> Result<Response<RotateResponse>, Status> {
        let identity = Self::find(&request.into_inner().workload)?;
        Ok(Response::new(RotateResponse {
            identity,
            previous_serial: "5c1e".to_owned(),
            serial: "7ea0".to_owned(),
            not_after_ms: 1,
        }))
    }

    async fn list_quarantines(
        &self,
        _: Request<ListQuarantinesRequest>,
    ) -> Result<Response<ListQuarantinesResponse>, Status> {
        let one = Quarantine {
            identity: identity("intruder"),
            since_ms: 1,
            reason: "leaked".to_owned(),
            ..Quarantine::default()
        };
        Ok(Response::new(ListQuarantinesResponse { quarantines: vec![one] }))
    }

    async fn add_quarantine(
        &self,
        request: Request<AddQuarantineRequest>,
    ) -> Result<Response<QuarantineResponse>, Status> {
        let request = request.into_inner();
        let effect = Self::effect(&workload(request.target))?;
        let preview =
            QuarantineResponse { revision: None, in_force_at: vec![], took_ms: 0, ..effect.clone() };
        Ok(Response::new(if request.dry_run { preview } else { effect }))
    }

    async fn remove_quarantine(
        &self,
        request: Request<RemoveQuarantineRequest>,
    ) -> Result<Response<QuarantineResponse>, Status> {
        let effect = Self::effect(&workload(request.into_inner().target))?;
        Ok(Response::new(QuarantineResponse { edges: vec![], ..effect }))
    }
}

/// The name or the identity that is meant.
fn workload(target: Option<QuarantineTarget>) -> String {
    match target.and_then(|target| target.of) {
        Some(Of::Workload(name)) => name,
        _ => String::new(),
    }
}

/// The control plane, on a socket of its own; it ends when dropped.
pub(crate) struct ControlPlane {
    folder: TempDir,
    _stop: oneshot::Sender<()>,
}

impl ControlPlane {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let path = folder.path().join("told.sock");
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(&path, || ready.send(()).unwrap(), stopped));
        });
        is_ready.recv().unwrap();
        Self { folder, _stop: stop }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("told.sock")
    }

    /// The exit code and both outputs of a verb that asks it.
    pub(crate) fn ask(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
        command.args(arguments).arg("--socket").arg(self.socket());
        run(&mut command)
    }
}

/// Without any variable of whoever runs the tests.
pub(crate) fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.env_clear().stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

async fn serve(path: &Path, ready: impl FnOnce(), stopped: oneshot::Receiver<()>) {
    let listener = UnixListener::bind(path).unwrap();
    ready();
    let mut connections = JoinSet::new();
    let accept = async {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(AdminServer::new(Told));
            let http = http2::Builder::new(TokioExecutor::new());
            // A caller that has its answer goes without a word.
            connections.spawn(http.serve_connection(TokioIo::new(connection), service));
        }
    };
    tokio::select! {
        () = accept => {}
        _ = stopped => {}
    }
}
