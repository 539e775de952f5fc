//! A pod's two files as they change, are missing or are spoiled; and that the token is never quoted.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

use super::*;

fn root() -> String {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}

/// A pod with these files.
fn pod(token: Option<&[u8]>, roots: Option<&str>) -> (Pod, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    if let Some(token) = token {
        fs::write(folder.path().join(TOKEN_FILE), token).unwrap();
    }
    if let Some(roots) = roots {
        fs::write(folder.path().join(ROOTS_FILE), roots).unwrap();
    }
    let control_plane = HostPort::parse("127.0.0.1:7450").unwrap();
    let pod = Pod::new(folder.path().to_owned(), TrustDomain::parse("demo.local").unwrap(), control_plane);
    (pod, folder)
}

#[tokio::test]
async fn evidence_is_the_token_as_it_is_now_for_who_proves_one_of_the_roots_of_now() {
    let (pod, folder) = pod(Some(b"a.b.c"), Some(&root()));
    let attestation = pod.attest().await.unwrap();
    assert_eq!(attestation.evidence, Evidence::PodToken("a.b.c".to_owned()));
    assert_eq!(attestation.control_plane, ["127.0.0.1:7450".parse().unwrap()]);
    assert_eq!(attestation.bundle.authorities().len(), 1);

    fs::write(folder.path().join(TOKEN_FILE), "d.e.f").unwrap();
    fs::write(folder.path().join(ROOTS_FILE), root() + &root()).unwrap();
    let attestation = pod.attest().await.unwrap();
    assert_eq!(attestation.evidence, Evidence::PodToken("d.e.f".to_owned()));
    assert_eq!(attestation.bundle.authorities().len(), 2);
}

#[tokio::test]
async fn without_roots_there_is_nobody_to_show_a_token_to() {
    for (roots, said) in [
        (None, "cannot be read"),
        (Some(""), "it is empty"),
        (Some("\n"), "has no authority"),
        (Some("-----BEGIN CERTIFICATE-----\n"), "not PEM"),
    ] {
        let (pod, _folder) = pod(Some(b"a.b.c"), roots);
        let error = pod.attest().await.err().unwrap().to_string();
        assert!(error.contains(said) && error.contains(ROOTS_FILE), "{roots:?}: {error}");
    }
}

#[test]
fn what_is_no_token_is_refused_without_being_quoted() {
    // U9
    let long = vec![b'x'; MAX_TOKEN_BYTES + 1];
    for (token, said) in [
        (None, "cannot be read"),
        (Some(b"".as_slice()), "it is empty"),
        (Some(long.as_slice()), "more than 16384 bytes"),
        (Some(b"secret\n"), "it is no token"),
        (Some(b"secret\xff"), "it is no token"),
    ] {
        let (pod, _folder) = pod(token, None);
        let error = pod.token().unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(said) && !text.contains("secret") && !text.contains("xxx"), "{text}");
    }
}

#[test]
fn a_token_cannot_be_printed() {
    // U9
    let (pod, _folder) = pod(Some(b"secret"), None);
    let token = pod.token().unwrap();
    assert_eq!(token.as_str(), "secret");
    assert_eq!(format!("{token:?}"), "Token(..)");
}

#[tokio::test]
async fn a_name_without_an_address_is_named() {
    let (mut pod, _folder) = pod(Some(b"a.b.c"), Some(&root()));
    pod.control_plane = HostPort::parse("control-plane.kith.invalid:7450").unwrap();
    let error = pod.attest().await.err().unwrap().to_string();
    assert!(error.contains("control plane control-plane.kith.invalid: "), "{error}");
}
