//! What a chain is held against: anchors, the bundles of several trust domains, distrust, and whom was expected.

use super::super::certificate::{
    BASIC_CONSTRAINTS, Extension, KEY_USAGE, SUBJECT_ALT_NAME, names, uri_name, validity,
};
use super::super::der;
use super::super::keys::Key;
use super::{
    ACCEPT, Accept, Case, Certificate, DOMAIN, Presented, Signer, WEB, domain, only, refuse, root, whole,
};

const OTHER: &str = "other.example";

/// Anchors, bundles, distrust, expectation.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = anchors();
    cases.extend(bundles());
    cases.extend(distrust());
    cases.extend(expectations());
    cases
}

fn anchors() -> Vec<Case> {
    vec![
        root("root-of-the-trust-domain", "SPIFFE-ID 3.1 authority", ACCEPT, |c| {
            named(c, "spiffe://corpus.example");
        }),
        root("root-of-another-domain", "SPIFFE-ID 3.1 authority-domain", refuse("Foreign"), |c| {
            named(c, "spiffe://other.example");
        }),
        root("root-with-a-path", "X509-SVID 3.2 authority-path", refuse("AuthorityPath"), |c| {
            named(c, "spiffe://corpus.example/root");
        }),
        root("root-without-key-usage", "X509-SVID 4.3 present", refuse("KeyUsageMissing"), |c| {
            c.without(KEY_USAGE);
        }),
        root("root-key-usage-not-critical", "X509-SVID 4.3 critical", refuse("KeyUsageNotCritical"), |c| {
            c.extension(KEY_USAGE).critical.clear();
        }),
        root("root-without-key-cert-sign", "X509-SVID 4.3 authority-signs", refuse("KeyUsageLacks"), |c| {
            c.extension(KEY_USAGE).value = der::bits(1, &[0x02]);
        }),
        root("root-without-basic-constraints", "X509-SVID 4.1 authority", refuse("NotAnAuthority"), |c| {
            c.without(BASIC_CONSTRAINTS);
        }),
        root(
            "root-unknown-critical",
            "X509-SVID 5.1 critical-extensions",
            refuse("UnknownCriticalExtension"),
            |c| {
                c.extensions.push(Extension::new("1.2.3.4", true, der::null()));
            },
        ),
        root("root-of-version-1", "RFC 5280 4.1.2.1", refuse("Version"), |c| {
            c.version.clear();
        }),
        root("root-with-bytes-behind", "RFC 5280 4.1", refuse("TrailingBytes"), |c| {
            c.spoil_whole = Some(|mut der| {
                der.push(0);
                der
            });
        }),
        root("root-ended", "X509-SVID 5.1 validity", refuse("Expired"), |c| c.validity = validity(-7200, -1)),
        root("root-not-begun", "X509-SVID 5.1 validity", refuse("NotYetValid"), |c| {
            c.validity = validity(1, 7200);
        }),
        root("root-that-ends-now", "X509-SVID 5.1 validity", ACCEPT, |c| c.validity = validity(-7200, 0)),
        whole("issuing-as-anchor", "X509-SVID 6.1 self-signed", ACCEPT, |world| {
            Presented::new(vec![world.issuing.svid()], &world.issuing.der)
        }),
        whole("leaf-as-anchor", "X509-SVID 4.1 authority", refuse("NotAnAuthority"), |world| {
            let leaf = world.issuing.svid();
            Presented::new(vec![leaf.clone()], &leaf)
        }),
        whole("self-signed-leaf-as-anchor", "X509-SVID 4.1 authority", refuse("NotAnAuthority"), |_| {
            let key = Key::p256();
            let leaf = Certificate::leaf(WEB, key);
            let der = leaf.signed_by(&leaf.subject, key);
            Presented::new(vec![der.clone()], &der)
        }),
    ]
}

fn named(certificate: &mut Certificate, uri: &str) {
    certificate.extensions.push(Extension::new(SUBJECT_ALT_NAME, false, names(&[uri_name(uri)])));
}

fn bundles() -> Vec<Case> {
    let apart = "Federation 4.2 apart";
    vec![
        whole("second-of-two-anchors", "X509-SVID 5.1 path", ACCEPT, |w| {
            w.present(w.issuing.svid()).with_bundles(&[(DOMAIN, &[&w.other_root, &w.root])])
        }),
        whole("two-anchors-of-one-name", "X509-SVID 5.1 path", ACCEPT, |w| {
            let impostor = Signer::root("root");
            w.present(w.issuing.svid()).with_bundles(&[(DOMAIN, &[&impostor, &w.root])])
        }),
        whole("one-anchor-twice", "X509-SVID 5.1 path", ACCEPT, |w| {
            w.present(w.issuing.svid()).with_bundles(&[(DOMAIN, &[&w.root, &w.root])])
        }),
        whole("one-of-two-anchors-ended", "X509-SVID 5.1 validity", ACCEPT, |w| {
            let ended = Signer::root_with("old root", Key::p256(), |c| c.validity = validity(-7200, -1));
            w.present(w.issuing.svid()).with_bundles(&[(DOMAIN, &[&ended, &w.root])])
        }),
        whole("one-of-twenty-anchors", "X509-SVID 5.1 path", ACCEPT, |w| {
            let more: Vec<Signer> = (0..19).map(|number| Signer::root(&format!("root {number}"))).collect();
            let mut all: Vec<&Signer> = more.iter().collect();
            all.push(&w.root);
            w.present(w.issuing.svid()).with_bundles(&[(DOMAIN, &all)])
        }),
        whole("no-bundle-of-its-domain", "Workload-API 4.6 no-bundle", refuse("UntrustedDomain"), |w| {
            w.present(w.issuing.svid()).with_bundles(&[(OTHER, &[&w.root])])
        }),
        whole("no-bundle-at-all", "Workload-API 4.6 no-bundle", refuse("UntrustedDomain"), |w| {
            w.present(w.issuing.svid()).with_bundles(&[])
        }),
        whole("anchor-only-in-another-domain's-bundle", apart, refuse("UnknownAuthority"), |w| {
            w.present(w.issuing.svid()).with_bundles(&[(DOMAIN, &[&w.other_root]), (OTHER, &[&w.root])])
        }),
        whole("identity-of-one-domain-signed-by-another", apart, refuse("UnknownAuthority"), |w| {
            let leaf = w.other_issuing.svid();
            Presented::new(vec![leaf, w.other_issuing.der.clone()], &w.root.der)
                .with_bundles(&[(DOMAIN, &[&w.root]), (OTHER, &[&w.other_root])])
        }),
        whole("each-domain-its-own", "Workload-API 4.6 bundle-of-peer", ACCEPT, |w| {
            let leaf = Certificate::leaf("spiffe://other.example/a", Key::p256());
            Presented::new(vec![w.other_issuing.sign(&leaf), w.other_issuing.der.clone()], &w.root.der)
                .with_bundles(&[(DOMAIN, &[&w.root]), (OTHER, &[&w.other_root])])
                .accepting(Accept::TrustDomain(domain(OTHER)))
        }),
        whole("one-root-of-two-domains", apart, ACCEPT, |w| {
            w.present(w.issuing.svid()).with_bundles(&[(DOMAIN, &[&w.root]), (OTHER, &[&w.root])])
        }),
    ]
}

fn distrust() -> Vec<Case> {
    let cut_off = refuse("DistrustedAuthority");
    vec![
        whole("issuing-distrusted", "Kith", cut_off, |w| w.present(w.issuing.svid()).distrusting(&w.issuing)),
        whole("root-distrusted", "Kith", cut_off, |w| w.present(w.issuing.svid()).distrusting(&w.root)),
        whole("another-distrusted", "Kith", ACCEPT, |w| {
            w.present(w.issuing.svid()).distrusting(&w.other_root).distrusting(&w.other_issuing)
        }),
        whole("distrusted-one-beside-the-path", "Kith", ACCEPT, |w| {
            let mut presented = w.present(w.issuing.svid()).distrusting(&w.other_issuing);
            presented.chain.push(w.other_issuing.der.clone());
            presented
        }),
        whole("distrusted-under-a-new-certificate", "Kith", cut_off, |w| {
            // Distrust is of the key: a fresh certificate for it changes nothing.
            let again = w.root.issuing_with("issuing again", w.issuing.key, |_| ());
            Presented::new(vec![again.svid(), again.der], &w.root.der).distrusting(&w.issuing)
        }),
    ]
}

fn expectations() -> Vec<Case> {
    let rule = "Kith";
    let other = refuse("UnexpectedIdentity");
    vec![
        whole("expected-one", rule, ACCEPT, |w| w.present(w.issuing.svid()).accepting(only(&[WEB]))),
        whole("expected-one-of-two", rule, ACCEPT, |w| {
            w.present(w.issuing.svid()).accepting(only(&["spiffe://corpus.example/a", WEB]))
        }),
        whole("another-expected", rule, other, |w| {
            w.present(w.issuing.svid()).accepting(only(&["spiffe://corpus.example/ns/shop/sa/we"]))
        }),
        whole("one-of-another-case-expected", "SPIFFE-ID 2.4 path-case", other, |w| {
            w.present(w.issuing.svid()).accepting(only(&["spiffe://corpus.example/ns/shop/sa/Web"]))
        }),
        whole("nobody-expected", rule, other, |w| w.present(w.issuing.svid()).accepting(only(&[]))),
        whole("another-domain-expected", rule, other, |w| {
            w.present(w.issuing.svid())
                .with_bundles(&[(DOMAIN, &[&w.root]), (OTHER, &[&w.other_root])])
                .accepting(Accept::TrustDomain(domain(OTHER)))
        }),
        whole("domain-that-only-begins-alike", rule, other, |w| {
            let leaf = Certificate::leaf("spiffe://corpus.example.evil/a", Key::p256());
            w.present(w.issuing.sign(&leaf)).with_bundles(&[("corpus.example.evil", &[&w.root])])
        }),
    ]
}
