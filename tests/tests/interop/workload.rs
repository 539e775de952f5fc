//! Svids from a sidecar, in the hands of other people's software: followed through ten rotations and through restarts, and
//! good for calls that policy then judges like any other.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use kith_sidecar::identity_log::Direction;

use crate::ground::SOON;
use crate::town::{ALLOWED, DENIED, FOREIGN, Town, identity, plain};

/// What each of them can speak to a sidecar.
const PROTOCOLS: [(&str, &str); 4] =
    [("go", "h2"), ("go", "http/1.1"), ("python", "http/1.1"), ("envoy", "h2")];

/// The svids that an application had, oldest first.
struct Had(Vec<String>);

impl Had {
    /// Waits for the first.
    async fn first(town: &Town, service: &str) -> anyhow::Result<Self> {
        let mut had = Self(Vec::new());
        had.next(town, service).await?;
        Ok(had)
    }

    /// Waits for another.
    async fn next(&mut self, town: &Town, service: &str) -> anyhow::Result<()> {
        let before: BTreeSet<_> = self.0.iter().cloned().collect();
        self.0.push(town.next_svid(service, &before).await?);
        Ok(())
    }

    fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }
}

/// A call that policy allows and one that it denies; both come with the svid of this serial number.
async fn calls(town: &Town, service: &str, protocol: &str, serial: &str) -> anyhow::Result<()> {
    for (path, wanted) in [(ALLOWED, 200), (DENIED, 403)] {
        let status = town.call(service, path, protocol).await;
        let status = status.with_context(|| format!("{service} calls {path} by {protocol}"))?;
        ensure!(status == wanted, "{service} calls {path} by {protocol}: {status}, not {wanted}");
    }
    let what = format!("a session of {service} with {serial}");
    let opened = town.record.until(&what, SOON, |record| {
        let sessions = record.sessions("backend", Direction::Inbound)?;
        let newest = sessions.iter().rev().find(|it| it.peer == identity(service));
        Ok(newest.map(|it| plain(&it.facts.peer_serial)).filter(|it| it == serial))
    });
    opened.await.map(drop)
}

/// Whether the application itself said that the call failed, and this of it.
fn says(told: &anyhow::Result<u16>, what: &str) -> bool {
    told.as_ref().is_err_and(|error| error.to_string().contains(what))
}

// W10.
// Conforms: Workload-API 4.3 full-set, Workload-API 4.3 first, Workload-API 1 x509-profile, Endpoint 3 grpc, Endpoint 3 uds,
// Endpoint 5 out-of-band, X509-SVID 2 one-uri, X509-SVID 3.1 issued-path, X509-SVID 4.1 issued, X509-SVID 4.3 issued
#[tokio::test]
async fn every_client_follows_ten_rotations_and_calls_with_the_last_svid() -> anyhow::Result<()> {
    let town = Town::start("interop-rotations").await?;
    for service in FOREIGN {
        let mut had = Had::first(&town, service).await?;
        for number in 1..=10 {
            town.rotate(service).await?;
            had.next(&town, service).await.with_context(|| format!("rotation {number}"))?;
        }
        for (_, protocol) in PROTOCOLS.into_iter().filter(|(of, _)| *of == service) {
            calls(&town, service, protocol, had.last()).await?;
        }
    }
    let reached = town.backend.requests();
    let allowed = format!("GET {ALLOWED}");
    ensure!(reached.len() == PROTOCOLS.len(), "the application got {reached:?}");
    ensure!(reached.iter().all(|(line, _)| *line == allowed), "the application got {reached:?}");
    town.stop().await
}

#[tokio::test]
async fn an_envoy_with_an_svid_from_sds_is_called_by_whom_it_expects_and_by_nobody_else() -> anyhow::Result<()>
{
    let town = Town::start("interop-envoy").await?;
    let address = town.envoy().listener("tls").await?;
    for round in ["with its first svid", "with another"] {
        let status = town.tell("go", address, &identity("envoy"), "/", "http/1.1").await;
        ensure!(status.context(round)? == 204, "Envoy answers {round}");
        let python = town.tell("python", address, &identity("envoy"), "/", "http/1.1").await;
        ensure!(says(&python, "python says: "), "Envoy takes python for go {round}: {python:?}");
        let go = town.tell("go", address, &identity("backend"), "/", "http/1.1").await;
        ensure!(says(&go, "sa/envoy"), "go takes Envoy for backend {round}: {go:?}");
        let mut had = Had::first(&town, "envoy").await?;
        town.rotate("envoy").await?;
        had.next(&town, "envoy").await?;
    }
    town.stop().await
}

// W10.
#[tokio::test]
async fn every_client_recovers_when_control_plane_and_sidecar_were_killed() -> anyhow::Result<()> {
    let town = Town::start("interop-restarts").await?;
    let mut all = Vec::new();
    for service in FOREIGN {
        all.push((service, Had::first(&town, service).await?));
    }
    let control_plane = town.supervisor.control_plane();
    control_plane.kill()?;
    control_plane.until_ended(SOON).await?;
    control_plane.until_ready(SOON).await?;
    for (service, had) in &mut all {
        town.rotate(service).await?;
        had.next(&town, service).await.context("after the control plane was killed")?;
    }
    // A sidecar keeps no key: the one that is started again has an svid of its own.
    for (service, _) in &all {
        let sidecar = town.supervisor.sidecar(service).context("no sidecar")?;
        sidecar.kill()?;
        sidecar.until_ended(SOON).await?;
    }
    for (service, had) in &mut all {
        had.next(&town, service).await.context("after its sidecar was killed")?;
    }
    town.supervisor.until_programmed(SOON).await?;
    for (service, protocol) in PROTOCOLS {
        let had = all.iter().find(|(of, _)| *of == service).context("nobody")?;
        calls(&town, service, protocol, had.1.last()).await?;
    }
    town.stop().await
}
