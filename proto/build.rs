//! Compiles the protocol with `protox`, so that no machine needs `protoc`, and keeps the descriptor set: a test
//! calls every method in it.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message;

/// Kith's own.
const FILES: [&str; 6] = [
    "kith/v1/common.proto",
    "kith/v1/policy.proto",
    "kith/v1/issuance.proto",
    "kith/v1/sync.proto",
    "kith/v1/admin.proto",
    "kith/v1/local.proto",
];

/// Of the SPIFFE standard.
const SPIFFE: [&str; 1] = ["spiffe/workload.proto"];

/// Of Envoy: what its Secret Discovery Service needs.
const ENVOY: [&str; 5] = [
    "envoy/core.proto",
    "envoy/discovery.proto",
    "envoy/secret.proto",
    "envoy/tls.proto",
    "google/rpc/status.proto",
];

/// What carries a private key or a token: it is printed by `src/secret.rs`, which leaves that out.
const SECRETS: [&str; 6] = [
    ".X509SVID",
    ".JWTSVID",
    ".WITSVID",
    ".ValidateJWTSVIDRequest",
    ".envoy.config.core.v3.DataSource",
    ".envoy.service.discovery.v3.DiscoveryResponse",
];

#[allow(clippy::disallowed_methods)] // cargo speaks to build scripts through the environment
fn main() -> Result<(), Box<dyn Error>> {
    for folder in ["kith", "spiffe", "envoy", "google"] {
        println!("cargo:rerun-if-changed={folder}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    tonic_prost_build::configure().skip_debug(SECRETS).compile_fds(protox::compile(SPIFFE, ["."])?)?;
    // One file for all of its packages, which name each other by where they stand in it.
    tonic_prost_build::configure()
        .include_file("xds.rs")
        .skip_debug(SECRETS)
        .compile_fds(protox::compile(ENVOY, ["."])?)?;
    Ok(())
}
