//! The control plane as the supervisor sees it: what it is told at its start, and where it then is. Every start
//! gets the same key, state and port, and an instance of its own, so that a statement for the start before is worth
//! nothing.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_lc_rs::rand;
use kith_control_plane::attest::statement::INSTANCE_BYTES;
use kith_proto::convert::bundle_from_wire;
use kith_proto::v1::{Bundle, ControlPlaneReady, ControlPlaneStart, Workloads, from_child, to_child};
use tokio::sync::watch;

use super::channel::Channel;
use super::child::Life;
use super::keeper::{Kept, Role};

/// A running control plane.
#[derive(Debug, Clone, PartialEq)]
pub struct ControlPlaneFacts {
    /// Names this start of it.
    pub instance: [u8; INSTANCE_BYTES],
    /// Where sidecars reach it.
    pub address: SocketAddr,
    /// The anchors that it proves itself against.
    pub bundle: Bundle,
    /// SHA-256 of the root, in hexadecimal.
    pub root_sha256: String,
    /// When its issuing authority expires, in milliseconds since 1970.
    pub issuing_not_after_ms: i64,
    /// How many policies are in force.
    pub policies: u32,
    /// Why the folder of policies cannot be used; empty when it can.
    pub policies_error: String,
    /// Where it answers for health and metrics.
    pub health: SocketAddr,
}

/// The control plane of a running mesh.
#[derive(Debug, Clone, Copy)]
pub struct ControlPlane<'a> {
    pub(crate) kept: &'a Kept,
    pub(crate) address: SocketAddr,
    pub(crate) admin_socket: &'a Path,
    pub(crate) running: &'a watch::Receiver<Option<Arc<ControlPlaneFacts>>>,
}

impl ControlPlane<'_> {
    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<i32> {
        self.kept.pid()
    }

    /// Ends it at once (`SIGKILL`); it is then started again, unless it is held.
    pub fn kill(&self) -> io::Result<()> {
        self.kept.kill()
    }

    /// While held, it is not started again.
    pub fn hold(&self, held: bool) {
        self.kept.hold(held);
    }

    /// Where sidecars reach it; the same after every restart.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it answers people.
    pub fn admin_socket(&self) -> &Path {
        self.admin_socket
    }

    /// What it said when it was ready; `None` while it does not run.
    pub fn facts(&self) -> Option<Arc<ControlPlaneFacts>> {
        self.running.borrow().clone()
    }

    /// Waits until it runs and listens.
    pub async fn until_ready(&self, deadline: Duration) -> anyhow::Result<()> {
        self.kept.until_ready(deadline).await
    }

    /// Waits until it does not run.
    pub async fn until_ended(&self, deadline: Duration) -> anyhow::Result<()> {
        self.kept.until_ended(deadline).await
    }
}

/// What the supervisor says to a control plane.
pub(crate) struct ControlPlaneRole {
    /// The same at every start, but for the instance.
    pub(crate) start: ControlPlaneStart,
    /// Who is to be attested.
    pub(crate) workloads: Workloads,
    /// Where everybody else sees that it runs.
    pub(crate) running: watch::Sender<Option<Arc<ControlPlaneFacts>>>,
    /// The root of the first start. Every later one has to have it: another root means that the sealed state was
    /// lost, and with it the trust of every svid that is in use.
    pub(crate) root: OnceLock<String>,
}

impl Role for ControlPlaneRole {
    async fn converse(&self, kept: &Kept, _: &Life, channel: Channel) -> anyhow::Result<()> {
        let mut instance = [0; INSTANCE_BYTES];
        rand::fill(&mut instance).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
        let start = ControlPlaneStart { instance: instance.to_vec(), ..self.start.clone() };
        channel.send(to_child::Kind::ControlPlane(start)).await.context("cannot send the start")?;
        let running = Running(&self.running);
        while let Some(received) = channel.receive().await? {
            match received.message {
                from_child::Kind::ControlPlane(ready) => {
                    let facts = facts(instance, ready)?;
                    let root = self.root.get_or_init(|| facts.root_sha256.clone());
                    if *root != facts.root_sha256 {
                        let found = &facts.root_sha256;
                        bail!("it came back with root {found} instead of {root}: its sealed state was lost");
                    }
                    // First the list, then the news that it runs: no statement is signed before it knows for whom.
                    channel.send(to_child::Kind::Workloads(self.workloads.clone())).await?;
                    running.0.send_replace(Some(Arc::new(facts)));
                    kept.set_ready();
                }
                from_child::Kind::Sidecar(_) | from_child::Kind::Statement(_) => {
                    bail!("the control plane speaks as a sidecar")
                }
            }
        }
        Ok(())
    }

    fn first_pause(&self) -> Duration {
        Duration::ZERO
    }
}

/// Whatever way the conversation ends, the control plane then does not run.
struct Running<'a>(&'a watch::Sender<Option<Arc<ControlPlaneFacts>>>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}

fn facts(instance: [u8; INSTANCE_BYTES], ready: ControlPlaneReady) -> anyhow::Result<ControlPlaneFacts> {
    bundle_from_wire("bundle", ready.bundle.as_ref()).context("the control plane's bundle is no bundle")?;
    let address = ready.address.parse();
    let health = ready.health.parse();
    Ok(ControlPlaneFacts {
        instance,
        address: address.with_context(|| format!("the control plane's address is {:?}", ready.address))?,
        bundle: ready.bundle.unwrap_or_default(),
        root_sha256: ready.root_sha256,
        issuing_not_after_ms: ready.issuing_not_after_ms,
        policies: ready.policies,
        policies_error: ready.policies_error,
        health: health
            .with_context(|| format!("the control plane's health address is {:?}", ready.health))?,
    })
}
