//! What only a whole path shows: distrust, lengths, constraints on names, and how many ways there are to build one.

use std::time::Duration;

use kith_identity::svid::KeyHash;
use rcgen::{CertificateParams, CustomExtension, GeneralSubtree, NameConstraints, RsaKeySize, SanType};

use super::*;

/// Verifies a presented chain of a client of `demo.local`, while these keys are distrusted.
fn verify_distrusting(
    chain: Vec<Vec<u8>>,
    bundle: Bundle,
    keys: impl IntoIterator<Item = KeyHash>,
) -> Result<VerifiedPeer, Refusal> {
    let mut expectation = expectation([], Accept::TrustDomain(domain("demo.local")), Role::Client);
    expectation.bundles = Arc::new(BundleSet::from_iter([bundle]).distrusting(keys));
    verify_as(chain, &expectation, 0)
}

fn distrusted(ca: &TestCa) -> Result<VerifiedPeer, Refusal> {
    Err(Refusal::DistrustedAuthority { found: identity(WEB), key: ca.key_hash() })
}

#[test]
fn a_distrusted_authority_proves_nobody_wherever_it_stands_in_the_path() {
    let root = TestCa::root();
    let issuing = root.issuing();
    let bundle = || root.bundle("demo.local");
    let of = |ca: &TestCa| ca.chain_for(&leaf_params(WEB));
    for (chain, cut_off) in [(of(&issuing), &issuing), (of(&issuing), &root), (of(&root), &root)] {
        assert_eq!(verify_distrusting(chain, bundle(), [cut_off.key_hash()]), distrusted(cut_off));
    }
    // Neither another key's distrust nor that of the peer's own, which is no authority.
    assert_eq!(reason(verify_distrusting(of(&issuing), bundle(), [TestCa::root().key_hash()])), "verified");
    assert_eq!(reason(verify_distrusting(of(&root), bundle(), [issuing.key_hash()])), "verified");
    let peer = verify_distrusting(of(&root), bundle(), []).unwrap();
    assert_eq!(reason(verify_distrusting(of(&root), bundle(), [peer.key_hash()])), "verified");
    // What no authority of ours ever signed is not said to be.
    let stranger = verify_distrusting(of(&TestCa::root()), bundle(), [root.key_hash()]);
    assert_eq!(reason(stranger), "unknown_authority");
}

#[test]
fn a_path_around_the_distrusted_authority_proves() {
    let (old, new) = (TestCa::root(), TestCa::root());
    let bundle = Bundle::parse(domain("demo.local"), &[old.der(), new.der()]).unwrap();
    let issuing = old.issuing();
    let mut chain = issuing.chain_for(&leaf_params(WEB));
    let without = verify_distrusting(chain.clone(), bundle.clone(), [old.key_hash()]);
    assert_eq!(without, distrusted(&old));
    chain.push(issuing.cross_signed_by(&new));
    assert_eq!(reason(verify_distrusting(chain, bundle, [old.key_hash()])), "verified");
}

#[test]
fn distrust_is_of_the_key_whatever_certificate_it_has() {
    let (old, new) = (TestCa::root(), TestCa::root());
    let renewed = new.cross_signed_by(&new);
    let bundle = Bundle::parse(domain("demo.local"), &[old.der(), &renewed]).unwrap();
    let chain = || new.issuing().chain_for(&leaf_params(WEB));
    assert_eq!(reason(verify_distrusting(chain(), bundle.clone(), [])), "verified");
    assert_eq!(verify_distrusting(chain(), bundle, [new.key_hash()]), distrusted(&new));
}

/// What comes of a chain when the domain's bundle has these two anchors: the same in either order.
fn verify_either_way(
    chain: &[Vec<u8>],
    anchors: [&[u8]; 2],
    cut_off: &[KeyHash],
) -> Result<VerifiedPeer, Refusal> {
    let [one, other] = anchors;
    let [forth, back] = [[one, other], [other, one]].map(|anchors| {
        let bundle = Bundle::parse(domain("demo.local"), &anchors).unwrap();
        verify_distrusting(chain.to_vec(), bundle, cut_off.iter().copied())
    });
    assert_eq!(forth, back);
    forth
}

// F13: an authority that is certified anew keeps its name and often its key, and stands in the bundle twice for a while.
#[test]
fn of_two_anchors_with_one_name_and_key_the_one_that_allows_more_counts_in_any_order() {
    let root = TestCa::root();
    let no_others =
        |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let strict = root.renewed_with(no_others);
    let short = root.renewed_with(|params| valid(params, -DAY, 100));
    let constrained = root.renewed_with(|params| {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("shop.example".into())],
            excluded_subtrees: Vec::new(),
        });
    });
    let (direct, behind) = (root.chain_for(&leaf_params(WEB)), root.issuing().chain_for(&leaf_params(WEB)));
    let end = |chain: &[Vec<u8>], anchors| verify_either_way(chain, anchors, &[]).unwrap().not_after();
    assert_eq!(end(&behind, [&strict, root.der()]), at(3600));
    assert_eq!(end(&behind, [&short, root.der()]), at(3600));
    assert_eq!(end(&behind, [&short, &constrained]), at(3600));
    // More in one respect and less in another: what this very path needs.
    assert_eq!(end(&behind, [&short, &strict]), at(100));
    assert_eq!(end(&direct, [&short, &strict]), at(3600));
    // Neither of them allows it.
    let refused = verify_either_way(&behind, [&strict, &root.renewed_with(no_others)], &[]);
    assert_eq!(reason(refused), "bad_certificate");
    // The key is cut off with all its certificates, and that is what is said.
    let cut_off = verify_either_way(&behind, [&strict, root.der()], &[root.key_hash()]);
    assert_eq!(cut_off, distrusted(&root));
}

// Conforms: X509-SVID 5.1 path-length
#[test]
fn the_path_length_of_an_anchor_is_kept_to() {
    let length =
        |most| TestCa::root_with(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(most)));
    let (none, one) = (length(0), length(1));
    assert_eq!(reason(verify(&none, &none, |_| ())), "verified");
    assert_eq!(reason(verify(&none.issuing(), &none, |_| ())), "bad_certificate");
    let issuing = one.issuing();
    let beyond = issuing.issuing_with(|params| params.distinguished_name.push(DnType::CommonName, "beyond"));
    assert_eq!(reason(verify(&issuing, &one, |_| ())), "verified");
    let refusal = verify(&beyond, &one, |_| ()).unwrap_err();
    assert!(refusal.to_string().contains("RFC 5280 4.2.1.9"), "{refusal}");
}

/// A nameConstraints extension that permits the URIs of one host.
fn only_uris_of(host: &str) -> CustomExtension {
    let wrap =
        |tag: u8, content: Vec<u8>| [vec![tag, u8::try_from(content.len()).unwrap()], content].concat();
    let permitted = wrap(0xa0, wrap(0x30, wrap(0x86, host.as_bytes().to_vec())));
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 30], wrap(0x30, permitted));
    extension.set_criticality(true);
    extension
}

// Conforms: X509-SVID 4.2 name-constraints, X509-SVID 2 other-names
#[test]
fn constraints_on_names_are_applied_or_refuse_and_are_never_overlooked() {
    let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
    let shop_only = |params: &mut CertificateParams| {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("shop.example".into())],
            excluded_subtrees: Vec::new(),
        });
    };
    let uris_only =
        |params: &mut CertificateParams| params.custom_extensions.push(only_uris_of("demo.local"));
    let root = TestCa::root();
    let rows = [
        ("DNS names, none in the leaf", root.issuing_with(shop_only), vec![], "verified"),
        ("DNS names, one inside", root.issuing_with(shop_only), vec![dns("a.shop.example")], "verified"),
        (
            "DNS names, one outside",
            root.issuing_with(shop_only),
            vec![dns("evil.example")],
            "bad_certificate",
        ),
        // RUSTSEC-2026-0098: permitted or not, a URI constraint that nobody evaluates must not pass for kept.
        ("URIs of this very domain", root.issuing_with(uris_only), vec![], "bad_certificate"),
    ];
    for (what, ca, more, want) in rows {
        let mut params = leaf_params(WEB);
        params.subject_alt_names.extend(more);
        let verified = verify_at(ca.chain_for(&params), [root.bundle("demo.local")], 0);
        assert_eq!(reason(verified), want, "{what}");
    }
    // An anchor's constraints count like any other's.
    let constrained = TestCa::root_with(uris_only);
    let refusal = verify(&constrained.issuing(), &constrained, |_| ()).unwrap_err();
    assert!(refusal.to_string().contains("X509-SVID 4.2"), "{refusal}");
}

// Foreign authorities often sign with RSA.
#[test]
fn authorities_with_rsa_keys_and_sha_2_are_followed() {
    for algorithm in [&rcgen::PKCS_RSA_SHA256, &rcgen::PKCS_RSA_SHA384, &rcgen::PKCS_RSA_SHA512] {
        let key = KeyPair::generate_rsa_for(algorithm, RsaKeySize::_2048).unwrap();
        let root = TestCa::root_of(key, |_| ());
        assert_eq!(reason(verify(&root.issuing(), &root, |_| ())), "verified");
        assert_eq!(reason(verify(&root.issuing(), &TestCa::root(), |_| ())), "unknown_authority");
    }
}

/// Authorities that all have one name and each a key of its own, each signed by the next and the last by the first.
fn ring(name: &str, issued_by: Option<&TestCa>, count: usize) -> Vec<TestCa> {
    let named = |params: &mut CertificateParams| params.distinguished_name.push(DnType::CommonName, name);
    let first = issued_by.map_or_else(|| TestCa::root_with(named), |issuer| issuer.issuing_with(named));
    let mut ring = vec![first];
    while ring.len() < count {
        let next = ring[ring.len() - 1].issuing_with(named);
        ring.push(next);
    }
    ring
}

// D10. Two groups of the greatest size that is let through, each in any order, and no anchor behind them.
#[test]
fn a_path_building_bomb_is_defused_within_its_bound() {
    let outer = ring("outer", None, 4);
    let inner = ring("inner", outer.last(), 4);
    let mut chain = vec![inner[3].chain_for(&leaf_params(WEB)).swap_remove(0)];
    chain.extend(inner.iter().chain(&outer).map(|ca| ca.der().to_vec()));
    let anchor = TestCa::root();
    for bundle in [
        anchor.bundle("demo.local"),
        TestCa::root_with(|params| {
            // An anchor of the right name: each order ends in a signature that has to be verified.
            params.distinguished_name.push(DnType::CommonName, "outer");
        })
        .bundle("demo.local"),
    ] {
        let began = tokio::time::Instant::now();
        assert_ne!(reason(verify_at(chain.clone(), [bundle], 0)), "verified");
        // 100 ms in a build for use; one for tests is slower, and shares the machine with others.
        let bound = if cfg!(debug_assertions) { Duration::from_secs(2) } else { Duration::from_millis(100) };
        assert!(began.elapsed() < bound, "{:?}", began.elapsed());
    }
}

// D10.
#[test]
fn more_authorities_of_one_name_than_a_rotation_needs_are_refused_before_any_path_is_built() {
    let ring = ring("same", None, 5);
    let chain = |count: usize| {
        let leaf = ring[0].chain_for(&leaf_params(WEB)).swap_remove(0);
        [vec![leaf], ring[..count].iter().map(|ca| ca.der().to_vec()).collect()].concat()
    };
    let bundle = || [ring[0].bundle("demo.local")];
    assert_eq!(reason(verify_at(chain(4), bundle(), 0)), "verified");
    let refusal = verify_at(chain(5), bundle(), 0).unwrap_err();
    assert_eq!(refusal, Refusal::Chain(crate::ChainError::SameName { count: 5 }));
    // The same certificate, however often, is one.
    let mut repeated = chain(1);
    repeated.extend(std::iter::repeat_n(ring[0].der().to_vec(), 7));
    assert_eq!(reason(verify_at(repeated, bundle(), 0)), "verified");
}

// C9: what a handshake lets in, a re-proof must not refuse.
#[test]
fn the_key_of_an_authority_is_nobodys_svid_whatever_is_certified_for_it() {
    let key = KeyPair::generate().unwrap();
    let copy = KeyPair::try_from(key.serialize_der()).unwrap();
    let root = TestCa::root();
    let issuing = root.issuing_of(key, |_| ());
    let own = TestCa::root_of(KeyPair::try_from(copy.serialize_der()).unwrap(), |_| ());
    let params = leaf_params(WEB);
    for (chain, root) in [
        // An anchor's, one that is not even in the path, and one that travels in the chain.
        (own.certify(&copy, &params), &own),
        (own.issuing().certify(&copy, &params), &own),
        (issuing.certify(&copy, &params), &root),
    ] {
        let refusal = verify_at(chain, [root.bundle("demo.local")], 0).unwrap_err();
        let found = identity(WEB);
        assert_eq!(refusal, Refusal::AuthorityKey { found, key: issuing.key_hash() });
        assert_eq!(refusal.reason(), "bad_certificate");
    }
}

// L11: more may be shown than may follow one another.
#[test]
fn a_path_through_more_authorities_than_any_may_have_is_refused_in_words() {
    let root = TestCa::root();
    let named = |number: usize| {
        move |params: &mut CertificateParams| {
            params.distinguished_name.push(DnType::CommonName, format!("{number}"));
        }
    };
    let longest = (0..6).fold(root.issuing(), |ca, number| ca.issuing_with(named(number)));
    let refusal = verify(&longest, &root, |_| ()).unwrap_err();
    assert!(refusal.to_string().contains("more than 6 authorities"), "{refusal}");
    let shorter = (0..5).fold(root.issuing(), |ca, number| ca.issuing_with(named(number)));
    assert_eq!(reason(verify(&shorter, &root, |_| ())), "verified");
}

#[test]
fn an_empty_chain_proves_nobody() {
    let accept = Accept::TrustDomain(domain("demo.local"));
    let refused = verify_chain(&[], &BundleSet::default(), &accept, Role::Client, at(0));
    assert_eq!(refused, Err(Refusal::Chain(crate::ChainError::Empty)));
}

#[test]
fn a_chain_is_verified_without_its_key_as_a_handshake_would() {
    let root = TestCa::root();
    let bundles = BundleSet::from_iter([root.bundle("demo.local")]);
    let chain = root.issuing().chain_for(&leaf_params(WEB));
    let accept = Accept::TrustDomain(domain("demo.local"));
    let verified = verify_chain(&chain, &bundles, &accept, Role::Server, at(0)).unwrap();
    assert_eq!(
        (verified.identity(), verified.not_after(), verified.role()),
        (&identity(WEB), at(3600), Role::Server)
    );
    assert!(verified.certificates().eq(chain.iter().map(Vec::as_slice)));
    let others = Accept::TrustDomain(domain("other.example"));
    let refusal = verify_chain(&chain, &bundles, &others, Role::Server, at(0)).unwrap_err();
    assert_eq!(refusal.reason(), "unexpected_identity");
}
