//! Settings: few from the command line, the rest from the supervisor or, in a pod, from the environment; all validated
//! before anything is spawned.

mod pod;

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use kith_identity::SpiffeId;
use kith_proto::pod::{LOG_VARIABLE, Probes};
use kith_proto::v1;

pub use pod::PodArgs;

use crate::capture::{Applications, Capture};

/// What the command line says.
#[derive(Debug, Clone, Parser)]
#[command(name = "kith-sidecar", version, about = "The sidecar of one workload; its supervisor starts it")]
pub struct Args {
    /// Where it runs; without one, beside a supervisor that talks to it over standard input
    #[command(subcommand)]
    pub platform: Option<PlatformArgs>,
    /// Diagnostics to show: error, warn, info, debug, trace, or target=level
    #[arg(long, env = LOG_VARIABLE, default_value = "warn", value_name = "LEVEL")]
    pub log_level: String,
}

/// Where a sidecar runs.
#[derive(Debug, Clone, Subcommand)]
pub enum PlatformArgs {
    /// In a Kubernetes pod: settings from the environment that the injector wrote
    Pod(PodArgs),
}

/// What the supervisor or the pod says, validated.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) identity: SpiffeId,
    pub(crate) inbound: SocketAddr,
    pub(crate) applications: Applications,
    pub(crate) capture: Capture,
    pub(crate) outbounds: Vec<Outbound>,
    pub(crate) workers: NonZeroUsize,
    pub(crate) health: SocketAddr,
    /// To be replayed.
    pub(crate) probes: Probes,
}

/// One outbound port.
#[derive(Debug, Clone)]
pub(crate) struct Outbound {
    /// What it stands for; without one, each connection says itself what it is for.
    pub(crate) destination: Option<String>,
    pub(crate) listen: SocketAddr,
}

impl Settings {
    /// Reads the supervisor's message. The outbound side takes plaintext from the application, so it listens on
    /// loopback and nowhere else.
    pub(crate) fn read(start: &v1::SidecarStart) -> anyhow::Result<Self> {
        let identity = SpiffeId::parse(&start.identity).context("identity")?;
        if identity.trust_domain().as_str() != start.trust_domain {
            bail!("identity {identity} is not in trust domain {:?}", start.trust_domain);
        }
        if identity.is_reserved() {
            bail!("identity {identity} is the control plane's own");
        }
        let outbounds = start.outbounds.iter().map(outbound).collect::<anyhow::Result<_>>()?;
        Ok(Self {
            identity,
            inbound: address("inbound_listen", &start.inbound_listen)?,
            applications: Applications::Fixed(address("application", &start.application)?),
            capture: Capture::Explicit,
            outbounds,
            workers: workers(start.workers)?,
            health: address("health_listen", &start.health_listen)?,
            probes: Probes::new(),
        })
    }
}

fn outbound(outbound: &v1::Outbound) -> anyhow::Result<Outbound> {
    let listen = address("outbounds.listen", &outbound.listen)?;
    if !listen.ip().is_loopback() {
        bail!(
            "outbound port for {:?} at {listen}: only a loopback address may take plaintext",
            outbound.destination
        );
    }
    Ok(Outbound { destination: Some(outbound.destination.clone()), listen })
}

fn address(field: &str, text: &str) -> anyhow::Result<SocketAddr> {
    text.parse().with_context(|| format!("{field}: {text:?} is not a socket address"))
}

/// One worker for each core: more cost CPU per call.
fn workers(asked: u32) -> anyhow::Result<NonZeroUsize> {
    match NonZeroUsize::new(usize::try_from(asked)?) {
        Some(workers) => Ok(workers),
        None => std::thread::available_parallelism().context("the number of cores is unknown; set workers"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> v1::SidecarStart {
        v1::SidecarStart {
            trust_domain: "demo.local".to_owned(),
            name: "web".to_owned(),
            identity: "spiffe://demo.local/ns/demo/sa/web".to_owned(),
            inbound_listen: "127.0.0.1:0".to_owned(),
            application: "127.0.0.1:3000".to_owned(),
            outbounds: vec![v1::Outbound {
                destination: "orders".to_owned(),
                listen: "127.0.0.1:0".to_owned(),
            }],
            workers: 1,
            health_listen: "127.0.0.1:0".to_owned(),
        }
    }

    #[test]
    fn good_settings_are_read() {
        let settings = Settings::read(&start()).unwrap();
        assert_eq!(settings.identity.path(), "/ns/demo/sa/web");
        assert_eq!(settings.workers.get(), 1);
    }

    #[test]
    fn plaintext_is_taken_on_loopback_alone() {
        let mut start = start();
        start.outbounds[0].listen = "0.0.0.0:1".to_owned();
        assert!(Settings::read(&start).unwrap_err().to_string().contains("loopback"));
    }

    #[test]
    fn a_sidecar_that_nobody_could_ask_how_it_is_does_not_start() {
        for listen in ["", "localhost:7447", "7447"] {
            let start = v1::SidecarStart { health_listen: listen.to_owned(), ..start() };
            let error = format!("{:#}", Settings::read(&start).unwrap_err());
            assert!(error.contains(&format!("health_listen: {listen:?}")), "{error}");
        }
    }

    #[test]
    fn a_foreign_or_reserved_identity_is_refused() {
        for identity in
            ["spiffe://other.local/ns/demo/sa/web", "spiffe://demo.local/ns/kith/sa/kith-control-plane"]
        {
            let start = v1::SidecarStart { identity: identity.to_owned(), ..start() };
            assert!(Settings::read(&start).is_err(), "{identity}");
        }
    }
}
