//! A finished handshake: the byte stream, and what was proven while it was set up.

use std::sync::Arc;
use std::time::SystemTime;

use crate::facts::TlsFacts;
use crate::svid::Svid;
use crate::verified_peer::VerifiedPeer;

/// One mTLS connection.
#[derive(Debug)]
pub struct Session<S> {
    /// The encrypted byte stream.
    pub stream: S,
    /// The other end. `None` only where the server was told that a client's svid is optional.
    pub peer: Option<VerifiedPeer>,
    /// The svid that we proved ourselves with. `None` only for a client that may come without one.
    pub own: Option<Arc<Svid>>,
    /// What the handshake agreed on.
    pub facts: TlsFacts,
}

impl<S> Session<S> {
    /// When the session must end: the earlier end of the two svids that proved it. `None` if neither side
    /// showed one, which no server of ours does.
    pub fn ends_at(&self) -> Option<SystemTime> {
        let peer = self.peer.as_ref().map(VerifiedPeer::not_after);
        let own = self.own.as_ref().map(|svid| svid.not_after());
        peer.into_iter().chain(own).min()
    }
}
