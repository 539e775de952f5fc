//! Cases of certificates: how one is presented, and what ours and bare webpki say of it. Which cases there are stands in the
//! files below, one for each group.

mod anchors;
mod chains;
mod frames;
mod names;
mod paths;
mod strength;
mod times;
mod usages;

use std::collections::BTreeSet;
use std::time::SystemTime;

use kith_identity::svid::{Authority as Parsed, KeyHash};
use kith_identity::{Bundle, BundleError, BundleSet, SpiffeId, TrustDomain};
use kith_mtls::{Accept, ChainError, Refusal, Role, verify_chain};

use super::certificate::{Certificate, at};
use super::keys::Key;
use super::{Judged, Kind, Verdict, Wanted, variant, webpki};

/// Certificates in DER.
type Ders = Vec<Vec<u8>>;

/// The trust domain of whoever is presented, unless a case says otherwise.
const DOMAIN: &str = "corpus.example";
/// Who is presented.
const WEB: &str = "spiffe://corpus.example/ns/shop/sa/web";

const ACCEPT: Wanted = Wanted::Accept;

const fn refuse(kind: &'static str) -> Wanted {
    Wanted::Refuse(kind)
}

/// Whoever signs: its key, its name and its own certificate.
#[derive(Clone)]
struct Signer {
    key: Key,
    name: Vec<u8>,
    der: Vec<u8>,
}

impl Signer {
    fn root(common_name: &str) -> Self {
        Self::root_with(common_name, Key::p256(), |_| ())
    }

    fn root_with(common_name: &str, key: Key, spoil: impl FnOnce(&mut Certificate)) -> Self {
        let mut certificate = Certificate::authority(common_name, key);
        spoil(&mut certificate);
        let der = certificate.signed_by(&certificate.subject, key);
        Self { key, name: certificate.subject, der }
    }

    fn issuing(&self, common_name: &str) -> Self {
        self.issuing_with(common_name, Key::p256(), |_| ())
    }

    fn issuing_with(&self, common_name: &str, key: Key, spoil: impl FnOnce(&mut Certificate)) -> Self {
        let mut certificate = Certificate::authority(common_name, key);
        spoil(&mut certificate);
        Self { key, name: certificate.subject.clone(), der: self.sign(&certificate) }
    }

    fn sign(&self, certificate: &Certificate) -> Vec<u8> {
        certificate.signed_by(&self.name, self.key)
    }

    /// A correct svid of the usual workload.
    fn svid(&self) -> Vec<u8> {
        self.sign(&Certificate::leaf(WEB, Key::p256()))
    }

    fn key_hash(&self) -> KeyHash {
        KeyHash::of_public_key_info(&self.key.public_key_info())
    }
}

/// What the cases share: a root and an issuing authority of the trust domain, and those of another.
struct World {
    root: Signer,
    issuing: Signer,
    other_root: Signer,
    other_issuing: Signer,
}

impl World {
    fn new() -> Self {
        let (root, other_root) = (Signer::root("root"), Signer::root("other root"));
        let (issuing, other_issuing) = (root.issuing("issuing"), other_root.issuing("other issuing"));
        Self { root, issuing, other_root, other_issuing }
    }

    /// The chain below the usual issuing authority and root.
    fn present(&self, leaf: Vec<u8>) -> Presented {
        Presented::new(vec![leaf, self.issuing.der.clone()], &self.root.der)
    }
}

/// What is shown to the verifier, and what it is held against.
struct Presented {
    chain: Vec<Vec<u8>>,
    /// Anchors by trust domain.
    bundles: Vec<(String, Vec<Vec<u8>>)>,
    distrusted: Vec<KeyHash>,
    accept: Accept,
    role: Role,
    at: SystemTime,
}

impl Presented {
    fn new(chain: Vec<Vec<u8>>, anchor: &[u8]) -> Self {
        Self {
            chain,
            bundles: vec![(DOMAIN.to_owned(), vec![anchor.to_vec()])],
            distrusted: Vec::new(),
            accept: Accept::TrustDomain(domain(DOMAIN)),
            role: Role::Client,
            at: at(0),
        }
    }

    /// In place of all bundles.
    fn with_bundles(mut self, bundles: &[(&str, &[&Signer])]) -> Self {
        let ders = |anchors: &[&Signer]| anchors.iter().map(|anchor| anchor.der.clone()).collect();
        self.bundles =
            bundles.iter().map(|(domain, anchors)| ((*domain).to_owned(), ders(anchors))).collect();
        self
    }

    fn accepting(mut self, accept: Accept) -> Self {
        self.accept = accept;
        self
    }

    fn at(mut self, offset: i64) -> Self {
        self.at = at(offset);
        self
    }

    fn of_a_server(mut self) -> Self {
        self.role = Role::Server;
        self
    }

    fn distrusting(mut self, signer: &Signer) -> Self {
        self.distrusted.push(signer.key_hash());
        self
    }

    fn ours(&self) -> Verdict {
        let mut bundles = Vec::new();
        for (name, anchors) in &self.bundles {
            bundles.push(Bundle::parse(domain(name), anchors).map_err(|error| kind_of_bundle(&error))?);
        }
        let bundles: BundleSet = bundles.into_iter().collect();
        let bundles = bundles.distrusting(self.distrusted.iter().copied());
        let verified = verify_chain(&self.chain, &bundles, &self.accept, self.role, self.at);
        verified.map(drop).map_err(|refusal| kind_of_refusal(&refusal))
    }

    fn webpki(&self) -> bool {
        let anchors: Vec<&Vec<u8>> = self.bundles.iter().flat_map(|(_, anchors)| anchors).collect();
        webpki::accepts(&self.chain, &anchors, self.role, self.at)
    }
}

fn kind_of_bundle(error: &BundleError) -> (String, String) {
    let kind = match error {
        BundleError::Authority { error, .. } => variant(&error.rule),
        other => variant(other),
    };
    (kind, error.to_string())
}

fn kind_of_refusal(refusal: &Refusal) -> (String, String) {
    let kind = match refusal {
        Refusal::Chain(ChainError::Profile { error, .. }) => variant(&error.rule),
        Refusal::Chain(error) => variant(error),
        other => variant(other),
    };
    (kind, refusal.to_string())
}

/// One case.
struct Case {
    id: &'static str,
    rule: &'static str,
    wanted: Wanted,
    make: Make,
}

/// How a case comes about.
enum Make {
    /// The correct svid, changed.
    Leaf(fn(&mut Certificate)),
    /// The correct svid, its bytes changed behind the signature.
    Bytes(fn(Vec<u8>) -> Vec<u8>),
    /// The correct svid of this identity, with a bundle of its trust domain.
    Uri(String),
    /// The correct svid below an issuing authority that is changed.
    Issuing(fn(&mut Certificate)),
    /// The correct svid, below an issuing authority and a root that is changed.
    Root(fn(&mut Certificate)),
    /// Anything else.
    Whole(fn(&World) -> Presented),
}

fn leaf(id: &'static str, rule: &'static str, wanted: Wanted, spoil: fn(&mut Certificate)) -> Case {
    Case { id, rule, wanted, make: Make::Leaf(spoil) }
}

fn uri(id: &'static str, rule: &'static str, wanted: Wanted, uri: impl Into<String>) -> Case {
    Case { id, rule, wanted, make: Make::Uri(uri.into()) }
}

fn issuing(id: &'static str, rule: &'static str, wanted: Wanted, spoil: fn(&mut Certificate)) -> Case {
    Case { id, rule, wanted, make: Make::Issuing(spoil) }
}

fn root(id: &'static str, rule: &'static str, wanted: Wanted, spoil: fn(&mut Certificate)) -> Case {
    Case { id, rule, wanted, make: Make::Root(spoil) }
}

fn whole(id: &'static str, rule: &'static str, wanted: Wanted, make: fn(&World) -> Presented) -> Case {
    Case { id, rule, wanted, make: Make::Whole(make) }
}

impl Make {
    fn presented(&self, world: &World) -> Presented {
        match self {
            Self::Leaf(spoil) => {
                let mut certificate = Certificate::leaf(WEB, Key::p256());
                spoil(&mut certificate);
                world.present(world.issuing.sign(&certificate))
            }
            Self::Bytes(spoil) => world.present(spoil(world.issuing.svid())),
            Self::Uri(uri) => {
                let certificate = Certificate::leaf(uri, Key::p256());
                let presented = world.present(world.issuing.sign(&certificate));
                // Trusted under its own name, so that the name alone decides; one that is no name stays with the usual.
                match SpiffeId::parse(uri) {
                    Ok(identity) => presented
                        .with_bundles(&[(identity.trust_domain().as_str(), &[&world.root])])
                        .accepting(Accept::TrustDomain(identity.trust_domain().clone())),
                    Err(_) => presented,
                }
            }
            Self::Issuing(spoil) => {
                let issuing = world.root.issuing_with("issuing", Key::p256(), spoil);
                Presented::new(vec![issuing.svid(), issuing.der], &world.root.der)
            }
            Self::Root(spoil) => {
                let root = Signer::root_with("root", Key::p256(), spoil);
                let issuing = root.issuing("issuing");
                Presented::new(vec![issuing.svid(), issuing.der], &root.der)
            }
            Self::Whole(make) => make(world),
        }
    }
}

/// The groups, in the order of the table.
fn groups() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("who it names", names::cases()),
        ("the name's spelling", names::spellings()),
        ("what it is for", usages::cases()),
        ("extensions", usages::extensions()),
        ("keys and algorithms", strength::cases()),
        ("encoding and frame", frames::cases()),
        ("time", times::cases()),
        ("signing certificates", chains::cases()),
        ("paths", paths::cases()),
        ("anchors and bundles", anchors::cases()),
    ]
}

/// Every case, judged.
pub(crate) fn judged() -> Vec<Judged> {
    let world = World::new();
    let mut judged = Vec::new();
    for (group, cases) in groups() {
        for Case { id, rule, wanted, make } in cases {
            let presented = make.presented(&world);
            let ours = presented.ours();
            // Rules of our own are nobody else's to keep.
            let webpki = (rule != "Kith").then(|| presented.webpki());
            let id = format!("x509/{id}");
            judged.push(Judged { kind: Kind::Certificate, group, id, rule, wanted, ours, webpki });
        }
    }
    judged
}

/// What fuzzing starts from: of every group a few chains, each with its anchors before it, by the case's name.
pub(crate) fn seeds() -> Vec<(String, Ders, Ders)> {
    let world = World::new();
    let mut seeds = Vec::new();
    for (_, cases) in groups() {
        for Case { id, make, .. } in cases.into_iter().step_by(6) {
            let presented = make.presented(&world);
            let anchors = presented.bundles.into_iter().flat_map(|(_, anchors)| anchors).collect();
            seeds.push((id.to_owned(), anchors, presented.chain));
        }
    }
    seeds
}

fn domain(name: &str) -> TrustDomain {
    TrustDomain::parse(name).expect("cases name their bundles correctly")
}

fn only(identities: &[&str]) -> Accept {
    let identities: BTreeSet<SpiffeId> =
        identities.iter().map(|text| SpiffeId::parse(text).expect("a correct identity")).collect();
    Accept::OneOf(identities)
}

// A case that is refused for the wrong key would prove nothing: the correct ones must be correct.
#[test]
fn what_nobody_spoiled_is_read_back_as_it_was_written() {
    let world = World::new();
    let read = kith_identity::svid::Leaf::parse(&world.issuing.svid()).unwrap();
    assert_eq!(read.identity().as_str(), WEB);
    assert_eq!((read.not_before(), read.not_after()), (at(-60), at(3600)));
    for signer in [&world.root, &world.issuing, &world.other_root, &world.other_issuing] {
        assert_eq!(Parsed::parse(&signer.der).unwrap().key_hash(), signer.key_hash());
    }
}
