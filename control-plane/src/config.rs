//! What the process is told: flags, and the supervisor's first message. Owns their validation; after it, every
//! value is one of the domain.

mod cluster;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kith_ca::SealKey;
use kith_identity::TrustDomain;
use kith_mtls::KeyExchange;
use kith_proto::v1;
use zeroize::{Zeroize, Zeroizing};

pub(crate) use cluster::{ClusterConfig, seal_key_of};

use crate::attest::statement::{INSTANCE_BYTES, PUBLIC_KEY_BYTES};

/// Design §4: 20 seconds only in local mode, which is the only one that starts this way.
const SVID_SECONDS: std::ops::RangeInclusive<u32> = 20..=86_400;

/// Flags of the control plane. In local mode everything else comes from the supervisor, on standard input.
#[derive(Debug, Clone, clap::Parser)]
#[command(version, about = "The Kith control plane: decides and distributes", long_about = None)]
pub struct Args {
    /// Which diagnostics go to standard error: error, warn, info, debug or trace, or a filter such as
    /// `info,kith_control_plane=debug`
    #[arg(long, env = "KITH_LOG", default_value = "info")]
    pub log_level: String,
    /// How diagnostics are written; by default text on a terminal and JSON elsewhere
    #[arg(long, value_enum, env = "KITH_LOG_FORMAT", default_value_t = LogFormat::Auto)]
    pub log_format: LogFormat,
    /// Where workloads and policies come from; without it, from the supervisor that started this process.
    #[command(subcommand)]
    pub platform: Option<Platform>,
}

/// Where workloads and policies come from.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Platform {
    /// From the Kubernetes cluster that this pod runs in
    Kubernetes(KubernetesArgs),
}

/// Flags of a control plane in a cluster.
#[derive(Debug, Clone, clap::Args)]
pub struct KubernetesArgs {
    /// The settings, as the chart writes them
    #[arg(long, env = "KITH_CONFIG", default_value = "/etc/kith/config.yaml", value_name = "FILE")]
    pub config: PathBuf,
}

/// How diagnostics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// What the supervisor starts the control plane with.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) trust_domain: TrustDomain,
    pub(crate) state_file: PathBuf,
    pub(crate) seal_key: SealKey,
    pub(crate) policies_folder: PathBuf,
    pub(crate) watch_policies: bool,
    pub(crate) listen: SocketAddr,
    pub(crate) health: SocketAddr,
    pub(crate) admin_socket: PathBuf,
    pub(crate) statement_key: [u8; PUBLIC_KEY_BYTES],
    pub(crate) instance: [u8; INSTANCE_BYTES],
    pub(crate) svid_lifetime: Duration,
    pub(crate) key_exchange: KeyExchange,
}

/// Every setting that is wrong, not only the first.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the supervisor's start message is wrong: {}", .0.join("; "))]
pub(crate) struct ConfigError(Vec<String>);

impl Config {
    /// Validates the start message, and wipes the seal key from it.
    pub(crate) fn from_start(mut start: v1::ControlPlaneStart) -> Result<Self, ConfigError> {
        let mut wrong = Vec::new();
        let seal_key = Zeroizing::new(exactly::<32>("seal_key", &start.seal_key).unwrap_or_else(|error| {
            wrong.push(error);
            [0; 32]
        }));
        start.seal_key.zeroize();
        let trust_domain = keep(
            &mut wrong,
            TrustDomain::parse(&start.trust_domain).map_err(|error| format!("trust_domain: {error}")),
        );
        let listen = keep(&mut wrong, address("listen", &start.listen));
        let health = keep(&mut wrong, address("health_listen", &start.health_listen));
        let statement_key = keep(&mut wrong, exactly("statement_key", &start.statement_key));
        let instance = keep(&mut wrong, exactly("instance", &start.instance));
        let state_file = keep(&mut wrong, path("state_file", start.state_file));
        let policies_folder = keep(&mut wrong, path("policies_folder", start.policies_folder));
        let admin_socket = keep(&mut wrong, path("admin_socket", start.admin_socket));
        if !SVID_SECONDS.contains(&start.svid_seconds) {
            wrong.push(format!("svid_seconds: {} is not 20 to 86400", start.svid_seconds));
        }
        let key_exchange = keep(
            &mut wrong,
            start.key_exchange.parse::<KeyExchange>().map_err(|error| format!("key_exchange: {error}")),
        );
        let doors = listen.zip(health).zip(key_exchange);
        match (trust_domain, doors, statement_key, instance, state_file, policies_folder, admin_socket) {
            (
                Some(trust_domain),
                Some(((listen, health), key_exchange)),
                Some(statement_key),
                Some(instance),
                Some(state_file),
                Some(policies_folder),
                Some(admin_socket),
            ) if wrong.is_empty() => Ok(Self {
                trust_domain,
                state_file,
                seal_key: SealKey::from_bytes(*seal_key),
                policies_folder,
                watch_policies: start.watch_policies,
                listen,
                health,
                admin_socket,
                statement_key,
                instance,
                svid_lifetime: Duration::from_secs(u64::from(start.svid_seconds)),
                key_exchange,
            }),
            _ => Err(ConfigError(wrong)),
        }
    }
}

fn keep<T>(wrong: &mut Vec<String>, parsed: Result<T, String>) -> Option<T> {
    parsed.map_err(|error| wrong.push(error)).ok()
}

fn exactly<const N: usize>(field: &str, bytes: &[u8]) -> Result<[u8; N], String> {
    bytes.try_into().map_err(|_| format!("{field}: {} bytes, not {N}", bytes.len()))
}

fn address(field: &str, text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{field}: {text:?} is not ADDRESS:PORT"))
}

fn path(field: &str, text: String) -> Result<PathBuf, String> {
    if text.is_empty() { Err(format!("{field}: is empty")) } else { Ok(PathBuf::from(text)) }
}

#[cfg(test)]
mod tests;
