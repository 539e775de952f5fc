//! How a token is written: three parts of base64url with JSON in two of them, and no other way.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};

use super::{Case, Draft, case, refuse};

/// Parts, their encoding, their JSON.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = parts();
    cases.extend(encoding());
    cases.extend(json());
    cases
}

fn spoilt(
    id: &'static str,
    rule: &'static str,
    kind: &'static str,
    change: fn(&mut Draft, &super::Keys),
) -> Case {
    case(id, rule, refuse(kind), change)
}

fn parts() -> Vec<Case> {
    let compact = |id, change| spoilt(id, "JWT-SVID 5.1 compact", "NotCompact", change);
    vec![
        compact("nothing", |d, _| d.spoil = |_| String::new()),
        compact("two-dots", |d, _| d.spoil = |_| "..".into()),
        compact("one-part", |d, _| d.spoil = |token| token.replace('.', "")),
        compact("two-parts", |d, _| d.spoil = |token| token.rsplit_once('.').expect("three parts").0.into()),
        compact("four-parts", |d, _| d.spoil = |token| format!("{token}.AA")),
        compact("five-parts-as-encrypted", |d, _| d.spoil = |token| format!("{token}.AA.AA")),
        compact("empty-signature", |d, _| {
            d.spoil = |token| format!("{}.", token.rsplit_once('.').expect("three parts").0);
        }),
        compact("empty-claims", |d, _| {
            d.spoil = |token| {
                let parts: Vec<&str> = token.split('.').collect();
                format!("{}..{}", parts[0], parts[2])
            };
        }),
        compact("detached", |d, _| d.spoil = |_| "eyJhbGciOiJFUzI1NiJ9..AAAA".into()),
        spoilt("flattened-json", "JWT-SVID 1 json", "NotCompact", |d, _| {
            d.spoil = |token| {
                let parts: Vec<&str> = token.split('.').collect();
                format!(
                    r#"{{"protected":"{}","payload":"{}","signature":"{}"}}"#,
                    parts[0], parts[1], parts[2]
                )
            };
        }),
        spoilt("general-json", "JWT-SVID 1 json", "NotCompact", |d, _| {
            d.spoil = |token| {
                let parts: Vec<&str> = token.split('.').collect();
                let (header, claims, signature) = (parts[0], parts[1], parts[2]);
                format!(
                    r#"{{"payload":"{claims}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
                )
            };
        }),
        spoilt("hundred-kilobytes", "Kith", "TooLong", |d, _| d.spoil = |token| token + &"A".repeat(100_000)),
    ]
}

fn encoding() -> Vec<Case> {
    let encoded = |id, change| spoilt(id, "RFC 7515 2", "Encoding", change);
    vec![
        encoded("padded", |d, _| {
            d.spoil = |token| recode(&token, |part| URL_SAFE.encode(part));
        }),
        encoded("padded-at-the-end", |d, _| d.spoil = |token| format!("{token}==")),
        encoded("standard-alphabet", |d, _| {
            // The first octets of a signature are random: these two make sure of a + and a /.
            d.spoil = |token| {
                let signed = token.rsplit_once('.').expect("three parts").0;
                format!("{signed}.{}", STANDARD.encode([&[0xfb, 0xff, 0xfe][..], &[7; 60]].concat()))
            };
        }),
        encoded("space-within", |d, _| d.spoil = |token| token.replacen('.', " .", 1)),
        encoded("line-feed-at-the-end", |d, _| d.spoil = |token| format!("{token}\n")),
        encoded("space-before", |d, _| d.spoil = |token| format!(" {token}")),
        encoded("bearer-before", |d, _| d.spoil = |token| format!("Bearer {token}")),
        encoded("bits-behind-the-last-octet", |d, _| {
            // 64 octets end in a character with four bits to spare.
            d.spoil = |mut token| {
                let last = token.pop().expect("not empty");
                token.push(char::from(last as u8 + 1));
                token
            };
        }),
        encoded("letter-outside-ascii", |d, _| d.spoil = |token| token.replacen('.', ".\u{e9}", 1)),
    ]
}

/// Writes each part again.
fn recode(token: &str, encode: fn(Vec<u8>) -> String) -> String {
    let parts = token.split('.').map(|part| encode(URL_SAFE_NO_PAD.decode(part).expect("as it was encoded")));
    parts.collect::<Vec<_>>().join(".")
}

fn json() -> Vec<Case> {
    let json = |id, change| spoilt(id, "RFC 7519 7.2", "Json", change);
    vec![
        json("header-no-json", |d, _| d.header = "alg=ES256".into()),
        json("header-an-array", |d, _| d.header = r#"["ES256"]"#.into()),
        json("header-text", |d, _| d.header = r#""ES256""#.into()),
        json("header-with-bytes-behind", |d, _| d.header.push_str("{}")),
        json("header-with-a-comma-too-many", |d, _| d.header = r#"{"alg":"ES256",}"#.into()),
        json("header-with-a-comment", |d, _| d.header = r#"{"alg":"ES256"/**/}"#.into()),
        json("header-in-single-quotes", |d, _| d.header = "{'alg':'ES256'}".into()),
        json("header-after-a-byte-order-mark", |d, _| d.header.insert(0, '\u{feff}')),
        json("claims-no-json", |d, _| d.claims = "sub".into()),
        json("claims-an-array", |d, _| d.claims = format!("[{}]", d.claims)),
        json("claims-null", |d, _| d.claims = "null".into()),
        json("claims-with-bytes-behind", |d, _| d.claims.push('x')),
        json("claims-with-not-a-number", |d, _| {
            d.claims = d.claims.replace("\"exp\":", "\"exp\":NaN,\"a\":")
        }),
        json("claims-with-half-a-surrogate", |d, _| {
            d.claims = d.claims.replace("\"exp\"", "\"a\":\"\\ud800\",\"exp\"");
        }),
    ]
}
