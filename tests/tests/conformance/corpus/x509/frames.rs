//! What holds the content: version, serial number, names, and the encoding itself.

use super::super::certificate::{SUBJECT_ALT_NAME, name};
use super::super::der;
use super::{ACCEPT, Case, Certificate, Make, Wanted, leaf, refuse, whole};

/// Versions and numbers, names, encoding.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = numbers();
    cases.extend(subjects());
    cases.extend(encoding());
    cases
}

fn numbers() -> Vec<Case> {
    let version = |id, spoil: fn(&mut Certificate)| leaf(id, "RFC 5280 4.1.2.1", refuse("Version"), spoil);
    let serial = |id, spoil: fn(&mut Certificate)| leaf(id, "RFC 5280 4.1.2.2", refuse("Serial"), spoil);
    vec![
        version("version-1-with-extensions", |c| c.version.clear()),
        version("version-2-with-extensions", |c| c.version = der::constructed(0, &der::unsigned(&[1]))),
        version("version-4", |c| c.version = der::constructed(0, &der::unsigned(&[3]))),
        leaf("serial-of-twenty-octets", "RFC 5280 4.1.2.2", ACCEPT, |c| {
            c.serial = der::unsigned(&[0x7f; 20]);
        }),
        leaf("serial-one", "RFC 5280 4.1.2.2", ACCEPT, |c| c.serial = der::unsigned(&[1])),
        serial("serial-of-twenty-one-octets", |c| c.serial = der::unsigned(&[0x7f; 21])),
        serial("serial-of-twenty-octets-and-a-sign", |c| c.serial = der::unsigned(&[0xff; 20])),
        serial("serial-zero", |c| c.serial = der::unsigned(&[0])),
        serial("serial-negative", |c| c.serial = der::tlv(der::INTEGER, &[0x80, 1])),
        leaf("serial-of-no-octets", "RFC 5280 4.1.2.2", refuse("Layout"), |c| {
            c.serial = der::tlv(der::INTEGER, &[]);
        }),
        leaf("serial-with-a-needless-zero", "RFC 5280 4.1.2.2", refuse("Layout"), |c| {
            c.serial = der::tlv(der::INTEGER, &[0, 1]);
        }),
        leaf("serial-left-out", "RFC 5280 4.1.2.2", refuse("Layout"), |c| c.serial.clear()),
    ]
}

fn subjects() -> Vec<Case> {
    vec![
        leaf("subject-of-a-common-name", "X509-SVID 2 other-names", ACCEPT, |c| c.subject = name("web")),
        leaf("subject-that-contradicts", "X509-SVID 2 one-uri", ACCEPT, |c| {
            c.subject = name("spiffe://corpus.example/ns/shop/sa/admin");
        }),
        leaf("issuer-of-another-name", "X509-SVID 5.1 names", refuse("UnknownAuthority"), |c| {
            c.issuer = Some(name("somebody"));
        }),
        leaf("no-extensions", "X509-SVID 2 one-uri", refuse("KeyUsageMissing"), |c| c.extensions.clear()),
    ]
}

fn encoding() -> Vec<Case> {
    let no_certificate = |id, spoil: fn(Vec<u8>) -> Vec<u8>| bytes(id, refuse("NotACertificate"), spoil);
    vec![
        no_certificate("nothing", |_| Vec::new()),
        no_certificate("one-zero", |_| vec![0]),
        no_certificate("last-byte-missing", |mut der| {
            der.pop();
            der
        }),
        no_certificate("half-of-it", |der| der[..der.len() / 2].to_vec()),
        no_certificate("length-without-end", |_| vec![0x30, 0x80]),
        no_certificate("length-of-four-gigabytes", |der| {
            [&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &der[4..]].concat()
        }),
        no_certificate("length-longer-than-needed", |der| der::with_long_length(der::SEQUENCE, &der[4..])),
        no_certificate("indefinite-length", |der| der::indefinite(der::SEQUENCE, &der[4..])),
        no_certificate("set-in-place-of-sequence", |mut der| {
            der[0] = der::SET;
            der
        }),
        no_certificate("text-form", |_| {
            b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".to_vec()
        }),
        bytes("nested-a-thousand-times", refuse("Layout"), |_| {
            (0..1000).fold(Vec::new(), |inner, _| der::tlv(der::SEQUENCE, &inner))
        }),
        bytes("bytes-behind", refuse("TrailingBytes"), |mut der| {
            der.extend([0, 0]);
            der
        }),
        bytes("two-in-one", refuse("TrailingBytes"), |der| der.repeat(2)),
        leaf("value-with-a-long-length", "RFC 5280 4.1", refuse("Extension"), |c| {
            let names = c.extension(SUBJECT_ALT_NAME);
            names.value = der::with_long_length(der::SEQUENCE, &names.value[2..]);
        }),
        leaf("value-with-an-indefinite-length", "RFC 5280 4.1", refuse("Extension"), |c| {
            let names = c.extension(SUBJECT_ALT_NAME);
            names.value = der::indefinite(der::SEQUENCE, &names.value[2..]);
        }),
        leaf("unique-identifiers", "RFC 5280 4.1.2.8", refuse("UniqueIdentifier"), |c| {
            c.unique = der::implicit(1, &[0, 1, 2, 3]);
        }),
        whole("no-chain-at-all", "X509-SVID 5.1 path", refuse("Empty"), |world| {
            let mut presented = world.present(Vec::new());
            presented.chain.clear();
            presented
        }),
    ]
}

fn bytes(id: &'static str, wanted: Wanted, spoil: fn(Vec<u8>) -> Vec<u8>) -> Case {
    Case { id, rule: "RFC 5280 4.1", wanted, make: Make::Bytes(spoil) }
}
