//! Other people's SPIFFE software at the other end of the line, over real sockets: openssl, go-spiffe, spiffe and spiffe-tls
//! of PyPI, Envoy. First two ends with nothing between them ([`calls`], [`refusals`], [`versions`]), then a whole mesh in
//! which they are the applications and get their svids from their sidecars ([`workload`]). The first two are also those of
//! `interop_rust`, where the other end is a Rust crate.
//!
//! ```text
//! Authority ─► Files ─► Peer ◄── TLS ──► Kith ◄─ Svid ◄─ Authority
//! ```
//! `scripts/test-interop` brings the parts and runs this. The programs that drive them lie in `tests/interop`.

mod authority;
mod calls;
mod envoy;
mod ground;
mod kith_side;
mod peer;
mod refusals;
mod town;
mod versions;
mod workload;
