//! A mesh of which three applications are other people's, each by its own service, and follow the Workload API of their
//! sidecars: `go` by go-spiffe, `python` by PyPI's spiffe, `envoy` by SDS. They may call one path of `backend`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use kith::local::admin::Admin;
use kith::local::{App, ChildId, Event, MeshSpec, Process, Protocol, ServiceSpec, Stream, Supervisor};
use kith_identity::TrustDomain;
use kith_tests::{Backend, Connection, Record, Version, kith_binary, policy_for};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::envoy::{self, arguments};
use crate::ground::{AGAIN, SOON, ours, part, text};

/// The services whose applications are other people's.
pub(super) const FOREIGN: [&str; 3] = ["go", "python", "envoy"];
/// What they may call of `backend`, and what they may not.
pub(super) const ALLOWED: &str = "/allowed";
pub(super) const DENIED: &str = "/denied";

const TRUST_DOMAIN: &str = "interop.local";
const RULES: &str = "  - sources: [{ type: ServiceAccount, serviceAccount: { name: go } },\n      \
     { type: ServiceAccount, serviceAccount: { name: python } },\n      \
     { type: ServiceAccount, serviceAccount: { name: envoy } }]\n    \
     operations: [{ http: { methods: [GET], paths: [/allowed] } }]\n";

/// The mesh.
pub(super) struct Town {
    pub(super) supervisor: Supervisor,
    pub(super) record: Record,
    pub(super) backend: Backend,
    folder: TempDir,
}

/// The identity of a service.
pub(super) fn identity(service: &str) -> String {
    format!("spiffe://{TRUST_DOMAIN}/ns/test/sa/{service}")
}

impl Town {
    /// Starts it; every application has its first svid, and listens.
    pub(super) async fn start(name: &str) -> anyhow::Result<Self> {
        let (folder, backend) = (tempfile::tempdir()?, Backend::start().await?);
        let policies = folder.path().join("policies");
        std::fs::create_dir(&policies)?;
        std::fs::write(policies.join("backend.yaml"), policy_for("backend", "foreign", "ALLOW", RULES))?;
        let python =
            vec![text(&part("venv/bin/python")?)?, text(&ours("python/peer.py"))?, "workload".to_owned()];
        let mut envoy = vec![text(&ours("envoy/run"))?];
        envoy.extend(arguments("workload.yaml", folder.path())?);
        let services = vec![
            process("go", vec![text(&part("peer")?)?, "workload".to_owned()]),
            process("python", python),
            process("envoy", envoy),
            service("backend", App::External { address: backend.address() }, Vec::new()),
        ];
        let trust_domain = TrustDomain::parse(TRUST_DOMAIN)?;
        let mut spec = MeshSpec::new(name, trust_domain, policies, kith_binary(), services);
        // Nothing is renewed by itself while a test runs.
        spec.svid_seconds = 3600;
        let supervisor = Supervisor::start(spec).await?;
        let record = Record::of(supervisor.events());
        let town = Self { supervisor, record, backend, folder };
        town.envoy().until_ready().await?;
        Ok(town)
    }

    /// What Envoy says of itself.
    pub(super) fn envoy(&self) -> envoy::Admin {
        envoy::Admin::of(self.folder.path())
    }

    /// Where a service's sidecar accepts sessions.
    pub(super) fn inbound(&self, service: &str) -> anyhow::Result<SocketAddr> {
        Ok(self.supervisor.endpoints(service).with_context(|| format!("no service {service}"))?.inbound)
    }

    /// Has the svid of a service replaced, on demand. Whoever is about to be connected again cannot be told.
    pub(super) async fn rotate(&self, service: &str) -> anyhow::Result<()> {
        let rotated = async {
            let mut admin = Admin::connect(self.supervisor.control_plane().admin_socket()).await?;
            while admin.rotate(service).await.is_err() {
                sleep(AGAIN).await;
            }
            anyhow::Ok(())
        };
        timeout(SOON, rotated).await.with_context(|| format!("{service} is not rotated"))?
    }

    /// Waits until an application has an svid that it did not have before, and says which.
    pub(super) async fn next_svid(&self, service: &str, had: &BTreeSet<String>) -> anyhow::Result<String> {
        let new =
            |serials: Vec<String>| serials.into_iter().map(|it| plain(&it)).find(|it| !had.contains(it));
        if service != "envoy" {
            let what = format!("{service} has no new svid");
            return self.record.until(&what, SOON, |record| Ok(new(told(record, service)?))).await;
        }
        let search = async {
            loop {
                if let Some(serial) = new(self.envoy().serials().await?) {
                    return anyhow::Ok(serial);
                }
                sleep(AGAIN).await;
            }
        };
        timeout(SOON, search).await.context("envoy has no new svid")?
    }

    /// Has `service` call `path` of `backend`'s sidecar, past its own, and says the status.
    pub(super) async fn call(&self, service: &str, path: &str, protocol: &str) -> anyhow::Result<u16> {
        let backend = (self.inbound("backend")?, identity("backend"));
        if service == "envoy" {
            let app = self.supervisor.endpoints(service).context("no endpoints")?.app;
            let answer = Connection::open(app, Version::Http1).await?.call("GET", path, "").await?;
            // A sidecar's refusal has an id; without one it is Envoy that says no.
            let is_judged = answer.status.is_success() || answer.denial_id().is_some();
            ensure!(is_judged, "envoy says: {}", String::from_utf8_lossy(&answer.body));
            return Ok(answer.status.as_u16());
        }
        self.tell(service, backend.0, &backend.1, path, protocol).await
    }

    /// Has the application of `service` call an address; the error is what it says.
    pub(super) async fn tell(
        &self,
        service: &str,
        address: SocketAddr,
        expect: &str,
        path: &str,
        protocol: &str,
    ) -> anyhow::Result<u16> {
        let app = self.supervisor.endpoints(service).context("no endpoints")?.app;
        let command = format!("/call?address={address}&expect={expect}&path={path}&protocol={protocol}");
        let told = async { Connection::open(app, Version::Http1).await?.call("GET", &command, "").await };
        let answer = timeout(SOON, told).await.with_context(|| format!("{service} does not answer"))??;
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(answer.status.is_success(), "{service} says: {said}");
        let (status, version) = said.trim().split_once(' ').with_context(|| said.clone())?;
        ensure!(version.starts_with("HTTP/2") == (protocol == "h2"), "{service} spoke {version}");
        Ok(status.parse()?)
    }

    /// Ends it.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        timeout(SOON, self.supervisor.stop()).await.context("it does not end")?
    }
}

/// The svids that an application told of, in their order.
fn told(record: &Record, service: &str) -> anyhow::Result<Vec<String>> {
    let mut told = Vec::new();
    for event in record.events()? {
        let Event::Raw { child: ChildId::App(of), stream: Stream::Stdout, text } = event else { continue };
        match text.split_once(' ') {
            _ if *of != *service => {}
            Some(("svid", serial)) => told.push(serial.to_owned()),
            _ => bail!("{service} says {text}"),
        }
    }
    Ok(told)
}

/// One spelling of serial numbers: each program has its own.
pub(super) fn plain(serial: &str) -> String {
    serial.replace(':', "").trim_start_matches('0').to_ascii_lowercase()
}

fn process(name: &str, argv: Vec<String>) -> ServiceSpec {
    let env = BTreeMap::from([
        ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
        ("BACKEND".to_owned(), identity("backend")),
        // Whom Envoy lets in.
        ("CALLER".to_owned(), identity("go")),
    ]);
    let process = Process { argv, env, listens: true, ..Process::default() };
    service(name, App::Process(process), vec!["backend".to_owned()])
}

fn service(name: &str, app: App, calls: Vec<String>) -> ServiceSpec {
    ServiceSpec {
        name: name.to_owned(),
        namespace: "test".to_owned(),
        service_account: name.to_owned(),
        labels: BTreeMap::new(),
        app,
        calls,
        port: 0,
        protocol: Protocol::Detect,
        workload_api: true,
    }
}
