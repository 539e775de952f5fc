//! What travels? The messages of the mesh, generated from `kith/v1/*.proto`, and the only conversions between
//! them and the domain: each is total or refused, so that a message that decodes is a value that holds. Beside them,
//! under the names that others gave them, what applications ask for: SPIFFE's Workload API and Envoy's SDS.

pub mod convert;
pub mod pod;
pub mod quarantined;
mod secret;

/// The generated messages and services.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::unwrap_used,
    clippy::use_self,
    clippy::too_many_lines,
    clippy::needless_pass_by_value
)]
pub mod v1 {
    tonic::include_proto!("kith.v1");
}

/// The SPIFFE Workload API, from `spiffe/*.proto`.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::unwrap_used,
    clippy::use_self,
    clippy::too_many_lines,
    clippy::needless_pass_by_value
)]
pub mod spiffe {
    tonic::include_proto!("_");

    /// The metadata that every request bears, with the value `true` (SPIFFE Workload Endpoint §3): whoever is tricked into
    /// calling somebody else's address does not send it.
    pub const HEADER: &str = "workload.spiffe.io";
}

/// Envoy's Secret Discovery Service, from `envoy/*.proto`, by packages.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::unwrap_used,
    clippy::use_self,
    clippy::too_many_lines,
    clippy::needless_pass_by_value
)]
mod xds {
    include!(concat!(env!("OUT_DIR"), "/xds.rs"));
}

pub use xds::{envoy, google};

/// The policy language of [`v1::Policy`] as this version writes and reads it. It grows with every field that narrows
/// or widens a rule.
pub const POLICY_LANGUAGE: u32 = 1;

/// The encoded `FileDescriptorSet` of everything in [`v1`].
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
