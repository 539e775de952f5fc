//! Settings: few from the command line, the rest from the supervisor or, in a pod, from the environment; all validated
//! before anything is spawned.

mod pod;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use kith_identity::SpiffeId;
use kith_mtls::KeyExchange;
use kith_proto::pod::{LOG_VARIABLE, Probes};
use kith_proto::v1;
use kith_proto::v1::workload_api::Callers as CallersKind;
use tokio::sync::watch;

pub use pod::PodArgs;

use crate::capture::{Applications, Capture};
use crate::workload_api::{self, Application, Callers};

/// The longest path of a unix socket on Linux, without its closing zero.
const MAX_SOCKET_PATH: usize = 107;

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
    /// Where the application may get svids for itself, if it may at all.
    pub(crate) workload_api: Option<workload_api::Settings>,
    pub(crate) key_exchange: KeyExchange,
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
    /// loopback and nowhere else. `application` will say which process that is.
    pub(crate) fn read(
        start: &v1::SidecarStart,
        application: watch::Receiver<Option<Application>>,
    ) -> anyhow::Result<Self> {
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
            workload_api: start.workload_api.as_ref().map(|api| served(api, application)).transpose()?,
            key_exchange: start.key_exchange.parse().context("key_exchange")?,
        })
    }
}

fn served(
    api: &v1::WorkloadApi,
    application: watch::Receiver<Option<Application>>,
) -> anyhow::Result<workload_api::Settings> {
    let callers = match api.callers() {
        CallersKind::Application => Callers::Descendants(application),
        CallersKind::User => Callers::User,
        CallersKind::Unspecified => bail!("workload_api.callers: {} says nobody", api.callers),
    };
    let socket = socket(&api.socket).context("workload_api.socket")?;
    Ok(workload_api::Settings { socket, callers })
}

/// Where a socket may lie: what the system would cut short would be another place.
fn socket(path: &str) -> anyhow::Result<PathBuf> {
    if !path.starts_with('/') || path.contains('\0') || path.len() > MAX_SOCKET_PATH {
        bail!("{path:?} is not an absolute path of at most {MAX_SOCKET_PATH} bytes");
    }
    Ok(path.into())
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
            workload_api: None,
            key_exchange: "PreferPq".to_owned(),
        }
    }

    fn read(start: &v1::SidecarStart) -> anyhow::Result<Settings> {
        Settings::read(start, watch::channel(None).1)
    }

    #[test]
    fn good_settings_are_read() {
        let settings = read(&start()).unwrap();
        assert_eq!(settings.identity.path(), "/ns/demo/sa/web");
        assert_eq!(settings.workers.get(), 1);
    }

    #[test]
    fn plaintext_is_taken_on_loopback_alone() {
        let mut start = start();
        start.outbounds[0].listen = "0.0.0.0:1".to_owned();
        assert!(read(&start).unwrap_err().to_string().contains("loopback"));
    }

    #[test]
    fn a_sidecar_that_nobody_could_ask_how_it_is_does_not_start() {
        for listen in ["", "localhost:7447", "7447"] {
            let start = v1::SidecarStart { health_listen: listen.to_owned(), ..start() };
            let error = format!("{:#}", read(&start).unwrap_err());
            assert!(error.contains(&format!("health_listen: {listen:?}")), "{error}");
        }
    }

    #[test]
    fn a_foreign_or_reserved_identity_is_refused() {
        for identity in
            ["spiffe://other.local/ns/demo/sa/web", "spiffe://demo.local/ns/kith/sa/kith-control-plane"]
        {
            let start = v1::SidecarStart { identity: identity.to_owned(), ..start() };
            assert!(read(&start).is_err(), "{identity}");
        }
    }

    #[test]
    fn a_choice_of_key_exchanges_that_is_unknown_or_missing_is_refused_with_those_that_there_are() {
        let chosen = |text: &str| read(&v1::SidecarStart { key_exchange: text.to_owned(), ..start() });
        assert_eq!(chosen("RequirePq").unwrap().key_exchange, KeyExchange::RequirePq);
        for text in ["", "require-pq"] {
            let error = format!("{:#}", chosen(text).unwrap_err());
            assert!(
                error.starts_with("key_exchange: ") && error.ends_with("PreferPq or RequirePq"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_workload_api_is_where_the_supervisor_says_for_whom_it_says_and_else_nowhere() {
        let served = |socket: &str, callers: i32| {
            let api = v1::WorkloadApi { socket: socket.to_owned(), callers };
            read(&v1::SidecarStart { workload_api: Some(api), ..start() })
        };
        let path = "/run/kith/demo/web.sock";
        let of_application = served(path, CallersKind::Application.into()).unwrap().workload_api.unwrap();
        assert_eq!(of_application.socket, PathBuf::from(path));
        assert!(matches!(of_application.callers, Callers::Descendants(_)));
        let of_user = served(path, CallersKind::User.into()).unwrap().workload_api.unwrap();
        assert!(matches!(of_user.callers, Callers::User));
        assert!(read(&start()).unwrap().workload_api.is_none());
        // Whoever it is for, they are named.
        assert!(served(path, 0).is_err() && served(path, 9).is_err());
        for path in ["", "web.sock", "unix:///web.sock", "/a\0b", &format!("/{}", "x".repeat(107))] {
            let error = format!("{:#}", served(path, 1).unwrap_err());
            assert!(error.starts_with("workload_api.socket: ") && error.contains("107 bytes"), "{error}");
        }
    }
}
