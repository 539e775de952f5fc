//! What a server presents, whoever it is: for a person who wants to look at it. Nobody becomes a peer by it: the handshake
//! is given up as soon as the chain is there, so nothing of ours is shown, and nothing is believed.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::error::HandshakeError;
use crate::foreign_server::client_config;

/// The chain that the server at the other end of `io` presents, in DER, the end certificate first; all of it within
/// `limit`. The server may speak TLS 1.2, its certificates may be anything, and it need not prove that it has their key.
pub async fn peek_chain<IO>(io: IO, alpn: &[&[u8]], limit: Duration) -> Result<Vec<Vec<u8>>, HandshakeError>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let seen = Arc::new(Seen::new());
    let mut config = client_config(seen.clone()).map_err(|error| HandshakeError::tls(&error))?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    // rustls wants to know whom it connects to; nobody is told, and nothing compares it.
    let name = ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into());
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, io);
    let ended = tokio::time::timeout(limit, handshake).await;
    match (seen.take(), ended) {
        // However it ended: what we came for is here.
        (Some(chain), _) => Ok(chain),
        (None, Err(_)) => Err(HandshakeError::Timeout { limit }),
        (None, Ok(Err(error))) => Err(match HandshakeError::of_stream(error) {
            HandshakeError::NoClientCertificate => no_chain(),
            other => other,
        }),
        (None, Ok(Ok(_))) => Err(no_chain()),
    }
}

fn no_chain() -> HandshakeError {
    HandshakeError::Tls { detail: "the server presented no certificate".into() }
}

/// Keeps what is presented, and refuses it.
#[derive(Debug)]
struct Seen {
    chain: Mutex<Option<Vec<Vec<u8>>>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Seen {
    fn new() -> Self {
        let algorithms = default_provider().signature_verification_algorithms;
        Self { chain: Mutex::default(), algorithms }
    }

    fn take(&self) -> Option<Vec<Vec<u8>>> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|der| der.to_vec()).collect();
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = Some(chain);
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    /// Never asked: the certificate was refused before.
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    /// Never asked either.
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rustls::ServerConfig;
    use rustls::sign::SingleCertAndKey;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::testing::{LIMIT, Party, TestCa, certified, domain, leaf_params};
    use crate::{Accept, ClientSvid, Server, WorkloadKey};

    const PAYMENTS: &str = "spiffe://demo.local/ns/shop/sa/payments";

    #[tokio::test]
    async fn a_workload_of_ours_shows_its_chain_and_learns_nothing() {
        let root = TestCa::root();
        let svid = root.issuing().svid(PAYMENTS);
        let chain: Vec<_> = svid.chain().map(<[u8]>::to_vec).collect();
        let payments = Party::new(Some(svid), [root.bundle("demo.local")]);
        let accept = Accept::TrustDomain(domain("demo.local"));
        let server = Server::new(payments.credentials(), accept, ClientSvid::Required, &[b"h2"]);
        let (near, far) = duplex(64 * 1024);
        let (accepted, seen) = tokio::join!(server.accept(near, LIMIT), peek_chain(far, &[b"h2"], LIMIT));
        assert_eq!(seen.unwrap(), chain);
        // An alert in the place of a certificate: we did not get as far as being asked for one.
        let error = accepted.unwrap_err();
        assert!(error.to_string().contains("AccessDenied"), "{error}");
    }

    #[tokio::test]
    async fn any_chain_of_any_version_is_seen_whether_or_not_its_key_is_there() {
        let chain = TestCa::root().chain_for(&leaf_params("spiffe://broken.example"));
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let thief = certified(&WorkloadKey::generate().unwrap(), chain.clone());
            let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(SingleCertAndKey::from(thief)));
            let (near, far) = duplex(64 * 1024);
            let serving = TlsAcceptor::from(Arc::new(config)).accept(near);
            let (served, seen) = tokio::join!(serving, peek_chain(far, &[], LIMIT));
            assert_eq!(seen.unwrap(), chain, "{version:?}");
            assert!(served.is_err());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_presents_nothing_is_told_apart() {
        let (mut near, far) = duplex(64 * 1024);
        near.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        assert!(matches!(peek_chain(far, &[], LIMIT).await, Err(HandshakeError::NotTls)));
        let (near, far) = duplex(64 * 1024);
        drop(near);
        assert!(matches!(peek_chain(far, &[], LIMIT).await, Err(HandshakeError::ConnectionLost(_))));
        let (mut near, far) = duplex(64 * 1024);
        let silent = async { near.read_to_end(&mut Vec::new()).await };
        let (seen, _) = tokio::join!(peek_chain(far, &[], LIMIT), silent);
        assert!(matches!(seen, Err(HandshakeError::Timeout { .. })));
    }
}
