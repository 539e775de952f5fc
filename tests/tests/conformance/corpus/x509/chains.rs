//! Signing certificates between a leaf and its anchor: what each must look like.

use super::super::certificate::{
    BASIC_CONSTRAINTS, CLIENT_AUTH, CODE_SIGNING, EXTENDED_KEY_USAGE, Extension, KEY_USAGE, NAME_CONSTRAINTS,
    SERVER_AUTH, SUBJECT_ALT_NAME, dns_name, extended_key_usage, names, uri_name, validity,
};
use super::super::der;
use super::super::keys::Key;
use super::{ACCEPT, Case, Certificate, Presented, WEB, issuing, refuse, whole};

/// Profile, identity, constraints.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = profile();
    cases.extend(frame());
    cases.extend(identities());
    cases.extend(constraints());
    cases.extend(as_peers());
    cases
}

/// What it is for.
fn profile() -> Vec<Case> {
    vec![
        issuing("issuing-correct", "X509-SVID 4.3 authority-crl", ACCEPT, |_| ()),
        issuing("issuing-without-crl-sign", "X509-SVID 4.3 authority-crl", ACCEPT, |c| {
            c.extension(KEY_USAGE).value = der::bits(2, &[0x04]);
        }),
        issuing("issuing-with-digital-signature", "X509-SVID 4.3 authority-signs", ACCEPT, |c| {
            c.extension(KEY_USAGE).value = der::bits(1, &[0x86]);
        }),
        whole("issuing-of-p384", "X509-SVID 5.1 path", ACCEPT, |world| {
            let issuing = world.root.issuing_with("issuing", Key::p384(), |_| ());
            Presented::new(vec![issuing.svid(), issuing.der], &world.root.der)
        }),
        issuing(
            "issuing-without-basic-constraints",
            "X509-SVID 4.1 authority",
            refuse("NotAnAuthority"),
            |c| {
                c.without(BASIC_CONSTRAINTS);
            },
        ),
        issuing("issuing-with-ca-false", "X509-SVID 4.1 authority", refuse("NotAnAuthority"), |c| {
            c.extension(BASIC_CONSTRAINTS).value = der::sequence::<&[u8]>(&[]);
        }),
        issuing("issuing-without-key-usage", "X509-SVID 4.3 present", refuse("KeyUsageMissing"), |c| {
            c.without(KEY_USAGE);
        }),
        issuing(
            "issuing-key-usage-not-critical",
            "X509-SVID 4.3 critical",
            refuse("KeyUsageNotCritical"),
            |c| {
                c.extension(KEY_USAGE).critical.clear();
            },
        ),
        issuing(
            "issuing-without-key-cert-sign",
            "X509-SVID 4.3 authority-signs",
            refuse("KeyUsageLacks"),
            |c| {
                c.extension(KEY_USAGE).value = der::bits(1, &[0x02]);
            },
        ),
        issuing(
            "issuing-constraints-not-critical",
            "RFC 5280 4.2.1.9",
            refuse("BasicConstraintsNotCritical"),
            |c| {
                c.extension(BASIC_CONSTRAINTS).critical.clear();
            },
        ),
        issuing("issuing-ca-true-as-ber-writes-it", "RFC 5280 4.2.1.9", refuse("Extension"), |c| {
            c.extension(BASIC_CONSTRAINTS).value = der::sequence(&[der::tlv(der::BOOLEAN, &[1])]);
        }),
        issuing("issuing-with-a-negative-path-length", "RFC 5280 4.2.1.9", refuse("Extension"), |c| {
            let minus_one = der::tlv(der::INTEGER, &[0xff]);
            c.extension(BASIC_CONSTRAINTS).value = der::sequence(&[der::boolean(true), minus_one]);
        }),
    ]
}

/// Extensions, frame, key and time.
fn frame() -> Vec<Case> {
    vec![
        issuing(
            "issuing-unknown-critical",
            "X509-SVID 5.1 critical-extensions",
            refuse("UnknownCriticalExtension"),
            |c| {
                c.extensions.push(Extension::new("1.2.3.4", true, der::null()));
            },
        ),
        issuing("issuing-unknown", "X509-SVID 5.1 critical-extensions", ACCEPT, |c| {
            c.extensions.push(Extension::new("1.2.3.4", false, der::null()));
        }),
        issuing("issuing-of-version-1", "RFC 5280 4.1.2.1", refuse("Version"), |c| c.version.clear()),
        issuing("issuing-serial-zero", "RFC 5280 4.1.2.2", refuse("Serial"), |c| {
            c.serial = der::unsigned(&[0])
        }),
        whole("issuing-of-ed25519", "Kith", refuse("WeakSignature"), |world| {
            let issuing = world.root.issuing_with("issuing", Key::ed25519(), |_| ());
            Presented::new(vec![issuing.svid(), issuing.der], &world.root.der)
        }),
        whole("issuing-of-rsa", "X509-SVID 5.1 path", ACCEPT, |world| {
            let issuing = world.root.issuing_with("issuing", Key::rsa2048(), |_| ());
            Presented::new(vec![issuing.svid(), issuing.der], &world.root.der)
        }),
        issuing("issuing-ended", "X509-SVID 5.1 validity", refuse("Expired"), |c| {
            c.validity = validity(-7200, -1);
        }),
        issuing("issuing-not-begun", "X509-SVID 5.1 validity", refuse("NotYetValid"), |c| {
            c.validity = validity(1, 7200);
        }),
    ]
}

fn named(certificate: &mut Certificate, general_names: &[Vec<u8>]) {
    certificate.extensions.push(Extension::new(SUBJECT_ALT_NAME, false, names(general_names)));
}

fn identities() -> Vec<Case> {
    vec![
        issuing("issuing-of-the-trust-domain", "SPIFFE-ID 3.1 authority-domain", ACCEPT, |c| {
            named(c, &[uri_name("spiffe://corpus.example")]);
        }),
        issuing(
            "issuing-of-another-domain",
            "SPIFFE-ID 3.1 authority-domain",
            refuse("ForeignAuthority"),
            |c| {
                named(c, &[uri_name("spiffe://other.example")]);
            },
        ),
        issuing("issuing-with-a-path", "X509-SVID 3.2 authority-path", refuse("AuthorityPath"), |c| {
            named(c, &[uri_name("spiffe://corpus.example/authority")]);
        }),
        issuing("issuing-with-two-uris", "X509-SVID 2 several-uris", refuse("SeveralUris"), |c| {
            named(c, &[uri_name("spiffe://corpus.example"), uri_name("spiffe://other.example")]);
        }),
        issuing("issuing-with-a-bad-uri", "SPIFFE-ID 2.1 lower-case", refuse("Uri"), |c| {
            named(c, &[uri_name("spiffe://Corpus.example")]);
        }),
        issuing("issuing-with-a-dns-name", "X509-SVID 2 other-names", ACCEPT, |c| {
            named(c, &[dns_name("authority.corpus.example")]);
        }),
    ]
}

fn constrained(certificate: &mut Certificate, which: u8, subtrees: &[Vec<u8>]) {
    let subtrees: Vec<Vec<u8>> = subtrees.iter().map(|base| der::sequence(&[base])).collect();
    let value = der::sequence(&[der::constructed(which, &der::joined(&subtrees))]);
    certificate.extensions.push(Extension::new(NAME_CONSTRAINTS, true, value));
}

/// A leaf with a DNS name, below an issuing authority with constraints on such names.
fn with_dns_name(world: &super::World, name: &str, which: u8, subtree: &str) -> Presented {
    let issuing =
        world.root.issuing_with("issuing", Key::p256(), |c| constrained(c, which, &[dns_name(subtree)]));
    let mut leaf = Certificate::leaf(WEB, Key::p256());
    leaf.named(&[dns_name(name), uri_name(WEB)]);
    Presented::new(vec![issuing.sign(&leaf), issuing.der], &world.root.der)
}

fn constraints() -> Vec<Case> {
    let rule = "X509-SVID 4.2 name-constraints";
    vec![
        whole("dns-name-permitted", rule, ACCEPT, |w| with_dns_name(w, "a.good.example", 0, "good.example")),
        whole("dns-name-not-permitted", rule, refuse("Path"), |w| {
            with_dns_name(w, "a.bad.example", 0, "good.example")
        }),
        whole("dns-name-excluded", rule, refuse("Path"), |w| {
            with_dns_name(w, "a.good.example", 1, "good.example")
        }),
        whole("dns-name-not-excluded", rule, ACCEPT, |w| {
            with_dns_name(w, "a.good.example", 1, "bad.example")
        }),
        issuing("uri-permitted", rule, refuse("Path"), |c| {
            constrained(c, 0, &[uri_name("corpus.example")]);
        }),
        issuing("uri-not-permitted", rule, refuse("Path"), |c| {
            constrained(c, 0, &[uri_name("other.example")])
        }),
        issuing("uri-excluded", rule, refuse("Path"), |c| constrained(c, 1, &[uri_name("corpus.example")])),
        issuing("extended-key-usage-of-both", "RFC 5280 4.2.1.12", ACCEPT, |c| {
            c.extensions.push(extended_key_usage(&[SERVER_AUTH, CLIENT_AUTH]));
        }),
        issuing("extended-key-usage-of-neither", "RFC 5280 4.2.1.12", refuse("Path"), |c| {
            c.extensions.push(extended_key_usage(&[CODE_SIGNING]));
        }),
        issuing("extended-key-usage-of-the-other-role", "RFC 5280 4.2.1.12", refuse("Path"), |c| {
            c.extensions.push(extended_key_usage(&[SERVER_AUTH]));
        }),
        whole("extended-key-usage-of-this-role", "RFC 5280 4.2.1.12", ACCEPT, |world| {
            let issuing = world.root.issuing_with("issuing", Key::p256(), |c| {
                c.extensions.push(extended_key_usage(&[SERVER_AUTH]));
            });
            Presented::new(vec![issuing.svid(), issuing.der], &world.root.der).of_a_server()
        }),
        whole("no-extended-key-usage-as-server", "X509-SVID 4.4 include", ACCEPT, |world| {
            let mut leaf = Certificate::leaf(WEB, Key::p256());
            leaf.without(EXTENDED_KEY_USAGE);
            world.present(world.issuing.sign(&leaf)).of_a_server()
        }),
    ]
}

/// A signing certificate that comes as somebody's own.
fn as_peers() -> Vec<Case> {
    let rule = "X509-SVID 3.2 no-authentication";
    vec![
        whole("issuing-as-peer", rule, refuse("LeafIsAuthority"), |world| {
            Presented::new(vec![world.issuing.der.clone()], &world.root.der)
        }),
        whole("issuing-of-the-trust-domain-as-peer", rule, refuse("LeafIsAuthority"), |world| {
            let issuing = world.root.issuing_with("issuing", Key::p256(), |c| {
                named(c, &[uri_name("spiffe://corpus.example")]);
            });
            Presented::new(vec![issuing.der], &world.root.der)
        }),
        whole("issuing-with-a-workload's-identity-as-peer", rule, refuse("LeafIsAuthority"), |world| {
            let issuing = world.root.issuing_with("issuing", Key::p256(), |c| named(c, &[uri_name(WEB)]));
            Presented::new(vec![issuing.der], &world.root.der)
        }),
        whole("root-as-peer", rule, refuse("LeafIsAuthority"), |world| {
            Presented::new(vec![world.root.der.clone()], &world.root.der)
        }),
        whole("leaf-as-issuer", "X509-SVID 4.1 authority", refuse("NotAnAuthority"), |world| {
            let key = Key::p256();
            let mut middle = Certificate::leaf("spiffe://corpus.example/ns/shop/sa/middle", key);
            middle.subject = super::super::certificate::name("middle");
            let leaf = Certificate::leaf(WEB, Key::p256()).signed_by(&middle.subject, key);
            let middle = world.issuing.sign(&middle);
            Presented::new(vec![leaf, middle, world.issuing.der.clone()], &world.root.der)
        }),
    ]
}
