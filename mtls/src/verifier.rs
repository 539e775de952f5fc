//! The verifier of one handshake. Owns the meeting with rustls: it lets [`VerifiedPeer::verify`] judge, hands the
//! judgement out through an [`Outcome`] and translates a refusal into the alert that the peer sees.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::verify_tls13_signature;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, PeerMisbehaved,
    SignatureScheme,
};

use crate::error::Refusal;
use crate::path::system_time;
use crate::provider;
use crate::verified_peer::{Expectation, VerifiedPeer};

/// Where the judgement of one handshake is left, so that what was verified and who the peer is are one value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome(Arc<OnceLock<Result<VerifiedPeer, Refusal>>>);

impl Outcome {
    /// The judgement, if the peer presented a certificate.
    pub(crate) fn get(&self) -> Option<Result<VerifiedPeer, Refusal>> {
        self.0.get().cloned()
    }
}

/// Judges the certificate of one peer, once.
#[derive(Debug)]
pub(crate) struct Verifier {
    expectation: Expectation,
    required: bool,
    outcome: Outcome,
}

impl Verifier {
    /// `required`: whether a client that presents no certificate is refused; a server always presents one.
    pub(crate) fn new(expectation: Expectation, required: bool) -> Self {
        Self { expectation, required, outcome: Outcome::default() }
    }

    /// Where the judgement will be.
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome.clone()
    }

    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let judgement = VerifiedPeer::verify(end_entity, intermediates, &self.expectation, system_time(now));
        let alert = judgement.as_ref().err().map(alert);
        // TLS 1.3 without post-handshake authentication has one certificate per peer. Should there ever be a
        // second, the first judgement must not be passed off as the second's.
        if self.outcome.0.set(judgement).is_err() {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        alert.map_or(Ok(()), Err)
    }
}

/// The alert for a refusal: enough for the other side's operator to look in the right place, no value of ours.
fn alert(refusal: &Refusal) -> Error {
    let error = match refusal {
        Refusal::Chain(_) | Refusal::Path { .. } | Refusal::AuthorityKey { .. } => {
            CertificateError::BadEncoding
        }
        Refusal::UntrustedDomain { .. } | Refusal::UnknownAuthority { .. } => CertificateError::UnknownIssuer,
        Refusal::DistrustedAuthority { .. } => CertificateError::Revoked,
        Refusal::Expired { .. } => CertificateError::Expired,
        Refusal::NotYetValid { .. } => CertificateError::NotValidYet,
        Refusal::UnexpectedIdentity { .. } => CertificateError::ApplicationVerificationFailure,
    };
    error.into()
}

fn check_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    verify_tls13_signature(message, certificate, signed, &provider::SIGNATURE_ALGORITHMS)
}

/// Only TLS 1.3 is configured, so rustls never asks; were it ever, the answer is no.
fn refuse_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(PeerIncompatible::Tls12NotOffered.into())
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    /// No hints: a client has one svid, and a list of our authorities is nobody's business before it proved itself.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.judge(end_entity, intermediates, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider::SIGNATURE_ALGORITHMS.supported_schemes()
    }
}

impl ServerCertVerifier for Verifier {
    /// The server's name is not looked at: an identity is expected, not a host name (L10). A stapled OCSP answer
    /// is unsolicited, so it is a protocol error rather than something to ignore.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !ocsp_response.is_empty() {
            return Err(PeerMisbehaved::UnsolicitedCertExtension.into());
        }
        self.judge(end_entity, intermediates, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider::SIGNATURE_ALGORITHMS.supported_schemes()
    }
}
