//! The accepting side of a handshake. Owns the server's TLS settings, made anew for each handshake.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::accept::Accept;
use crate::credentials::Credentials;
use crate::error::HandshakeError;
use crate::facts::TlsFacts;
use crate::handshake::finish;
use crate::path::Role;
use crate::presenter::Presenter;
use crate::provider;
use crate::session::Session;
use crate::verified_peer::Expectation;
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
}

impl Server {
    /// `alpn`: the application protocols, best first. A client that offers only others is refused; one that
    /// offers none gets a session without one.
    pub fn new(credentials: Credentials, accept: Accept, client_svid: ClientSvid, alpn: &[&[u8]]) -> Self {
        let alpn = alpn.iter().map(|name| name.to_vec()).collect();
        Self { credentials, accept, client_svid, alpn }
    }

    /// One handshake over `io`, within `limit`. Nothing of the application is sent or read before it is over.
    ///
    /// An own svid outside its time is shown all the same, so that the client reads in it why there is no session,
    /// instead of guessing from a closed connection. There is none even if the client would take it.
    pub async fn accept<IO>(&self, io: IO, limit: Duration) -> Result<Session<TlsStream<IO>>, HandshakeError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let own = self.credentials.own_svid()?;
        let holds = self.credentials.check_time(&own);
        let presenter = Presenter::new(Some(own));
        let verifier = self.verifier();
        let outcome = verifier.outcome();
        let config = self.config(presenter.clone(), verifier).map_err(|error| HandshakeError::tls(&error))?;
        let handshake = finish(TlsAcceptor::from(Arc::new(config)).accept(io), limit, &outcome).await;
        holds?;
        let stream = handshake?;
        let peer = match (outcome.get().transpose()?, self.client_svid) {
            (None, ClientSvid::Required) => return Err(HandshakeError::NoClientCertificate),
            (peer, _) => peer,
        };
        let facts = TlsFacts::of(stream.get_ref().1)?;
        Ok(Session { stream, peer, own: presenter.presented(), facts })
    }

    fn verifier(&self) -> Verifier {
        let expectation = Expectation {
            bundles: self.credentials.bundles(),
            accept: self.accept.clone(),
            role: Role::Client,
        };
        Verifier::new(expectation, self.client_svid == ClientSvid::Required)
    }

    fn config(&self, presenter: Arc<Presenter>, verifier: Verifier) -> Result<ServerConfig, rustls::Error> {
        let now = Arc::new(self.credentials.now().clone());
        let mut config = ServerConfig::builder_with_details(provider::provider(), now)
            .with_protocol_versions(provider::VERSIONS)?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(presenter);
        config.alpn_protocols.clone_from(&self.alpn);
        // No resumption: a resumed session would carry an old verification past a new bundle (L5, L6).
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        // No early data (L4), and nothing said to a client before it proved itself.
        config.max_early_data_size = 0;
        config.send_half_rtt_data = false;
        Ok(config)
    }
}

#[cfg(test)]
mod tests;
