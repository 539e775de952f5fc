//! The nine algorithms that a token may be signed with (JWT-SVID §2.1, RFC 7518 §3.3 to §3.5), and no others: neither
//! `none` nor one whose verifying key is a secret can even be named.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey,
};

use crate::jwk::{Curve, Material, PublicKey};

/// An algorithm of JWT-SVID §2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Es256,
    Es384,
    Es512,
    Ps256,
    Ps384,
    Ps512,
}

enum Needs {
    Rsa(&'static RsaParameters),
    Ec(Curve),
}

impl Algorithm {
    const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
    ];

    /// The algorithm of an `alg`; they differ by case.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// As `alg` says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
        }
    }

    fn needs(self) -> Needs {
        match self {
            Self::Rs256 => Needs::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Needs::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Needs::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            Self::Es256 => Needs::Ec(Curve::P256),
            Self::Es384 => Needs::Ec(Curve::P384),
            Self::Es512 => Needs::Ec(Curve::P521),
            Self::Ps256 => Needs::Rsa(&RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Needs::Rsa(&RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Needs::Rsa(&RSA_PSS_2048_8192_SHA512),
        }
    }

    /// Whether a key is of the type, and of the curve, that it is computed with.
    pub(crate) fn fits(self, key: &PublicKey) -> bool {
        match (self.needs(), key.material()) {
            (Needs::Rsa(_), Material::Rsa { .. }) => true,
            (Needs::Ec(wanted), Material::Ec { curve, .. }) => *curve == wanted,
            _ => false,
        }
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verifies(self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        let verified = match (self.needs(), key.material()) {
            (Needs::Rsa(parameters), Material::Rsa { modulus, exponent }) => {
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, message, signature)
            }
            (Needs::Ec(wanted), Material::Ec { curve, point }) if *curve == wanted => {
                UnparsedPublicKey::new(curve.verification(), point).verify(message, signature)
            }
            _ => return false,
        };
        verified.is_ok()
    }
}
