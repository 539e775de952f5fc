//! A writer of DER, and of what only looks like it: every element is bytes, so any of them can be put together wrongly.

use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const UTF8: u8 = 0x0c;
pub(crate) const IA5: u8 = 0x16;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// One element, its length in the fewest octets.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag], length(content.len()).as_slice(), content].concat()
}

fn length(length: usize) -> Vec<u8> {
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => vec![short],
        _ => {
            let octets = length.to_be_bytes();
            let octets = &octets[octets.iter().take_while(|octet| **octet == 0).count()..];
            let count = u8::try_from(octets.len()).expect("a length has at most eight octets");
            [&[0x80 | count], octets].concat()
        }
    }
}

/// The same element with its length in one octet more than it needs, as BER allows and DER does not.
pub(crate) fn with_long_length(tag: u8, content: &[u8]) -> Vec<u8> {
    let shortest = length(content.len());
    let mut long = match shortest[0] {
        short if short < 0x80 => vec![0x81],
        first => vec![first + 1, 0],
    };
    long.extend(if shortest[0] < 0x80 { &shortest[..] } else { &shortest[1..] });
    [&[tag], long.as_slice(), content].concat()
}

/// The same element without a length, ended by two zero octets, as BER allows and DER does not.
pub(crate) fn indefinite(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, 0x80], content, &[0, 0]].concat()
}

pub(crate) fn sequence<P: AsRef<[u8]>>(parts: &[P]) -> Vec<u8> {
    tlv(SEQUENCE, &joined(parts))
}

pub(crate) fn joined<P: AsRef<[u8]>>(parts: &[P]) -> Vec<u8> {
    parts.iter().flat_map(|part| part.as_ref().iter().copied()).collect()
}

/// A positive integer, with the zero octet in front that keeps it positive.
pub(crate) fn unsigned(octets: &[u8]) -> Vec<u8> {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count().min(octets.len().saturating_sub(1));
    let octets = &octets[zeros..];
    let sign = octets.first().is_none_or(|first| first & 0x80 != 0);
    tlv(INTEGER, &[if sign { &[0][..] } else { &[] }, octets].concat())
}

pub(crate) fn boolean(value: bool) -> Vec<u8> {
    tlv(BOOLEAN, &[if value { 0xff } else { 0 }])
}

pub(crate) fn bits(unused: u8, octets: &[u8]) -> Vec<u8> {
    tlv(BIT_STRING, &[&[unused], octets].concat())
}

pub(crate) fn octets(content: &[u8]) -> Vec<u8> {
    tlv(OCTET_STRING, content)
}

pub(crate) fn null() -> Vec<u8> {
    vec![5, 0]
}

/// An implicit primitive context tag.
pub(crate) fn implicit(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0x80 | number, content)
}

/// A constructed context tag: explicit, or implicit over a sequence.
pub(crate) fn constructed(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0xa0 | number, content)
}

/// An object identifier from its dotted text.
pub(crate) fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u64> = dotted.split('.').map(|arc| arc.parse().expect("dotted decimals")).collect();
    let mut content = base128(arcs[0] * 40 + arcs[1]);
    content.extend(arcs[2..].iter().flat_map(|arc| base128(*arc)));
    tlv(0x06, &content)
}

fn base128(mut arc: u64) -> Vec<u8> {
    let mut octets = vec![u8::try_from(arc & 0x7f).expect("seven bits")];
    while arc > 0x7f {
        arc >>= 7;
        octets.insert(0, 0x80 | u8::try_from(arc & 0x7f).expect("seven bits"));
    }
    octets
}

/// A time as RFC 5280 §4.1.2.5 wants it: UTCTime to the end of 2049, GeneralizedTime from 2050.
pub(crate) fn time(at: SystemTime) -> Vec<u8> {
    let (year, rest) = calendar(at);
    match year {
        1950..2050 => tlv(UTC_TIME, format!("{:02}{rest}Z", year % 100).as_bytes()),
        _ => tlv(GENERALIZED_TIME, format!("{year:04}{rest}Z").as_bytes()),
    }
}

/// The year, and month to second as ten digits.
pub(crate) fn calendar(at: SystemTime) -> (u64, String) {
    let seconds = at.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let (mut days, of_day) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    while days >= days_in(year) {
        days -= days_in(year);
        year += 1;
    }
    let mut month = 1;
    while days >= days_of_month(year, month) {
        days -= days_of_month(year, month);
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    (year, format!("{month:02}{:02}{hour:02}{minute:02}{second:02}", days + 1))
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[test]
fn what_is_written_is_what_others_write() {
    assert_eq!(oid("2.5.29.17"), [6, 3, 0x55, 0x1d, 0x11]);
    assert_eq!(oid("1.2.840.10045.2.1"), [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]);
    assert_eq!(unsigned(&[0, 0x80]), [2, 2, 0, 0x80]);
    assert_eq!(tlv(4, &[7; 200])[..3], [4, 0x81, 200]);
    assert_eq!(tlv(4, &[7; 300])[..4], [4, 0x82, 1, 44]);
    assert_eq!(with_long_length(4, &[7]), [4, 0x81, 1, 7]);
    assert_eq!(with_long_length(4, &[7; 200])[..4], [4, 0x82, 0, 200]);
    let at = |seconds| UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    assert_eq!(time(at(951_782_399)), tlv(UTC_TIME, b"000228235959Z"));
    assert_eq!(time(at(951_782_400)), tlv(UTC_TIME, b"000229000000Z"));
    assert_eq!(time(at(2_524_608_000)), tlv(GENERALIZED_TIME, b"20500101000000Z"));
}
