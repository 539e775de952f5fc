//! What may become an svid, and what must not.

use kith_identity::svid::ProfileError;
use rcgen::{KeyPair, PublicKeyData};
use rustls::pki_types::PrivatePkcs8KeyDer;

use super::*;
use crate::testing::{DAY, TestCa, at, leaf_params, uri, valid};

const WEB: &str = "spiffe://demo.local/ns/shop/sa/web";

#[test]
fn an_svid_is_read_from_its_end_certificate_and_keeps_its_chain_in_order() {
    let issuing = TestCa::root().issuing();
    let (key, chain) = issuing.key_and_chain(&leaf_params(WEB));
    let hash = key.key_hash();
    let svid = Svid::new(key, chain.clone()).unwrap();
    assert_eq!(svid.identity().as_str(), WEB);
    assert_eq!((svid.not_before(), svid.not_after(), svid.key_hash()), (at(-60), at(3600), hash));
    assert_eq!(svid.chain().map(<[u8]>::to_vec).collect::<Vec<_>>(), chain);
}

#[test]
fn an_svid_ends_with_the_first_certificate_of_its_chain_that_does() {
    let issuing = TestCa::root().issuing_with(|params| valid(params, -DAY, 600));
    assert_eq!(issuing.svid(WEB).not_after(), at(600));
}

#[test]
fn an_empty_chain_is_refused() {
    assert_eq!(Svid::new(WorkloadKey::generate().unwrap(), Vec::new()).unwrap_err(), SvidError::Empty);
}

#[test]
fn a_certificate_for_another_key_is_refused_with_both_hashes() {
    let (key, chain) = TestCa::root().key_and_chain(&leaf_params(WEB));
    let other = WorkloadKey::generate().unwrap();
    let want = SvidError::OtherKey { certified: key.key_hash(), own: other.key_hash() };
    assert_eq!(Svid::new(other, chain).unwrap_err(), want);
}

/// Which certificate breaks which rule.
fn broken(result: Result<Svid, SvidError>) -> (usize, ProfileError) {
    match result.unwrap_err() {
        SvidError::Chain(ChainError::Profile { position, error }) => (position, error.rule),
        other => panic!("{other}"),
    }
}

#[test]
fn a_chain_that_peers_would_refuse_is_refused_here() {
    let root = TestCa::root();
    let mut two = leaf_params(WEB);
    two.subject_alt_names.push(uri("spiffe://demo.local/ns/shop/sa/admin"));
    let (key, chain) = root.key_and_chain(&two);
    assert_eq!(broken(Svid::new(key, chain)), (0, ProfileError::SeveralUris { count: 2 }));

    let (key, mut chain) = root.key_and_chain(&leaf_params(WEB));
    chain.push(chain[0].clone());
    assert_eq!(broken(Svid::new(key, chain)), (1, ProfileError::NotAnAuthority));

    let (key, mut chain) = root.key_and_chain(&leaf_params(WEB));
    chain.extend(std::iter::repeat_n(root.der().to_vec(), 9));
    assert!(matches!(Svid::new(key, chain), Err(SvidError::Chain(ChainError::TooLong { .. }))));
}

// Conforms: Workload-API 5.1 pkcs8
#[test]
fn the_key_is_handed_to_its_workload_in_pkcs_8_and_in_the_clear() {
    let svid = TestCa::root().svid(WEB);
    // The reader takes PKCS#8 alone, and nothing that is encrypted.
    let encoded = PrivatePkcs8KeyDer::from(svid.key_pkcs8().to_vec());
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&encoded, &rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    assert_eq!(KeyHash::of_public_key_info(&key.subject_public_key_info()), svid.key_hash());
}

#[test]
fn the_key_is_not_printed() {
    let text = format!("{:?}", TestCa::root().svid(WEB));
    assert!(text.starts_with("Svid { identity: SpiffeId(spiffe://demo.local/ns/shop/sa/web)"), "{text}");
    assert!(text.ends_with(".. }") && !text.contains("key"), "{text}");
}
