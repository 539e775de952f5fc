//! Compiles the protocol with `protox`, so that no machine needs `protoc`, and keeps the descriptor set: a test
//! calls every method in it.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message;

const FILES: [&str; 6] = [
    "kith/v1/common.proto",
    "kith/v1/policy.proto",
    "kith/v1/issuance.proto",
    "kith/v1/sync.proto",
    "kith/v1/admin.proto",
    "kith/v1/local.proto",
];

#[allow(clippy::disallowed_methods)] // cargo speaks to build scripts through the environment
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=kith");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
