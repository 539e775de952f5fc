//! The Rust crates `spiffe` and `spiffe-rustls` at the other end of the line, over real sockets: the cases of
//! [`interop`](../interop/main.rs), without a foreign program, so that they run with every other test.
//!
//! ```text
//! Authority ─► Files ─► WorkloadApi ─► X509Source ─► Peer ◄── TLS ──► Kith ◄─ Svid ◄─ Authority
//! ```

#[path = "../interop/authority.rs"]
mod authority;
#[path = "../interop/calls.rs"]
mod calls;
#[expect(dead_code, reason = "it also finds and hears the processes of others, of which there are none here")]
#[path = "../interop/ground.rs"]
mod ground;
#[path = "../interop/kith_side.rs"]
mod kith_side;
mod peer;
#[path = "../interop/refusals.rs"]
mod refusals;
mod workload_api;
