//! What a leaf may be used for, and which further extensions it may carry.

use super::super::certificate::{
    ANY_USAGE, BASIC_CONSTRAINTS, CLIENT_AUTH, CODE_SIGNING, EXTENDED_KEY_USAGE, Extension, KEY_USAGE,
    NAME_CONSTRAINTS, SERVER_AUTH, SUBJECT_KEY_IDENTIFIER, extended_key_usage,
};
use super::super::der;
use super::{ACCEPT, Case, Certificate, leaf, refuse};

/// Key usage, extended key usage, basic constraints.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = key_usage();
    cases.extend(extended());
    cases.extend(basic_constraints());
    cases
}

fn with_usage(certificate: &mut Certificate, value: Vec<u8>) {
    certificate.extension(KEY_USAGE).value = value;
}

fn key_usage() -> Vec<Case> {
    vec![
        leaf("no-key-usage", "X509-SVID 4.3 present", refuse("KeyUsageMissing"), |c| c.without(KEY_USAGE)),
        leaf("key-usage-not-critical", "X509-SVID 4.3 critical", refuse("KeyUsageNotCritical"), |c| {
            c.extension(KEY_USAGE).critical.clear();
        }),
        leaf("no-digital-signature", "X509-SVID 4.3 leaf-signature", refuse("KeyUsageLacks"), |c| {
            with_usage(c, der::bits(5, &[0x20]));
        }),
        leaf("key-usage-of-nothing", "X509-SVID 4.3 leaf-signature", refuse("KeyUsageLacks"), |c| {
            with_usage(c, der::bits(0, &[]));
        }),
        leaf("key-cert-sign", "X509-SVID 5.2 key-usage", refuse("KeyUsageHas"), |c| {
            with_usage(c, der::bits(2, &[0x84]));
        }),
        leaf("crl-sign", "X509-SVID 5.2 key-usage", refuse("KeyUsageHas"), |c| {
            with_usage(c, der::bits(1, &[0x82]));
        }),
        leaf("key-cert-sign-and-crl-sign", "X509-SVID 4.3 leaf-signs", refuse("KeyUsageHas"), |c| {
            with_usage(c, der::bits(1, &[0x86]));
        }),
        leaf("key-encipherment", "X509-SVID 4.3 leaf-exchange", ACCEPT, |c| {
            with_usage(c, der::bits(5, &[0xa0]));
        }),
        leaf("key-agreement", "X509-SVID 4.3 leaf-exchange", ACCEPT, |c| {
            with_usage(c, der::bits(3, &[0x88]));
        }),
        leaf("key-encipherment-and-key-agreement", "X509-SVID 4.3 leaf-exchange", ACCEPT, |c| {
            with_usage(c, der::bits(3, &[0xa8]));
        }),
        leaf("content-commitment", "X509-SVID 4.3 leaf-signature", ACCEPT, |c| {
            with_usage(c, der::bits(6, &[0xc0]));
        }),
        leaf("key-usage-twice", "RFC 5280 4.2", refuse("Repeated"), |c| {
            c.extensions.push(Extension::new(KEY_USAGE, true, der::bits(7, &[0x80])));
        }),
        leaf("key-usage-is-no-bit-string", "RFC 5280 4.2.1.3", refuse("Extension"), |c| {
            with_usage(c, der::octets(&[0x80]));
        }),
        leaf("key-usage-empty", "RFC 5280 4.2.1.3", refuse("Extension"), |c| with_usage(c, Vec::new())),
        leaf("bytes-behind-key-usage", "RFC 5280 4.2.1.3", refuse("Extension"), |c| {
            with_usage(c, der::joined(&[der::bits(7, &[0x80]), der::null()]));
        }),
        leaf("key-usage-with-nine-unused-bits", "RFC 5280 4.2.1.3", refuse("Extension"), |c| {
            with_usage(c, der::bits(9, &[0x80]));
        }),
    ]
}

fn with_extended(certificate: &mut Certificate, usages: &[&str]) {
    *certificate.extension(EXTENDED_KEY_USAGE) = extended_key_usage(usages);
}

fn extended() -> Vec<Case> {
    vec![
        leaf("no-extended-key-usage", "X509-SVID 4.4 include", ACCEPT, |c| c.without(EXTENDED_KEY_USAGE)),
        leaf("extended-key-usage-critical", "X509-SVID 4.4 both", ACCEPT, |c| {
            c.extension(EXTENDED_KEY_USAGE).critical = der::boolean(true);
        }),
        leaf("server-and-client-and-more", "X509-SVID 4.4 both", ACCEPT, |c| {
            with_extended(c, &[CLIENT_AUTH, CODE_SIGNING, SERVER_AUTH]);
        }),
        leaf("any-beside-both", "X509-SVID 4.4 both", ACCEPT, |c| {
            with_extended(c, &[SERVER_AUTH, CLIENT_AUTH, ANY_USAGE]);
        }),
        leaf("server-alone", "X509-SVID 4.4 both", refuse("ExtendedKeyUsageLacks"), |c| {
            with_extended(c, &[SERVER_AUTH]);
        }),
        leaf("client-alone", "X509-SVID 4.4 both", refuse("ExtendedKeyUsageLacks"), |c| {
            with_extended(c, &[CLIENT_AUTH]);
        }),
        leaf("any-alone", "X509-SVID 4.4 both", refuse("ExtendedKeyUsageLacks"), |c| {
            with_extended(c, &[ANY_USAGE]);
        }),
        leaf("neither", "X509-SVID 4.4 both", refuse("ExtendedKeyUsageLacks"), |c| {
            with_extended(c, &[CODE_SIGNING]);
        }),
        leaf("extended-key-usage-of-nothing", "RFC 5280 4.2.1.12", refuse("Extension"), |c| {
            with_extended(c, &[]);
        }),
        leaf("extended-key-usage-twice", "RFC 5280 4.2", refuse("Repeated"), |c| {
            c.extensions.push(extended_key_usage(&[SERVER_AUTH, CLIENT_AUTH]));
        }),
        leaf("extended-key-usage-is-no-sequence", "RFC 5280 4.2.1.12", refuse("Extension"), |c| {
            c.extension(EXTENDED_KEY_USAGE).value = der::oid(SERVER_AUTH);
        }),
    ]
}

fn with_constraints(certificate: &mut Certificate, value: Vec<u8>) {
    certificate.extension(BASIC_CONSTRAINTS).value = value;
}

fn basic_constraints() -> Vec<Case> {
    vec![
        leaf("no-basic-constraints", "X509-SVID 4.1 leaf", ACCEPT, |c| c.without(BASIC_CONSTRAINTS)),
        leaf("basic-constraints-not-critical", "X509-SVID 4.1 leaf", ACCEPT, |c| {
            c.extension(BASIC_CONSTRAINTS).critical.clear();
        }),
        leaf("ca", "X509-SVID 5.2 ca", refuse("LeafIsAuthority"), |c| {
            with_constraints(c, der::sequence(&[der::boolean(true)]));
        }),
        leaf("ca-not-critical", "X509-SVID 4.1 leaf", refuse("LeafIsAuthority"), |c| {
            with_constraints(c, der::sequence(&[der::boolean(true)]));
            c.extension(BASIC_CONSTRAINTS).critical.clear();
        }),
        leaf("ca-true-as-ber-writes-it", "RFC 5280 4.2.1.9", refuse("Extension"), |c| {
            with_constraints(c, der::sequence(&[der::tlv(der::BOOLEAN, &[1])]));
        }),
        leaf("path-length-without-ca", "RFC 5280 4.2.1.9", refuse("PathLengthWithoutAuthority"), |c| {
            with_constraints(c, der::sequence(&[der::unsigned(&[0])]));
        }),
        leaf("basic-constraints-twice", "RFC 5280 4.2", refuse("Repeated"), |c| {
            let authority = der::sequence(&[der::boolean(true)]);
            c.extensions.push(Extension::new(BASIC_CONSTRAINTS, true, authority));
        }),
        leaf("basic-constraints-empty", "RFC 5280 4.2.1.9", refuse("Extension"), |c| {
            with_constraints(c, Vec::new());
        }),
        leaf("bytes-behind-basic-constraints", "RFC 5280 4.2.1.9", refuse("Extension"), |c| {
            let authority = der::sequence(&[der::boolean(true)]);
            with_constraints(c, der::joined(&[der::sequence::<&[u8]>(&[]), authority]));
        }),
    ]
}

/// Further extensions: what is critical and not understood refuses, what is not critical is let be.
pub(super) fn extensions() -> Vec<Case> {
    vec![
        leaf(
            "unknown-critical",
            "X509-SVID 5.1 critical-extensions",
            refuse("UnknownCriticalExtension"),
            |c| {
                c.extensions.push(Extension::new("1.2.3.4", true, der::null()));
            },
        ),
        leaf("unknown", "X509-SVID 5.1 critical-extensions", ACCEPT, |c| {
            c.extensions.push(Extension::new("1.2.3.4", false, der::null()));
        }),
        leaf("unknown-twice", "RFC 5280 4.2", refuse("Repeated"), |c| {
            let unknown = Extension::new("1.2.3.4", false, der::null());
            c.extensions.extend([unknown.clone(), unknown]);
        }),
        leaf("policies", "RFC 5280 4.2.1.4", ACCEPT, |c| {
            let policy = der::sequence(&[der::oid("1.2.3.4")]);
            c.extensions.push(Extension::new("2.5.29.32", false, der::sequence(&[policy])));
        }),
        leaf("policies-critical", "RFC 5280 4.2", refuse("UnknownCriticalExtension"), |c| {
            let policy = der::sequence(&[der::oid("1.2.3.4")]);
            c.extensions.push(Extension::new("2.5.29.32", true, der::sequence(&[policy])));
        }),
        leaf("policy-constraints-critical", "RFC 5280 4.2", refuse("UnknownCriticalExtension"), |c| {
            c.extensions.push(Extension::new("2.5.29.36", true, der::sequence(&[der::implicit(0, &[0])])));
        }),
        leaf("certificate-transparency-poison", "RFC 6962 3.1", refuse("UnknownCriticalExtension"), |c| {
            c.extensions.push(Extension::new("1.3.6.1.4.1.11129.2.4.3", true, der::null()));
        }),
        leaf("must-staple", "RFC 7633 4", ACCEPT, |c| {
            let status = der::sequence(&[der::unsigned(&[5])]);
            c.extensions.push(Extension::new("1.3.6.1.5.5.7.1.24", false, status));
        }),
        leaf("key-identifier", "RFC 5280 4.2.1.2", ACCEPT, |c| {
            c.extensions.push(Extension::new(SUBJECT_KEY_IDENTIFIER, false, der::octets(&[7; 20])));
        }),
        leaf("revocation-list-to-ask", "RFC 5280 4.2.1.13", ACCEPT, |c| {
            let place =
                der::constructed(0, &der::constructed(0, &der::implicit(6, b"http://corpus.example/crl")));
            c.extensions.push(Extension::new("2.5.29.31", false, der::sequence(&[der::sequence(&[place])])));
        }),
        leaf("name-constraints", "X509-SVID 4.2 name-constraints", refuse("LeafConstrainsNames"), |c| {
            let subtree = der::sequence(&[der::implicit(2, b"corpus.example")]);
            let permitted = der::sequence(&[der::constructed(0, &subtree)]);
            c.extensions.push(Extension::new(NAME_CONSTRAINTS, true, permitted));
        }),
        leaf("critical-false-written-out", "RFC 5280 4.2", refuse("Layout"), |c| {
            let mut unknown = Extension::new("1.2.3.4", false, der::null());
            unknown.critical = der::boolean(false);
            c.extensions.push(unknown);
        }),
        leaf("critical-as-ber-writes-it", "RFC 5280 4.2", refuse("Layout"), |c| {
            c.extension(KEY_USAGE).critical = der::tlv(der::BOOLEAN, &[1]);
        }),
        leaf("sixty-unknown", "RFC 5280 4.2", ACCEPT, |c| {
            let unknown = |number| Extension::new(&format!("1.2.3.{number}"), false, der::null());
            c.extensions.extend((0..60).map(unknown));
        }),
    ]
}
