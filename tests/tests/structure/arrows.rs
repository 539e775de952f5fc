//! Which crate may use which: the arrows of ARCHITECTURE.md, and what each crate must never link.

use std::collections::BTreeSet;

use cargo_metadata::DependencyKind;

use crate::graph::graph;

/// The rule of one crate.
struct Rule {
    name: &'static str,
    /// The crates of Kith that it may name.
    may_use: &'static [&'static str],
    /// What it must not link, through anybody.
    never_links: &'static [&'static str],
}

/// What makes a crate impure: a runtime, a wire, a cluster.
const IMPURE: &[&str] =
    &["tokio", "rustls", "rustls-webpki", "hyper", "h2", "tonic", "prost", "kube", "sqlx", "nix", "socket2"];

const RULES: &[Rule] = &[
    Rule { name: "kith-identity", may_use: &[], never_links: IMPURE },
    Rule { name: "kith-policy", may_use: &["kith-identity"], never_links: IMPURE },
    Rule {
        name: "kith-proto",
        may_use: &["kith-identity", "kith-policy"],
        never_links: &["kube", "sqlx", "rustls", "rcgen"],
    },
    Rule {
        name: "kith-mtls",
        may_use: &["kith-identity"],
        never_links: &["kube", "sqlx", "hyper", "tonic", "prost"],
    },
    Rule {
        name: "kith-runtime",
        may_use: &[],
        never_links: &["kube", "sqlx", "rustls", "tonic", "prost", "rcgen", "x509-parser"],
    },
    Rule { name: "kith-ca", may_use: &["kith-identity"], never_links: &["kube", "tonic", "hyper", "rustls"] },
    Rule {
        name: "kith-control-plane",
        may_use: &["kith-identity", "kith-policy", "kith-proto", "kith-mtls", "kith-runtime", "kith-ca"],
        never_links: &["kith-sidecar", "kith"],
    },
    Rule {
        name: "kith-sidecar",
        may_use: &["kith-identity", "kith-policy", "kith-proto", "kith-mtls", "kith-runtime"],
        never_links: &["kube", "sqlx", "kith-ca", "kith-control-plane", "kith"],
    },
    Rule {
        name: "kith",
        may_use: &[
            "kith-identity",
            "kith-policy",
            "kith-proto",
            "kith-mtls",
            "kith-runtime",
            "kith-ca",
            "kith-control-plane",
            "kith-sidecar",
        ],
        never_links: &["kith-tests"],
    },
    Rule {
        name: "kith-fuzz",
        may_use: &["kith-identity", "kith-mtls"],
        never_links: &["kube", "sqlx", "hyper", "tonic", "prost"],
    },
    Rule {
        name: "kith-tests",
        may_use: &[
            "kith",
            "kith-identity",
            "kith-policy",
            "kith-proto",
            "kith-mtls",
            "kith-runtime",
            "kith-ca",
            "kith-control-plane",
            "kith-sidecar",
        ],
        never_links: &[],
    },
];

#[test]
fn every_crate_of_the_workspace_has_a_rule() {
    let members: BTreeSet<&str> = graph().members().into_iter().map(|it| it.name.as_str()).collect();
    let rules: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(members, rules, "left: the workspace; right: the rules of this test");
}

#[test]
fn a_crate_names_only_the_crates_that_its_arrows_point_at() {
    let mut wrong = Vec::new();
    for rule in RULES {
        // Of every kind: a test that reaches across an arrow couples as firmly as code does.
        for dependency in &graph().member(rule.name).dependencies {
            let ours = dependency.name == "kith" || dependency.name.starts_with("kith-");
            if ours && !rule.may_use.contains(&dependency.name.as_str()) {
                wrong.push(format!("{} names {}", rule.name, dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that are not in ARCHITECTURE.md: {wrong:#?}");
}

#[test]
fn no_crate_links_what_it_must_never_use_through_anybody() {
    let mut wrong = Vec::new();
    for rule in RULES {
        let linked = graph().linked(graph().member(rule.name));
        wrong.extend(rule.never_links.iter().filter_map(|forbidden| linked.get(forbidden).cloned()));
    }
    assert!(wrong.is_empty(), "forbidden packages, with a way that leads to each: {wrong:#?}");
}

/// Who else may name a TLS library, each with the reason. Nothing of it is ever part of a product.
const COMPARED: &[(&str, &str, &str)] = &[
    ("kith-tests", "rustls-webpki", "the corpus of certificates is judged by it beside ours"),
    ("kith-tests", "spiffe-rustls", "other people's Rust programs are at the other end of ours with it"),
    ("kith-tests", "tokio-rustls", "what spiffe-rustls configures is put on a socket with it"),
];

/// What makes handshakes or verifies certificates.
const TLS: &[&str] = &["rustls", "rustls-webpki", "spiffe-rustls", "tokio-rustls"];

#[test]
fn only_mtls_names_rustls() {
    for member in graph().members() {
        for dependency in &member.dependencies {
            let is_tls = TLS.contains(&dependency.name.as_str());
            let compared = dependency.kind == DependencyKind::Development
                && COMPARED
                    .iter()
                    .any(|(who, what, _)| *who == member.name.as_str() && *what == dependency.name);
            assert!(
                !is_tls || compared || member.name == "kith-mtls",
                "{} names {}: handshakes and verifiers live in kith-mtls alone",
                member.name,
                dependency.name
            );
        }
    }
}

#[test]
fn the_walk_over_the_graph_finds_what_is_known_to_be_there() {
    // Guards the tests above: a walk that finds nothing forbids nothing.
    let linked = graph().linked(graph().member("kith-mtls"));
    assert_eq!(linked["kith-identity"], "kith-mtls -> kith-identity");
    for package in ["rustls", "tokio", "aws-lc-sys"] {
        assert!(linked.contains_key(package), "kith-mtls links {package}");
    }
    assert!(!linked.contains_key("tempfile"), "what only tests use is not linked");
}
