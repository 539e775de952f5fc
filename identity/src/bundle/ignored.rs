//! What a reader of a bundle passed over, and why. The standards demand that much is ignored; nobody should have to
//! guess what.

use crate::jwk::JwkError;
use crate::svid::Broken;
use crate::trust_domain::TrustDomain;

/// An entry of `keys`, or a part of one, that was not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("key {entry}, at byte {offset}: {because}")]
pub struct Ignored {
    /// Which entry, counted from 0.
    pub entry: usize,
    /// The byte of the document at which what broke the rule begins.
    pub offset: usize,
    /// Which rule.
    pub because: IgnoredBecause,
}

/// Why something in a bundle is ignored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IgnoredBecause {
    /// Trust-Domain-and-Bundle §4.2.1.
    #[error("\"kty\" is missing or unknown (Trust-Domain-and-Bundle 4.2.1)")]
    KeyType,
    /// Trust-Domain-and-Bundle §4.2.2.
    #[error("\"use\" is missing or unknown (Trust-Domain-and-Bundle 4.2.2)")]
    Use,
    /// X509-SVID §6.2.
    #[error("\"x5c\" is missing or empty (X509-SVID 6.2)")]
    NoCertificate,
    /// RFC 7517 §4.7: standard base64, padded, of one certificate.
    #[error("the first \"x5c\" is not base64 (RFC 7517 4.7)")]
    CertificateEncoding,
    /// The certificate is no authority (F9).
    #[error("the first \"x5c\": {0}")]
    Certificate(Broken),
    /// X509-SVID §3.2: an authority of another trust domain (F1).
    #[error("the certificate belongs to {found} (X509-SVID 3.2)")]
    Foreign {
        /// The trust domain in it.
        found: TrustDomain,
    },
    /// RFC 7517 §4.7: the members describe another key than the certificate.
    #[error("the entry and its certificate have different keys (RFC 7517 4.7)")]
    KeysDiffer,
    /// The key, or its id, cannot be used.
    #[error(transparent)]
    Key(JwkError),
    /// RFC 7517 §4.5: the id of an earlier entry. An id that names two keys names none.
    #[error("\"kid\" is that of an earlier key (RFC 7517 4.5)")]
    KeyIdTaken,
    /// X509-SVID §6.1: the `kid` of an X.509 entry; the entry itself is used.
    #[error("an x509-svid key has a \"kid\", which is ignored (X509-SVID 6.1)")]
    KeyIdOfCertificate,
    /// X509-SVID §6.2: certificates after the first; the first is used.
    #[error("{count} further \"x5c\" values are ignored (X509-SVID 6.2)")]
    FurtherCertificates {
        /// How many.
        count: usize,
    },
}

impl IgnoredBecause {
    /// Whether the whole entry counts for nothing, rather than a part of it.
    pub fn takes_the_entry(&self) -> bool {
        !matches!(self, Self::KeyIdOfCertificate | Self::FurtherCertificates { .. })
    }

    /// The standard and section of the broken rule.
    pub fn section(&self) -> &'static str {
        match self {
            Self::KeyType => "Trust-Domain-and-Bundle 4.2.1",
            Self::Use => "Trust-Domain-and-Bundle 4.2.2",
            Self::NoCertificate | Self::FurtherCertificates { .. } => "X509-SVID 6.2",
            Self::CertificateEncoding | Self::KeysDiffer => "RFC 7517 4.7",
            Self::Certificate(_) | Self::KeyIdOfCertificate => "X509-SVID 6.1",
            Self::Foreign { .. } => "X509-SVID 3.2",
            Self::Key(error) => error.section(),
            Self::KeyIdTaken => "RFC 7517 4.5",
        }
    }
}
