//! Who enforces? The process beside every service.
//!
//! It accepts what the application sends and carries it over mutual TLS to another sidecar; it accepts what other
//! sidecars send, proves who they are, judges each call by the policies in force, and hands what is allowed to the
//! application. It decides nothing about who may call whom: the control plane sends that.
//!
//! ```text
//! app ──► outbound ──► session ──► (mTLS) ──► inbound ──► evaluate ──► app      every call ──► identity_log
//!                          control: svid and snapshot in, acknowledgements and reports out
//! ```

mod answer;
mod body;
mod capture;
mod config;
mod control;
mod detect;
mod enforce;
mod enforced;
mod forward;
mod health;
mod http_call;
mod http_server;
pub mod identity_log;
mod inbound;
mod lock;
mod metrics;
mod outbound;
mod plaintext;
mod probes;
mod random;
pub mod redirect;
mod refusal;
mod report;
mod session;
mod session_tasks;
mod sockets;
mod start;
mod stream_request;
#[cfg(test)]
mod test_mesh;
mod tunnel;
mod worker;
mod workload_api;

pub use config::{Args, PlatformArgs, PodArgs};

/// Runs a sidecar until it is told to stop or its supervisor is gone.
pub fn run(args: &Args) -> anyhow::Result<()> {
    start::run(args)
}
