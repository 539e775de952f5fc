//! What is remembered, and everything that makes it forget. A chain was remembered when the very same value comes back.

use kith_identity::Bundle;

use super::*;
use crate::testing::{DAY, TestCa, at, domain, leaf_params, valid};

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

    fn look(&self, chain: &[Vec<u8>], role: Role, offset: i64) -> Result<Arc<VerifiedChain>, Refusal> {
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        self.memory.verify(&chain[0], &chain[1..], &self.bundles, role, at(offset))
    }

    /// As in a handshake that comes to its end.
    fn as_role(&self, chain: &[Vec<u8>], role: Role, offset: i64) -> Result<Arc<VerifiedChain>, Refusal> {
        let verified = self.look(chain, role, offset)?;
        self.memory.remember(&verified, &self.bundles);
        Ok(verified)
    }

    fn at(&self, chain: &[Vec<u8>], offset: i64) -> Result<Arc<VerifiedChain>, Refusal> {
        self.as_role(chain, Role::Client, offset)
    }

    /// How many chains are remembered.
    fn len(&self) -> usize {
        self.memory.lock().shares.values().map(|share| share.entries.len()).sum()
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
fn what_is_only_looked_at_is_not_remembered() {
    let root = TestCa::root();
    let asked = Asked::by([root.bundle("demo.local")]);
    let chain = root.chain_for(&leaf_params(WEB));
    let first = asked.look(&chain, Role::Client, 0).unwrap();
    assert!(!Arc::ptr_eq(&first, &asked.look(&chain, Role::Client, 0).unwrap()));
    assert_eq!(asked.len(), 0);
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
    assert_eq!(asked.len(), 0);
}

#[test]
fn what_other_bundles_verified_is_not_remembered_for_these() {
    let root = TestCa::root();
    let mut asked = Asked::by([root.bundle("demo.local")]);
    let (early, late) = (root.chain_for(&leaf_params(WEB)), root.chain_for(&leaf_params(WEB)));
    let began = asked.look(&early, Role::Client, 0).unwrap();
    let before = Arc::clone(&asked.bundles);
    asked.bundles = Arc::new(BundleSet::clone(&before));
    let known = asked.at(&late, 0).unwrap();
    asked.memory.remember(&began, &before);
    assert_eq!(asked.len(), 1);
    assert!(Arc::ptr_eq(&known, &asked.at(&late, 0).unwrap()));
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
fn who_has_one_key_has_one_place_however_it_is_shown() {
    let root = TestCa::root();
    let asked = Asked::by([root.bundle("demo.local")]);
    let chain = root.chain_for(&leaf_params(WEB));
    asked.at(&chain, 0).unwrap();
    for _ in 0..3 {
        let mut longer = chain.clone();
        longer.push(TestCa::root().der().to_vec());
        asked.at(&longer, 0).unwrap();
    }
    assert_eq!(asked.len(), 1);
    // One certificate under one signature after another, as whoever holds it can turn them.
    let (key, mut params) = (rcgen::KeyPair::generate().unwrap(), leaf_params(WEB));
    params.serial_number = Some(7_u64.into());
    let [one, other] = [(); 2].map(|()| root.certify(&key, &params));
    assert_ne!(one, other);
    asked.at(&one, 0).unwrap();
    let last = asked.at(&other, 0).unwrap();
    assert_eq!(asked.len(), 2);
    assert!(Arc::ptr_eq(&last, &asked.at(&other, 0).unwrap()));
}

/// Two chains of one key push each other out, and neither becomes younger by it.
#[test]
fn what_came_out_of_the_memory_goes_back_as_old_as_it_was() {
    let root = TestCa::root();
    let asked = Asked::by([root.bundle("demo.local")]);
    let mut params = leaf_params(WEB);
    valid(&mut params, -60, DAY);
    let chain = root.chain_for(&params);
    let longer = [chain.clone(), vec![root.der().to_vec()]].concat();
    let first = asked.at(&chain, 0).unwrap();
    let recalled = asked.look(&chain, Role::Client, 1800).unwrap();
    asked.at(&longer, 1800).unwrap();
    asked.memory.remember(&recalled, &asked.bundles);
    assert!(Arc::ptr_eq(&first, &asked.at(&chain, 3600).unwrap()));
    assert!(!Arc::ptr_eq(&first, &asked.at(&chain, 3601).unwrap()));
}

/// A place of its own for each number.
fn slot(number: usize) -> Slot {
    (Role::Client, KeyHash::of_public_key_info(&number.to_be_bytes()))
}

/// A generation, filled by hand.
#[derive(Default)]
struct Filled(Generation);

impl Filled {
    /// Puts this chain into these places, as if it came from there.
    fn put(&mut self, from: &str, places: impl IntoIterator<Item = usize>, chain: &Arc<VerifiedChain>) {
        for number in places {
            let entry = Entry { digest: [0; 32], chain: Arc::clone(chain) };
            self.0.put(domain(from), slot(number), entry);
        }
    }

    fn has(&self, from: &str, place: usize) -> bool {
        self.0.recall(&domain(from), slot(place), [0; 32], at(0)).is_some()
    }

    /// How many chains and bytes there are; what is counted is what is there.
    fn total(&self) -> (usize, usize) {
        let mut total = (0, 0);
        for share in self.0.shares.values() {
            assert_eq!(share.order.len(), share.entries.len());
            assert_eq!(share.bytes, share.entries.values().map(size).sum::<usize>());
            total = (total.0 + share.entries.len(), total.1 + share.bytes);
        }
        total
    }
}

/// An svid with an extension of so many bytes.
fn padded(root: &TestCa, bytes: u16) -> Vec<Vec<u8>> {
    let mut params = leaf_params(WEB);
    let filler = [&[0x04, 0x82][..], &bytes.to_be_bytes(), &vec![0; bytes.into()]].concat();
    params.custom_extensions.push(rcgen::CustomExtension::from_oid_content(&[1, 2, 3], filler));
    root.chain_for(&params)
}

#[test]
fn what_is_remembered_is_bounded_in_number_and_bytes_and_the_oldest_goes_first() {
    let root = TestCa::root();
    let asked = Asked::by([root.bundle("demo.local")]);
    let chain = asked.at(&root.chain_for(&leaf_params(WEB)), 0).unwrap();
    let mut filled = Filled::default();
    // A peer that comes again takes no second place.
    filled.put("demo.local", (0..=MAX_ENTRIES).flat_map(|number| [number, number]), &chain);
    assert_eq!(filled.total().0, MAX_ENTRIES);
    assert!(!filled.has("demo.local", 0) && filled.has("demo.local", 1));

    // An svid so large that the bytes are what is reached first.
    let large = asked.at(&padded(&root, 0x4000), 0).unwrap();
    let fit = MAX_BYTES / large.certificates().map(<[u8]>::len).sum::<usize>();
    assert!(fit < MAX_ENTRIES);
    let mut filled = Filled::default();
    filled.put("demo.local", 0..=fit, &large);
    let (entries, bytes) = filled.total();
    assert!(entries == fit && bytes <= MAX_BYTES);
    assert!(!filled.has("demo.local", 0) && filled.has("demo.local", 1));
}

// An authority that we federate with can mint as many svids, and as large ones, as it likes.
#[test]
fn no_trust_domain_pushes_out_another_for_more_than_it_has_itself() {
    let root = TestCa::root();
    let asked = Asked::by([root.bundle("demo.local")]);
    let chain = asked.at(&root.chain_for(&leaf_params(WEB)), 0).unwrap();
    let mut filled = Filled::default();
    filled.put("demo.local", 0..100, &chain);
    filled.put("partner.example", 0..100, &chain);
    filled.put("evil.example", 0..2 * MAX_ENTRIES, &chain);
    for own in ["demo.local", "partner.example"] {
        assert!((0..100).all(|place| filled.has(own, place)), "{own}");
    }
    assert_eq!(filled.total().0, MAX_ENTRIES);

    let large = asked.at(&padded(&root, 0x4000), 0).unwrap();
    let mut filled = Filled::default();
    filled.put("demo.local", 0..1000, &chain);
    filled.put("evil.example", 0..MAX_ENTRIES, &large);
    assert!((0..1000).all(|place| filled.has("demo.local", place)));
    assert!(filled.total().1 <= MAX_BYTES);

    // Who had all of it gives up to half, and no more.
    let mut filled = Filled::default();
    filled.put("demo.local", 0..MAX_ENTRIES, &chain);
    filled.put("evil.example", 0..2 * MAX_ENTRIES, &chain);
    let own = (0..MAX_ENTRIES).filter(|place| filled.has("demo.local", *place)).count();
    assert_eq!((own, filled.total().0), (MAX_ENTRIES / 2, MAX_ENTRIES));
}
