//! What the tests of this crate share: a clock's value, an opened authority, keys with their CSRs, and a second
//! opinion on chains.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use kith_identity::{SpiffeId, TrustDomain};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, SignatureAlgorithm};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{Ca, Issued, Lifetimes, OpenError, OpenOptions, SealKey, SubjectKey};

/// When the tests begin; with a fraction of a second, so that rounding shows.
pub(crate) fn start() -> SystemTime {
    UNIX_EPOCH + Duration::new(1_800_000_000, 250_000_000)
}

pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn trust_domain(name: &str) -> TrustDomain {
    TrustDomain::parse(name).unwrap()
}

pub(crate) fn identity(name: &str) -> SpiffeId {
    SpiffeId::for_service_account(&trust_domain("demo.local"), "demo", name).unwrap()
}

/// A directory that goes away with the test, and the path of an authority's file in it.
pub(crate) fn state_file() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.sealed");
    (directory, path)
}

pub(crate) fn options(path: &Path, now: SystemTime) -> OpenOptions {
    OpenOptions {
        path: path.to_owned(),
        key: SealKey::from_bytes([7; 32]),
        trust_domain: trust_domain("demo.local"),
        lifetimes: Lifetimes::default(),
        now,
    }
}

pub(crate) fn open(path: &Path, now: SystemTime) -> Result<Ca, OpenError> {
    Ca::open(options(path, now))
}

/// An authority whose file is gone already; it does not need it to issue.
pub(crate) fn new_ca(lifetimes: Lifetimes) -> Ca {
    let (_directory, path) = state_file();
    Ca::open(OpenOptions { lifetimes, ..options(&path, start()) }).unwrap()
}

pub(crate) fn key_pair(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).unwrap()
}

/// A CSR as honest workloads write it: without names.
pub(crate) fn csr(key: &KeyPair) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    csr_asking(&params, key)
}

/// A CSR that asks for things.
pub(crate) fn csr_asking(params: &CertificateParams, key: &KeyPair) -> Vec<u8> {
    params.serialize_request(key).unwrap().der().to_vec()
}

pub(crate) fn subject_key() -> SubjectKey {
    SubjectKey::from_csr(&csr(&key_pair(&PKCS_ECDSA_P256_SHA256))).unwrap()
}

/// Walks the chain up to this authority's bundle as RFC 5280 §6 does: at each step the names and key identifiers
/// join, the signature holds, and the time is right. An `Err` says which link is broken.
pub(crate) fn check_chain(ca: &Ca, issued: &Issued, now: SystemTime) -> Result<(), String> {
    let root = ca.bundle().authorities()[0].der();
    let [leaf, issuing] = issued.chain.as_slice() else { return Err("not two certificates".to_owned()) };
    for (name, lower, upper) in
        [("svid", &leaf[..], &issuing[..]), ("issuing", issuing, root), ("root", root, root)]
    {
        let (_, lower) = X509Certificate::from_der(lower).unwrap();
        let (_, upper) = X509Certificate::from_der(upper).unwrap();
        let key =
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &upper.public_key().subject_public_key.data);
        let seconds = i64::try_from(now.duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let checks = [
            ("issuer", lower.issuer() == upper.subject()),
            ("authority key", name == "root" || authority_key(&lower) == subject_key_identifier(&upper)),
            ("authority", upper.is_ca()),
            ("signature", key.verify(lower.tbs_certificate.as_ref(), &lower.signature_value.data).is_ok()),
            ("beginning", lower.validity().not_before.timestamp() <= seconds),
            ("end", lower.validity().not_after.timestamp() >= seconds),
        ];
        if let Some((what, _)) = checks.into_iter().find(|(_, holds)| !holds) {
            return Err(format!("{name}: {what}"));
        }
    }
    Ok(())
}

/// The key identifier of whoever signed the certificate.
pub(crate) fn authority_key(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
        _ => None,
    })
}

/// The key identifier of the certificate's own key.
pub(crate) fn subject_key_identifier(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    })
}
