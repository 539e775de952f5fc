//! What is remembered, and everything that makes it forget. A chain was remembered when the very same value comes back.

use kith_identity::Bundle;

use super::*;
use crate::testing::{DAY, TestCa, at, leaf_params, valid};

const WEB: &str = "spiffe://demo.local/ns/shop/sa/web";

/// A memory, and the bundles that it is asked by.
struct Asked {
    memory: ChainMemory,
    bundles: Arc<BundleSet>,
}

impl Asked {
    fn by(bundles: impl IntoIterator<Item = Bundle>) -> Self {
        Self { memory: ChainMemory::default(), bundles: Arc::new(bundles.into_iter().collect()) }
    }

    fn as_role(&self, chain: &[Vec<u8>], role: Role, offset: i64) -> Result<Arc<VerifiedChain>, Refusal> {
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        self.memory.verify(&chain[0], &chain[1..], &self.bundles, role, at(offset))
    }

    fn at(&self, chain: &[Vec<u8>], offset: i64) -> Result<Arc<VerifiedChain>, Refusal> {
        self.as_role(chain, Role::Client, offset)
    }
}

fn reason(result: Result<Arc<VerifiedChain>, Refusal>) -> &'static str {
    result.map_or_else(|refusal| refusal.reason(), |_| "verified")
}

#[test]
fn a_chain_is_verified_once_by_one_set_of_bundles() {
    let root = TestCa::root();
    let asked = Asked::by([root.bundle("demo.local")]);
    let chain = root.issuing().chain_for(&leaf_params(WEB));
    let first = asked.at(&chain, 0).unwrap();
    assert!(Arc::ptr_eq(&first, &asked.at(&chain, 3600).unwrap()));
    assert_eq!((first.identity().as_str(), first.not_after()), (WEB, at(3600)));
    assert!(first.certificates().eq(chain.iter().map(Vec::as_slice)));
}

#[test]
fn another_role_is_another_question() {
    let root = TestCa::root();
    let servers_only = root.issuing_with(|params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    let asked = Asked::by([root.bundle("demo.local")]);
    let chain = servers_only.chain_for(&leaf_params(WEB));
    assert_eq!(reason(asked.as_role(&chain, Role::Server, 0)), "verified");
    assert_eq!(reason(asked.as_role(&chain, Role::Client, 0)), "bad_certificate");
}

#[test]
fn one_byte_that_differs_anywhere_is_another_chain() {
    let root = TestCa::root();
    let asked = Asked::by([root.bundle("demo.local")]);
    let chain = root.issuing().chain_for(&leaf_params(WEB));
    asked.at(&chain, 0).unwrap();
    for certificate in 0..chain.len() {
        let mut forged = chain.clone();
        // The last byte is of the signature.
        *forged[certificate].last_mut().unwrap() ^= 1;
        assert_eq!(reason(asked.at(&forged, 0)), "unknown_authority", "certificate {certificate}");
    }
    assert_eq!(reason(asked.at(&chain[..1], 0)), "unknown_authority", "without the issuing authority");
}

#[test]
fn the_end_of_a_certificate_ends_what_is_remembered_of_it() {
    let root = TestCa::root();
    let asked = Asked::by([root.bundle("demo.local")]);
    let issuing = root.issuing_with(|params| valid(params, -DAY, 600));
    let chain = issuing.chain_for(&leaf_params(WEB));
    let first = asked.at(&chain, 0).unwrap();
    assert!(Arc::ptr_eq(&first, &asked.at(&chain, 600).unwrap()));
    assert_eq!(reason(asked.at(&chain, 601)), "svid_expired");
}

#[test]
fn what_was_proven_more_than_an_hour_ago_is_proven_again() {
    let root = TestCa::root();
    let asked = Asked::by([root.bundle("demo.local")]);
    let mut params = leaf_params(WEB);
    valid(&mut params, -60, DAY);
    let chain = root.chain_for(&params);
    let first = asked.at(&chain, 0).unwrap();
    assert!(Arc::ptr_eq(&first, &asked.at(&chain, 3600).unwrap()));
    let again = asked.at(&chain, 3601).unwrap();
    assert!(!Arc::ptr_eq(&first, &again));
    assert!(Arc::ptr_eq(&again, &asked.at(&chain, 7201).unwrap()), "from then on for another hour");
}

// T1: a certificate that was good at noon proves nothing in the morning before it was issued.
#[test]
fn a_clock_that_goes_back_behind_the_proof_forgets_it() {
    let root = TestCa::root();
    let asked = Asked::by([root.bundle("demo.local")]);
    let chain = root.chain_for(&leaf_params(WEB));
    let first = asked.at(&chain, 100).unwrap();
    assert_eq!(reason(asked.at(&chain, -61)), "not_yet_valid");
    assert!(Arc::ptr_eq(&first, &asked.at(&chain, 100).unwrap()));
    assert!(!Arc::ptr_eq(&first, &asked.at(&chain, 99).unwrap()));
}

// F11.
#[test]
fn new_bundles_forget_everything_even_when_they_say_the_same() {
    let (root, other) = (TestCa::root(), TestCa::root());
    let mut asked = Asked::by([root.bundle("demo.local")]);
    let chain = root.chain_for(&leaf_params(WEB));
    let first = asked.at(&chain, 0).unwrap();
    asked.bundles = Arc::new(BundleSet::clone(&asked.bundles));
    let again = asked.at(&chain, 0).unwrap();
    assert!(!Arc::ptr_eq(&first, &again));
    asked.bundles = Arc::new([other.bundle("demo.local")].into_iter().collect());
    assert_eq!(reason(asked.at(&chain, 0)), "unknown_authority");
    assert_eq!(asked.memory.len(), 0);
}

#[test]
fn distrust_of_an_authority_forgets_whom_it_signed() {
    let root = TestCa::root();
    let issuing = root.issuing();
    let mut asked = Asked::by([root.bundle("demo.local")]);
    let chain = issuing.chain_for(&leaf_params(WEB));
    assert_eq!(reason(asked.at(&chain, 0)), "verified");
    asked.bundles = Arc::new(BundleSet::clone(&asked.bundles).distrusting([issuing.key_hash()]));
    assert_eq!(reason(asked.at(&chain, 0)), "distrusted_authority");
}

#[test]
fn a_refusal_is_not_remembered() {
    let root = TestCa::root();
    let asked = Asked::by([root.bundle("demo.local")]);
    let chain = root.chain_for(&leaf_params(WEB));
    assert_eq!(reason(asked.at(&chain, -61)), "not_yet_valid");
    assert_eq!(reason(asked.at(&chain, -60)), "verified");
}

#[test]
fn who_has_one_svid_has_one_place_however_many_chains_it_is_shown_in() {
    let root = TestCa::root();
    let asked = Asked::by([root.bundle("demo.local")]);
    let chain = root.chain_for(&leaf_params(WEB));
    asked.at(&chain, 0).unwrap();
    for _ in 0..3 {
        let mut longer = chain.clone();
        longer.push(TestCa::root().der().to_vec());
        asked.at(&longer, 0).unwrap();
    }
    assert_eq!(asked.memory.len(), 1);
}

/// A place of its own for each number.
fn slot(number: usize) -> Slot {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    (Role::Client, digest)
}

#[test]
fn what_is_remembered_is_bounded_in_number_and_bytes_and_the_oldest_goes_first() {
    let root = TestCa::root();
    let asked = Asked::by([root.bundle("demo.local")]);
    let chain = asked.at(&root.chain_for(&leaf_params(WEB)), 0).unwrap();
    let entry =
        |chain: &Arc<VerifiedChain>| Entry { rest: [0; 32], proven_at: at(0), chain: Arc::clone(chain) };
    let mut generation = Generation::default();
    for number in 0..=MAX_ENTRIES {
        generation.remember(slot(number), entry(&chain));
        // A peer that comes again takes no second place.
        generation.remember(slot(number), entry(&chain));
    }
    assert_eq!((generation.entries.len(), generation.order.len()), (MAX_ENTRIES, MAX_ENTRIES));
    assert!(generation.recall(slot(0), [0; 32], at(0)).is_none());
    assert!(generation.recall(slot(1), [0; 32], at(0)).is_some());

    // An svid so large that the bytes are what is reached first.
    let mut params = leaf_params(WEB);
    let filler = [vec![0x04, 0x82, 0x40, 0x00], vec![0; 0x4000]].concat();
    params.custom_extensions.push(rcgen::CustomExtension::from_oid_content(&[1, 2, 3], filler));
    let padded = asked.at(&root.chain_for(&params), 0).unwrap();
    let fit = MAX_BYTES / padded.certificates().map(<[u8]>::len).sum::<usize>();
    assert!(fit < MAX_ENTRIES);
    let mut generation = Generation::default();
    for number in 0..=fit {
        generation.remember(slot(number), entry(&padded));
    }
    let bytes: usize = generation.entries.values().map(size).sum();
    assert_eq!(bytes, generation.bytes);
    assert_eq!((generation.entries.len(), generation.order.len()), (fit, fit));
    assert!(bytes <= MAX_BYTES && generation.recall(slot(0), [0; 32], at(0)).is_none());
}
