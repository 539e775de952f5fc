//! A chain and the anchors that it is held against: whoever is accepted is whom the leaf names, by an anchor of that very
//! trust domain, and by nobody who is distrusted.
//!
//! An input is a count of anchors in one byte, then certificates, each behind its length in two: the anchors, then the chain.

use kith_identity::svid::Leaf;
use kith_identity::{Bundle, BundleSet, TrustDomain};
use kith_mtls::{Accept, Role, VerifiedChain, verify_chain};

/// Certificates in DER.
type Ders = Vec<Vec<u8>>;

/// A chain, held against its own anchors.
pub fn chain(data: &[u8]) -> bool {
    let Some((anchors, chain)) = split(data) else { return false };
    let Some(Ok(leaf)) = chain.first().map(|der| Leaf::parse(der)) else {
        refuse_all(&chain);
        return false;
    };
    let name = leaf.identity().trust_domain();
    let Ok(bundle) = Bundle::parse(name.clone(), &anchors) else { return false };
    let keys: Vec<_> = bundle.authorities().iter().map(|anchor| anchor.key_hash()).collect();
    let bundles: BundleSet = [bundle].into_iter().collect();
    let accept = Accept::TrustDomain(name.clone());
    let mut accepted = false;
    for (role, now) in [(Role::Client, leaf.not_before()), (Role::Server, leaf.not_after())] {
        let verify = |bundles: &BundleSet| verify_chain(&chain, bundles, &accept, role, now);
        let Ok(verified) = verify(&bundles) else { continue };
        accepted = true;
        check(&verified, &leaf);
        assert!(now <= verified.not_after(), "it holds now");
        assert!(verify(&BundleSet::default()).is_err(), "nobody is trusted without an anchor");
        assert!(verify(&bundles.clone().distrusting(keys.clone())).is_err(), "no anchor is left");
        let nobody = Accept::OneOf(std::collections::BTreeSet::new());
        assert!(verify_chain(&chain, &bundles, &nobody, role, now).is_err(), "nobody was expected");
    }
    accepted
}

fn check(verified: &VerifiedChain, leaf: &Leaf) {
    assert_eq!(verified.identity(), leaf.identity());
    assert_eq!(verified.serial(), leaf.serial());
    assert_eq!(verified.key_hash(), leaf.key_hash());
    assert!(verified.not_after() <= leaf.not_after(), "no path outlives its leaf");
}

/// What is no leaf is nobody's, whatever follows it.
fn refuse_all(chain: &[Vec<u8>]) {
    let name = TrustDomain::parse("corpus.example").expect("of the alphabet");
    let accept = Accept::TrustDomain(name);
    let now = std::time::UNIX_EPOCH;
    assert!(verify_chain(chain, &BundleSet::default(), &accept, Role::Client, now).is_err());
}

/// Anchors and chain; nothing when the bytes are cut short.
fn split(data: &[u8]) -> Option<(Ders, Ders)> {
    let (count, mut rest) = data.split_first()?;
    let mut certificates = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let (certificate, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        certificates.push(certificate.to_vec());
        rest = behind;
    }
    let chain = certificates.split_off(usize::from(*count).min(certificates.len()));
    Some((certificates, chain))
}
