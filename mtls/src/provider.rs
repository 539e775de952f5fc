//! The cryptography that a handshake may use. Owns the lists and their order; nothing else chooses an algorithm.

use std::sync::{Arc, LazyLock};

use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, WebPkiSupportedAlgorithms};
use webpki::aws_lc_rs as algorithm;

use crate::key_exchange::KeyExchange;

/// Versions of TLS, one of them.
pub(crate) static VERSIONS: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// ECDSA over P-256 and P-384, as our authorities sign, and RSA with SHA-2, as some of others do; how long a key must be is
/// the profile's to say. A P-384 authority may sign a P-256 key and the other way round, so paths mix hashes; in the
/// handshake itself TLS 1.3 fixes the hash to the curve (RFC 8446 §4.2.3). No SHA-1 (L13).
///
/// RSA PKCS#1 is in the mapping for certificates alone: rustls offers what stands here, a foreign peer looks there whether
/// its chain may be shown, and a handshake that is signed so is refused (RFC 8446 §4.2.3).
pub(crate) static SIGNATURE_ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        algorithm::ECDSA_P256_SHA256,
        algorithm::ECDSA_P256_SHA384,
        algorithm::ECDSA_P384_SHA256,
        algorithm::ECDSA_P384_SHA384,
        algorithm::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        algorithm::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        algorithm::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        algorithm::RSA_PKCS1_2048_8192_SHA256,
        algorithm::RSA_PKCS1_2048_8192_SHA384,
        algorithm::RSA_PKCS1_2048_8192_SHA512,
    ],
    mapping: &[
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[algorithm::ECDSA_P256_SHA256]),
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[algorithm::ECDSA_P384_SHA384]),
        (SignatureScheme::RSA_PSS_SHA256, &[algorithm::RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA384, &[algorithm::RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA512, &[algorithm::RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[algorithm::RSA_PKCS1_2048_8192_SHA256]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[algorithm::RSA_PKCS1_2048_8192_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[algorithm::RSA_PKCS1_2048_8192_SHA512]),
    ],
};

// The hybrid first: recorded traffic stays closed to a later quantum computer.
static PREFER_PQ: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| with_groups(vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1]));
static REQUIRE_PQ: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| with_groups(vec![kx_group::X25519MLKEM768]));

fn with_groups(kx_groups: Vec<&'static dyn SupportedKxGroup>) -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        kx_groups,
        signature_verification_algorithms: SIGNATURE_ALGORITHMS,
        ..default_provider()
    })
}

/// The provider of whoever has no say in the key exchange. It is passed explicitly; the library's global default is never
/// installed.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    provider_for(KeyExchange::PreferPq)
}

/// The provider that offers and accepts these key exchanges alone.
pub(crate) fn provider_for(key_exchange: KeyExchange) -> Arc<CryptoProvider> {
    match key_exchange {
        KeyExchange::PreferPq => PREFER_PQ.clone(),
        KeyExchange::RequirePq => REQUIRE_PQ.clone(),
    }
}
