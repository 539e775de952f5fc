//! Cases of tokens: how one is written and signed, and what ours says of it. Which cases there are stands in the files
//! below, one for each group.

mod claims;
mod headers;
mod serialization;
mod signatures;

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kith_identity::svid::{JwtSvid, KeyHash};
use kith_identity::{Bundle, BundleSet, TrustDomain};

use super::certificate::at;
use super::keys::Key;
use super::{Judged, Kind, Verdict, Wanted, jwk, variant};

const DOMAIN: &str = "corpus.example";
const WEB: &str = "spiffe://corpus.example/ns/shop/sa/web";
/// Whom the tokens are for, and who validates them.
const REPORTS: &str = "reports";
/// The instant of the verdict in seconds, as the claims count.
const NOW: i64 = 1_800_000_000;

const ACCEPT: Wanted = Wanted::Accept;

const fn refuse(kind: &'static str) -> Wanted {
    Wanted::Refuse(kind)
}

/// The keys of this run.
struct Keys {
    es256: Key,
    es384: Key,
    es512: Key,
    rsa: Key,
    /// In nobody's bundle.
    stranger: Key,
}

/// A token before it is signed, and what it is held against. A case changes what it is about.
struct Draft {
    header: String,
    claims: String,
    signer: Key,
    /// The algorithm that it is really signed with.
    signed_as: &'static str,
    /// Changes the finished token.
    spoil: fn(String) -> String,
    bundles: Vec<(&'static str, String)>,
    distrusted: Vec<KeyHash>,
    audience: &'static str,
    at: SystemTime,
}

impl Draft {
    fn correct(keys: &Keys) -> Self {
        let set = [
            jwk::token_key(keys.es256, "es256"),
            jwk::token_key(keys.es384, "es384"),
            jwk::token_key(keys.es512, "es512"),
            jwk::token_key(keys.rsa, "rsa"),
        ];
        Self {
            header: r#"{"alg":"ES256","kid":"es256","typ":"JWT"}"#.to_owned(),
            claims: claims_of(WEB, r#""reports""#, NOW + 300),
            signer: keys.es256,
            signed_as: "ES256",
            spoil: |token| token,
            bundles: vec![(DOMAIN, jwk::set(&set))],
            distrusted: Vec::new(),
            audience: REPORTS,
            at: at(0),
        }
    }

    /// Signed by another key, with the header that goes with it.
    fn sign(&mut self, signer: Key, algorithm: &'static str, key_id: &str) {
        self.header = format!(r#"{{"alg":"{algorithm}","kid":"{key_id}"}}"#);
        (self.signer, self.signed_as) = (signer, algorithm);
    }

    fn token(&self) -> String {
        let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        let signed = format!("{}.{}", encode(self.header.as_bytes()), encode(self.claims.as_bytes()));
        let signature = self.signer.sign_token(self.signed_as, signed.as_bytes());
        (self.spoil)(format!("{signed}.{}", encode(&signature)))
    }

    fn ours(&self) -> Verdict {
        let domain = |name: &str| TrustDomain::parse(name).expect("cases name their bundles correctly");
        let bundles = self.bundles.iter().map(|(name, set)| Bundle::from_jwks(domain(name), set.as_bytes()));
        let bundles: Result<BundleSet, _> = bundles.collect();
        let bundles = bundles.map_err(|error| (variant(&error), error.to_string()))?;
        let bundles = bundles.distrusting(self.distrusted.iter().copied());
        let verified = JwtSvid::verify(&self.token(), &bundles, self.audience, self.at);
        verified.map(drop).map_err(|error| (variant(&error), error.to_string()))
    }
}

/// The three claims that every token has; `audience` is JSON.
fn claims_of(subject: &str, audience: &str, expiry: i64) -> String {
    format!(r#"{{"sub":"{subject}","aud":{audience},"exp":{expiry}}}"#)
}

/// One case: the correct token, changed.
struct Case {
    id: &'static str,
    rule: &'static str,
    wanted: Wanted,
    change: fn(&mut Draft, &Keys),
}

fn case(id: &'static str, rule: &'static str, wanted: Wanted, change: fn(&mut Draft, &Keys)) -> Case {
    Case { id, rule, wanted, change }
}

fn groups() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("header", headers::cases()),
        ("claims", claims::cases()),
        ("serialization", serialization::cases()),
        ("keys and signatures", signatures::cases()),
    ]
}

fn keys() -> Keys {
    Keys {
        es256: Key::p256(),
        es384: Key::p384(),
        es512: Key::p521(),
        rsa: Key::rsa2048(),
        stranger: Key::p256(),
    }
}

/// Every case, judged.
pub(crate) fn judged() -> Vec<Judged> {
    let keys = keys();
    let mut judged = Vec::new();
    for (group, cases) in groups() {
        for Case { id, rule, wanted, change } in cases {
            let mut draft = Draft::correct(&keys);
            change(&mut draft, &keys);
            let id = format!("jwt/{id}");
            judged.push(Judged {
                kind: Kind::Token,
                group,
                id,
                rule,
                wanted,
                ours: draft.ours(),
                webpki: None,
            });
        }
    }
    judged
}

/// What fuzzing starts from: tokens, each with the bundle that it is held against, by the case's name.
pub(crate) fn seeds() -> Vec<(String, String, String)> {
    let keys = keys();
    let mut seeds = Vec::new();
    for (_, cases) in groups() {
        for Case { id, change, .. } in cases.into_iter().step_by(4) {
            let mut draft = Draft::correct(&keys);
            change(&mut draft, &keys);
            let set = draft.bundles.first().map(|(_, set)| set.clone()).unwrap_or_default();
            seeds.push((id.to_owned(), draft.token(), set));
        }
    }
    seeds
}
