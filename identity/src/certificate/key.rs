//! The public key of a certificate: which kind it is, and how large. Owns the reading of SubjectPublicKeyInfo (RFC 3279,
//! RFC 5480); no arithmetic: a point off the curve proves nothing, because nobody can sign with it.

use std::fmt;

use crate::der::{DerError, Element, Malformed, oid_text, tag};

/// Of which kind a public key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// On another curve.
    OtherCurve {
        /// The curve's object identifier.
        oid: String,
    },
    /// RSA.
    Rsa {
        /// The size of the modulus.
        bits: usize,
        /// The public exponent; none when it has more than eight octets.
        exponent: Option<u64>,
    },
    /// Another algorithm.
    Other {
        /// The algorithm's object identifier.
        oid: String,
    },
}

const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const P384: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
/// RSA's parameters are NULL, written out (RFC 3279 §2.3.1).
const NULL: &[u8] = &[5, 0];

impl PublicKey {
    /// Of a SubjectPublicKeyInfo.
    pub(crate) fn read(info: Element<'_>) -> Result<Self, Malformed> {
        let mut fields = info.elements();
        let algorithm = fields.take(tag::SEQUENCE)?;
        let key = fields.take(tag::BIT_STRING)?;
        fields.end()?;
        let octets = key.whole_octets()?;
        let mut identifier = algorithm.elements();
        let oid = identifier.take(tag::OID)?.oid()?;
        if oid == EC_PUBLIC_KEY {
            let curve = identifier.take(tag::OID)?.oid()?;
            identifier.end()?;
            return point(curve, octets).ok_or(DerError::BitString.at(key.offset));
        }
        if oid == RSA {
            let parameters = identifier.any()?;
            identifier.end()?;
            if parameters.raw != NULL {
                return Err(DerError::Tag { found: parameters.tag, wanted: NULL[0] }.at(parameters.offset));
            }
            return rsa(key);
        }
        Ok(Self::Other { oid: oid_text(oid) })
    }

    /// Whether signatures made with it are to be believed: P-256, P-384, and RSA of 2048 to 4096 bits with an odd exponent
    /// between 65537 and 2^32, as for the keys of tokens.
    pub fn is_strong(&self) -> bool {
        match self {
            Self::P256 | Self::P384 => true,
            Self::Rsa { bits, exponent } => {
                let is_exponent = |exponent: u64| (65_537..1 << 32).contains(&exponent) && exponent % 2 == 1;
                (2048..=4096).contains(bits) && exponent.is_some_and(is_exponent)
            }
            Self::OtherCurve { .. } | Self::Other { .. } => false,
        }
    }
}

/// A point in the uncompressed form, the one that everybody reads (RFC 5480 §2.2).
fn point(curve: &[u8], octets: &[u8]) -> Option<PublicKey> {
    let (kind, size) = match curve {
        P256 => (PublicKey::P256, 65),
        P384 => (PublicKey::P384, 97),
        other => return Some(PublicKey::OtherCurve { oid: oid_text(other) }),
    };
    (octets.len() == size && octets[0] == 4).then_some(kind)
}

/// SEQUENCE { modulus, exponent }, both positive.
fn rsa(key: Element<'_>) -> Result<PublicKey, Malformed> {
    // The octet in front says that no bit is unused, which was checked.
    let inside = Element { content: &key.content[1..], ..key };
    let mut outer = inside.elements();
    let mut numbers = outer.take(tag::SEQUENCE)?.elements();
    outer.end()?;
    let (modulus, exponent) = (numbers.take(tag::INTEGER)?, numbers.take(tag::INTEGER)?);
    numbers.end()?;
    let Some(digits) = modulus.positive()? else {
        return Err(DerError::Integer.at(modulus.offset));
    };
    let Some(power) = exponent.positive()? else {
        return Err(DerError::Integer.at(exponent.offset));
    };
    let bits = digits.len() * 8 - digits[0].leading_zeros() as usize;
    let value = power.iter().fold(0_u64, |value, digit| value << 8 | u64::from(*digit));
    Ok(PublicKey::Rsa { bits, exponent: (power.len() <= 8).then_some(value) })
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P256 => f.write_str("ECDSA P-256"),
            Self::P384 => f.write_str("ECDSA P-384"),
            Self::OtherCurve { oid } => write!(f, "ECDSA on the curve {oid}"),
            Self::Rsa { bits, exponent: Some(exponent) } => {
                write!(f, "RSA of {bits} bits, exponent {exponent}")
            }
            Self::Rsa { bits, exponent: None } => {
                write!(f, "RSA of {bits} bits, exponent of more than 64 bits")
            }
            Self::Other { oid } => write!(f, "of algorithm {oid}"),
        }
    }
}
