//! The control plane in a pod of the cluster that it serves: workloads, policies and quarantines are the cluster's objects,
//! pods prove themselves by their tokens, and admission asks us about each pod and each policy.
//!
//! Nobody is answered before the cluster was heard of whole: a sidecar that cannot connect keeps what it has, and one that
//! is told half of the truth would enforce half of it.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use aws_lc_rs::rand;
use kith_ca::SealKey;
use kith_runtime::signals::{StopRequested, stop_requested};
use kith_runtime::{Clock, Readiness, Stop, Tasks};
use kube::Client;
use tokio::net::TcpListener;
use tracing::{info, warn};
use zeroize::Zeroizing;

use super::Running;
use super::services::{Authority, QuarantinesIn, Services, bind};
use crate::api::PoliciesFrom;
use crate::attest::Attestor;
use crate::attest::pod_token::{ApiServer, FromElsewhere, PodTokens};
use crate::config::{ClusterConfig, KubernetesArgs};
use crate::kubernetes::client;
use crate::own_svid::OwnSvid;
use crate::source::kubernetes::KubernetesSource;
use crate::status::StatusWriter;
use crate::trust::TrustMaps;
use crate::webhook::{Certificates, Installed, Registration, Webhook};

pub(super) async fn process(args: &KubernetesArgs) -> anyhow::Result<()> {
    let mut stop = pin!(stop_requested());
    let config = ClusterConfig::read(&args.config)?;
    let client = client::in_cluster()?;
    if config.dev {
        warn!(
            "This is a trial installation (dev: true): short svids, and maybe an authority that ends with the pod"
        );
    }
    let plane = tokio::select! {
        biased;
        // First, so that from here on no signal just kills.
        signal = stop.as_mut() => return signal.map(drop).context("signals cannot be received"),
        plane = start(config, client, Clock::system()) => plane?,
    };
    info!("Control plane ready");
    let mut signal: StopRequested = stop.await.context("signals cannot be received")?;
    info!(signal = signal.signal, "Stopping");
    let cut = plane.stop(async { signal.again().await }).await;
    info!(cut, "Stopped");
    Ok(())
}

async fn start(mut config: ClusterConfig, client: Client, clock: Clock) -> anyhow::Result<Running> {
    let (stopper, stop) = Stop::new();
    let tasks = Tasks::new();
    let services = Services::open(authority(&mut config)?, QuarantinesIn::Objects, clock, stop)?;
    let own_svid = OwnSvid::mint(Arc::clone(&services.ca), services.clock.clone())?;

    let doors = Readiness::new();
    let closed = doors.block("doors");
    let source = KubernetesSource::start(
        &client,
        Arc::clone(&services.worlds),
        &config.trust_domain,
        &tasks,
        &services.stop,
        services.clock.clone(),
    );
    let health = services.health(&own_svid, doors, Some(source.clone()));
    let health = health.open(bind(config.health).await?)?;
    source.first_list().await;

    let attestor = attestor(&services, &source, &client, config.token_from_elsewhere);
    let (mesh, people) = services.routes(attestor, PoliciesFrom::Objects(source.facts()));
    services.open_mesh_door(
        &tasks,
        bind(config.listen).await?,
        services.tls(&own_svid, config.key_exchange),
        mesh,
    );
    services.open_admin_port(&tasks, bind(config.api).await?, people);
    keep_statuses(&services, &tasks, &source, &client, config.svid_lifetime);
    let webhook = bind(config.webhook).await?;
    open_webhook(&services, &tasks, &source, client, config, webhook)?;
    drop(closed);
    services.keep_all(&tasks, own_svid);
    Ok(Running { health, stopper, tasks })
}

/// Admission, the certificate that it shows, and what the API server and pods trust.
fn open_webhook(
    services: &Services,
    tasks: &Tasks,
    source: &KubernetesSource,
    client: Client,
    config: ClusterConfig,
    listener: TcpListener,
) -> anyhow::Result<()> {
    let certificates = Certificates::create(&config.namespace, services.clock.clone())?;
    let registration = Registration::new(client.clone(), certificates.trusted());
    let trust = TrustMaps::new(client, &services.ca.roots_pem(), source.facts(), registration.owner());
    let webhook = Webhook::new(
        certificates.tls(),
        source.facts(),
        services.worlds.watch(),
        Installed { settings: config.injector, namespace: config.namespace },
        services.clock.clone(),
        services.stop.clone(),
        tasks.clone(),
    );
    tasks.spawn(webhook.serve(listener));
    services.keep(tasks, certificates.keep(registration.published()));
    services.keep(tasks, registration.keep());
    services.keep(tasks, trust.keep());
    Ok(())
}

/// What authors of policies are told.
fn keep_statuses(
    services: &Services,
    tasks: &Tasks,
    source: &KubernetesSource,
    client: &Client,
    svid_lifetime: Duration,
) {
    let statuses = StatusWriter::new(
        client,
        Arc::clone(&services.worlds),
        services.acks.clone(),
        source.facts(),
        services.clock.clone(),
        svid_lifetime,
    );
    services.keep(tasks, statuses.run());
}

fn authority(config: &mut ClusterConfig) -> anyhow::Result<Authority> {
    let (state_file, seal_key) = match config.seal_key.take() {
        Some(key) => (config.state_file.clone(), key),
        None => throw_away(&config.state_file)?,
    };
    Ok(Authority {
        trust_domain: config.trust_domain.clone(),
        state_file,
        seal_key,
        svid_lifetime: config.svid_lifetime,
    })
}

/// A key that nobody keeps, and a file of its own for each start: what the start before left cannot be opened any more.
fn throw_away(state_file: &Path) -> anyhow::Result<(PathBuf, SealKey)> {
    let (mut key, mut name) = (Zeroizing::new([0; 32]), [0; 8]);
    rand::fill(&mut *key).and_then(|()| rand::fill(&mut name)).context("the system gave no randomness")?;
    let state_file = state_file.with_extension(format!("{:016x}", u64::from_be_bytes(name)));
    Ok((state_file, SealKey::from_bytes(*key)))
}

fn attestor(
    services: &Services,
    source: &KubernetesSource,
    client: &Client,
    from_elsewhere: FromElsewhere,
) -> Attestor {
    let platform = Box::new(ApiServer::new(client.clone()));
    let (issued, metrics) = (services.issued.clone(), Arc::clone(&services.metrics));
    Attestor::Pods(Box::new(PodTokens::new(platform, from_elsewhere, source.facts(), issued, metrics)))
}
