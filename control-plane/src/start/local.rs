//! The control plane under a supervisor, in local mode: settings and workloads come over the channel on standard input,
//! policies from a folder. Its end is the supervisor's end.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use anyhow::Context;
use kith_proto::convert::{bundle_to_wire, to_millis};
use kith_proto::v1;
use kith_runtime::signals::stop_requested;
use kith_runtime::{Clock, PacketSocket, Readiness, Stop, Tasks};
use tracing::info;

use super::Running;
use super::services::{Authority, QuarantinesIn, Services, bind};
use crate::admin_socket;
use crate::api::PoliciesFrom;
use crate::attest::{Attestor, StatementVerifier};
use crate::config::Config;
use crate::own_svid::OwnSvid;
use crate::source::WatchedFolder;
use crate::supervisor::Supervisor;

pub(super) async fn process() -> anyhow::Result<()> {
    let mut stop = pin!(stop_requested());
    let supervisor = Supervisor::new(PacketSocket::from_stdin()?);
    let start = tokio::select! {
        biased;
        // First, so that from here on no signal just kills.
        signal = stop.as_mut() => return signal.map(drop).context("signals cannot be received"),
        start = supervisor.start() => start?,
    };
    let plane = ControlPlane::start(Config::from_start(start)?, Clock::system()).await?;
    supervisor.ready(plane.ready()).await?;
    info!(address = %plane.address, "Control plane ready");
    let mut again = None;
    let ended = tokio::select! {
        signal = stop.as_mut() => {
            let signal = signal.context("signals cannot be received")?;
            info!(signal = signal.signal, "Stopping");
            again = Some(signal);
            Ok(())
        }
        ended = supervisor.follow(&plane.services.worlds) => {
            info!("Stopping: the supervisor is gone");
            ended
        }
    };
    let hurry = async {
        match again.as_mut() {
            Some(signal) => signal.again().await,
            None => stop.await.map_or("signal", |signal| signal.signal),
        }
    };
    let cut = plane.stop(hurry).await;
    info!(cut, "Stopped");
    Ok(ended?)
}

/// A control plane that answers on its port and its socket.
pub(crate) struct ControlPlane {
    pub(crate) address: SocketAddr,
    pub(crate) services: Services,
    running: Running,
}

impl ControlPlane {
    /// Opens the authority, reads the policies, listens; in this order, so that whoever can connect is answered
    /// from what is in force.
    pub(crate) async fn start(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let (stopper, stop) = Stop::new();
        let tasks = Tasks::new();
        let Config { trust_domain, policies_folder, statement_key, instance, .. } = config;
        let verifier = StatementVerifier::new(statement_key.to_vec(), instance, trust_domain.clone());
        let authority = Authority {
            trust_domain: trust_domain.clone(),
            state_file: config.state_file,
            seal_key: config.seal_key,
            svid_lifetime: config.svid_lifetime,
        };
        let services = Services::open(authority, QuarantinesIn::File, clock, stop)?;
        let policies_from = PoliciesFrom::Folder(policies_folder.display().to_string());
        let mut folder = WatchedFolder::new(
            policies_folder,
            trust_domain,
            Arc::clone(&services.worlds),
            Arc::clone(&services.policies_error),
        );
        folder.refresh().await;
        let own_svid = OwnSvid::mint(Arc::clone(&services.ca), services.clock.clone())?;
        let doors = Readiness::new();
        let closed = doors.block("doors");
        let health = services.health(&own_svid, doors, None).open(bind(config.health).await?)?;
        let listener = bind(config.listen).await?;
        let address = listener.local_addr()?;
        let admin = admin_socket::bind(&config.admin_socket).await?;

        let (mesh, people) = services.routes(Attestor::Supervised(verifier), policies_from);
        services.open_mesh_door(&tasks, listener, services.tls(&own_svid, config.key_exchange), mesh);
        services.open_admin_door(&tasks, admin, people);
        drop(closed);
        if config.watch_policies {
            services.keep(&tasks, folder.follow());
        }
        services.keep_all(&tasks, own_svid);
        Ok(Self { address, services, running: Running { health, stopper, tasks } })
    }

    /// What the supervisor is told.
    pub(crate) fn ready(&self) -> v1::ControlPlaneReady {
        let Services { ca, worlds, policies_error, .. } = &self.services;
        v1::ControlPlaneReady {
            address: self.address.to_string(),
            bundle: Some(bundle_to_wire(ca.bundle())),
            root_sha256: ca.root_sha256(),
            issuing_not_after_ms: to_millis(ca.issuing_not_after()),
            policies: worlds.now().count_policies(),
            policies_error: policies_error.borrow().as_deref().unwrap_or_default().to_owned(),
            health: self.running.health.address().to_string(),
        }
    }

    /// Where health and metrics are answered.
    #[cfg(test)]
    pub(crate) fn health_address(&self) -> SocketAddr {
        self.running.health.address()
    }

    /// Ends everything. Says how many tasks were cut off.
    pub(crate) async fn stop(self, hurry: impl Future) -> usize {
        self.running.stop(hurry).await
    }
}
