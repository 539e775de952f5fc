//! Public keys as a bundle carries them (RFC 7517, RFC 7518 §6). Owns the reading of a key from a JWK or from a
//! certificate, which keys are strong enough, and the writing back. It does not know what a key may sign: the use
//! of an entry is the bundle's matter, the algorithm the token's.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, EcdsaVerificationAlgorithm,
    ParsedPublicKey, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::certificate::Certificate;
use crate::der::{Element, Malformed, Reader, tag};
use crate::json::{Members, Value};
use crate::svid::KeyHash;

/// Members that describe the key itself.
pub(crate) const KEY_MEMBERS: [&str; 5] = ["crv", "x", "y", "n", "e"];
/// Members that only a private key has (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
const UNCOMPRESSED: u8 = 4;
/// RFC 5480 §2.1.1.
const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
/// RFC 3279 §2.3.1.
const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// RFC 7517 §4.1: of a type other than `EC` and `RSA`.
    #[error("a key type other than EC and RSA (RFC 7517 4.1)")]
    Type,
    /// RFC 5280 §4.1.2.7: not the DER of a public key.
    #[error("not a DER SubjectPublicKeyInfo (RFC 5280 4.1.2.7)")]
    Info,
    /// RFC 7518 §6: a member that describes the key is missing or not text.
    #[error("{0:?} is missing or not text (RFC 7518 6)")]
    Missing(&'static str),
    /// RFC 7518 §2: not base64url without padding, in the shortest form.
    #[error("{0:?} is not base64url in its shortest form without padding (RFC 7518 2)")]
    Encoding(&'static str),
    /// RFC 7518 §6.2.1.1: another curve.
    #[error("a curve other than P-256, P-384 and P-521 (RFC 7518 6.2.1.1)")]
    Curve,
    /// RFC 7518 §6.2.1.2: a coordinate of another length than the curve's.
    #[error("{0:?} has not the length of the curve's coordinates (RFC 7518 6.2.1.2)")]
    CoordinateLength(&'static str),
    /// Not a point of the curve.
    #[error("the key is not a point of its curve")]
    Point,
    /// A modulus too short to be safe, or too long to be checked at every call.
    #[error("the RSA key has {bits} bits, it must have 2048 to 4096")]
    ModulusSize {
        /// Its bits.
        bits: usize,
    },
    /// A product of two odd primes is odd.
    #[error("the RSA modulus is even")]
    EvenModulus,
    /// An exponent that weakens the key or makes its use slow.
    #[error("the RSA exponent is not odd and between 65537 and 2^32")]
    Exponent,
    /// Whoever reads the bundle could sign with it.
    #[error("the entry holds a private key")]
    Private,
    /// RFC 7517 §4.4: an `alg` that no token may have, or not of this key's type.
    #[error("\"alg\" is not an algorithm of JWT-SVID 2.1 for this key (RFC 7517 4.4)")]
    Algorithm,
    /// JWT-SVID §6.1: a token key has an id.
    #[error("\"kid\" is missing, empty or longer than 1024 bytes (JWT-SVID 6.1)")]
    KeyId,
}

impl JwkError {
    /// The standard and section of the broken rule.
    pub fn section(&self) -> &'static str {
        match self {
            Self::Type => "RFC 7517 4.1",
            Self::Info => "RFC 5280 4.1.2.7",
            Self::Missing(_) | Self::Private => "RFC 7518 6",
            Self::Encoding(_) => "RFC 7518 2",
            Self::Curve | Self::Point => "RFC 7518 6.2.1.1",
            Self::CoordinateLength(_) => "RFC 7518 6.2.1.2",
            Self::ModulusSize { .. } | Self::EvenModulus | Self::Exponent => "RFC 7518 3.3",
            Self::Algorithm => "RFC 7517 4.4",
            Self::KeyId => "JWT-SVID 6.1",
        }
    }
}

/// A curve of ECDSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// RFC 5480 §2.1.1.1.
    fn oid(self) -> &'static [u8] {
        match self {
            Self::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
            Self::P384 => &[0x2b, 0x81, 4, 0, 0x22],
            Self::P521 => &[0x2b, 0x81, 4, 0, 0x23],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    fn coordinate_octets(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The one algorithm of JWT-SVID 2.1 that goes with it (RFC 7518 §3.4).
    pub(crate) fn verification(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED,
            Self::P384 => &ECDSA_P384_SHA384_FIXED,
            Self::P521 => &ECDSA_P521_SHA512_FIXED,
        }
    }
}

/// A public key, checked: on its curve, or of a safe size.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    material: Material,
    hash: KeyHash,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Material {
    /// The uncompressed point.
    Ec { curve: Curve, point: Vec<u8> },
    /// Big-endian without leading zeros.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
}

impl PublicKey {
    /// Reads a DER SubjectPublicKeyInfo.
    pub(crate) fn from_info(der: &[u8]) -> Result<Self, JwkError> {
        let mut input = Reader::new(der);
        let info = input.take(tag::SEQUENCE)?;
        input.end()?;
        Self::from_element(info)
    }

    /// Reads the key of a DER certificate.
    pub(crate) fn of_certificate(der: &[u8]) -> Result<Self, JwkError> {
        Self::from_element(Certificate::read(der).map_err(|_| JwkError::Info)?.key)
    }

    fn from_element(info: Element<'_>) -> Result<Self, JwkError> {
        let mut fields = info.elements();
        let mut identifier = fields.take(tag::SEQUENCE)?.elements();
        let key = fields.take(tag::BIT_STRING)?.whole_octets()?;
        fields.end()?;
        match identifier.take(tag::OID)?.oid()? {
            OID_EC => {
                let oid = identifier.take(tag::OID)?.oid()?;
                let curve = Curve::ALL.into_iter().find(|it| it.oid() == oid).ok_or(JwkError::Curve)?;
                Self::ec(curve, key.to_vec())
            }
            OID_RSA => {
                let mut wrapped = Reader::new(key);
                let mut numbers = wrapped.take(tag::SEQUENCE)?.elements();
                wrapped.end()?;
                let (modulus, exponent) = (numbers.take(tag::INTEGER)?, numbers.take(tag::INTEGER)?);
                numbers.end()?;
                let digits = |number: Element<'_>| {
                    Ok::<_, JwkError>(number.positive()?.ok_or(JwkError::Info)?.to_vec())
                };
                Self::rsa(digits(modulus)?, digits(exponent)?)
            }
            _ => Err(JwkError::Type),
        }
    }

    /// Reads the members of a JWK.
    pub(crate) fn from_members(members: &Members) -> Result<Self, JwkError> {
        check_public(members)?;
        match text(members, "kty")? {
            "EC" => {
                let name = text(members, "crv")?;
                let curve = Curve::ALL.into_iter().find(|it| it.name() == name).ok_or(JwkError::Curve)?;
                let mut point = vec![UNCOMPRESSED];
                for coordinate in ["x", "y"] {
                    let octets = octets(members, coordinate)?;
                    if octets.len() != curve.coordinate_octets() {
                        return Err(JwkError::CoordinateLength(coordinate));
                    }
                    point.extend(octets);
                }
                Self::ec(curve, point)
            }
            "RSA" => Self::rsa(integer(members, "n")?, integer(members, "e")?),
            _ => Err(JwkError::Type),
        }
    }

    fn ec(curve: Curve, point: Vec<u8>) -> Result<Self, JwkError> {
        // Compressed points are another spelling of a key; nobody needs them here.
        if point.len() != 1 + 2 * curve.coordinate_octets() || point[0] != UNCOMPRESSED {
            return Err(JwkError::Point);
        }
        let key = ParsedPublicKey::new(curve.verification(), &point).map_err(|_| JwkError::Point)?;
        let info = key.as_der().map_err(|_| JwkError::Point)?;
        let hash = KeyHash::of_public_key_info(info.as_ref());
        Ok(Self { material: Material::Ec { curve, point }, hash })
    }

    fn rsa(modulus: Vec<u8>, exponent: Vec<u8>) -> Result<Self, JwkError> {
        let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
        if !(2048..=4096).contains(&bits) {
            return Err(JwkError::ModulusSize { bits });
        }
        if modulus.last().is_none_or(|last| last % 2 == 0) {
            return Err(JwkError::EvenModulus);
        }
        let value =
            exponent.iter().try_fold(0_u32, |value, octet| Some(value.checked_mul(256)? | u32::from(*octet)));
        if !value.is_some_and(|value| value >= 65537 && value % 2 == 1) {
            return Err(JwkError::Exponent);
        }
        let components = RsaPublicKeyComponents { n: &modulus, e: &exponent };
        let info = components.as_der().map_err(|_| JwkError::ModulusSize { bits })?;
        let hash = KeyHash::of_public_key_info(info.as_ref());
        Ok(Self { material: Material::Rsa { modulus, exponent }, hash })
    }

    pub(crate) fn material(&self) -> &Material {
        &self.material
    }

    /// `kty`.
    pub(crate) fn key_type(&self) -> &'static str {
        match self.material {
            Material::Ec { .. } => "EC",
            Material::Rsa { .. } => "RSA",
        }
    }

    pub(crate) fn hash(&self) -> KeyHash {
        self.hash
    }

    /// The members that describe it, `kty` among them.
    pub(crate) fn write(&self, members: &mut Members) {
        let mut put = |name: &str, value: &str| members.insert(name.to_owned(), Value::from(value));
        let encoded = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        put("kty", self.key_type());
        match &self.material {
            Material::Ec { curve, point } => {
                let (x, y) = point[1..].split_at(curve.coordinate_octets());
                put("crv", curve.name());
                put("x", &encoded(x));
                put("y", &encoded(y));
            }
            Material::Rsa { modulus, exponent } => {
                put("n", &encoded(modulus));
                put("e", &encoded(exponent));
            }
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.hash)
    }
}

/// That an entry holds nothing that could sign.
pub(crate) fn check_public(members: &Members) -> Result<(), JwkError> {
    let private = PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name));
    if private { Err(JwkError::Private) } else { Ok(()) }
}

fn text<'a>(members: &'a Members, name: &'static str) -> Result<&'a str, JwkError> {
    members.get(name).and_then(|value| value.text().ok()).ok_or(JwkError::Missing(name))
}

fn octets(members: &Members, name: &'static str) -> Result<Vec<u8>, JwkError> {
    URL_SAFE_NO_PAD.decode(text(members, name)?).map_err(|_| JwkError::Encoding(name))
}

/// RFC 7518 §2, Base64urlUInt: no octet more than the number needs.
fn integer(members: &Members, name: &'static str) -> Result<Vec<u8>, JwkError> {
    let octets = octets(members, name)?;
    if octets.first() == Some(&0) { Err(JwkError::Encoding(name)) } else { Ok(octets) }
}

impl From<Malformed> for JwkError {
    fn from(_: Malformed) -> Self {
        Self::Info
    }
}

#[cfg(test)]
mod tests;
