//! Words that both profiles share: the rule that was broken, and where. Owns the list of rules with their sections; the
//! checks are in `rules`, `leaf` and `authority`.

use crate::certificate::PublicKey;
use crate::der::DerError;
use crate::spiffe_id::SpiffeIdError;

/// The rule of the profile that a certificate breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Not DER of an X.509 certificate.
    #[error("not a DER certificate")]
    NotACertificate,
    /// More bytes than one certificate.
    #[error("{count} bytes follow the certificate")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A part of the certificate that is not DER, or not what belongs there.
    #[error("the certificate is not laid out as RFC 5280 4.1 says: {0}")]
    Layout(DerError),
    /// RFC 5280 §4.1.2.1: extensions exist in version 3 alone.
    #[error("not a certificate of version 3 (RFC 5280 4.1.2.1)")]
    Version,
    /// RFC 5280 §4.1.2.2: the serial number is not a positive integer of at most 20 octets.
    #[error("the serial number is not a positive integer of at most 20 octets (RFC 5280 4.1.2.2)")]
    Serial,
    /// RFC 5280 §4.1.1.2: what was signed names another algorithm than the signature.
    #[error("the signed part and the signature name different algorithms (RFC 5280 4.1.1.2)")]
    AlgorithmsDiffer,
    /// A signature of an algorithm that we do not believe.
    #[error(
        "the signature algorithm {oid} is not ECDSA with SHA-256 or SHA-384, or RSA with SHA-256, SHA-384 or SHA-512"
    )]
    WeakSignature {
        /// Its object identifier.
        oid: String,
    },
    /// RFC 5280 §4.1.2.5: a moment in another spelling, or no moment at all.
    #[error("a moment of the validity is not written as RFC 5280 4.1.2.5 says, or lies before 1970")]
    Moment,
    /// A validity that ends before it begins.
    #[error("the validity ends before it begins")]
    Validity,
    /// RFC 5280 §4.1.2.7: a public key that cannot be read.
    #[error("the public key cannot be read: {0}")]
    PublicKey(DerError),
    /// A point that is not on its curve, or an even modulus: nobody can sign with it. Only an inspection looks for it; for
    /// everybody else the missing signature says so.
    #[error("the public key is no key: a point off its curve, or an even modulus (RFC 5280 4.1.2.7)")]
    NoKey,
    /// A key that others could find.
    #[error("the public key is {key}; Kith accepts P-256, P-384 and RSA of 2048 to 4096 bits")]
    WeakKey {
        /// What it is.
        key: PublicKey,
    },
    /// RFC 5280 §4.1.2.8: unique identifiers must not be made, and mean nothing here.
    #[error("the certificate has a unique identifier (RFC 5280 4.1.2.8)")]
    UniqueIdentifier,
    /// More extensions than are looked at.
    #[error("the certificate has more than 64 extensions")]
    TooManyExtensions,
    /// RFC 5280 §4.2: an extension that stands twice.
    #[error("extension {oid} stands twice (RFC 5280 4.2)")]
    Repeated {
        /// Its object identifier.
        oid: String,
    },
    /// An extension that cannot be read.
    #[error("extension {name} cannot be read: {error}")]
    Extension {
        /// Which.
        name: &'static str,
        /// What is wrong with it.
        error: DerError,
    },
    /// RFC 5280 §4.2: a critical extension that has no meaning here.
    #[error("critical extension {oid} is not understood (RFC 5280 4.2)")]
    UnknownCriticalExtension {
        /// Its object identifier.
        oid: String,
    },
    /// X509-SVID §2: no URI name.
    #[error("no URI in subjectAltName (X509-SVID 2)")]
    NoUri,
    /// X509-SVID §2: more than one URI name.
    #[error("{count} URIs in subjectAltName, exactly one may stand there (X509-SVID 2)")]
    SeveralUris {
        /// How many.
        count: usize,
    },
    /// The URI is not a SPIFFE ID.
    #[error("the URI is not a SPIFFE ID: {0}")]
    Uri(SpiffeIdError),
    /// X509-SVID §3.1: an end certificate's identity has a path.
    #[error("the identity of an end certificate has no path (X509-SVID 3.1)")]
    RootPath,
    /// X509-SVID §3.2: an authority's identity has no path.
    #[error("the identity of an authority has a path (X509-SVID 3.2)")]
    AuthorityPath,
    /// X509-SVID §3.1 and RFC 5280 §4.2.1.6.
    #[error("the subject is empty and subjectAltName is not critical (X509-SVID 3.1)")]
    NameNotCritical,
    /// X509-SVID §4.1: an end certificate is not an authority.
    #[error("an end certificate with cA true (X509-SVID 4.1)")]
    LeafIsAuthority,
    /// X509-SVID §4.1: a signing certificate is an authority.
    #[error("an authority without cA true (X509-SVID 4.1)")]
    NotAnAuthority,
    /// RFC 5280 §4.2.1.9: an authority's basicConstraints are critical.
    #[error("basicConstraints of an authority is not critical (RFC 5280 4.2.1.9)")]
    BasicConstraintsNotCritical,
    /// RFC 5280 §4.2.1.9: only an authority limits paths.
    #[error("a path length without cA true (RFC 5280 4.2.1.9)")]
    PathLengthWithoutAuthority,
    /// X509-SVID §4.3.
    #[error("no keyUsage (X509-SVID 4.3)")]
    KeyUsageMissing,
    /// X509-SVID §4.3.
    #[error("keyUsage is not critical (X509-SVID 4.3)")]
    KeyUsageNotCritical,
    /// X509-SVID §4.3: a usage that must be set is not.
    #[error("keyUsage lacks {0} (X509-SVID 4.3)")]
    KeyUsageLacks(&'static str),
    /// X509-SVID §4.3: a usage that must not be set is.
    #[error("keyUsage of an end certificate has {0} (X509-SVID 4.3)")]
    KeyUsageHas(&'static str),
    /// X509-SVID §4.4: both or none.
    #[error("extendedKeyUsage lacks {0} (X509-SVID 4.4)")]
    ExtendedKeyUsageLacks(&'static str),
    /// Name constraints bind authorities; in an end certificate they are a forgery or a mistake.
    #[error("an end certificate with nameConstraints")]
    LeafConstrainsNames,
}

impl ProfileError {
    /// Where the rule stands: "X509-SVID 4.3", "RFC 5280 4.1.2.2". Rules of our own say "Kith".
    pub fn section(&self) -> &'static str {
        match self {
            Self::NotACertificate | Self::TrailingBytes { .. } | Self::Layout(_) => "RFC 5280 4.1",
            Self::AlgorithmsDiffer => "RFC 5280 4.1.1.2",
            Self::Version => "RFC 5280 4.1.2.1",
            Self::Serial => "RFC 5280 4.1.2.2",
            Self::Moment | Self::Validity => "RFC 5280 4.1.2.5",
            Self::PublicKey(_) | Self::NoKey => "RFC 5280 4.1.2.7",
            Self::UniqueIdentifier => "RFC 5280 4.1.2.8",
            Self::Extension { .. } | Self::Repeated { .. } | Self::UnknownCriticalExtension { .. } => {
                "RFC 5280 4.2"
            }
            Self::BasicConstraintsNotCritical | Self::PathLengthWithoutAuthority => "RFC 5280 4.2.1.9",
            Self::LeafConstrainsNames => "RFC 5280 4.2.1.10",
            Self::NoUri | Self::SeveralUris { .. } => "X509-SVID 2",
            Self::Uri(error) => error.section(),
            Self::RootPath | Self::NameNotCritical => "X509-SVID 3.1",
            Self::AuthorityPath => "X509-SVID 3.2",
            Self::LeafIsAuthority | Self::NotAnAuthority => "X509-SVID 4.1",
            Self::KeyUsageMissing
            | Self::KeyUsageNotCritical
            | Self::KeyUsageLacks(_)
            | Self::KeyUsageHas(_) => "X509-SVID 4.3",
            Self::ExtendedKeyUsageLacks(_) => "X509-SVID 4.4",
            Self::WeakSignature { .. } | Self::WeakKey { .. } | Self::TooManyExtensions => "Kith",
        }
    }
}

/// A broken rule, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}, at byte {offset}")]
pub struct Broken {
    /// The rule.
    pub rule: ProfileError,
    /// The byte of the DER at which the offending element begins; for one that is missing, that which should have it.
    pub offset: usize,
}
