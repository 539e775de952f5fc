//! The cryptography that a handshake may use. Owns the lists and their order; nothing else chooses an algorithm.

use std::sync::{Arc, LazyLock};

use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use webpki::aws_lc_rs as algorithm;

/// Versions of TLS, one of them.
pub(crate) static VERSIONS: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// ECDSA over P-256 and P-384. A P-384 authority may sign a P-256 key and the other way round, so paths mix
/// hashes; in the handshake itself TLS 1.3 fixes the hash to the curve (RFC 8446 §4.2.3).
pub(crate) static SIGNATURE_ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        algorithm::ECDSA_P256_SHA256,
        algorithm::ECDSA_P256_SHA384,
        algorithm::ECDSA_P384_SHA256,
        algorithm::ECDSA_P384_SHA384,
    ],
    mapping: &[
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[algorithm::ECDSA_P256_SHA256]),
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[algorithm::ECDSA_P384_SHA384]),
    ],
};

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    Arc::new(CryptoProvider {
        // The hybrid first: recorded traffic stays closed to a later quantum computer. The other two are for
        // foreign peers that lack it.
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1],
        signature_verification_algorithms: SIGNATURE_ALGORITHMS,
        ..default_provider()
    })
});

/// The one provider of the process. It is passed explicitly; the library's global default is never installed.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    PROVIDER.clone()
}
