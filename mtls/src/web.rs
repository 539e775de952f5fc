//! A server that is known by a DNS name and asks nobody who they are: for the one client that has no identity, a
//! cluster's API server. Owns its TLS settings. What it answers must be safe to say to anybody.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::ServerStream;
use crate::error::HandshakeError;
use crate::facts::TlsFacts;
use crate::meter::Metered;
use crate::now::Now;
use crate::provider;

/// A certificate for a DNS name, with its key.
pub struct WebIdentity(Arc<CertifiedKey>);

/// Why a certificate and a key cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the web server's certificate and key cannot be used: {detail}")]
pub struct WebIdentityError {
    detail: String,
}

impl WebIdentity {
    /// Binds a certificate (DER) to its ECDSA key (PKCS#8); refused when they do not belong together.
    pub fn new(certificate: &[u8], key_pkcs8: &[u8]) -> Result<Self, WebIdentityError> {
        let unusable = |error: rustls::Error| WebIdentityError { detail: error.to_string() };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key_pkcs8));
        let key = any_ecdsa_type(&key).map_err(unusable)?;
        let certified = CertifiedKey::new(vec![CertificateDer::from(certificate.to_vec())], key);
        certified.keys_match().map_err(unusable)?;
        Ok(Self(Arc::new(certified)))
    }
}

impl fmt::Debug for WebIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebIdentity(..)")
    }
}

/// Accepts connections from anybody.
#[derive(Debug, Clone)]
pub struct WebServer {
    identity: watch::Receiver<Arc<WebIdentity>>,
    now: Now,
    alpn: Vec<Vec<u8>>,
}

impl WebServer {
    /// Shows the newest of `identity` at each handshake. `alpn`: the application protocols, best first.
    pub fn new(identity: watch::Receiver<Arc<WebIdentity>>, now: Now, alpn: &[&[u8]]) -> Self {
        Self { identity, now, alpn: alpn.iter().map(|name| name.to_vec()).collect() }
    }

    /// One handshake over `io`, within `limit` (L8).
    pub async fn accept<IO>(
        &self,
        io: IO,
        limit: Duration,
    ) -> Result<(ServerStream<IO>, TlsFacts), HandshakeError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let config = self.config().map_err(|error| HandshakeError::tls(&error))?;
        let handshake = TlsAcceptor::from(Arc::new(config)).accept(Metered::new(io));
        let accepted =
            tokio::time::timeout(limit, handshake).await.map_err(|_| HandshakeError::Timeout { limit })?;
        let mut stream = accepted.map_err(HandshakeError::of_stream)?;
        stream.get_mut().0.lift();
        let facts = TlsFacts::of(stream.get_ref().1)?;
        Ok((stream, facts))
    }

    fn config(&self) -> Result<ServerConfig, rustls::Error> {
        let identity = Arc::clone(&self.identity.borrow().0);
        let mut config = ServerConfig::builder_with_details(provider::provider(), Arc::new(self.now.clone()))
            .with_protocol_versions(provider::VERSIONS)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        config.alpn_protocols.clone_from(&self.alpn);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Ok(config)
    }
}

#[cfg(test)]
mod tests;
