//! Why a handshake failed, as values: [`Refusal`] is the verifier's own judgement of the peer, [`HandshakeError`]
//! everything that can end a handshake. Each has a stable reason for logs and a sentence for people.

use std::fmt;
use std::io;
use std::time::Duration;

use kith_identity::SpiffeId;
use kith_identity::svid::KeyHash;

use crate::accept::Accept;
use crate::chain::ChainError;
use crate::meter::{MOST, TooMuch};

/// Why the verifier refused a peer. An identity in it was proven only in [`Refusal::UnexpectedIdentity`]; in the
/// others it is what the certificate claims.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The chain is too long, or a certificate in it breaks the X509-SVID profile.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// No bundle for the trust domain that the certificate names.
    #[error("no bundle for trust domain {} of {found}; federate with it first", found.trust_domain())]
    UntrustedDomain {
        /// The claimed identity.
        found: SpiffeId,
    },
    /// No authority in the bundle of the claimed trust domain signed it.
    #[error("no authority in the bundle of {} signed the certificate that claims {found}", found.trust_domain())]
    UnknownAuthority {
        /// The claimed identity.
        found: SpiffeId,
    },
    /// An authority signed it whose key was cut off, and no other did.
    #[error("the certificate that claims {found} stands on an authority that is distrusted, key {key}")]
    DistrustedAuthority {
        /// The claimed identity.
        found: SpiffeId,
        /// The authority's key.
        key: KeyHash,
    },
    /// The end certificate is for a key that signs certificates. Whoever holds that one needs no proof of anything.
    #[error("the certificate of {found} is for the key {key} of an authority")]
    AuthorityKey {
        /// Whom it names.
        found: SpiffeId,
        /// The key.
        key: KeyHash,
    },
    /// A certificate of the path has ended.
    #[error("the {what} of {found} expired {} s ago", ago.as_secs())]
    Expired {
        /// The claimed identity.
        found: SpiffeId,
        /// Which certificate.
        what: What,
        /// Since when.
        ago: Duration,
    },
    /// A certificate of the path has not begun.
    #[error("the {what} of {found} begins in {} s; compare the clocks", ahead.as_secs())]
    NotYetValid {
        /// The claimed identity.
        found: SpiffeId,
        /// Which certificate.
        what: What,
        /// In how long it begins.
        ahead: Duration,
    },
    /// The path breaks another rule of RFC 5280.
    #[error("the certificate that claims {found} has no valid path: {detail}")]
    Path {
        /// The claimed identity.
        found: SpiffeId,
        /// What the path validator said.
        detail: String,
    },
    /// The identity is proven, and it is not one that was expected.
    #[error("the peer is {found}, expected {expected}")]
    UnexpectedIdentity {
        /// Who it really is.
        found: SpiffeId,
        /// Who was wanted.
        expected: Accept,
    },
}

/// Which certificate of a path a [`Refusal`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The end certificate.
    Svid,
    /// One that signs.
    Authority,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Svid => "svid",
            Self::Authority => "authority",
        })
    }
}

impl Refusal {
    /// The stable name of the reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Chain(_) | Self::Path { .. } | Self::AuthorityKey { .. } => "bad_certificate",
            Self::UntrustedDomain { .. } => "untrusted_domain",
            Self::UnknownAuthority { .. } => "unknown_authority",
            Self::DistrustedAuthority { .. } => "distrusted_authority",
            Self::Expired { .. } => "svid_expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::UnexpectedIdentity { .. } => "unexpected_identity",
        }
    }
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The client presented no certificate, and one is required.
    #[error("the client presented no certificate; only callers with an svid are answered")]
    NoClientCertificate,
    /// The verifier refused the peer.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// This side has no svid yet.
    #[error("this workload has no svid yet")]
    NoOwnSvid,
    /// This side's own svid has ended.
    #[error("this workload's own svid, {identity}, expired {} s ago and was not renewed", ago.as_secs())]
    OwnSvidExpired {
        /// Whose it was.
        identity: SpiffeId,
        /// Since when.
        ago: Duration,
    },
    /// This side's own svid has not begun.
    #[error("this workload's own svid, {identity}, begins in {} s; compare the clocks", ahead.as_secs())]
    OwnSvidNotYetValid {
        /// Whose it is.
        identity: SpiffeId,
        /// In how long it begins.
        ahead: Duration,
    },
    /// The peer did not finish in time.
    #[error("the handshake was not finished within {limit:?}")]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// The peer sent more than any handshake needs.
    #[error("the other end sent more than {MOST} bytes before it had proven itself")]
    TooLarge,
    /// The first bytes of the other end are not TLS.
    #[error("the other end does not speak TLS")]
    NotTls,
    /// The protocol itself failed: no common version or algorithm, a malformed message, or an alert of the peer.
    #[error("TLS failed: {detail}")]
    Tls {
        /// What the TLS library said.
        detail: String,
    },
    /// The connection broke.
    #[error("the connection was lost during the handshake")]
    ConnectionLost(#[source] io::Error),
}

impl HandshakeError {
    /// The stable name of the reason, as logs and metrics carry it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoClientCertificate => "no_client_certificate",
            Self::Refused(refusal) => refusal.reason(),
            Self::NoOwnSvid => "no_own_svid",
            Self::OwnSvidExpired { .. } => "svid_expired",
            Self::OwnSvidNotYetValid { .. } => "not_yet_valid",
            Self::Timeout { .. } => "handshake_timeout",
            Self::TooLarge => "handshake_too_large",
            Self::NotTls => "not_tls",
            Self::Tls { .. } => "tls_error",
            Self::ConnectionLost(_) => "connection_lost",
        }
    }

    /// Why the stream under a handshake ended it: the TLS library says it there.
    pub(crate) fn of_stream(error: io::Error) -> Self {
        if error.get_ref().is_some_and(|cause| cause.is::<TooMuch>()) {
            return Self::TooLarge;
        }
        match error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::NoCertificatesPresented) => Self::NoClientCertificate,
            Some(cause) => Self::tls(cause),
            None => Self::ConnectionLost(error),
        }
    }

    /// A failure of the TLS library that says nothing about the peer's certificate.
    pub(crate) fn tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => Self::NotTls,
            other => Self::Tls { detail: other.to_string() },
        }
    }
}
