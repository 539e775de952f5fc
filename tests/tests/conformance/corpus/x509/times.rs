//! When a certificate holds, and how it may say so.

use super::super::certificate::validity;
use super::super::der;
use super::{ACCEPT, Case, Certificate, Key, Presented, WEB, leaf, refuse, whole};

/// The edges of the validity, then its encodings.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = edges();
    cases.extend(encodings());
    cases
}

fn edges() -> Vec<Case> {
    let rule = "X509-SVID 5.1 validity";
    vec![
        whole("first-second", rule, ACCEPT, |world| world.present(world.issuing.svid()).at(-60)),
        whole("last-second", rule, ACCEPT, |world| world.present(world.issuing.svid()).at(3600)),
        whole("second-before", rule, refuse("NotYetValid"), |world| {
            world.present(world.issuing.svid()).at(-61)
        }),
        whole("second-after", rule, refuse("Expired"), |world| world.present(world.issuing.svid()).at(3601)),
        whole("day-after", rule, refuse("Expired"), |world| world.present(world.issuing.svid()).at(86_400)),
        leaf("of-one-second", rule, ACCEPT, |c| c.validity = validity(0, 0)),
        leaf("for-ten-years", rule, ACCEPT, |c| c.validity = validity(-60, 3650 * 86_400)),
        leaf("longer-than-its-issuer", rule, ACCEPT, |c| c.validity = validity(-60, 400 * 86_400)),
        whole("issuer-ended-before", rule, refuse("Expired"), |world| {
            let mut leaf = Certificate::leaf(WEB, Key::p256());
            leaf.validity = validity(-60, 800 * 86_400);
            world.present(world.issuing.sign(&leaf)).at(366 * 86_400)
        }),
        leaf("ends-before-it-begins", "RFC 5280 4.1.2.5", refuse("Validity"), |c| {
            c.validity = validity(60, -60);
        }),
    ]
}

fn utc(text: &[u8]) -> Vec<u8> {
    der::tlv(der::UTC_TIME, text)
}

fn generalized(text: &[u8]) -> Vec<u8> {
    der::tlv(der::GENERALIZED_TIME, text)
}

/// The end of the validity in this encoding; a correct one is later than every verdict.
fn until(certificate: &mut Certificate, end: Vec<u8>) {
    certificate.validity = der::sequence(&[utc(b"270101000000Z"), end]);
}

fn encodings() -> Vec<Case> {
    let bad = |id, spoil: fn(&mut Certificate)| leaf(id, "RFC 5280 4.1.2.5", refuse("Moment"), spoil);
    let good = |id, spoil: fn(&mut Certificate)| leaf(id, "RFC 5280 4.1.2.5", ACCEPT, spoil);
    vec![
        good("until-2049", |c| until(c, utc(b"491231235959Z"))),
        good("until-2050", |c| until(c, generalized(b"20500101000000Z"))),
        good("until-2038", |c| until(c, utc(b"380119031408Z"))),
        good("until-the-end-of-time", |c| until(c, generalized(b"99991231235959Z"))),
        good("until-a-leap-day", |c| until(c, utc(b"280229000000Z"))),
        whole("within-2050", "RFC 5280 4.1.2.5", ACCEPT, |world| long_lived(world, 24 * 365 * 86_400)),
        bad("leap-day-of-a-common-year", |c| until(c, utc(b"270229000000Z"))),
        bad("generalized-before-2050", |c| until(c, generalized(b"20490101000000Z"))),
        bad("without-seconds", |c| until(c, utc(b"4901010000Z"))),
        bad("without-zone", |c| until(c, utc(b"490101000000"))),
        bad("with-an-offset", |c| until(c, utc(b"490101000000+0000"))),
        bad("with-a-fraction", |c| until(c, generalized(b"20500101000000.5Z"))),
        bad("month-thirteen", |c| until(c, utc(b"491301000000Z"))),
        bad("day-zero", |c| until(c, utc(b"490100000000Z"))),
        bad("hour-twenty-four", |c| until(c, utc(b"490101240000Z"))),
        bad("second-sixty", |c| until(c, utc(b"491231235960Z"))),
        bad("letters", |c| until(c, utc(b"49010100000aZ"))),
        bad("empty", |c| until(c, utc(b""))),
        bad("from-1950", |c| c.validity = der::sequence(&[utc(b"500101000000Z"), utc(b"490101000000Z")])),
        leaf("time-of-another-type", "RFC 5280 4.1.2.5", refuse("Moment"), |c| {
            until(c, der::tlv(der::UTF8, b"490101000000Z"));
        }),
        leaf("no-end", "RFC 5280 4.1.2.5", refuse("Layout"), |c| {
            c.validity = der::sequence(&[utc(b"270101000000Z")]);
        }),
    ]
}

/// A chain that holds for thirty years.
fn long_lived(_: &super::World, offset: i64) -> Presented {
    let long = validity(-60, 30 * 365 * 86_400);
    let root = super::Signer::root_with("root", Key::p256(), |c| c.validity.clone_from(&long));
    let mut leaf = Certificate::leaf(WEB, Key::p256());
    leaf.validity = long;
    Presented::new(vec![root.sign(&leaf)], &root.der).at(offset)
}
