//! The checks in their order, without a handshake around them. What only a path shows is beside it.

mod paths;

use kith_identity::{Bundle, TrustDomain};
use rcgen::{BasicConstraints, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};

use super::*;
use crate::error::What;
use crate::testing::{DAY, TestCa, at, domain, identity, leaf_params, uri, valid};

const WEB: &str = "spiffe://demo.local/ns/shop/sa/web";

/// Verifies a presented chain as a client's, at `offset`, accepting all of `demo.local`.
fn verify_at(
    chain: Vec<Vec<u8>>,
    bundles: impl IntoIterator<Item = Bundle>,
    offset: i64,
) -> Result<VerifiedPeer, Refusal> {
    let accept = Accept::TrustDomain(domain("demo.local"));
    verify_as(chain, &expectation(bundles, accept, Role::Client), offset)
}

fn expectation(bundles: impl IntoIterator<Item = Bundle>, accept: Accept, role: Role) -> Expectation {
    Expectation {
        bundles: Arc::new(bundles.into_iter().collect()),
        memory: ChainMemory::default(),
        accept,
        role,
    }
}

fn verify_as(chain: Vec<Vec<u8>>, expectation: &Expectation, offset: i64) -> Result<VerifiedPeer, Refusal> {
    let chain: Vec<_> = chain.into_iter().map(CertificateDer::from).collect();
    VerifiedPeer::verify(&chain[0], &chain[1..], expectation, at(offset))
}

fn verify(
    ca: &TestCa,
    root: &TestCa,
    spoil: fn(&mut rcgen::CertificateParams),
) -> Result<VerifiedPeer, Refusal> {
    let mut params = leaf_params(WEB);
    spoil(&mut params);
    verify_at(ca.chain_for(&params), [root.bundle("demo.local")], 0)
}

fn reason(result: Result<VerifiedPeer, Refusal>) -> &'static str {
    result.map_or_else(|refusal| refusal.reason(), |_| "verified")
}

// Conforms: X509-SVID 5.1 path
#[test]
fn a_chain_to_an_anchor_of_the_presented_domain_proves_the_identity() {
    let root = TestCa::root();
    let issuing = root.issuing();
    for ca in [&root, &issuing] {
        let peer = verify(ca, &root, |_| ()).unwrap();
        assert_eq!((peer.identity().as_str(), peer.not_after()), (WEB, at(3600)));
    }
}

// X509-SVID 5.1: whichever end comes first ends the proof.
#[test]
fn the_proof_ends_with_the_first_certificate_of_the_path_that_does() {
    let root = TestCa::root_with(|params| valid(params, -DAY, 1200));
    let issuing = root.issuing_with(|params| valid(params, -DAY, 600));
    assert_eq!(verify(&root, &root, |_| ()).unwrap().not_after(), at(1200));
    assert_eq!(verify(&issuing, &root, |_| ()).unwrap().not_after(), at(600));
}

#[test]
fn an_authority_that_is_presented_but_not_used_does_not_shorten_the_proof() {
    let (root, unused) = (TestCa::root(), TestCa::root());
    let unused = unused.issuing_with(|params| valid(params, -DAY, 600));
    let mut chain = root.chain_for(&leaf_params(WEB));
    chain.push(unused.der().to_vec());
    let peer = verify_at(chain, [root.bundle("demo.local")], 0).unwrap();
    assert_eq!(peer.not_after(), at(3600));
}

// F13: during a root rotation either root proves.
#[test]
fn each_anchor_of_a_bundle_proves_on_its_own() {
    let (old, new) = (TestCa::root(), TestCa::root());
    let bundle = Bundle::parse(domain("demo.local"), &[old.der(), new.der()]).unwrap();
    for ca in [&old, &new] {
        let chain = ca.issuing().chain_for(&leaf_params(WEB));
        assert_eq!(reason(verify_at(chain, [bundle.clone()], 0)), "verified");
    }
}

// Conforms: X509-SVID 5.1 signature
#[test]
fn an_authority_outside_the_bundle_is_unknown() {
    let (root, other) = (TestCa::root(), TestCa::root());
    let want = Err(Refusal::UnknownAuthority { found: identity(WEB) });
    // The other root has the same name; only its signature tells it apart.
    assert_eq!(verify(&other, &root, |_| ()), want);
    assert_eq!(verify(&other.issuing(), &root, |_| ()), want);
    // The other root comes along in the chain, as if presenting it made it trusted.
    let mut chain = other.chain_for(&leaf_params(WEB));
    chain.push(other.der().to_vec());
    assert_eq!(verify_at(chain, [root.bundle("demo.local")], 0), want);
}

// Conforms: X509-SVID 5.1 names
#[test]
fn a_certificate_whose_issuer_has_another_name_than_the_anchor_has_no_path_although_the_key_signed_it() {
    let key = KeyPair::generate().unwrap();
    let same_key = KeyPair::from_pem(&key.serialize_pem()).unwrap();
    let root = TestCa::root_of(key, |_| ());
    let of_another_name = |params: &mut rcgen::CertificateParams| {
        params.distinguished_name.push(DnType::CommonName, "another");
    };
    let other = TestCa::root_of(same_key, of_another_name);
    assert_eq!(reason(verify(&other, &root, |_| ())), "unknown_authority");
    assert_eq!(reason(verify(&other, &other, |_| ())), "verified");
}

// Conforms: SPIFFE-ID 3.2 signed
#[test]
fn an_identity_or_a_key_that_is_changed_after_the_signature_proves_nothing() {
    let root = TestCa::root();
    let chain = root.chain_for(&leaf_params(WEB));
    let public = root.chain_for(&leaf_params(WEB)).swap_remove(0);
    let place = |der: &[u8], text: &[u8]| der.windows(text.len()).position(|it| it == text).unwrap();
    let (uri_at, key_at) = (place(&chain[0], WEB.as_bytes()), place(&public, &[0x03, 0x42, 0x00, 0x04]));
    let mut renamed = chain.clone();
    renamed[0][uri_at + WEB.len() - 1] = b'x';
    let mut other_key = chain;
    other_key[0][key_at..key_at + 68].copy_from_slice(&public[key_at..key_at + 68]);
    for changed in [renamed, other_key] {
        assert_eq!(reason(verify_at(changed, [root.bundle("demo.local")], 0)), "unknown_authority");
    }
}

// Conforms: Bundle 4.1.3 none
// F10.
#[test]
fn a_bundle_that_trusts_nobody_makes_every_svid_of_its_domain_invalid() {
    let root = TestCa::root();
    let nobody = Bundle::from_jwks(domain("demo.local"), br#"{"keys":[]}"#).unwrap();
    let chain = root.chain_for(&leaf_params(WEB));
    assert_eq!(reason(verify_at(chain, [nobody], 0)), "unknown_authority");
}

#[test]
fn a_missing_issuing_authority_leaves_no_path() {
    let root = TestCa::root();
    let mut chain = root.issuing().chain_for(&leaf_params(WEB));
    chain.truncate(1);
    assert_eq!(reason(verify_at(chain, [root.bundle("demo.local")], 0)), "unknown_authority");
}

#[test]
fn a_self_made_certificate_is_bad_without_an_identity_and_of_an_unknown_authority_with_one() {
    let root = TestCa::root();
    let self_signed = |params: &rcgen::CertificateParams| {
        vec![params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()]
    };
    let mut nameless = leaf_params(WEB);
    nameless.subject_alt_names.clear();
    let refusal = verify_at(self_signed(&nameless), [root.bundle("demo.local")], 0).unwrap_err();
    assert_eq!(refusal.reason(), "bad_certificate");
    assert!(refusal.to_string().contains("no URI"), "{refusal}");
    let refusal = verify_at(self_signed(&leaf_params(WEB)), [root.bundle("demo.local")], 0).unwrap_err();
    assert_eq!(refusal, Refusal::UnknownAuthority { found: identity(WEB) });
}

// Conforms: X509-SVID 5.1 validity
#[test]
fn a_certificate_proves_nothing_outside_its_validity() {
    let root = TestCa::root();
    let chain = || root.issuing().chain_for(&leaf_params(WEB));
    let at = |offset| verify_at(chain(), [root.bundle("demo.local")], offset);
    let (found, what) = (identity(WEB), What::Svid);
    for (offset, want) in [(-60, "verified"), (0, "verified"), (3600, "verified")] {
        assert_eq!(reason(at(offset)), want, "{offset}");
    }
    let ahead = std::time::Duration::from_secs(1);
    assert_eq!(at(-61), Err(Refusal::NotYetValid { found: found.clone(), what, ahead }));
    assert_eq!(at(3642), Err(Refusal::Expired { found, what, ago: 42 * ahead }));
}

// Conforms: X509-SVID 5.1 validity
#[test]
fn an_authority_of_the_path_outside_its_validity_is_named_as_the_cause() {
    let bundle = |root: &TestCa| [root.bundle("demo.local")];
    let root = TestCa::root();
    let ended = root.issuing_with(|params| valid(params, -DAY, -10));
    let early = root.issuing_with(|params| valid(params, 10, DAY));
    let ended_root = TestCa::root_with(|params| valid(params, -DAY, -10));
    let early_root = TestCa::root_with(|params| valid(params, 10, DAY));
    for (what, ca, anchors, want) in [
        ("issuing ended", &ended, bundle(&root), "svid_expired"),
        ("issuing not begun", &early, bundle(&root), "not_yet_valid"),
        ("root ended", &ended_root, bundle(&ended_root), "svid_expired"),
        ("root not begun", &early_root, bundle(&early_root), "not_yet_valid"),
    ] {
        let refusal = verify_at(ca.chain_for(&leaf_params(WEB)), anchors, 0).unwrap_err();
        assert_eq!(refusal.reason(), want, "{what}: {refusal}");
        assert!(refusal.to_string().starts_with("the authority of"), "{what}: {refusal}");
    }
}

// A root that ran out beside a live one of the same name: still named for what it is.
#[test]
fn a_lapsed_root_is_told_from_an_impostor_even_when_its_successor_has_the_same_name() {
    let (lapsed, live) = (TestCa::root_with(|params| valid(params, -DAY, -10)), TestCa::root());
    let bundle = Bundle::parse(domain("demo.local"), &[lapsed.der(), live.der()]).unwrap();
    let chain = |ca: &TestCa| ca.chain_for(&leaf_params(WEB));
    assert_eq!(reason(verify_at(chain(&lapsed), [bundle.clone()], 0)), "svid_expired");
    assert_eq!(reason(verify_at(chain(&TestCa::root()), [bundle.clone()], 0)), "unknown_authority");
    assert_eq!(reason(verify_at(chain(&live), [bundle], 0)), "verified");
}

// Conforms: X509-SVID 3.2 no-authentication, X509-SVID 5.2 ca
#[test]
fn every_certificate_with_a_wrong_profile_is_bad_whoever_signed_it() {
    type Spoil = fn(&mut rcgen::CertificateParams);
    let rows: [(&str, Spoil); 5] = [
        ("2: two identities", |p| p.subject_alt_names.push(uri("spiffe://demo.local/ns/shop/sa/admin"))),
        ("2: none", |p| p.subject_alt_names.clear()),
        ("3.2: an authority", |p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
        ("4.3: no keyUsage", |p| p.key_usages.clear()),
        ("4.4: only serverAuth", |p| {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
    ];
    let root = TestCa::root();
    for (rule, spoil) in rows {
        assert_eq!(reason(verify(&root.issuing(), &root, spoil)), "bad_certificate", "{rule}");
    }
}

// X509-SVID 3.2: a workload that signs, the attack that basicConstraints exists for.
// Conforms: X509-SVID 4.1 authority, X509-SVID 4.3 authority-signs
#[test]
fn a_certificate_signed_by_another_workload_is_refused() {
    let root = TestCa::root();
    let workload =
        root.issuing_with(|params| *params = leaf_params("spiffe://demo.local/ns/shop/sa/intruder"));
    let refusal = verify(&workload, &root, |_| ()).unwrap_err();
    let Refusal::Chain(crate::ChainError::Profile { position: 1, error }) = refusal else {
        panic!("{refusal}");
    };
    assert_eq!(error.rule, kith_identity::svid::ProfileError::NotAnAuthority);
}

// RFC 5280 4.2.1.9.
// Conforms: X509-SVID 5.1 path-length
#[test]
fn a_path_longer_than_an_authority_allows_is_refused() {
    let root = TestCa::root();
    let last = root.issuing_with(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let beyond = last.issuing_with(|params| params.distinguished_name.push(DnType::CommonName, "beyond"));
    assert_eq!(reason(verify(&last, &root, |_| ())), "verified");
    assert_eq!(reason(verify(&beyond, &root, |_| ())), "bad_certificate");
}

#[test]
fn an_authority_restricted_to_servers_proves_no_client() {
    let root = TestCa::root();
    let servers_only = root.issuing_with(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let chain = || servers_only.chain_for(&leaf_params(WEB));
    for (role, want) in [(Role::Server, "verified"), (Role::Client, "bad_certificate")] {
        let accept = Accept::TrustDomain(domain("demo.local"));
        let expectation = expectation([root.bundle("demo.local")], accept, role);
        assert_eq!(reason(verify_as(chain(), &expectation, 0)), want, "{role:?}");
    }
}

// L11.
#[test]
fn a_chain_is_refused_by_size_before_it_is_parsed() {
    let root = TestCa::root();
    let mut chain = root.chain_for(&leaf_params(WEB));
    chain.extend(std::iter::repeat_n(root.der().to_vec(), 8));
    assert_eq!(reason(verify_at(chain.clone(), [root.bundle("demo.local")], 0)), "verified");
    chain.push(root.der().to_vec());
    let too_long = verify_at(chain, [root.bundle("demo.local")], 0).unwrap_err();
    assert!(matches!(too_long, Refusal::Chain(crate::ChainError::TooLong { intermediates: 9, .. })));

    let garbage = vec![vec![0; 65_537]];
    let too_big = verify_at(garbage, [root.bundle("demo.local")], 0).unwrap_err();
    let want = crate::ChainError::TooLong { intermediates: 0, bytes: 65_537 };
    assert_eq!(too_big, Refusal::Chain(want));
}

// F2, A7: an unknown domain is untrusted, whoever signed for it.
// Conforms: Workload-API 4.6 no-bundle
#[test]
fn a_trust_domain_without_a_bundle_is_untrusted() {
    let root = TestCa::root();
    let found = "spiffe://other.example/ns/shop/sa/web";
    let chain = root.chain_for(&leaf_params(found));
    let refusal = verify_at(chain, [root.bundle("demo.local")], 0).unwrap_err();
    assert_eq!(refusal, Refusal::UntrustedDomain { found: identity(found) });
}

// F1: the bundle of the presented domain alone decides, even when another holds the very same root.
// Conforms: Federation 4.2 apart, Workload-API 4.6 bundle-of-peer
#[test]
fn a_root_that_another_domains_bundle_repeats_proves_only_by_its_own_domains_bundle() {
    let (ours, theirs) = (TestCa::root(), TestCa::root());
    let chain = || ours.chain_for(&leaf_params(WEB));
    let repeated = ours.bundle("other.example");
    assert_eq!(reason(verify_at(chain(), [repeated.clone()], 0)), "untrusted_domain");
    let replaced = [theirs.bundle("demo.local"), repeated.clone()];
    assert_eq!(reason(verify_at(chain(), replaced, 0)), "unknown_authority");
    assert_eq!(reason(verify_at(chain(), [ours.bundle("demo.local"), repeated], 0)), "verified");
}

// A7: their root signs an identity of ours.
#[test]
fn a_federated_root_cannot_sign_for_our_domain() {
    let (ours, theirs) = (TestCa::root(), TestCa::root());
    let bundles = [ours.bundle("demo.local"), theirs.bundle("other.example")];
    let chain = theirs.issuing().chain_for(&leaf_params(WEB));
    assert_eq!(reason(verify_at(chain, bundles, 0)), "unknown_authority");
}

#[test]
fn an_intermediate_of_another_trust_domain_is_refused() {
    let root = TestCa::root();
    let foreign = root.issuing_with(|params| params.subject_alt_names = vec![uri("spiffe://other.example")]);
    let own = root.issuing_with(|params| params.subject_alt_names = vec![uri("spiffe://demo.local")]);
    let (found, expected): (TrustDomain, _) = (domain("other.example"), domain("demo.local"));
    let want = crate::ChainError::ForeignAuthority { position: 1, found, expected };
    assert_eq!(verify(&foreign, &root, |_| ()), Err(Refusal::Chain(want)));
    assert_eq!(reason(verify(&own, &root, |_| ())), "verified");
}

#[test]
fn a_signature_algorithm_outside_the_list_is_refused() {
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let mut chain = TestCa::root().chain_for(&leaf_params(WEB));
    chain.push(TestCa::root_of(ed25519, |_| ()).der().to_vec());
    assert_eq!(reason(verify_at(chain, [TestCa::root().bundle("demo.local")], 0)), "bad_certificate");
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let root = TestCa::root_of(p384, |_| ());
    assert_eq!(reason(verify(&root, &root, |_| ())), "verified");
}

#[test]
fn a_proven_identity_that_was_not_expected_is_refused_with_both_names() {
    let root = TestCa::root();
    let payments = "spiffe://demo.local/ns/shop/sa/payments";
    let accept = Accept::only(identity(payments));
    let expectation = expectation([root.bundle("demo.local")], accept.clone(), Role::Server);
    let refusal = verify_as(root.chain_for(&leaf_params(WEB)), &expectation, 0).unwrap_err();
    assert_eq!(refusal, Refusal::UnexpectedIdentity { found: identity(WEB), expected: accept });
    assert_eq!(refusal.to_string(), format!("the peer is {WEB}, expected {payments}"));
    // An identity that is not even proven is not called unexpected.
    let stranger = verify_as(TestCa::root().chain_for(&leaf_params(WEB)), &expectation, 0);
    assert_eq!(reason(stranger), "unknown_authority");
}

#[test]
fn a_federated_peer_is_not_one_of_our_trust_domain() {
    let theirs = TestCa::root();
    let chain = theirs.chain_for(&leaf_params("spiffe://other.example/ns/shop/sa/web"));
    assert_eq!(reason(verify_at(chain, [theirs.bundle("other.example")], 0)), "unexpected_identity");
}

#[test]
fn whom_was_expected_is_asked_of_a_remembered_chain_too() {
    let root = TestCa::root();
    let everybody = Accept::TrustDomain(domain("demo.local"));
    let mut expectation = expectation([root.bundle("demo.local")], everybody, Role::Server);
    let chain = root.chain_for(&leaf_params(WEB));
    assert_eq!(reason(verify_as(chain.clone(), &expectation, 0)), "verified");
    expectation.accept = Accept::only(identity("spiffe://demo.local/ns/shop/sa/payments"));
    assert_eq!(reason(verify_as(chain, &expectation, 0)), "unexpected_identity");
}

#[test]
fn a_peer_that_was_proven_is_not_trusted_by_a_bundle_without_its_authority() {
    let (before, after) = (TestCa::root(), TestCa::root());
    let peer = verify(&before, &before, |_| ()).unwrap();
    let checked = |bundles: Vec<Bundle>, when| {
        peer.check_again(&bundles.into_iter().collect(), when).map_err(|refusal| refusal.reason())
    };
    let (old, new) = (before.bundle("demo.local"), after.bundle("demo.local"));
    assert_eq!(checked(vec![old.clone()], at(0)), Ok(()));
    assert_eq!(checked(vec![new], at(0)), Err("unknown_authority"));
    assert_eq!(checked(vec![], at(0)), Err("untrusted_domain"));
    assert_eq!(checked(vec![old.clone()], at(2 * 3600)), Err("svid_expired"));
    assert_eq!(checked(vec![old.clone()], std::time::UNIX_EPOCH), Err("not_yet_valid"));
    let distrusted = BundleSet::from_iter([old]).distrusting([before.key_hash()]);
    let refusal = peer.check_again(&distrusted, at(0)).unwrap_err();
    assert_eq!(refusal.reason(), "distrusted_authority");
}
