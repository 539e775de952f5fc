//! The accepting side of a handshake. Owns the server's TLS settings, made anew for each handshake.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::server::{Acceptor, NoServerSessionStorage};
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;

use crate::ServerStream;
use crate::accept::Accept;
use crate::credentials::Credentials;
use crate::error::{HandshakeError, Refusal};
use crate::facts::TlsFacts;
use crate::handshake::finish;
use crate::meter::Metered;
use crate::path::Role;
use crate::presenter::Presenter;
use crate::provider;
use crate::resumption::{Epoch, TICKETS, is_foreign, is_own};
use crate::session::Session;
use crate::svid::Svid;
use crate::verified_peer::{Expectation, VerifiedPeer};
use crate::verifier::Verifier;

/// Whether a client may come without an svid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientSvid {
    /// No svid, no session.
    Required,
    /// A client without an svid is let in as nobody (`Session::peer` is `None`); one that is presented must pass
    /// every check all the same.
    Optional,
}

/// Accepts sessions and proves who opened them.
#[derive(Debug, Clone)]
pub struct Server {
    credentials: Credentials,
    accept: Accept,
    client_svid: ClientSvid,
    alpn: Vec<Vec<u8>>,
    /// While foreign clients may come back: what else than svids and bundles ends their tickets.
    epoch: Option<Epoch>,
}

impl Server {
    /// `alpn`: the application protocols, best first. A client that offers only others is refused; one that
    /// offers none gets a session without one.
    pub fn new(credentials: Credentials, accept: Accept, client_svid: ClientSvid, alpn: &[&[u8]]) -> Self {
        let alpn = alpn.iter().map(|name| name.to_vec()).collect();
        Self { credentials, accept, client_svid, alpn, epoch: None }
    }

    /// Lets clients that offer no protocol of Kith's come back with a ticket; without this, nobody is. The chain that a
    /// ticket brings back is verified again in each handshake, and tickets end with what they were given for: this process
    /// and its credentials, its svid, its bundles, the client's svid, and the number that `epoch` says, which is to be
    /// another one after a quarantine or whatever else makes old judgements void.
    #[must_use]
    pub fn resuming_foreign(self, epoch: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { epoch: Some(Epoch::new(epoch)), ..self }
    }

    /// One handshake over `io`, within `limit`. Nothing of the application is sent or read before it is over.
    ///
    /// An own svid outside its time is shown all the same, so that the client reads in it why there is no session,
    /// instead of guessing from a closed connection. There is none even if the client would take it.
    pub async fn accept<IO>(
        &self,
        io: IO,
        limit: Duration,
    ) -> Result<Session<ServerStream<IO>>, HandshakeError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let own = self.credentials.own_svid()?;
        let holds = self.credentials.check_time(&own);
        let parts = Parts::new(self, own);
        let outcome = parts.verifier.outcome();
        let handshake = async {
            let start = LazyConfigAcceptor::new(Acceptor::default(), Metered::new(io)).await?;
            let hello = start.client_hello();
            let is_foreign = is_foreign(&hello);
            let provider = self.credentials.provider_to_answer(&hello);
            let config = self.config(&parts, provider, is_foreign).map_err(io::Error::other)?;
            Ok((is_foreign, start.into_stream(Arc::new(config)).await?))
        };
        let handshake = finish(handshake, limit, &outcome).await;
        holds?;
        let (was_foreign, mut stream) = handshake?;
        check_protocol(was_foreign, stream.get_ref().1.alpn_protocol())?;
        stream.get_mut().0.lift();
        let proven = match outcome.get() {
            Some(judgement) => Some(judgement?),
            None => self.restore(stream.get_ref().1, &parts.expectation)?,
        };
        if let Some(peer) = &proven {
            parts.expectation.remember(peer);
        }
        let peer = match (proven, self.client_svid) {
            (None, ClientSvid::Required) => return Err(HandshakeError::NoClientCertificate),
            (peer, _) => peer,
        };
        let facts = TlsFacts::of(stream.get_ref().1)?;
        Ok(Session { stream, peer, own: parts.presenter.presented(), facts })
    }

    /// Who came back with a ticket: the chain that was sealed in it, verified as if it had been presented now. What was
    /// resumed proves the possession of its key, and nothing else.
    fn restore(
        &self,
        connection: &ServerConnection,
        expectation: &Expectation,
    ) -> Result<Option<VerifiedPeer>, Refusal> {
        let Some((end_entity, intermediates)) = connection.peer_certificates().and_then(<[_]>::split_first)
        else {
            return Ok(None);
        };
        let now = self.credentials.now().get();
        VerifiedPeer::verify(end_entity, intermediates, expectation, now).map(Some)
    }

    fn config(
        &self,
        parts: &Parts,
        provider: Arc<CryptoProvider>,
        is_foreign: bool,
    ) -> Result<ServerConfig, rustls::Error> {
        let now = Arc::new(self.credentials.now().clone());
        let mut config = ServerConfig::builder_with_details(provider, now)
            .with_protocol_versions(provider::VERSIONS)?
            .with_client_cert_verifier(parts.verifier.clone())
            .with_cert_resolver(parts.presenter.clone());
        config.alpn_protocols.clone_from(&self.alpn);
        // Nothing is kept here to resume from, and nothing given out unless it says so below.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        if let Some(epoch) = self.epoch.as_ref().filter(|_| is_foreign) {
            let (bundles, outcome) = (&parts.expectation.bundles, parts.verifier.outcome());
            config.ticketer = self.credentials.tickets(&parts.own, bundles, epoch.number(), outcome)?;
            config.send_tls13_tickets = TICKETS;
        }
        // No early data (L4), and nothing said to a client before it proved itself.
        config.max_early_data_size = 0;
        config.send_half_rtt_data = false;
        Ok(config)
    }
}

/// The protocol is agreed on by a client's last hello, and what it may do by its first. Both say the same (RFC 8446 §4.1.2),
/// which the library does not check: who is foreign in the first and ours in the second would come back with tickets.
fn check_protocol(was_foreign: bool, agreed: Option<&[u8]>) -> Result<(), HandshakeError> {
    match agreed {
        Some(protocol) if was_foreign && is_own(protocol) => {
            let protocol = String::from_utf8_lossy(protocol);
            let detail = format!("the client offered {protocol} in its second hello alone (RFC 8446 4.1.2)");
            Err(HandshakeError::Tls { detail })
        }
        _ => Ok(()),
    }
}

/// What is fixed when a handshake begins.
struct Parts {
    own: Arc<Svid>,
    presenter: Arc<Presenter>,
    expectation: Expectation,
    verifier: Arc<Verifier>,
}

impl Parts {
    fn new(server: &Server, own: Arc<Svid>) -> Self {
        let expectation = server.credentials.expectation(server.accept.clone(), Role::Client);
        let is_required = server.client_svid == ClientSvid::Required;
        let verifier = Arc::new(Verifier::new(expectation.clone(), is_required));
        Self { presenter: Presenter::new(Some(Arc::clone(&own))), own, expectation, verifier }
    }
}

#[cfg(test)]
mod tests;
