//! The pair of sidecars: a whole mesh in local mode, as it ships, with its identity log and its policies on. Owns the
//! process that holds it, which does nothing else but read the identity log.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use kith::local::{App, Event, Events, MeshSpec, Protocol, ServiceSpec, Supervisor};
use kith_identity::TrustDomain;
use kith_sidecar::identity_log;
use rustix::process::setpriority_process;
use serde::{Deserialize, Serialize};

use crate::backend::{Addresses, input_ended};
use crate::effort::{POLICIES, PROXIES};
use crate::policies::{self, CALLEE, CALLER, NAMESPACE, OPAQUE};
use crate::{cpu, say};

/// No svid is renewed while something is measured; rotation has its own tests.
const SVID_SECONDS: u32 = 3_600;
/// The lowest: whoever reads the log takes what the load leaves.
const READER_NICE: i32 = 19;
/// How long a mesh may take to start.
pub(crate) const START: Duration = Duration::from_secs(60);

/// What the process is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The binary of the sidecars.
    pub(crate) kith: PathBuf,
    /// The applications.
    pub(crate) backend: Addresses,
}

/// Where the mesh is reached, and who it is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// Where the caller's sidecar takes HTTP.
    pub(crate) http: SocketAddr,
    /// Where it takes opaque connections.
    pub(crate) opaque: SocketAddr,
    /// The process id of the caller's sidecar.
    pub(crate) caller: i32,
    /// That of the sidecar of the HTTP application.
    pub(crate) callee: i32,
    /// That of the sidecar of the opaque application.
    pub(crate) opaque_callee: i32,
}

/// What the identity logs said, at the end.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct LogCount {
    /// Lines about calls.
    pub(crate) calls: u64,
    /// Calls among them that were not allowed.
    pub(crate) refused: u64,
}

/// Holds the mesh until standard input ends.
pub(crate) async fn run(request: Request) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    policies::write(folder.path(), POLICIES)?;
    let mut spec = MeshSpec::new(
        format!("bench-{}", std::process::id()),
        TrustDomain::parse("bench.local")?,
        folder.path(),
        &request.kith,
        services(request.backend),
    );
    spec.svid_seconds = SVID_SECONDS;
    spec.sidecar_workers = 1;
    let supervisor = tokio::select! {
        started = Supervisor::start(spec) => started?,
        ended = input_ended() => return ended,
    };
    let ready = ready(&supervisor)?;
    for pid in [ready.caller, ready.callee, ready.opaque_callee] {
        cpu::pin(pid, PROXIES)?;
    }
    setpriority_process(None, READER_NICE).context("cannot step back behind the load")?;
    say(&ready)?;
    let mut counted = LogCount::default();
    tokio::select! {
        () = count(supervisor.events(), &mut counted) => anyhow::bail!("the mesh ended by itself"),
        ended = input_ended() => ended?,
    }
    say(&counted)?;
    supervisor.stop().await
}

fn services(backend: Addresses) -> Vec<ServiceSpec> {
    let service = |name: &str, address, protocol, calls: &[&str]| ServiceSpec {
        name: name.to_owned(),
        namespace: NAMESPACE.to_owned(),
        service_account: name.to_owned(),
        labels: BTreeMap::from([("app".to_owned(), name.to_owned())]),
        app: App::External { address },
        calls: calls.iter().map(|&call| call.to_owned()).collect(),
        port: 0,
        protocol,
        workload_api: false,
    };
    vec![
        service(CALLER, backend.http, Protocol::Http, &[CALLEE, OPAQUE]),
        service(CALLEE, backend.http, Protocol::Http, &[]),
        service(OPAQUE, backend.opaque, Protocol::Tcp, &[]),
    ]
}

fn ready(supervisor: &Supervisor) -> anyhow::Result<Ready> {
    let endpoints = supervisor.endpoints(CALLER).context("the mesh has no caller")?;
    let outbound = |callee: &str| {
        let address = endpoints.outbounds.get(callee).copied();
        address.with_context(|| format!("the caller does not call {callee}"))
    };
    let pid = |service: &str| {
        let pid = supervisor.sidecar(service).and_then(|sidecar| sidecar.pid());
        pid.with_context(|| format!("the sidecar of {service} does not run"))
    };
    Ok(Ready {
        http: outbound(CALLEE)?,
        opaque: outbound(OPAQUE)?,
        caller: pid(CALLER)?,
        callee: pid(CALLEE)?,
        opaque_callee: pid(OPAQUE)?,
    })
}

async fn count(mut events: Events, counted: &mut LogCount) {
    while let Some(event) = events.next().await {
        if let Event::Line { line, .. } = event
            && let identity_log::Event::Call(call) = &line.event
        {
            counted.calls += 1;
            counted.refused += u64::from(call.verdict == identity_log::Verdict::Deny);
        }
    }
}
