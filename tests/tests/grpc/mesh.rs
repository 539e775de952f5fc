//! A mesh in which one application is a gRPC server, and its client.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use http::uri::PathAndQuery;
use kith::local::{App, MeshSpec, Protocol, ServiceSpec, Supervisor};
use kith_identity::TrustDomain;
use kith_runtime::Tasks;
use kith_tests::{kith_binary, policy};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tonic::client::Grpc;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

use super::SOON;
use super::echo::{Text, serve};

const RULES: &str = "  - name: some-methods\n    sources: [{ type: ServiceAccount, serviceAccount: { name: caller } }]\n    \
                     operations: [{ grpc: { service: test.Echo, methods: [Unary, Many, Chat, Hang, Watch] } }]\n";

/// `caller` may make some calls to `backend`, the server.
pub(super) struct Mesh {
    /// Where the sidecar of `caller` takes calls to the server.
    pub(super) outbound: SocketAddr,
    supervisor: Supervisor,
    channel: Channel,
    begun: watch::Receiver<usize>,
    ended: watch::Receiver<usize>,
    tasks: Tasks,
    _policies: TempDir,
}

impl Mesh {
    /// Starts it.
    pub(super) async fn start(name: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let ((begin, begun), (end, ended)) = (watch::channel(0), watch::channel(0));
        let tasks = Tasks::new();
        tasks.spawn(async move {
            let service = tower::service_fn(move |request| serve(request, begin.clone(), end.clone()));
            // It ends with the test.
            let _ = Server::builder().serve_with_incoming(service, TcpIncoming::from(listener)).await;
        });
        let policies = tempfile::tempdir()?;
        std::fs::write(policies.path().join("backend.yaml"), policy("grpc", "ALLOW", RULES))?;
        let services = vec![service("caller", address, &["backend"]), service("backend", address, &[])];
        let trust_domain = TrustDomain::parse("test.local")?;
        let mut spec = MeshSpec::new(name, trust_domain, policies.path(), kith_binary(), services);
        spec.sidecar_workers = 1;
        let supervisor = Supervisor::start(spec).await?;
        let outbound = supervisor.endpoints("caller").context("no caller")?.outbounds["backend"];
        let channel = Endpoint::from_shared(format!("http://{outbound}"))?.connect().await?;
        Ok(Self { outbound, supervisor, channel, begun, ended, tasks, _policies: policies })
    }

    /// A client of the server, at the sidecar of `caller`.
    pub(super) async fn client(&self) -> anyhow::Result<Grpc<Channel>> {
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await?;
        Ok(client)
    }

    /// Makes one unary call. A status is an answer, not a failure of the test.
    pub(super) async fn unary(
        &self,
        path: &str,
        request: Request<String>,
    ) -> anyhow::Result<Result<String, Status>> {
        let (mut client, path) = (self.client().await?, PathAndQuery::try_from(path)?);
        let answer = timeout(SOON, client.unary(request, path, Text)).await.context("no answer")?;
        Ok(answer.map(Response::into_inner))
    }

    /// Waits until so many calls have come to the server.
    pub(super) async fn until_begun(&self, count: usize) -> anyhow::Result<()> {
        timeout(SOON, self.begun.clone().wait_for(|begun| *begun >= count))
            .await
            .context("no call came")??;
        Ok(())
    }

    /// How many calls have come to the server so far.
    pub(super) fn begun(&self) -> usize {
        *self.begun.borrow()
    }

    /// Waits until so many calls are over at the server, and says how long that took.
    pub(super) async fn until_ended(&self, count: usize) -> anyhow::Result<Duration> {
        let since = Instant::now();
        timeout(SOON, self.ended.clone().wait_for(|ended| *ended >= count)).await.context("it goes on")??;
        Ok(since.elapsed())
    }

    /// Ends every process; an error when one had to be killed.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        drop(self.channel);
        self.tasks.cut();
        timeout(Duration::from_secs(20), self.supervisor.stop()).await?
    }
}

fn service(name: &str, application: SocketAddr, calls: &[&str]) -> ServiceSpec {
    ServiceSpec {
        name: name.to_owned(),
        namespace: "test".to_owned(),
        service_account: name.to_owned(),
        labels: BTreeMap::new(),
        app: App::External { address: application },
        calls: calls.iter().map(ToString::to_string).collect(),
        port: 0,
        protocol: Protocol::Detect,
        workload_api: false,
    }
}
