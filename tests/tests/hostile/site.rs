//! A control plane and two sidecars of which the test itself is the supervisor: it signs the statements, so it can
//! attest itself as a workload without a sidecar, and be a peer with a genuine svid and a will of its own.
//!
//! ```text
//! test ──(plain HTTP)──► sidecar of caller ──► sidecar of backend ──► application
//! test ──(mTLS, svid of foreign)─────────────► sidecar of backend ──► application
//! ```

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use anyhow::{Context, bail, ensure};
use kith_control_plane::attest::{StatementClaims, StatementSigner};
use kith_identity::SpiffeId;
use kith_identity::svid::KeyHash;
use kith_proto::v1;
use kith_proto::v1::from_child::Kind as Up;
use kith_proto::v1::to_child::Kind as Down;
use kith_runtime::{Clock, PacketSocket, Tasks};
use kith_sidecar::identity_log::{Call, Event, Line, SessionRefused, Verdict};
use kith_tests::{kith_binary, policy};
use prost::Message;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::SOON;
use super::peer::Peer;

const INSTANCE: [u8; 16] = [1; 16];
const START: std::time::Duration = std::time::Duration::from_secs(20);
/// Both callers may make any call, but for one path.
const SOURCES: &str = "  - sources: [{ type: ServiceAccount, serviceAccount: { name: caller } }, \
                       { type: ServiceAccount, serviceAccount: { name: foreign } }]\n";
const FORBIDDEN: &str = "  - operations: [{ http: { paths: [/forbidden] } }]\n";

/// Any connection.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

/// Which side of the mesh the test stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    /// The application of `caller`, at its own sidecar.
    Application,
    /// The workload `foreign`, without a sidecar, at the sidecar of `backend`.
    Peer,
}

impl Face {
    /// Both of them.
    pub(super) const BOTH: [Self; 2] = [Self::Application, Self::Peer];
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1,
    Http2,
}

/// The running processes.
pub(super) struct Site {
    pub(super) outbound: SocketAddr,
    pub(super) inbound: SocketAddr,
    peer: Peer,
    caller: Sidecar,
    backend: Sidecar,
    control_plane: Child,
    tasks: Tasks,
    _folder: TempDir,
}

struct Sidecar {
    child: Child,
    lines: Arc<Mutex<Vec<Line>>>,
    grown: watch::Receiver<usize>,
}

/// What the supervisor tells everybody.
#[derive(Clone)]
pub(super) struct Supervisor {
    pub(super) signer: Arc<StatementSigner>,
    pub(super) control_plane: SocketAddr,
    pub(super) bundle: v1::Bundle,
}

impl Supervisor {
    /// A statement that whoever holds this key is `identity`.
    pub(super) fn statement(&self, identity: &SpiffeId, key_hash: KeyHash) -> anyhow::Result<Vec<u8>> {
        let expires = Clock::system().now() + SOON;
        let claims = StatementClaims { identity: identity.clone(), key_hash, instance: INSTANCE, expires };
        Ok(self.signer.sign(&claims)?)
    }
}

/// `spiffe://test.local/ns/test/sa/NAME`.
pub(super) fn identity(name: &str) -> anyhow::Result<SpiffeId> {
    Ok(SpiffeId::parse(&format!("spiffe://test.local/ns/test/sa/{name}"))?)
}

impl Site {
    /// Starts everything in front of `application`, and returns once calls arrive there.
    pub(super) async fn start(application: SocketAddr) -> anyhow::Result<Self> {
        let private = std::fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().permissions(private).tempdir()?;
        let tasks = Tasks::new();
        let policies = folder.path().join("policies");
        std::fs::create_dir(&policies)?;
        let both = format!("{}---\n{}", policy("callers", "ALLOW", SOURCES), policy("no", "DENY", FORBIDDEN));
        std::fs::write(policies.join("backend.yaml"), both)?;
        let signer = Arc::new(StatementSigner::generate()?);
        let (control_plane, channel, ready) = start_control_plane(&folder, &signer).await?;
        let supervisor = Supervisor {
            signer,
            control_plane: ready.address.parse()?,
            bundle: ready.bundle.context("no bundle")?,
        };
        let (known, is_known) = watch::channel(false);
        let start = |name: &str, outbounds| {
            start_sidecar(name, application, outbounds, supervisor.clone(), is_known.clone(), &tasks)
        };
        let (backend, ready) = start("backend", Vec::new())?;
        let inbound = timeout(START, ready).await??.inbound.parse()?;
        let outbound = v1::Outbound { destination: "backend".into(), listen: "127.0.0.1:0".into() };
        let (caller, ready) = start("caller", vec![outbound])?;
        let ready = timeout(START, ready).await??;
        let outbound = ready.outbounds.first().context("no outbound")?.listen.parse()?;
        send(&channel, Down::Workloads(workloads(inbound, ready.inbound, application))).await?;
        known.send_replace(true);
        // The control plane ends with its channel.
        tasks.spawn(async move { while let Ok(Some(_)) = channel.receive().await {} });
        let foreign = identity("foreign")?;
        let peer = Peer::attested(&supervisor, &foreign, identity("backend")?);
        let peer = timeout(START, peer).await.context("the peer gets no svid")??;
        let site = Self { outbound, inbound, peer, caller, backend, control_plane, tasks, _folder: folder };
        timeout(START, site.until_carried()).await.context("no call arrived")??;
        Ok(site)
    }

    /// A new connection.
    pub(super) async fn connect(&self, face: Face, spoken: Spoken) -> anyhow::Result<Box<dyn Wire>> {
        Ok(match face {
            Face::Application => Box::new(TcpStream::connect(self.outbound).await?),
            Face::Peer => self.connect_as(if spoken == Spoken::Http1 { b"http/1.1" } else { b"h2" }).await?,
        })
    }

    /// A new session with the sidecar of `backend`, in which its own kind may be spoken.
    pub(super) async fn connect_as(&self, alpn: &[u8]) -> anyhow::Result<Box<dyn Wire>> {
        Ok(Box::new(self.peer.connect(self.inbound, alpn).await?))
    }

    /// The calls that the sidecar at this face has refused itself so far.
    pub(super) fn refusals(&self, face: Face) -> anyhow::Result<Vec<Call>> {
        let own = |call: &Call| {
            call.verdict == Verdict::Deny && call.denial_reason.as_deref() != Some("refused_by_peer")
        };
        Ok(self.sidecar(face).calls()?.into_iter().filter(own).collect())
    }

    /// Waits until the sidecar at this face has refused so many calls, and returns the last of them.
    pub(super) async fn refused(&self, face: Face, count: usize) -> anyhow::Result<Call> {
        let what = format!("refusal {count} is logged");
        self.sidecar(face).until(&what, || Ok(self.refusals(face)?.into_iter().nth(count - 1))).await
    }

    /// Waits until the backend's sidecar has refused so many connections for `reason`.
    pub(super) async fn sessions_refused(&self, reason: &str, count: usize) -> anyhow::Result<()> {
        let refused = |line: &Line| matches!(&line.event, Event::SessionRefused(SessionRefused { reason: given, .. }) if given == reason);
        let backend = &self.backend;
        let found =
            || Ok((backend.lines()?.iter().filter(|line| refused(line)).count() >= count).then_some(()));
        backend.until(&format!("{count} connections are refused for {reason}"), found).await
    }

    /// Waits for the line of the backend's sidecar about the call to this path.
    pub(super) async fn call_to(&self, path: &str) -> anyhow::Result<Call> {
        let found = || Ok(self.backend.calls()?.into_iter().find(|call| call.path == path));
        self.backend.until(&format!("the call to {path} is logged"), found).await
    }

    /// Process id of the backend's sidecar.
    pub(super) fn backend_pid(&self) -> anyhow::Result<u32> {
        self.backend.child.id().context("the sidecar of backend has ended")
    }

    /// Ends every process; an error when one of them did not end well.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.tasks.cut();
        let children = [("caller", self.caller.child), ("backend", self.backend.child)];
        for (name, mut child) in children.into_iter().chain([("the control plane", self.control_plane)]) {
            let status =
                timeout(START, child.wait()).await.with_context(|| format!("{name} did not end"))??;
            ensure!(status.success(), "{name} ended with {status}");
        }
        Ok(())
    }

    fn sidecar(&self, face: Face) -> &Sidecar {
        match face {
            Face::Application => &self.caller,
            Face::Peer => &self.backend,
        }
    }

    async fn until_carried(&self) -> anyhow::Result<()> {
        for face in Face::BOTH {
            let request = b"GET /ready HTTP/1.1\r\nhost: backend\r\nconnection: close\r\n\r\n";
            loop {
                // The sidecar may not be able to prove itself yet.
                let Ok(stream) = self.connect(face, Spoken::Http1).await else { continue };
                if super::http1::exchange(stream, request).await?.status() == Some(200) {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Sidecar {
    fn lines(&self) -> anyhow::Result<Vec<Line>> {
        Ok(self.lines.lock().map_err(|_| anyhow::anyhow!("the reader of the log panicked"))?.clone())
    }

    fn calls(&self) -> anyhow::Result<Vec<Call>> {
        let calls = self.lines()?.into_iter().filter_map(|line| match line.event {
            Event::Call(call) => Some(*call),
            _ => None,
        });
        Ok(calls.collect())
    }

    async fn until<T>(
        &self,
        what: &str,
        mut found: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let mut grown = self.grown.clone();
        let search = async {
            loop {
                grown.mark_unchanged();
                if let Some(value) = found()? {
                    return Ok(value);
                }
                if grown.changed().await.is_err() {
                    bail!("the sidecar ended before {what}");
                }
            }
        };
        timeout(SOON, search).await.with_context(|| format!("{what}: not within {SOON:?}"))?
    }
}

fn workloads(inbound: SocketAddr, caller_inbound: String, application: SocketAddr) -> v1::Workloads {
    let workload = |name: &str, inbound_address: String, calls: &[&str]| v1::Workload {
        name: name.to_owned(),
        namespace: "test".to_owned(),
        service_account: name.to_owned(),
        inbound_address,
        port: u32::from(application.port()),
        calls: calls.iter().map(ToString::to_string).collect(),
        protocol: v1::Protocol::Http.into(),
        ..v1::Workload::default()
    };
    let workloads = vec![
        workload("backend", inbound.to_string(), &[]),
        workload("caller", caller_inbound, &["backend"]),
        // Nobody listens there: it only calls.
        workload("foreign", "127.0.0.1:9".to_owned(), &["backend"]),
    ];
    v1::Workloads { workloads }
}

async fn start_control_plane(
    folder: &TempDir,
    signer: &StatementSigner,
) -> anyhow::Result<(Child, PacketSocket, v1::ControlPlaneReady)> {
    let path = |name: &str| -> anyhow::Result<String> {
        Ok(folder.path().join(name).to_str().context("the path is not UTF-8")?.to_owned())
    };
    let (mut child, channel) = spawn("run-control-plane", Stdio::null())?;
    let start = v1::ControlPlaneStart {
        trust_domain: "test.local".into(),
        state_file: path("state")?,
        seal_key: vec![7; 32],
        policies_folder: path("policies")?,
        listen: "127.0.0.1:0".into(),
        admin_socket: path("admin.sock")?,
        statement_key: signer.public_key(),
        instance: INSTANCE.to_vec(),
        svid_seconds: 600,
        health_listen: "127.0.0.1:0".into(),
        key_exchange: "PreferPq".into(),
        ..v1::ControlPlaneStart::default()
    };
    send(&channel, Down::ControlPlane(start)).await?;
    match timeout(START, receive(&channel)).await?? {
        Some(Up::ControlPlane(ready)) => Ok((child, channel, ready)),
        // Why, it says on stderr.
        other => bail!("the control plane is not ready: {other:?}, {:?}", timeout(SOON, child.wait()).await),
    }
}

fn start_sidecar(
    name: &str,
    application: SocketAddr,
    outbounds: Vec<v1::Outbound>,
    supervisor: Supervisor,
    is_known: watch::Receiver<bool>,
    tasks: &Tasks,
) -> anyhow::Result<(Sidecar, oneshot::Receiver<v1::SidecarReady>)> {
    let identity = identity(name)?;
    let (mut child, channel) = spawn("run-sidecar", Stdio::piped())?;
    let start = v1::SidecarStart {
        trust_domain: "test.local".into(),
        name: name.to_owned(),
        identity: identity.to_string(),
        inbound_listen: "127.0.0.1:0".into(),
        application: application.to_string(),
        outbounds,
        workers: 1,
        health_listen: "127.0.0.1:0".into(),
        key_exchange: "PreferPq".into(),
        ..v1::SidecarStart::default()
    };
    let mut log = BufReader::new(child.stdout.take().context("no stdout")?).lines();
    let (lines, (grow, grown)) = (Arc::<Mutex<Vec<Line>>>::default(), watch::channel(0));
    let kept = Arc::clone(&lines);
    tasks.spawn(async move {
        while let Ok(Some(text)) = log.next_line().await {
            let (Ok(line), Ok(mut kept)) = (Line::from_json(&text), kept.lock()) else { return };
            kept.push(line);
            grow.send_replace(kept.len());
        }
    });
    let (told, ready) = oneshot::channel();
    tasks.spawn(async move {
        // Its end shows in the exit of the child.
        let _ = attend(&channel, start, &identity, &supervisor, is_known, told).await;
    });
    Ok((Sidecar { child, lines, grown }, ready))
}

/// Tells a sidecar its settings, and attests it whenever it asks.
async fn attend(
    channel: &PacketSocket,
    start: v1::SidecarStart,
    identity: &SpiffeId,
    supervisor: &Supervisor,
    mut is_known: watch::Receiver<bool>,
    told: oneshot::Sender<v1::SidecarReady>,
) -> anyhow::Result<()> {
    send(channel, Down::Sidecar(start)).await?;
    let mut told = Some(told);
    while let Some(message) = receive(channel).await? {
        match message {
            Up::Sidecar(ready) => drop(told.take().map(|told| told.send(ready))),
            Up::Statement(request) => {
                is_known.wait_for(|known| *known).await?;
                let key = <[u8; 32]>::try_from(request.key_hash.as_slice())?;
                let reply = v1::StatementReply {
                    number: request.number,
                    statement: supervisor.statement(identity, KeyHash::from_bytes(key))?,
                    control_plane: supervisor.control_plane.to_string(),
                    bundle: Some(supervisor.bundle.clone()),
                    ..v1::StatementReply::default()
                };
                send(channel, Down::Statement(reply)).await?;
            }
            Up::ControlPlane(_) => bail!("the sidecar speaks as a control plane"),
        }
    }
    Ok(())
}

fn spawn(verb: &str, stdout: Stdio) -> anyhow::Result<(Child, PacketSocket)> {
    let (ours, theirs) = PacketSocket::pair()?;
    let child = Command::new(kith_binary())
        .arg(verb)
        .env_clear()
        .env("KITH_LOG", "error")
        .stdin(Stdio::from(theirs))
        .stdout(stdout)
        .kill_on_drop(true)
        .spawn()?;
    Ok((child, ours))
}

async fn send(channel: &PacketSocket, kind: Down) -> anyhow::Result<()> {
    Ok(channel.send(&v1::ToChild { kind: Some(kind) }.encode_to_vec()).await?)
}

async fn receive(channel: &PacketSocket) -> anyhow::Result<Option<Up>> {
    let Some(packet) = channel.receive().await? else { return Ok(None) };
    Ok(v1::FromChild::decode(packet.bytes.as_slice())?.kind)
}
