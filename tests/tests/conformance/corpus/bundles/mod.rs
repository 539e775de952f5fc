//! Cases of bundles: the JWK set of a trust domain, the map of several, and which bundle may replace which. Which cases there
//! are stands in the files below, one for each group.

mod documents;
mod entries;
mod maps;
mod sequences;

use kith_identity::{Bundle, BundleMap, TrustDomain};

use super::certificate::{Certificate, Extension, SUBJECT_ALT_NAME, names, uri_name};
use super::keys::Key;
use super::{Judged, Kind, Verdict, Wanted, jwk, variant};

const DOMAIN: &str = "corpus.example";

const fn refuse(kind: &'static str) -> Asks {
    Asks::Refuse(kind)
}

/// That so many X.509 authorities and so many token keys are read, and nothing else is trusted.
const fn read(authorities: usize, token_keys: usize) -> Asks {
    Asks::Read { authorities, token_keys }
}

/// What a case asks for.
#[derive(Clone, Copy)]
enum Asks {
    Read { authorities: usize, token_keys: usize },
    Refuse(&'static str),
}

/// Correct entries of this run.
struct Parts {
    key: Key,
    authority: Vec<u8>,
    /// Of another key.
    second: (Key, Vec<u8>),
    foreign: (Key, Vec<u8>),
    leaf: (Key, Vec<u8>),
    token_key: Key,
}

impl Parts {
    fn new() -> Self {
        let certified = |common_name: &str, uri: Option<&str>| {
            let key = Key::p256();
            let mut authority = Certificate::authority(common_name, key);
            let named = uri.map(|uri| Extension::new(SUBJECT_ALT_NAME, false, names(&[uri_name(uri)])));
            authority.extensions.extend(named);
            (key, authority.signed_by(&authority.subject, key))
        };
        let (key, authority) = certified("root", None);
        let leaf_key = Key::p256();
        let leaf = Certificate::leaf("spiffe://corpus.example/a", leaf_key);
        Self {
            key,
            authority,
            second: certified("second root", Some("spiffe://corpus.example")),
            foreign: certified("foreign root", Some("spiffe://other.example")),
            leaf: (leaf_key, leaf.signed_by(&leaf.subject, leaf_key)),
            token_key: Key::p256(),
        }
    }

    /// The entry of the usual authority.
    fn x509(&self) -> String {
        jwk::authority(self.key, &self.authority)
    }

    /// The entry of the usual token key.
    fn jwt(&self) -> String {
        jwk::token_key(self.token_key, "first")
    }
}

/// One case.
struct Case {
    id: &'static str,
    rule: &'static str,
    asks: Asks,
    make: Make,
}

/// What is read.
enum Make {
    /// The JWK set of the usual trust domain.
    Set(fn(&Parts) -> String),
    /// The entries of one.
    Entries(fn(&Parts) -> Vec<String>),
    /// A map; what is counted is over all its bundles.
    Map(fn(&Parts) -> String),
    /// An older set and the one that follows.
    Pair(fn(&Parts) -> (String, String)),
}

impl Make {
    fn ours(&self, parts: &Parts) -> Result<(usize, usize), (String, String)> {
        let failed = |error: &dyn std::fmt::Display, kind: String| (kind, error.to_string());
        let read = |text: &str| Bundle::from_jwks(domain(DOMAIN), text.as_bytes());
        match self {
            Self::Set(make) => {
                let bundle = read(&make(parts)).map_err(|error| failed(&error, variant(&error)))?;
                Ok(count([&bundle]))
            }
            Self::Entries(make) => {
                let bundle =
                    read(&jwk::set(&make(parts))).map_err(|error| failed(&error, variant(&error)))?;
                Ok(count([&bundle]))
            }
            Self::Map(make) => {
                let map = BundleMap::parse(make(parts).as_bytes())
                    .map_err(|error| failed(&error, variant(&error)))?;
                Ok(count(map.iter()))
            }
            Self::Pair(make) => {
                let (older, newer) = make(parts);
                let older = read(&older).expect("the older one is correct");
                let newer = read(&newer).map_err(|error| failed(&error, variant(&error)))?;
                newer.follows(&older).map_err(|error| failed(&error, variant(&error)))?;
                Ok(count([&newer]))
            }
        }
    }

    fn text(&self, parts: &Parts) -> String {
        match self {
            Self::Set(make) | Self::Map(make) => make(parts),
            Self::Entries(make) => jwk::set(&make(parts)),
            Self::Pair(make) => make(parts).1,
        }
    }
}

fn count<'a>(bundles: impl IntoIterator<Item = &'a Bundle>) -> (usize, usize) {
    bundles.into_iter().fold((0, 0), |(authorities, token_keys), bundle| {
        (authorities + bundle.authorities().len(), token_keys + bundle.jwt_authorities().len())
    })
}

fn domain(name: &str) -> TrustDomain {
    TrustDomain::parse(name).expect("cases name their bundles correctly")
}

fn set(id: &'static str, rule: &'static str, asks: Asks, make: fn(&Parts) -> String) -> Case {
    Case { id, rule, asks, make: Make::Set(make) }
}

fn entries(id: &'static str, rule: &'static str, asks: Asks, make: fn(&Parts) -> Vec<String>) -> Case {
    Case { id, rule, asks, make: Make::Entries(make) }
}

fn map(id: &'static str, rule: &'static str, asks: Asks, make: fn(&Parts) -> String) -> Case {
    Case { id, rule, asks, make: Make::Map(make) }
}

fn pair(id: &'static str, rule: &'static str, asks: Asks, make: fn(&Parts) -> (String, String)) -> Case {
    Case { id, rule, asks, make: Make::Pair(make) }
}

fn groups() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("entries", entries::cases()),
        ("document", documents::cases()),
        ("sequence", sequences::cases()),
        ("map", maps::cases()),
    ]
}

/// Every case, judged.
pub(crate) fn judged() -> Vec<Judged> {
    let parts = Parts::new();
    let mut judged = Vec::new();
    for (group, cases) in groups() {
        for Case { id, rule, asks, make } in cases {
            let (wanted, ours) = compare(asks, make.ours(&parts));
            let id = format!("bundle/{id}");
            judged.push(Judged { kind: Kind::Bundle, group, id, rule, wanted, ours, webpki: None });
        }
    }
    judged
}

/// A bundle with other keys than it should have is as wrong as one that is not read.
fn compare(asks: Asks, ours: Result<(usize, usize), (String, String)>) -> (Wanted, Verdict) {
    match asks {
        Asks::Refuse(kind) => (Wanted::Refuse(kind), ours.map(drop)),
        Asks::Read { authorities, token_keys } => {
            let verdict = ours.and_then(|counted| {
                let sentence = format!("{} authorities and {} token keys", counted.0, counted.1);
                if counted == (authorities, token_keys) { Ok(()) } else { Err(("Counts".into(), sentence)) }
            });
            (Wanted::Accept, verdict)
        }
    }
}

/// What fuzzing starts from: sets and maps, by the case's name and whether it is a map.
pub(crate) fn seeds() -> Vec<(String, bool, String)> {
    let parts = Parts::new();
    let mut seeds = Vec::new();
    for (_, cases) in groups() {
        for Case { id, make, .. } in cases.into_iter().step_by(4) {
            seeds.push((id.to_owned(), matches!(make, Make::Map(_)), make.text(&parts)));
        }
    }
    seeds
}
