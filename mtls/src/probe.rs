//! TLS to the application of the own pod, for a probe that its author declared as HTTPS. The only place that accepts
//! whatever certificate there is: the kubelet does not look at it either, it has no name to compare it with, and what
//! comes back says whether the application answers and nothing else. Nobody becomes a peer by it, no identity is shown,
//! and nothing of a call travels over it.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, IpAddr, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::HandshakeError;
use crate::foreign_server::client_config;

/// One handshake over `io`, a connection to the application at `address` in the own pod. It may speak TLS 1.2, and
/// present any certificate. The caller limits the time.
pub async fn connect_to_own_application<IO>(
    io: IO,
    address: std::net::IpAddr,
) -> Result<TlsStream<IO>, HandshakeError>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let any = AnyCertificate(default_provider().signature_verification_algorithms);
    let config = client_config(Arc::new(any)).map_err(|error| HandshakeError::tls(&error))?;
    let name = ServerName::IpAddress(IpAddr::from(address));
    TlsConnector::from(Arc::new(config)).connect(name, io).await.map_err(HandshakeError::of_stream)
}

/// Takes whatever a server presents, signed with one of these.
#[derive(Debug)]
pub(crate) struct AnyCertificate(pub(crate) WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use rcgen::{CertificateParams, KeyPair};
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// An application with a certificate that nobody trusts, that has ended, and that names somebody else.
    fn application(version: &'static rustls::SupportedProtocolVersion) -> TlsAcceptor {
        let mut params = CertificateParams::new(vec!["elsewhere.example".to_owned()]).unwrap();
        params.not_after = params.not_before + std::time::Duration::from_secs(1);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![der], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    async fn connect(far: DuplexStream) -> Result<TlsStream<DuplexStream>, HandshakeError> {
        connect_to_own_application(far, Ipv4Addr::LOCALHOST.into()).await
    }

    #[tokio::test]
    async fn any_certificate_of_either_version_is_good_enough_for_a_probe() {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let (near, far) = duplex(64 * 1024);
            let application = application(version);
            let answer = async {
                let mut stream = application.accept(near).await.unwrap();
                assert_eq!(stream.get_ref().1.server_name(), None, "an address is no name");
                stream.write_all(b"ok").await.unwrap();
                stream.shutdown().await.unwrap();
            };
            let ask = async {
                let mut said = String::new();
                connect(far).await.unwrap().read_to_string(&mut said).await.unwrap();
                assert_eq!(said, "ok");
            };
            tokio::join!(answer, ask);
        }
    }

    #[tokio::test]
    async fn what_is_no_tls_is_told() {
        let (mut near, far) = duplex(64 * 1024);
        near.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let told = connect(far).await.unwrap_err();
        assert!(matches!(told, HandshakeError::NotTls), "{told:?}");
        let (near, far) = duplex(64 * 1024);
        drop(near);
        let told = connect(far).await.unwrap_err();
        assert!(matches!(told, HandshakeError::ConnectionLost(_)), "{told:?}");
    }
}
