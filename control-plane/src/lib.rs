//! Who decides and distributes? Attests workloads, mints their svids, and sends every sidecar its snapshot.
//!
//! Owns the sources of policies and workloads, attestation, the index that computes each workload's snapshot, the
//! streams that carry it, and the socket that answers people. It does not decide about calls: sidecars do, with
//! `kith-policy`. It holds no key but the control plane's own: authorities are `kith-ca`'s.
//!
//! ```text
//! source::folder ─┐                            ┌─► stream::sync ─► sidecars ─► acks, denials, edges, tap lines
//! supervisor ─────┼─► index::World ─► snapshot ┤
//! (stdin)         │        │                   └─► api (status, tap, explain, why, ...) ─┐
//!   quarantine ───┘        └─► attest ─► stream::issue ─► kith-ca                        │
//!       ▲                                                                                │
//!       └──────────────────────── durable first ─────────────────────────────────────────┘
//! ```

mod admin_socket;
mod api;
pub mod attest;
mod config;
pub mod crd;
mod health;
mod index;
pub mod inject;
pub mod kubernetes;
mod metrics;
pub mod observed;
mod own_svid;
mod quarantine;
mod server;
mod snapshot;
mod source;
mod start;
mod status;
mod stream;
mod supervisor;
mod tapped;
mod trust;
mod webhook;

#[cfg(test)]
mod testing;

pub use config::{Args, KubernetesArgs, LogFormat, Platform};
pub use start::run;
