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
//!   presented chain ─► Leaf, Authority ─► the presented domain's bundle ─► path ─► Accept ─► VerifiedPeer
//! ```
//!
//! Always: TLS 1.3, X25519MLKEM768 first, ECDSA certificates. Never: resumption, early data, half-RTT data, SNI.
//! Credentials are read at the start of each handshake, so a new svid or bundle needs no restart.
//!
//! [`WebServer`] stands apart: a DNS name instead of an identity, for the one client that cannot prove one. So does
//! [`connect_to_own_application`], for the one server that need not prove anything, and [`HelloReader`], which tells whose a
//! handshake is to be before anybody answers it.

mod accept;
mod chain;
mod client;
mod credentials;
mod error;
mod facts;
mod handshake;
mod hello;
mod key;
mod now;
mod path;
mod pem;
mod presenter;
mod probe;
mod provider;
mod server;
mod session;
mod svid;
mod verified_peer;
mod verifier;
mod web;

#[cfg(test)]
mod testing;

pub use accept::Accept;
pub use chain::ChainError;
pub use client::{Client, ClientIdentity};
pub use credentials::Credentials;
pub use error::{HandshakeError, Refusal, What};
pub use facts::TlsFacts;
pub use hello::{HelloReader, NoHello, Offered};
pub use key::{KeyError, WorkloadKey};
pub use now::Now;
pub use pem::{PemError, bundle_from_pem};
pub use probe::connect_to_own_application;
pub use server::{ClientSvid, Server};
pub use session::Session;
pub use svid::{Svid, SvidError};
pub use verified_peer::VerifiedPeer;
pub use web::{WebIdentity, WebIdentityError, WebServer};

/// The byte stream of a session that this side opened.
pub use tokio_rustls::client::TlsStream as ClientStream;
/// The byte stream of a session that this side accepted.
pub use tokio_rustls::server::TlsStream as ServerStream;
