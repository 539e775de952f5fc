//! The local supervisor, as its child sees it: standard input is one end of a pair of sockets.
//!
//! It gives this process its settings, and at each renewal a one-use statement over the workload and the key. Its
//! end of the pair closing means that it is gone, and with it the reason to go on.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kith_identity::svid::KeyHash;
use kith_proto::convert::{WireError, bundle_from_wire};
use kith_proto::v1;
use kith_proto::v1::issue_request::Evidence;
use kith_runtime::packet_socket::PacketSocket;
use prost::Message;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::platform::Attestation;
use crate::lock::lock;
use crate::workload_api::Application;

/// The supervisor answers from memory.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// The channel to the supervisor.
#[derive(Debug)]
pub(crate) struct Supervisor {
    socket: PacketSocket,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<v1::StatementReply>>>,
    /// Where the control plane was last: it may come back elsewhere.
    control_plane: Mutex<Option<SocketAddr>>,
    /// The process that may ask for svids of its own.
    application: watch::Sender<Option<Application>>,
}

/// Why there is no statement, or no settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SupervisorError {
    #[error("the channel to the supervisor failed: {0}")]
    Io(#[from] io::Error),
    #[error("the supervisor is gone")]
    Gone,
    #[error("the supervisor sent something unreadable: {0}")]
    Unreadable(#[from] prost::DecodeError),
    #[error("the supervisor sent {0}, which does not belong here")]
    Unexpected(&'static str),
    #[error("the supervisor did not answer in time")]
    Late,
    #[error("the supervisor refused: {0}")]
    Refused(String),
    #[error("the supervisor's answer is wrong: {0}")]
    Wire(#[from] WireError),
    #[error("the control plane's address {0:?} is not one")]
    Address(String),
}

impl Supervisor {
    /// Takes standard input over and waits for the settings.
    pub(crate) async fn connect() -> Result<(Self, v1::SidecarStart), SupervisorError> {
        let socket = PacketSocket::from_stdin()?;
        let packet = socket.receive().await?.ok_or(SupervisorError::Gone)?;
        match v1::ToChild::decode(packet.bytes.as_slice())?.kind {
            Some(v1::to_child::Kind::Sidecar(start)) => {
                let next = AtomicU64::new(1);
                let (waiting, control_plane) = (Mutex::default(), Mutex::default());
                let application = watch::Sender::new(None);
                Ok((Self { socket, next, waiting, control_plane, application }, start))
            }
            _ => Err(SupervisorError::Unexpected("a first message that is not the start of a sidecar")),
        }
    }

    /// Tells where this sidecar listens.
    pub(crate) async fn ready(&self, ready: v1::SidecarReady) -> Result<(), SupervisorError> {
        self.send(v1::from_child::Kind::Sidecar(ready)).await
    }

    /// Asks for a statement over a key.
    pub(super) async fn attest(&self, key: KeyHash) -> Result<Attestation, SupervisorError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        lock(&self.waiting).insert(number, answer);
        let request = v1::StatementRequest { number, key_hash: key.as_bytes().to_vec() };
        let asked = async {
            self.send(v1::from_child::Kind::Statement(request)).await?;
            let reply = timeout(ANSWER_LIMIT, answered).await.map_err(|_| SupervisorError::Late)?;
            reply.map_err(|_| SupervisorError::Gone)
        };
        let reply = asked.await;
        lock(&self.waiting).remove(&number);
        let (attestation, control_plane) = attestation(reply?)?;
        *lock(&self.control_plane) = Some(control_plane);
        Ok(attestation)
    }

    /// Where the control plane was when this process was last attested.
    pub(super) fn control_plane(&self) -> Option<SocketAddr> {
        *lock(&self.control_plane)
    }

    /// The application's process, as the supervisor starts one after the other; none while it runs none.
    pub(crate) fn application(&self) -> watch::Receiver<Option<Application>> {
        self.application.subscribe()
    }

    /// Hands answers to those who asked, until the supervisor is gone.
    pub(crate) async fn listen(&self) -> Result<(), SupervisorError> {
        while let Some(packet) = self.socket.receive().await? {
            match v1::ToChild::decode(packet.bytes.as_slice())?.kind {
                Some(v1::to_child::Kind::Statement(reply)) => {
                    let asked = lock(&self.waiting).remove(&reply.number);
                    // Nobody waits for an answer that came too late.
                    if asked.is_none_or(|asked| asked.send(reply).is_err()) {
                        tracing::debug!("Statement came too late");
                    }
                }
                Some(v1::to_child::Kind::Application(process)) => {
                    self.application.send_replace(application(process.pid));
                }
                _ => return Err(SupervisorError::Unexpected("a message that is no news")),
            }
        }
        Ok(())
    }

    async fn send(&self, kind: v1::from_child::Kind) -> Result<(), SupervisorError> {
        Ok(self.socket.send(&v1::FromChild { kind: Some(kind) }.encode_to_vec()).await?)
    }
}

/// Holds on to the process of this number. It has just been started, so the number is still its own; when it has ended
/// meanwhile, there is none, as the supervisor will say next.
fn application(pid: i32) -> Option<Application> {
    let pid = u32::try_from(pid).ok().filter(|&pid| pid != 0)?;
    let held = Application::of(pid);
    held.inspect_err(|error| tracing::warn!(pid, %error, "The application's process cannot be held on to"))
        .ok()
}

fn attestation(reply: v1::StatementReply) -> Result<(Attestation, SocketAddr), SupervisorError> {
    if !reply.refusal.is_empty() || reply.statement.is_empty() {
        return Err(SupervisorError::Refused(reply.refusal));
    }
    let bundle = bundle_from_wire("bundle", reply.bundle.as_ref())?;
    let control_plane =
        reply.control_plane.parse().map_err(|_| SupervisorError::Address(reply.control_plane))?;
    let evidence = Evidence::Supervised(reply.statement);
    Ok((Attestation { evidence, control_plane: vec![control_plane], bundle }, control_plane))
}
