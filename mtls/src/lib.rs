//! Is it really them? Mutual TLS between workloads, each side proving a SPIFFE identity.
//!
//! Owns the key of a workload, the check that a certificate chain proves an identity now, and the handshake that
//! applies it: [`Server::accept`] and [`Client::connect`] take any byte stream and give back a [`Session`] whose
//! [`VerifiedPeer`] was made by the verifier inside that very handshake. It is the only crate that names rustls.
//! It does not decide what a peer may do (`kith-policy`), where certificates come from (`kith-ca`), or what the
//! bytes of a session mean.
//!
//! ```text
//! WorkloadKey ─► csr_der ─► (control plane) ─► Svid ──┐
//!                                    Bundle, BundleSet ┴─► Credentials ─► Server / Client
//!                                                                            │ one verifier per handshake
//!   presented chain ─► (remembered?) ─► Leaf, Authority ─► the presented domain's bundle ─► path ─► VerifiedChain
//!   VerifiedChain ─► Accept, proof of possession ─► VerifiedPeer
//! ```
//!
//! Always: TLS 1.3, X25519MLKEM768 first (or nothing else, [`KeyExchange`]), our own keys ECDSA P-256. Never: early data,
//! half-RTT data, SNI, resumption between workloads of Kith; foreign clients may resume where a server says so
//! ([`Server::resuming_foreign`]), and are verified again. Credentials are read at the start of each handshake, so a new svid
//! or bundle needs no restart; with another set of bundles no chain is remembered.
//!
//! [`WebServer`] stands apart: a DNS name instead of an identity, for the one client that cannot prove one. So does
//! [`connect_to_own_application`], for the one server that need not prove anything, and [`HelloReader`], which tells whose a
//! handshake is to be before anybody answers it. [`peek_chain`] looks at whoever answers and makes nobody a peer.
//!
//! A session that outlives its svids is proven again in place: [`Svid::prove_again`] signs over [`Session::binding`], which
//! no other session has, and [`VerifiedPeer::prove_again`] holds the proof against the peer that is already there.

mod accept;
mod chain;
mod chain_memory;
mod client;
mod credentials;
mod digest;
mod error;
mod exporter;
mod facts;
mod foreign_server;
mod handshake;
mod hello;
mod key;
mod key_exchange;
mod meter;
mod now;
mod path;
mod peek;
mod pem;
mod presenter;
mod probe;
mod provider;
mod reproof;
mod resumption;
mod server;
mod session;
mod svid;
mod verified_chain;
mod verified_peer;
mod verifier;
mod web;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests_tls;

pub use accept::Accept;
pub use chain::ChainError;
pub use client::{Client, ClientIdentity};
pub use credentials::Credentials;
pub use error::{HandshakeError, Refusal, What};
pub use exporter::SessionBinding;
pub use facts::TlsFacts;
pub use hello::{HelloReader, NoHello, Offered};
pub use key::{KeyError, WorkloadKey};
pub use key_exchange::{KeyExchange, NoKeyExchange};
pub use meter::Metered;
pub use now::Now;
pub use path::Role;
pub use peek::peek_chain;
pub use pem::{PemError, bundle_from_pem};
pub use probe::connect_to_own_application;
pub use reproof::{Proof, ReproofRefusal};
pub use server::{ClientSvid, Server};
pub use session::Session;
pub use svid::{Svid, SvidError};
pub use verified_chain::{VerifiedChain, verify_chain};
pub use verified_peer::VerifiedPeer;
pub use web::{WebIdentity, WebIdentityError, WebServer};

/// The byte stream of a session that this side opened.
pub type ClientStream<IO> = tokio_rustls::client::TlsStream<Metered<IO>>;
/// The byte stream of a session that this side accepted.
pub type ServerStream<IO> = tokio_rustls::server::TlsStream<Metered<IO>>;
