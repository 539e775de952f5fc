//! The map of several trust domains' bundles.

use super::{Case, Parts, jwk, map, read, refuse};

fn of(domains: &[(&str, String)]) -> String {
    let domains: Vec<String> = domains.iter().map(|(name, set)| format!(r#""{name}":{set}"#)).collect();
    format!(r#"{{"trust_domains":{{{}}}}}"#, domains.join(","))
}

fn one(parts: &Parts) -> String {
    jwk::set(&[parts.x509()])
}

/// Members, names, duplicates, and what one bad bundle does.
pub(super) fn cases() -> Vec<Case> {
    let (present, unique) = ("BundleMap 5.1.1 trust-domains", "BundleMap 5.1.1 unique");
    vec![
        map("map-of-one", present, read(1, 0), |p| of(&[("corpus.example", one(p))])),
        map("map-of-two", present, read(1, 1), |p| {
            of(&[("corpus.example", one(p)), ("other.example", jwk::set(&[p.jwt()]))])
        }),
        map("map-of-none", present, read(0, 0), |_| of(&[])),
        map("map-with-further-members", "Bundle 4.1 unknown-parameters", read(1, 0), |p| {
            of(&[("corpus.example", one(p))]).replacen('{', r#"{"note":1,"#, 1)
        }),
        map("map-with-an-inner-hint", "BundleMap 5.1.1 inner-hint", read(1, 0), |p| {
            of(&[("corpus.example", one(p).replacen('{', r#"{"spiffe_refresh_hint":1,"#, 1))])
        }),
        map("map-with-a-foreign-authority", "SPIFFE-ID 3.1 authority-domain", read(1, 0), |p| {
            of(&[
                ("corpus.example", jwk::set(&[jwk::authority(p.foreign.0, &p.foreign.1)])),
                ("other.example", jwk::set(&[jwk::authority(p.foreign.0, &p.foreign.1)])),
            ])
        }),
        map("map-without-trust-domains", present, refuse("TrustDomainsMissing"), |_| "{}".into()),
        map("map-that-is-a-set", present, refuse("TrustDomainsMissing"), one),
        map("map-of-an-array", present, refuse("Json"), |p| format!(r#"{{"trust_domains":[{}]}}"#, one(p))),
        map("map-of-null", present, refuse("Json"), |_| r#"{"trust_domains":null}"#.into()),
        map("map-with-one-domain-twice", unique, refuse("Json"), |p| {
            of(&[("corpus.example", one(p)), ("corpus.example", jwk::set(&[]))])
        }),
        map("map-with-one-domain-twice-spelt-differently", unique, refuse("Json"), |p| {
            of(&[("corpus.example", one(p)), (r"c\u006frpus.example", jwk::set(&[]))])
        }),
        map("map-with-a-name-in-upper-case", "SPIFFE-ID 2.1 lower-case", refuse("TrustDomain"), |p| {
            of(&[("Corpus.example", one(p))])
        }),
        map("map-with-an-identity-as-name", "SPIFFE-ID 2.1 alphabet", refuse("TrustDomain"), |p| {
            of(&[("spiffe://corpus.example", one(p))])
        }),
        map("map-with-an-empty-name", "SPIFFE-ID 2.1 empty", refuse("TrustDomain"), |p| of(&[("", one(p))])),
        map("map-with-a-bundle-without-keys", "Bundle 4.1.3 keys", refuse("Bundle"), |p| {
            of(&[("corpus.example", one(p)), ("other.example", "{}".into())])
        }),
        map("map-with-a-bundle-of-text", "Bundle 4.1.3 keys", refuse("Bundle"), |_| {
            of(&[("corpus.example", r#""keys""#.into())])
        }),
        map("map-of-too-many", "Kith", refuse("TooManyDomains"), |_| {
            let names: Vec<String> = (0..300).map(|number| format!("domain-{number}")).collect();
            let empty = jwk::set(&[]);
            of(&names.iter().map(|name| (name.as_str(), empty.clone())).collect::<Vec<_>>())
        }),
    ]
}
