//! Certificates for HAProxy like those that the mesh mints for itself: P-256, a root, an issuing authority that travels
//! in the chain, and an end certificate with a SPIFFE ID.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};

/// What one proxy presents, and what both of them check against.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    /// The root.
    pub(crate) root: PathBuf,
    /// Chain and key of the caller's side.
    pub(crate) caller: PathBuf,
    /// Chain and key of the application's side.
    pub(crate) callee: PathBuf,
}

/// Makes them, into a folder.
pub(crate) fn write(folder: &Path) -> anyhow::Result<Files> {
    let files = Files {
        root: folder.join("root.pem"),
        caller: folder.join("caller.pem"),
        callee: folder.join("callee.pem"),
    };
    let root_params = authority("bench root", 1);
    let root_key = key()?;
    let root = root_params.self_signed(&root_key)?;
    let signer = Issuer::new(root_params, root_key);

    let issuing_params = authority("bench issuing", 0);
    let issuing_key = key()?;
    let issuing = issuing_params.signed_by(&issuing_key, &signer)?;
    let signer = Issuer::new(issuing_params, issuing_key);

    std::fs::write(&files.root, root.pem())?;
    for (path, name) in [(&files.caller, "caller"), (&files.callee, "callee")] {
        std::fs::write(path, end_certificate(name, &signer, &issuing)?)?;
    }
    Ok(files)
}

fn key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}

fn authority(name: &str, below: u8) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Chain and key in one file, as HAProxy wants them.
fn end_certificate(
    name: &str,
    signer: &Issuer<'_, KeyPair>,
    issuing: &Certificate,
) -> anyhow::Result<String> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let id = format!("spiffe://bench.local/ns/bench/sa/{name}");
    params.subject_alt_names = vec![SanType::URI(id.as_str().try_into()?)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = key()?;
    let certificate = params.signed_by(&key, signer)?;
    Ok([certificate.pem(), issuing.pem(), key.serialize_pem()].concat())
}
