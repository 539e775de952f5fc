//! A control plane of its own, under the hand of the benchmark as its supervisor: it says how to start, which workloads
//! there are, and signs what they ask with.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hyper_util::rt::TokioIo;
use kith_control_plane::attest::{StatementClaims, StatementSigner, statement};
use kith_identity::{Bundle, BundleSet, SpiffeId, TrustDomain};
use kith_mtls::{Accept, Client, ClientIdentity, Credentials, Now, Svid, WorkloadKey};
use kith_proto::v1::from_child::Kind as Up;
use kith_proto::v1::issue_request::Evidence;
use kith_proto::v1::to_child::Kind as Down;
use kith_proto::v1::{
    ControlPlaneReady, ControlPlaneStart, FromChild, IssueRequest, ToChild, Workload, Workloads,
};
use kith_runtime::{Clock, PacketSocket};
use prost::Message as _;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::child::{Child, command};
use crate::effort::PROXIES;
use crate::policies::NAMESPACE;

const LIMIT: Duration = Duration::from_secs(10);
const SVID_SECONDS: u32 = 3_600;
const SEAL_KEY: [u8; 32] = [7; 32];
const INSTANCE: [u8; statement::INSTANCE_BYTES] = [1; statement::INSTANCE_BYTES];

/// A control plane that runs, and what its supervisor holds.
pub(super) struct ControlPlane {
    process: Child,
    /// Its end is the control plane's.
    socket: PacketSocket,
    signer: StatementSigner,
    trust_domain: TrustDomain,
    ready: ControlPlaneReady,
    _folder: TempDir,
}

impl ControlPlane {
    /// Starts it with so many workloads.
    pub(super) async fn start(workloads: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("policies"))?;
        let signer = StatementSigner::generate()?;
        let trust_domain = TrustDomain::parse("bench.local")?;
        let (socket, theirs) = PacketSocket::pair()?;
        let mut command = command(PROXIES, kith_tests::kith_binary())?;
        command.arg("run-control-plane").env_clear().env("KITH_LOG", "error");
        command.stdin(Stdio::from(theirs)).stdout(Stdio::null());
        let process = Child::start("control plane", command, false)?;
        send(&socket, Down::ControlPlane(start_message(folder.path(), &trust_domain, &signer)?)).await?;
        let packet = timeout(LIMIT, socket.receive()).await.context("the control plane did not start")??;
        let packet = packet.context("the control plane ended before it was ready")?;
        let Some(Up::ControlPlane(ready)) = FromChild::decode(packet.bytes.as_slice())?.kind else {
            bail!("the control plane did not say that it is ready");
        };
        let list = (0..workloads).map(workload).collect();
        send(&socket, Down::Workloads(Workloads { workloads: list })).await?;
        Ok(Self { process, socket, signer, trust_domain, ready, _folder: folder })
    }

    /// Ends it as its supervisor's end does.
    /// Its process id.
    pub(super) fn pid(&self) -> anyhow::Result<i32> {
        self.process.pid()
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        drop(self.socket);
        self.process.ended().await
    }

    /// Everything that an identity asks for a new svid with, and the key of that svid.
    pub(super) fn question(&self, identity: &SpiffeId) -> anyhow::Result<(WorkloadKey, IssueRequest)> {
        let key = WorkloadKey::generate()?;
        let expires = Clock::system().now() + statement::LIFETIME;
        let claims = StatementClaims {
            identity: identity.clone(),
            key_hash: key.key_hash(),
            instance: INSTANCE,
            expires,
        };
        let evidence = Some(Evidence::Supervised(self.signer.sign(&claims)?));
        let csr = key.csr_der()?;
        Ok((key, IssueRequest { evidence, csr }))
    }

    /// The identity of one of its workloads.
    pub(super) fn identity(&self, number: usize) -> anyhow::Result<SpiffeId> {
        Ok(SpiffeId::for_service_account(&self.trust_domain, NAMESPACE, &name(number))?)
    }

    /// A session, with an svid or without.
    pub(super) async fn connect(&self, svid: Option<Arc<Svid>>) -> anyhow::Result<Channel> {
        let wire = self.ready.bundle.as_ref().context("the control plane told no bundle")?;
        let bundle = Bundle::parse(self.trust_domain.clone(), &wire.authorities)?;
        let (_, svid) = watch::channel(svid);
        let (_, bundles) = watch::channel(Arc::new(BundleSet::from_iter([bundle])));
        let clock = Clock::system();
        let credentials = Credentials::new(svid, bundles, Now::new(move || clock.now()));
        let client = Client::new(credentials, ClientIdentity::SvidIfAny, &[b"h2"]);
        let accept = Accept::only(SpiffeId::control_plane(&self.trust_domain));
        let address = self.ready.address.clone();
        let connector = service_fn(move |_| {
            let (client, accept, address) = (client.clone(), accept.clone(), address.clone());
            async move {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let session = client.connect(stream, accept, LIMIT).await.map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(TokioIo::new(session.stream))
            }
        });
        // The name is never resolved: the connector goes to the address.
        Ok(Endpoint::from_static("http://control-plane.invalid").connect_with_connector(connector).await?)
    }
}

async fn send(socket: &PacketSocket, kind: Down) -> anyhow::Result<()> {
    Ok(socket.send(&ToChild { kind: Some(kind) }.encode_to_vec()).await?)
}

fn start_message(
    folder: &Path,
    trust_domain: &TrustDomain,
    signer: &StatementSigner,
) -> anyhow::Result<ControlPlaneStart> {
    let path = |name: &str| {
        let path = folder.join(name);
        path.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8", path.display()))
    };
    Ok(ControlPlaneStart {
        trust_domain: trust_domain.to_string(),
        state_file: path("state")?,
        seal_key: SEAL_KEY.to_vec(),
        policies_folder: path("policies")?,
        listen: "127.0.0.1:0".to_owned(),
        health_listen: "127.0.0.1:0".to_owned(),
        admin_socket: path("run/admin.sock")?,
        statement_key: signer.public_key(),
        instance: INSTANCE.to_vec(),
        svid_seconds: SVID_SECONDS,
        key_exchange: "PreferPq".to_owned(),
        ..ControlPlaneStart::default()
    })
}

fn workload(number: usize) -> Workload {
    Workload {
        name: name(number),
        namespace: NAMESPACE.to_owned(),
        service_account: name(number),
        // Nobody ever connects to them.
        inbound_address: "127.0.0.1:1".to_owned(),
        port: 1,
        ..Workload::default()
    }
}

fn name(number: usize) -> String {
    format!("w{number}")
}
