//! Words that both profiles share: the rule that was broken, a serial number, a key's hash.

use std::fmt;

use crate::der::MAX_SERIAL_OCTETS;
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
    /// An extension that cannot be read, or stands twice.
    #[error("extension {0} cannot be read or stands twice")]
    Extension(&'static str),
    /// RFC 5280 §4.2: a critical extension that has no meaning here.
    #[error("critical extension {oid} is not understood (RFC 5280 4.2)")]
    UnknownCriticalExtension {
        /// Its object identifier.
        oid: String,
    },
    /// RFC 5280 §4.1.2.2: the serial number is not a positive integer of at most 20 octets.
    #[error("the serial number is not a positive integer of at most 20 octets (RFC 5280 4.1.2.2)")]
    Serial,
    /// A validity that lies before 1970, or ends before it begins.
    #[error("the validity is not a period after 1970")]
    Validity,
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

/// A certificate's serial number, as logs and people write it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(Vec<u8>);

impl Serial {
    pub(crate) fn new(octets: &[u8]) -> Self {
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        Self(octets[zeros..].to_vec())
    }

    /// Reads it as it is displayed: two lower-case hexadecimal digits for each of at most 20 octets.
    pub fn parse(text: &str) -> Option<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() > MAX_SERIAL_OCTETS || !rest.is_empty() {
            return None;
        }
        let octet = |[high, low]: &[u8; 2]| Some(hex_digit(*high)? << 4 | hex_digit(*low)?);
        let serial = Self::new(&pairs.iter().map(octet).collect::<Option<Vec<u8>>>()?);
        (!serial.0.is_empty()).then_some(serial)
    }

    /// Its octets, big-endian, without leading zeros.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

/// SHA-256 of a public key (its SubjectPublicKeyInfo): what names a key in distrust lists and in attestation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Of a DER SubjectPublicKeyInfo.
    pub fn of_public_key_info(der: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    /// From the wire.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// To the wire.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({self})")
    }
}

fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_read_as_it_is_displayed_and_nothing_else_is() {
        for text in ["01", "0af3", &"f".repeat(40)] {
            assert_eq!(Serial::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Serial::parse("000af3"), Serial::parse("0af3"), "a certificate has the zeros or not");
        for text in ["", "0", "00", "abc", "AB", "0x01", "0 ", "gg", "\u{e9}", "-1", &"f".repeat(42)] {
            assert_eq!(Serial::parse(text), None, "{text:?}");
        }
    }
}
