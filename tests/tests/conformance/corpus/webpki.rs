//! Bare rustls-webpki, as a program meets it that knows no SPIFFE: one call, every algorithm, one list of anchors.

use std::time::{SystemTime, UNIX_EPOCH};

use kith_mtls::Role;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// Whether it accepts the chain.
pub(crate) fn accepts(chain: &[Vec<u8>], anchors: &[&Vec<u8>], role: Role, at: SystemTime) -> bool {
    let ders: Vec<CertificateDer<'_>> = chain.iter().map(|der| der.as_slice().into()).collect();
    let Some((leaf, intermediates)) = ders.split_first() else { return false };
    let anchors: Vec<CertificateDer<'_>> = anchors.iter().map(|der| der.as_slice().into()).collect();
    let trusted: Result<Vec<_>, _> = anchors.iter().map(anchor_from_trusted_cert).collect();
    let (Ok(trusted), Ok(leaf)) = (trusted, EndEntityCert::try_from(leaf)) else { return false };
    let usage = match role {
        Role::Client => KeyUsage::client_auth(),
        Role::Server => KeyUsage::server_auth(),
    };
    let now = UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).expect("after 1970"));
    let path = leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &trusted, intermediates, now, usage, None, None);
    path.is_ok()
}
