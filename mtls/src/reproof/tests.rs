//! Every way in which somebody could prove what is not so. The exporter value is made up: what it is to a session is
//! tested beside `exporter.rs`.

use kith_identity::svid::{Authority, KeyHash};
use rcgen::{ExtendedKeyUsagePurpose, KeyPair, PublicKeyData, SigningKey};

use super::*;
use crate::testing::{DAY, TestCa, at, domain, leaf_params, uri, valid};

const WEB: &str = "spiffe://demo.local/ns/shop/sa/web";
const PAYMENTS: &str = "spiffe://demo.local/ns/shop/sa/payments";
const HERE: [u8; 32] = [1; 32];
const ELSEWHERE: [u8; 32] = [2; 32];

/// A session whose client is `web`, as its server knows it; the last proof accepted had number 7.
struct Scene {
    root: TestCa,
    issuing: TestCa,
    peer: VerifiedPeer,
}

impl Scene {
    fn new() -> Self {
        let root = TestCa::root();
        let issuing = root.issuing();
        let peer = peer(&root, &issuing.svid(WEB), Role::Client);
        Self { root, issuing, peer }
    }

    fn bundles(&self) -> BundleSet {
        [self.root.bundle("demo.local")].into_iter().collect()
    }

    /// What a renewed `web` says in this session.
    fn renewed(&self) -> (Svid, Proof) {
        let svid = self.issuing.svid(WEB);
        let proof = svid.prove_again(Role::Client, &binding(HERE), 8).unwrap();
        (svid, proof)
    }

    fn check(&self, proof: &Proof) -> Result<VerifiedPeer, ReproofRefusal> {
        self.check_at(proof, 0)
    }

    fn check_at(&self, proof: &Proof, offset: i64) -> Result<VerifiedPeer, ReproofRefusal> {
        self.peer.prove_again(proof, Role::Client, &binding(HERE), 7, &self.bundles(), at(offset))
    }

    /// A proof by a key that no `Svid` of ours would hold.
    fn proof_by(&self, key: &KeyPair, chain: Vec<Vec<u8>>) -> Proof {
        let digest = chain_digest(chain.iter().map(Vec::as_slice));
        let signature = key.sign(&message(Role::Client, &binding(HERE), 8, &digest)).unwrap();
        Proof { sequence: 8, chain, signature }
    }
}

fn binding(value: [u8; 32]) -> SessionBinding {
    SessionBinding::made_up(value)
}

/// The other end of a session that this svid proved.
fn peer(root: &TestCa, svid: &Svid, role: Role) -> VerifiedPeer {
    let bundles = [root.bundle("demo.local")].into_iter().collect();
    let accept = Accept::TrustDomain(domain("demo.local"));
    let chain: Vec<_> = svid.chain().map(<[u8]>::to_vec).collect();
    VerifiedPeer::of_chain(&chain, &bundles, &accept, role, at(0)).unwrap()
}

fn reason(checked: Result<VerifiedPeer, ReproofRefusal>) -> &'static str {
    checked.expect_err("the proof should have been refused").reason()
}

#[test]
fn a_renewed_svid_proves_the_same_peer_again_at_either_end() {
    let scene = Scene::new();
    for role in [Role::Client, Role::Server] {
        let before = peer(&scene.root, &scene.issuing.svid(WEB), role);
        let renewed = scene.issuing.svid_with(WEB, |params| valid(params, -60, 7200));
        let proof = renewed.prove_again(role, &binding(HERE), 1).unwrap();
        let after = before.prove_again(&proof, role, &binding(HERE), 0, &scene.bundles(), at(0)).unwrap();
        assert_eq!((after.identity(), after.serial()), (before.identity(), renewed.serial()));
        assert_eq!((after.key_hash(), after.not_after()), (renewed.key_hash(), at(7200)));
        // It is a peer like any other: the next proof is held against it.
        let proof = renewed.prove_again(role, &binding(HERE), 2).unwrap();
        after.prove_again(&proof, role, &binding(HERE), 1, &scene.bundles(), at(0)).unwrap();
    }
}

#[test]
fn the_message_is_the_documented_one_byte_for_byte() {
    let spaces = " ".repeat(64);
    let rest = [&[0][..], &[1; 32], &[0, 0, 0, 0, 0, 0, 1, 2], &[9; 32]].concat();
    for (role, context) in
        [(Role::Client, "kith re-proof v1 client"), (Role::Server, "kith re-proof v1 server")]
    {
        let want = [spaces.as_bytes(), context.as_bytes(), &rest].concat();
        assert_eq!(message(role, &binding(HERE), 258, &[9; 32]), want);
    }
}

#[test]
fn another_workload_cannot_take_over_a_session() {
    let scene = Scene::new();
    let other = scene.issuing.svid(PAYMENTS);
    let proof = other.prove_again(Role::Client, &binding(HERE), 8).unwrap();
    let want = format!("the peer is {PAYMENTS}, expected {WEB}");
    assert_eq!(scene.check(&proof).unwrap_err().to_string(), want);
}

#[test]
fn a_proof_of_another_session_is_worth_nothing_in_this_one() {
    let scene = Scene::new();
    let proof = scene.renewed().0.prove_again(Role::Client, &binding(ELSEWHERE), 8).unwrap();
    assert_eq!(reason(scene.check(&proof)), "bad_proof_signature");
}

#[test]
fn a_proof_that_was_accepted_or_overtaken_is_not_accepted_again() {
    let scene = Scene::new();
    let (svid, proof) = scene.renewed();
    let again =
        |after| scene.peer.prove_again(&proof, Role::Client, &binding(HERE), after, &scene.bundles(), at(0));
    assert!(again(7).is_ok());
    for after in [8, 9, u64::MAX] {
        assert_eq!(again(after), Err(ReproofRefusal::Replayed { sequence: 8, after }));
    }
    // Two that are delivered in the wrong order: the later one counts, the earlier one comes too late.
    let later = svid.prove_again(Role::Client, &binding(HERE), 9).unwrap();
    assert!(scene.check(&later).is_ok());
    assert_eq!(again(later.sequence), Err(ReproofRefusal::Replayed { sequence: 8, after: 9 }));
    // Nor does it help to give the old one a new number.
    let renumbered = Proof { sequence: 9, ..proof.clone() };
    assert_eq!(reason(scene.check(&renumbered)), "bad_proof_signature");
}

#[test]
fn our_own_proof_sent_back_to_us_proves_nothing_even_between_two_of_one_identity() {
    let scene = Scene::new();
    let own = scene.issuing.svid(WEB);
    let ours = own.prove_again(Role::Server, &binding(HERE), 8).unwrap();
    assert_eq!(reason(scene.check(&ours)), "bad_proof_signature");
    let shown_as_ours =
        scene.peer.prove_again(&ours, Role::Server, &binding(HERE), 7, &scene.bundles(), at(0));
    assert_eq!(shown_as_ours, Err(ReproofRefusal::OtherEnd { shown: Role::Server, peer: Role::Client }));
}

#[test]
fn a_chain_outside_its_time_proves_nothing() {
    let scene = Scene::new();
    let (_, proof) = scene.renewed();
    for (offset, want) in [(-61, "not_yet_valid"), (-60, ""), (3600, ""), (3601, "svid_expired")] {
        let checked = scene.check_at(&proof, offset);
        assert_eq!(checked.as_ref().map_or_else(ReproofRefusal::reason, |_| ""), want, "{offset}");
    }
    let ended = scene.root.issuing_with(|params| valid(params, -DAY, -1)).svid(WEB);
    let proof = ended.prove_again(Role::Client, &binding(HERE), 8).unwrap();
    let error = scene.check(&proof).unwrap_err();
    assert_eq!(error.reason(), "svid_expired");
    assert!(error.to_string().starts_with("the authority of"), "{error}");
}

#[test]
fn an_authority_that_is_distrusted_since_the_session_began_proves_nobody() {
    let scene = Scene::new();
    let (_, proof) = scene.renewed();
    let evicted = Authority::parse(scene.issuing.der()).unwrap().key_hash();
    let bundles = scene.bundles().distrusting([evicted]);
    let checked = scene.peer.prove_again(&proof, Role::Client, &binding(HERE), 7, &bundles, at(0));
    assert_eq!(reason(checked), "distrusted_authority");
    // Its sibling under the same root still proves the same peer.
    let sibling = scene.root.issuing().svid(WEB).prove_again(Role::Client, &binding(HERE), 8).unwrap();
    scene.peer.prove_again(&sibling, Role::Client, &binding(HERE), 7, &bundles, at(0)).unwrap();
}

#[test]
fn only_the_bundle_of_now_counts() {
    let scene = Scene::new();
    let stranger = TestCa::root();
    let proof = stranger.svid(WEB).prove_again(Role::Client, &binding(HERE), 8).unwrap();
    assert_eq!(reason(scene.check(&proof)), "unknown_authority");
    // What proved the session when it began is no longer trusted.
    let (_, proof) = scene.renewed();
    let with =
        |bundles: &BundleSet| scene.peer.prove_again(&proof, Role::Client, &binding(HERE), 7, bundles, at(0));
    assert_eq!(reason(with(&[stranger.bundle("demo.local")].into_iter().collect())), "unknown_authority");
    assert_eq!(reason(with(&BundleSet::default())), "untrusted_domain");
    // F1: the same root in another domain's bundle says nothing about this identity.
    assert_eq!(reason(with(&[scene.root.bundle("other.example")].into_iter().collect())), "untrusted_domain");
}

#[test]
fn certificates_exchanged_after_the_signature_was_made_are_noticed() {
    let scene = Scene::new();
    let (svid, proof) = scene.renewed();
    let chain = |svid: &Svid| svid.chain().map(<[u8]>::to_vec).collect::<Vec<_>>();
    // Another genuine svid of the same workload.
    let swapped = Proof { chain: chain(&scene.issuing.svid(WEB)), ..proof.clone() };
    assert_eq!(reason(scene.check(&swapped)), "bad_proof_signature");
    // The very same end certificate, with one more authority behind it.
    let mut longer = chain(&svid);
    longer.push(scene.root.issuing().der().to_vec());
    assert_eq!(reason(scene.check(&Proof { chain: longer, ..proof.clone() })), "bad_proof_signature");
    // Whoever holds a key may certify it anew; the old signature does not become one for the new certificate.
    let key = KeyPair::generate().unwrap();
    let certify = || scene.issuing.certify(&key, &leaf_params(WEB));
    let one = scene.proof_by(&key, certify());
    assert!(scene.check(&one).is_ok());
    assert_eq!(reason(scene.check(&Proof { chain: certify(), ..one })), "bad_proof_signature");
}

#[test]
fn a_signature_with_a_byte_more_or_less_or_another_bit_is_none() {
    let scene = Scene::new();
    let (_, proof) = scene.renewed();
    let with = |signature: Vec<u8>| reason(scene.check(&Proof { signature, ..proof.clone() }));
    for length in 0..proof.signature.len() {
        assert_eq!(with(proof.signature[..length].to_vec()), "bad_proof_signature", "{length} bytes");
    }
    for at in 0..proof.signature.len() {
        let mut flipped = proof.signature.clone();
        flipped[at] ^= 1;
        assert_eq!(with(flipped), "bad_proof_signature", "byte {at}");
    }
    let longer = |by: usize| [proof.signature.clone(), vec![0; by]].concat();
    assert_eq!(with(longer(1)), "bad_proof_signature");
    assert_eq!(with(longer(MAX_SIGNATURE - proof.signature.len())), "bad_proof_signature");
    let bytes = MAX_SIGNATURE + 1;
    let refused = scene.check(&Proof { signature: longer(bytes - proof.signature.len()), ..proof.clone() });
    assert_eq!(refused, Err(ReproofRefusal::LongSignature { bytes }));
}

#[test]
fn a_proof_without_certificates_or_with_too_many_is_refused() {
    let scene = Scene::new();
    let (_, proof) = scene.renewed();
    let refused = scene.check(&Proof { chain: Vec::new(), ..proof.clone() });
    assert_eq!(refused, Err(Refusal::from(ChainError::Empty).into()));
    let mut many = proof.chain.clone();
    many.extend(std::iter::repeat_n(scene.root.der().to_vec(), 8));
    let error = scene.check(&Proof { chain: many, ..proof }).unwrap_err();
    assert!(error.to_string().contains("9 intermediates"), "{error}");
}

#[test]
fn every_rule_of_the_profile_holds_for_a_proof_too() {
    let scene = Scene::new();
    let key = KeyPair::generate().unwrap();
    let mut two = leaf_params(WEB);
    two.subject_alt_names.push(uri(PAYMENTS));
    // The usages of either end alone: a client's svid must not become a server's, nor the other way round.
    let usage = |usage| {
        let mut params = leaf_params(WEB);
        params.extended_key_usages = vec![usage];
        params
    };
    for (params, words) in [
        (two, "2 URIs"),
        (usage(ExtendedKeyUsagePurpose::ServerAuth), "clientAuth"),
        (usage(ExtendedKeyUsagePurpose::ClientAuth), "serverAuth"),
        (usage(ExtendedKeyUsagePurpose::CodeSigning), "serverAuth"),
    ] {
        let error = scene.check(&scene.proof_by(&key, scene.issuing.certify(&key, &params))).unwrap_err();
        assert_eq!(error.reason(), "bad_certificate");
        assert!(error.to_string().contains(words), "{error}");
    }
    // The issuing authority itself, with its own key.
    let (authority, chain) = (TestCa::root().issuing(), scene.issuing.certify(&key, &leaf_params(WEB)));
    let as_peer = [vec![authority.der().to_vec()], chain].concat();
    assert_eq!(reason(scene.check(&scene.proof_by(&key, as_peer))), "bad_certificate");
}

#[test]
fn the_key_of_an_authority_proves_nobody_whatever_is_certified_for_it() {
    let twice = || {
        let key = KeyPair::generate().unwrap();
        let copy = KeyPair::try_from(key.serialize_der()).unwrap();
        (key, copy)
    };
    // The root's own.
    let (key, copy) = twice();
    let root = TestCa::root_of(key, |_| ());
    let scene = Scene { issuing: root.issuing(), peer: peer(&root, &root.svid(WEB), Role::Client), root };
    for issuer in [&scene.root, &scene.issuing] {
        let proof = scene.proof_by(&copy, issuer.certify(&copy, &leaf_params(WEB)));
        let key = KeyHash::of_public_key_info(&copy.subject_public_key_info());
        let found = SpiffeId::parse(WEB).unwrap();
        assert_eq!(scene.check(&proof), Err(Refusal::AuthorityKey { found, key }.into()));
    }
    // That of one that travels in the chain.
    let (key, copy) = twice();
    let issuing = scene.root.issuing_of(key, |_| ());
    let proof = scene.proof_by(&copy, issuing.certify(&copy, &leaf_params(WEB)));
    assert!(matches!(scene.check(&proof), Err(ReproofRefusal::Refused(Refusal::AuthorityKey { .. }))));
    // The same certificate for a key of its own is a proof.
    let own = KeyPair::generate().unwrap();
    assert!(scene.check(&scene.proof_by(&own, issuing.certify(&own, &leaf_params(WEB)))).is_ok());
}

#[test]
fn each_kind_of_key_signs_in_its_one_way() {
    let scene = Scene::new();
    let certified = |key: &KeyPair| scene.issuing.certify(key, &leaf_params(WEB));
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        assert!(scene.check(&scene.proof_by(&key, certified(&key))).is_ok(), "{algorithm:?}");
    }
    // RSA signs with PSS; with the old padding, which `rcgen` uses here, it proves nothing.
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let proof = scene.proof_by(&key, certified(&key));
    assert_eq!(reason(scene.check(&proof)), "bad_proof_signature");
    let (random, mut signature) = (aws_lc_rs::rand::SystemRandom::new(), vec![0; 256]);
    let digest = chain_digest(proof.chain.iter().map(Vec::as_slice));
    aws_lc_rs::rsa::KeyPair::from_pkcs8(&key.serialize_der())
        .unwrap()
        .sign(
            &aws_lc_rs::signature::RSA_PSS_SHA256,
            &random,
            &message(Role::Client, &binding(HERE), 8, &digest),
            &mut signature,
        )
        .unwrap();
    assert!(scene.check(&Proof { signature, ..proof }).is_ok());
}

#[test]
fn a_signature_that_a_handshake_could_contain_is_no_proof() {
    let scene = Scene::new();
    let key = KeyPair::generate().unwrap();
    let proof = scene.proof_by(&key, scene.issuing.certify(&key, &leaf_params(WEB)));
    let digest = chain_digest(proof.chain.iter().map(Vec::as_slice));
    let ours = message(Role::Client, &binding(HERE), 8, &digest);
    let handshake: Vec<u8> =
        [&[0x20; 64][..], b"TLS 1.3, client CertificateVerify\0", &ours[64 + 24..]].concat();
    let signature = key.sign(&handshake).unwrap();
    assert_eq!(reason(scene.check(&Proof { signature, ..proof })), "bad_proof_signature");
}
