//! From messages made by hand.

use super::*;
use crate::commands::svid::testing::{Ca, WEB, at, message};

const PARTNER: &str = "spiffe://partner.example";

fn check(svids: impl IntoIterator<Item = X509svid>) -> Result<Update, UpdateError> {
    Update::check(message(svids), at(0))
}

fn identities(update: &Update) -> Vec<String> {
    update.svids.iter().map(|svid| svid.leaf.identity().to_string()).collect()
}

// Conforms: Workload-API 8 default
#[test]
fn the_first_svid_is_the_default_one() {
    let ca = Ca::new();
    let other = "spiffe://demo.local/ns/shop/sa/other";
    let update = check([ca.svid(WEB, 3600), ca.svid(other, 3600)]).unwrap();
    assert_eq!(identities(&update), [WEB, other]);
    assert_eq!(update.default_svid().leaf.identity().to_string(), WEB);
    assert!(update.left_out.is_empty(), "{:?}", update.left_out);
}

// Conforms: Workload-API 4.5 client
#[test]
fn a_message_without_a_mandatory_field_is_discarded_whole() {
    let ca = Ca::new();
    assert_eq!(check([]).unwrap_err(), UpdateError::Empty);
    type Spoil = fn(&mut X509svid);
    let rows: [(&str, Spoil); 4] = [
        ("spiffe_id", |svid| svid.spiffe_id.clear()),
        ("x509_svid", |svid| svid.x509_svid.clear()),
        ("x509_svid_key", |svid| svid.x509_svid_key.clear()),
        ("bundle", |svid| svid.bundle.clear()),
    ];
    for (field, spoil) in rows {
        let mut second = ca.svid(WEB, 3600);
        spoil(&mut second);
        let refused = check([ca.svid(WEB, 3600), second]).unwrap_err();
        assert_eq!(refused, UpdateError::Missing { position: 2, field });
    }
}

#[test]
fn a_field_that_does_not_hold_what_it_should_is_named() {
    let ca = Ca::new();
    let leaf = ca.svid(WEB, 3600);
    let other = ca.svid("spiffe://demo.local/ns/shop/sa/other", 3600);
    let of = |change: &dyn Fn(&mut X509svid)| {
        let mut svid = leaf.clone();
        change(&mut svid);
        check([svid]).unwrap_err().to_string()
    };
    for (want, change) in [
        (
            "the spiffe_id of svid 1",
            &(|svid: &mut X509svid| svid.spiffe_id.push('x')) as &dyn Fn(&mut X509svid),
        ),
        ("not the key that the certificate is for", &|svid| {
            svid.x509_svid_key.clone_from(&other.x509_svid_key)
        }),
        ("no unencrypted PKCS#8 key", &|svid| svid.x509_svid_key.truncate(20)),
        ("the x509_svid of svid 1", &|svid| svid.x509_svid.truncate(20)),
        // The leaf comes first; an authority in its place is none.
        ("the x509_svid of svid 1", &|svid| svid.x509_svid = [&*ca.der, &*svid.x509_svid].concat()),
        ("the bundle of svid 1", &|svid| svid.bundle.clone_from(&other.x509_svid)),
        ("the bundle of svid 1", &|svid| svid.bundle.push(0)),
    ] {
        let said = of(change);
        assert!(said.contains(want), "{want}: {said}");
    }
    let expired = check([ca.svid(WEB, -1)]).unwrap_err().to_string();
    assert!(expired.contains("it has expired"), "{expired}");
}

// Conforms: Workload-API 5.2.1 equal-hints
#[test]
fn of_equal_hints_the_first_is_taken() {
    let ca = Ca::new();
    let hinted = |identity: &str, hint: &str| X509svid { hint: hint.into(), ..ca.svid(identity, 3600) };
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| format!("spiffe://demo.local/{name}"));
    let update =
        check([hinted(&a, "internal"), hinted(&b, ""), hinted(&c, "internal"), hinted(&d, "")]).unwrap();
    assert_eq!(identities(&update), [a.clone(), b, d]);
    assert_eq!(update.left_out, [format!("svid 3, {c}: its hint is that of {a}, which came first")]);
}

// Conforms: Workload-API 8 hint-length
#[test]
fn a_hint_of_more_than_1024_bytes_is_none() {
    let ca = Ca::new();
    let hinted = |length: usize| X509svid { hint: "h".repeat(length), ..ca.svid(WEB, 3600) };
    let update = check([hinted(1024)]).unwrap();
    assert_eq!(update.default_svid().hint.as_ref().map(String::len), Some(1024));
    let update = check([hinted(1025)]).unwrap();
    assert_eq!((&update.default_svid().hint, update.left_out.len()), (&None, 1));
}

// Conforms: Workload-API 4.6 no-bundle, Federation 4.2 apart
#[test]
fn a_federated_bundle_that_cannot_be_used_trusts_nobody_and_hinders_nobody() {
    let (ca, partner) = (Ca::new(), Ca::new());
    let mut message = message([ca.svid(WEB, 3600)]);
    let leaf = ca.svid(WEB, 3600).x509_svid;
    for (name, bundle) in [
        (PARTNER, [&*partner.der, &*ca.der].concat()),
        ("spiffe://empty.example", vec![]),
        ("spiffe://broken.example", vec![7]),
        ("spiffe://leaf.example", leaf),
        ("spiffe://path.example/workload", partner.der.clone()),
        ("no.scheme", partner.der.clone()),
        ("spiffe://demo.local", partner.der.clone()),
    ] {
        message.federated_bundles.insert(name.to_owned(), bundle);
    }
    let update = Update::check(message, at(0)).unwrap();
    let domains: Vec<_> = update.federated.keys().map(ToString::to_string).collect();
    assert_eq!(domains, ["partner.example"]);
    assert_eq!(update.federated.values().next().unwrap().len(), 2);
    assert_eq!(update.default_svid().anchors, [ca.der]);
    assert_eq!(update.left_out.len(), 6, "{:?}", update.left_out);
}

#[test]
fn nothing_that_is_printed_for_debugging_has_the_key() {
    let svid = Ca::new().svid(WEB, 3600);
    let key = format!("{:?}", svid.x509_svid_key);
    let update = check([svid]).unwrap();
    assert!(!format!("{update:?}").contains(key.trim_matches(['[', ']'])));
}
