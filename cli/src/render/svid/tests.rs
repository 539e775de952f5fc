//! From updates as a Workload API gives them. Hashes and serial numbers differ at every run, and are masked.

use std::path::Path;

use kith_identity::TrustDomain;

use super::*;
use crate::commands::svid::testing::{Ca, at, masked, update};
use crate::render::{escape, json};

fn federated() -> Update {
    let mut update = update(&Ca::new());
    update
        .federated
        .insert(TrustDomain::parse("partner.example").unwrap(), vec![Ca::new().der, Ca::new().der]);
    update.svids[0].hint = Some("internal\u{202e}".to_owned());
    update
}

fn plain(text: &str) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    assert!(!text.lines().any(|line| line.chars().any(escape::deceives)), "G1, G2: {text}");
    masked(&text)
}

#[test]
fn the_table() {
    insta::assert_snapshot!(plain(&table(&federated(), at(0))));
}

#[test]
fn the_json_has_every_certificate_and_no_key() {
    let update = federated();
    let text = json::pretty(&SvidJson::new(&update, Some(Path::new("/run/svid")))).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let svid = &value["svids"][0];
    assert_eq!(svid["identity"], "spiffe://demo.local/ns/shop/sa/web");
    assert_eq!(svid["chain"][0], pem::certificates(&update.svids[0].chain));
    assert_eq!(svid["bundle"]["authorities"][0], pem::certificates(&update.svids[0].anchors));
    assert_eq!(value["federated"][0]["trust_domain"], "partner.example");
    assert_eq!(value["federated"][0]["authorities"].as_array().unwrap().len(), 2);
    assert_eq!(value["written_to"], "/run/svid");
    assert!(!text.contains("PRIVATE"), "{text}");
}
