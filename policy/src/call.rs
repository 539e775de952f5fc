//! The question: who calls, and what for. As the enforcement point sees it; it decides nothing.

use kith_identity::SpiffeId;

/// What is to be decided.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The verified identity of the peer.
    pub source: &'a SpiffeId,
    /// The workload that is called.
    pub destination: &'a SpiffeId,
    /// The workload's port that it was opened to.
    pub port: u16,
    /// What it asks for.
    pub request: Request<'a>,
}

/// A call of somebody who proved no identity: it came in the clear.
#[derive(Debug, Clone, Copy)]
pub struct UnprovenCall<'a> {
    /// The workload that is called.
    pub destination: &'a SpiffeId,
    /// The workload's port that it was opened to.
    pub port: u16,
    /// What it asks for.
    pub request: Request<'a>,
}

/// What a call asks for, as far as the enforcement point can see it.
#[derive(Debug, Clone, Copy)]
pub enum Request<'a> {
    /// Bytes that are not looked into.
    Opaque,
    /// One HTTP request.
    Http {
        /// The method, as it was sent.
        method: &'a str,
        /// The raw path, without the query.
        path: &'a str,
        /// Whether it is gRPC, by its content type.
        grpc: bool,
    },
}
