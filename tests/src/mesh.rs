//! A mesh of real processes around applications of the test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use kith::local::admin::Admin;
use kith::local::{App, MeshSpec, Protocol, ServiceSpec, Supervisor};
use kith_identity::TrustDomain;
use kith_proto::v1::StatusResponse;
use tempfile::TempDir;

use crate::backend::Backend;
use crate::binary::kith_binary;
use crate::record::Record;

/// Lets `caller` make any call to `backend`.
pub const ALLOW_CALLER: &str = "  - sources: [{ type: ServiceAccount, serviceAccount: { name: caller } }]\n";
const NAMESPACE: &str = "test";

/// A policy for `backend` with the given rules.
pub fn policy(name: &str, action: &str, rules: &str) -> String {
    policy_for("backend", name, action, rules)
}

/// A policy for a service with the given rules.
pub fn policy_for(service: &str, name: &str, action: &str, rules: &str) -> String {
    format!(
        "apiVersion: kith.dev/v1alpha1\nkind: AuthorizationPolicy\nmetadata: {{ name: {name}, namespace: {NAMESPACE} }}\n\
         spec:\n  targetRefs: [{{ kind: ServiceAccount, name: {service} }}]\n  action: {action}\n  rules:\n{rules}"
    )
}

/// `caller`, `backend` and `other`; the first and the last may call the second.
pub struct Mesh {
    /// The processes.
    pub supervisor: Supervisor,
    /// What they logged.
    pub record: Record,
    /// The application of `backend`.
    pub backend: Backend,
    policies: TempDir,
}

impl Mesh {
    /// Starts a mesh in which `caller` may call `backend`, with svids of so many seconds.
    pub async fn start(name: &str, svid_seconds: u32) -> anyhow::Result<Self> {
        Self::start_with(name, svid_seconds, &policy("callers", "ALLOW", ALLOW_CALLER)).await
    }

    /// The same with other policies.
    pub async fn start_with(name: &str, svid_seconds: u32, policies_yaml: &str) -> anyhow::Result<Self> {
        Self::start_beside(name, svid_seconds, policies_yaml, None).await
    }

    /// The same with a further service `db` at this address, which `caller` and `other` call, and whose protocol is
    /// declared to be TCP.
    pub async fn start_beside(
        name: &str,
        svid_seconds: u32,
        policies_yaml: &str,
        db: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        Self::start_changed(name, policies_yaml, db, |spec| spec.svid_seconds = svid_seconds).await
    }

    /// A mesh in which `caller` may call `backend`, and nothing uses another key exchange than the hybrid.
    pub async fn start_requiring_pq(name: &str) -> anyhow::Result<Self> {
        let policies_yaml = policy("callers", "ALLOW", ALLOW_CALLER);
        let required = "RequirePq".parse()?;
        Self::start_changed(name, &policies_yaml, None, |spec| spec.key_exchange = required).await
    }

    async fn start_changed(
        name: &str,
        policies_yaml: &str,
        db: Option<SocketAddr>,
        change: impl FnOnce(&mut MeshSpec),
    ) -> anyhow::Result<Self> {
        let backend = Backend::start().await?;
        let policies = tempfile::tempdir()?;
        std::fs::write(policies.path().join("backend.yaml"), policies_yaml)?;
        let calls = || ["backend"].into_iter().chain(db.map(|_| "db")).map(str::to_owned).collect();
        let mut services = vec![
            service("caller", backend.address(), calls()),
            service("other", backend.address(), calls()),
            service("backend", backend.address(), Vec::new()),
        ];
        services.extend(
            db.map(|address| ServiceSpec { protocol: Protocol::Tcp, ..service("db", address, Vec::new()) }),
        );
        let trust_domain = TrustDomain::parse("test.local")?;
        let mut spec = MeshSpec::new(name, trust_domain, policies.path(), kith_binary(), services);
        spec.sidecar_workers = 2;
        change(&mut spec);
        let supervisor = Supervisor::start(spec).await?;
        let record = Record::of(supervisor.events());
        Ok(Self { supervisor, record, backend, policies })
    }

    /// Where `from` reaches `backend`: plain HTTP, into its own sidecar.
    pub fn outbound(&self, from: &str) -> anyhow::Result<SocketAddr> {
        self.outbound_to(from, "backend")
    }

    /// Where `from` reaches another service.
    pub fn outbound_to(&self, from: &str, to: &str) -> anyhow::Result<SocketAddr> {
        let endpoints = self.supervisor.endpoints(from).with_context(|| format!("no service {from}"))?;
        endpoints.outbounds.get(to).copied().with_context(|| format!("{from} does not call {to}"))
    }

    /// Where the sidecar of `service` accepts sessions.
    pub fn inbound(&self, service: &str) -> anyhow::Result<SocketAddr> {
        Ok(self.supervisor.endpoints(service).with_context(|| format!("no service {service}"))?.inbound)
    }

    /// What `kith status` would print.
    pub async fn status(&self) -> anyhow::Result<StatusResponse> {
        Ok(Admin::connect(self.supervisor.control_plane().admin_socket()).await?.status().await?)
    }

    /// The policy file.
    pub fn policy_file(&self) -> PathBuf {
        self.policies.path().join("backend.yaml")
    }

    /// Ends every process; an error when one had to be killed.
    pub async fn stop(self) -> anyhow::Result<()> {
        tokio::time::timeout(Duration::from_secs(20), self.supervisor.stop()).await?
    }
}

fn service(name: &str, application: SocketAddr, calls: Vec<String>) -> ServiceSpec {
    ServiceSpec {
        name: name.to_owned(),
        namespace: NAMESPACE.to_owned(),
        service_account: name.to_owned(),
        labels: BTreeMap::from([("app".to_owned(), name.to_owned())]),
        app: App::External { address: application },
        calls,
        port: 0,
        protocol: Protocol::Detect,
        workload_api: true,
    }
}
