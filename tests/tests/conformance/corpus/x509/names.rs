//! Whom a certificate names: how many URIs, in which encoding, beside which other names, and how they are spelt.

use super::super::certificate::{Extension, SUBJECT_ALT_NAME, dns_name, name, names, uri_name};
use super::super::der;
use super::{ACCEPT, Case, WEB, leaf, refuse, uri};

const ADMIN: &str = "spiffe://corpus.example/ns/shop/sa/admin";

/// How many names, and of which kinds.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = several();
    cases.extend(beside());
    cases
}

fn several() -> Vec<Case> {
    vec![
        leaf("one-uri", "X509-SVID 2 one-uri", ACCEPT, |_| ()),
        leaf("no-names", "X509-SVID 2 one-uri", refuse("NoUri"), |c| c.without(SUBJECT_ALT_NAME)),
        leaf("no-uri", "X509-SVID 2 one-uri", refuse("NoUri"), |c| c.named(&[dns_name("web.example")])),
        leaf("two-uris", "X509-SVID 5.2 several-uris", refuse("SeveralUris"), |c| {
            c.named(&[uri_name(WEB), uri_name(ADMIN)]);
        }),
        leaf("same-uri-twice", "X509-SVID 5.2 several-uris", refuse("SeveralUris"), |c| {
            c.named(&[uri_name(WEB), uri_name(WEB)]);
        }),
        leaf("second-uri-of-another-scheme", "X509-SVID 5.2 several-uris", refuse("SeveralUris"), |c| {
            c.named(&[uri_name(WEB), uri_name("https://corpus.example")]);
        }),
        leaf("first-uri-of-another-scheme", "X509-SVID 2 several-uris", refuse("SeveralUris"), |c| {
            c.named(&[uri_name("https://corpus.example"), uri_name(WEB)]);
        }),
        leaf("second-uri-empty", "X509-SVID 2 several-uris", refuse("SeveralUris"), |c| {
            c.named(&[uri_name(WEB), uri_name("")]);
        }),
        leaf("hundred-uris", "X509-SVID 2 several-uris", refuse("SeveralUris"), |c| {
            c.named(&vec![uri_name(WEB); 100]);
        }),
        leaf("uri-in-a-constructed-tag", "X509-SVID 5.2 several-uris", refuse("Extension"), |c| {
            c.named(&[der::constructed(6, &der::tlv(der::IA5, WEB.as_bytes()))]);
        }),
        leaf("second-uri-in-a-constructed-tag", "X509-SVID 5.2 several-uris", refuse("Extension"), |c| {
            c.named(&[uri_name(WEB), der::constructed(6, &der::tlv(der::IA5, ADMIN.as_bytes()))]);
        }),
        leaf("uri-in-an-indefinite-tag", "X509-SVID 5.2 several-uris", refuse("Extension"), |c| {
            let uri = der::tlv(der::IA5, ADMIN.as_bytes());
            c.named(&[uri_name(WEB), der::indefinite(0xa6, &uri)]);
        }),
        leaf("names-twice", "RFC 5280 4.2", refuse("Repeated"), |c| {
            c.extensions.push(Extension::new(SUBJECT_ALT_NAME, true, names(&[uri_name(ADMIN)])));
        }),
        leaf("same-names-twice", "RFC 5280 4.2", refuse("Repeated"), |c| {
            c.extensions.push(Extension::new(SUBJECT_ALT_NAME, true, names(&[uri_name(WEB)])));
        }),
        leaf("empty-names", "RFC 5280 4.2.1.6", refuse("Extension"), |c| c.named(&[])),
        leaf("bytes-behind-the-names", "X509-SVID 5.2 several-uris", refuse("Extension"), |c| {
            let twice = der::joined(&[names(&[uri_name(WEB)]), names(&[uri_name(ADMIN)])]);
            c.extension(SUBJECT_ALT_NAME).value = twice;
        }),
        leaf("names-are-no-sequence", "RFC 5280 4.2.1.6", refuse("Extension"), |c| {
            c.extension(SUBJECT_ALT_NAME).value = uri_name(WEB);
        }),
        leaf("names-of-unknown-tag", "RFC 5280 4.2.1.6", refuse("Extension"), |c| {
            c.named(&[uri_name(WEB), der::implicit(9, b"?")]);
        }),
        leaf("uri-in-the-common-name-alone", "X509-SVID 2 one-uri", refuse("NoUri"), |c| {
            c.without(SUBJECT_ALT_NAME);
            c.subject = name(WEB);
        }),
    ]
}

fn beside() -> Vec<Case> {
    vec![
        leaf("dns-name-beside", "X509-SVID 2 other-names", ACCEPT, |c| {
            c.named(&[dns_name("web.shop.svc"), uri_name(WEB)]);
        }),
        leaf("address-beside", "X509-SVID 2 other-names", ACCEPT, |c| {
            c.named(&[uri_name(WEB), der::implicit(7, &[10, 0, 0, 1])]);
        }),
        leaf("mail-beside", "X509-SVID 2 other-names", ACCEPT, |c| {
            c.named(&[der::implicit(1, b"web@corpus.example"), uri_name(WEB)]);
        }),
        leaf("directory-name-beside", "X509-SVID 2 other-names", ACCEPT, |c| {
            c.named(&[uri_name(WEB), der::constructed(4, &name("web"))]);
        }),
        leaf("registered-id-beside", "X509-SVID 2 other-names", ACCEPT, |c| {
            c.named(&[uri_name(WEB), der::implicit(8, &der::oid("1.2.3.4")[2..])]);
        }),
        leaf("other-name-beside", "X509-SVID 2 other-names", ACCEPT, |c| {
            let value = der::constructed(0, &der::tlv(der::UTF8, b"web"));
            c.named(&[uri_name(WEB), der::constructed(0, &der::joined(&[der::oid("1.2.3.4"), value]))]);
        }),
        leaf("ten-dns-names-beside", "X509-SVID 2 other-names", ACCEPT, |c| {
            let mut all = vec![dns_name("web.example"); 10];
            all.push(uri_name(WEB));
            c.named(&all);
        }),
        leaf("subject-and-critical-names", "X509-SVID 3.1 critical-name", ACCEPT, |c| {
            c.subject = name("web")
        }),
        leaf("subject-and-names-not-critical", "X509-SVID 3.1 critical-name", ACCEPT, |c| {
            c.subject = name("web");
            c.extension(SUBJECT_ALT_NAME).critical.clear();
        }),
        leaf(
            "no-subject-and-names-not-critical",
            "X509-SVID 3.1 critical-name",
            refuse("NameNotCritical"),
            |c| {
                c.extension(SUBJECT_ALT_NAME).critical.clear();
            },
        ),
    ]
}

/// How the one URI is spelt.
pub(super) fn spellings() -> Vec<Case> {
    let mut cases = refused_spellings();
    cases.extend(accepted_spellings());
    cases.extend(bytes_that_are_no_text());
    cases
}

fn refused_spellings() -> Vec<Case> {
    let bad = |id, rule, text: &str| uri(id, rule, refuse("Uri"), text);
    let root = |id, text: &str| uri(id, "X509-SVID 3.1 leaf-path", refuse("RootPath"), text);
    vec![
        bad("scheme-https", "X509-SVID 5.2 scheme", "https://corpus.example/a"),
        bad("scheme-upper-case", "SPIFFE-ID 2.4 one-spelling", "SPIFFE://corpus.example/a"),
        bad("scheme-longer", "SPIFFE-ID 2 scheme", "spiffes://corpus.example/a"),
        bad("no-scheme", "SPIFFE-ID 2 scheme", "corpus.example/a"),
        bad("one-slash", "SPIFFE-ID 2 scheme", "spiffe:/corpus.example/a"),
        bad("no-slash", "SPIFFE-ID 2 scheme", "spiffe:corpus.example"),
        bad("empty-uri", "SPIFFE-ID 2 scheme", ""),
        bad("space-before", "SPIFFE-ID 2 scheme", " spiffe://corpus.example/a"),
        bad("no-trust-domain", "SPIFFE-ID 2.1 empty", "spiffe:///ns/shop"),
        bad("no-trust-domain-and-no-path", "SPIFFE-ID 2 trust-domain", "spiffe://"),
        bad("trust-domain-upper-case", "SPIFFE-ID 2.1 lower-case", "spiffe://Corpus.example/a"),
        bad("userinfo", "SPIFFE-ID 2.1 userinfo", "spiffe://me@corpus.example/a"),
        bad("empty-userinfo", "SPIFFE-ID 2.1 userinfo", "spiffe://@corpus.example/a"),
        bad("port", "SPIFFE-ID 2.1 port", "spiffe://corpus.example:443/a"),
        bad("empty-port", "SPIFFE-ID 2.1 port", "spiffe://corpus.example:/a"),
        bad("trust-domain-percent", "SPIFFE-ID 2.1 percent", "spiffe://corpus%2eexample/a"),
        bad("trust-domain-brackets", "SPIFFE-ID 2.1 alphabet", "spiffe://[::1]/a"),
        bad("trust-domain-space", "SPIFFE-ID 2.1 alphabet", "spiffe://corpus example/a"),
        bad("query", "SPIFFE-ID 2 query", "spiffe://corpus.example/a?b"),
        bad("query-on-trust-domain", "SPIFFE-ID 2 query", "spiffe://corpus.example?b"),
        bad("fragment", "SPIFFE-ID 2 fragment", "spiffe://corpus.example/a#b"),
        bad("path-percent", "SPIFFE-ID 2.2 percent", "spiffe://corpus.example/a%2fb"),
        bad("empty-segment", "SPIFFE-ID 2.2 empty-segment", "spiffe://corpus.example//a"),
        bad("trailing-slash", "SPIFFE-ID 2.2 trailing-slash", "spiffe://corpus.example/a/"),
        bad("segment-dot", "SPIFFE-ID 2.2 relative", "spiffe://corpus.example/./a"),
        bad("segment-dot-dot", "SPIFFE-ID 2.2 relative", "spiffe://corpus.example/a/../b"),
        bad("path-semicolon", "SPIFFE-ID 2.2 alphabet", "spiffe://corpus.example/a;b"),
        bad("path-tilde", "SPIFFE-ID 2.2 alphabet", "spiffe://corpus.example/~a"),
        bad("path-back-slash", "SPIFFE-ID 2.2 alphabet", "spiffe://corpus.example/a\\b"),
        bad("path-line-feed", "SPIFFE-ID 2.2 alphabet", "spiffe://corpus.example/a\nb"),
        bad("root-slash", "SPIFFE-ID 2.2 trailing-slash", "spiffe://corpus.example/"),
        root("root-path", "spiffe://corpus.example"),
        bad("2049-bytes", "SPIFFE-ID 2.3 support", &of_length(2049)),
        bad(
            "trust-domain-of-256-bytes",
            "SPIFFE-ID 2.3 trust-domain-length",
            &format!("spiffe://{}/a", "a".repeat(256)),
        ),
    ]
}

fn accepted_spellings() -> Vec<Case> {
    vec![
        uri("2048-bytes", "SPIFFE-ID 2.3 support", ACCEPT, of_length(2048)),
        uri(
            "trust-domain-of-255-bytes",
            "SPIFFE-ID 2.3 trust-domain-length",
            ACCEPT,
            format!("spiffe://{}/a", "a".repeat(255)),
        ),
        uri("trust-domain-like-an-address", "SPIFFE-ID 2.1 look-alike", ACCEPT, "spiffe://127.0.0.1/a"),
        uri("trust-domain-like-no-host", "SPIFFE-ID 2.1 look-alike", ACCEPT, "spiffe://-_.._-/a"),
        uri("trust-domain-of-one-digit", "SPIFFE-ID 2.1 alphabet", ACCEPT, "spiffe://0/a"),
        uri("whole-alphabet", "SPIFFE-ID 2.2 alphabet", ACCEPT, "spiffe://corpus.example/azAZ09.-_/..."),
        uri("path-upper-case", "SPIFFE-ID 2.4 path-case", ACCEPT, "spiffe://corpus.example/NS/shop/SA/web"),
        uri("one-segment", "X509-SVID 3.1 leaf-path", ACCEPT, "spiffe://corpus.example/a"),
        uri("dotted-segments", "SPIFFE-ID 2.2 relative", ACCEPT, "spiffe://corpus.example/.a/..b/c.."),
    ]
}

fn of_length(length: usize) -> String {
    let start = "spiffe://corpus.example/";
    format!("{start}{}", "a".repeat(length - start.len()))
}

/// Bytes that a text of Rust's could not hold, or that end one of C's.
fn bytes_that_are_no_text() -> Vec<Case> {
    vec![
        leaf("uri-with-nul", "SPIFFE-ID 2.2 alphabet", refuse("Uri"), |c| {
            c.named(&[uri_name("spiffe://corpus.example/ns/shop/sa/web\0.evil")]);
        }),
        leaf("uri-that-ends-with-nul", "SPIFFE-ID 2.2 alphabet", refuse("Uri"), |c| {
            c.named(&[uri_name("spiffe://corpus.example/ns/shop/sa/web\0")]);
        }),
        leaf("uri-outside-ascii", "SPIFFE-ID 2.2 alphabet", refuse("Extension"), |c| {
            c.named(&[uri_name("spiffe://corpus.example/n\u{e9}")]);
        }),
        leaf("uri-of-broken-utf8", "SPIFFE-ID 2.2 alphabet", refuse("Extension"), |c| {
            c.named(&[der::implicit(6, b"spiffe://corpus.example/\xff\xfe")]);
        }),
    ]
}
