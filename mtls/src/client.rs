//! The opening side of a handshake. Owns the client's TLS settings, made anew for each handshake.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::ClientStream;
use crate::accept::Accept;
use crate::credentials::Credentials;
use crate::error::HandshakeError;
use crate::facts::TlsFacts;
use crate::handshake::finish;
use crate::meter::Metered;
use crate::path::Role;
use crate::presenter::Presenter;
use crate::provider;
use crate::session::Session;
use crate::verifier::Verifier;

/// rustls wants a name to connect to. It is neither sent nor compared: identities are expected, not names.
const UNUSED_NAME: &str = "kith.invalid";

/// What a client proves about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientIdentity {
    /// Its svid, always: without a valid one, or at a server that does not ask for it, there is no session.
    Svid,
    /// Its svid if it has a valid one. For the first call to the control plane, and for the one after an expiry.
    SvidIfAny,
}

/// Opens sessions and proves who answers.
#[derive(Debug, Clone)]
pub struct Client {
    credentials: Credentials,
    identity: ClientIdentity,
    alpn: Vec<Vec<u8>>,
}

impl Client {
    /// `alpn`: the application protocols to offer, best first.
    pub fn new(credentials: Credentials, identity: ClientIdentity, alpn: &[&[u8]]) -> Self {
        let alpn = alpn.iter().map(|name| name.to_vec()).collect();
        Self { credentials, identity, alpn }
    }

    /// One handshake over `io`, within `limit`. A server outside `accept` is refused inside the handshake: it
    /// sees neither our svid nor one application byte.
    ///
    /// In TLS 1.3 the server judges our svid after this returns; its refusal shows as an error of the first read.
    pub async fn connect<IO>(
        &self,
        io: IO,
        accept: Accept,
        limit: Duration,
    ) -> Result<Session<ClientStream<IO>>, HandshakeError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let presenter = self.presenter()?;
        let expectation = self.credentials.expectation(accept, Role::Server);
        let verifier = Verifier::new(expectation.clone(), true);
        let outcome = verifier.outcome();
        let config = self.config(presenter.clone(), verifier).map_err(|error| HandshakeError::tls(&error))?;
        let name = ServerName::try_from(UNUSED_NAME).expect("the constant is a DNS name");
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, Metered::new(io));
        let mut stream = finish(handshake, limit, &outcome).await?;
        stream.get_mut().0.lift();
        let Some(peer) = outcome.get().transpose()? else {
            return Err(HandshakeError::Tls { detail: "the server presented no certificate".into() });
        };
        expectation.remember(&peer);
        let own = presenter.presented();
        if own.is_none() && self.identity == ClientIdentity::Svid {
            return Err(HandshakeError::Tls { detail: "the server did not ask for our svid".into() });
        }
        let facts = TlsFacts::of(stream.get_ref().1)?;
        Ok(Session { stream, peer: Some(peer), own, facts })
    }

    /// Whether there is an own svid that holds now; a handshake that has to show one would fail without.
    pub fn check_own_svid(&self) -> Result<(), HandshakeError> {
        self.credentials.current_svid().map(drop)
    }

    fn presenter(&self) -> Result<Arc<Presenter>, HandshakeError> {
        match (self.credentials.current_svid(), self.identity) {
            (Ok(svid), _) => Ok(Presenter::new(Some(svid))),
            (Err(error), ClientIdentity::Svid) => Err(error),
            // No svid, or one that has ended: exactly what this variant is for.
            (Err(_), ClientIdentity::SvidIfAny) => Ok(Presenter::new(None)),
        }
    }

    fn config(&self, presenter: Arc<Presenter>, verifier: Verifier) -> Result<ClientConfig, rustls::Error> {
        let now = Arc::new(self.credentials.now().clone());
        let mut config = ClientConfig::builder_with_details(self.credentials.provider(), now)
            .with_protocol_versions(provider::VERSIONS)?
            .dangerous() // rustls' word for a verifier that is not its own: ours is stricter.
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(presenter);
        config.alpn_protocols.clone_from(&self.alpn);
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        config.enable_sni = false;
        Ok(config)
    }
}

#[cfg(test)]
mod tests;
