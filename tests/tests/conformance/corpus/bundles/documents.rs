//! The set itself: its members, its numbers, its JSON and its size.

use super::{Case, jwk, read, refuse, set};

/// Members, numbers, JSON, size.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = members();
    cases.extend(numbers());
    cases.extend(json());
    cases
}

fn members() -> Vec<Case> {
    let keys = "Bundle 4.1.3 keys";
    vec![
        set("no-keys", keys, refuse("KeysMissing"), |_| "{}".into()),
        set("no-keys-beside-a-sequence", keys, refuse("KeysMissing"), |_| r#"{"spiffe_sequence":1}"#.into()),
        set("keys-in-upper-case", keys, refuse("KeysMissing"), |_| r#"{"Keys":[]}"#.into()),
        set("keys-null", keys, refuse("Json"), |_| r#"{"keys":null}"#.into()),
        set("keys-an-object", keys, refuse("Json"), |_| r#"{"keys":{}}"#.into()),
        set("keys-of-text", keys, refuse("Json"), |_| r#"{"keys":["a"]}"#.into()),
        set("keys-empty", "Bundle 4.1.3 none", read(0, 0), |_| jwk::set(&[])),
        set("keys-of-unknown-kinds", "Bundle 4.1.3 none", read(0, 0), |_| {
            jwk::set(&[r#"{"kty":"x","use":"y"}"#.into()])
        }),
        set("set-with-further-members", "Bundle 4.1 unknown-parameters", read(1, 1), |p| {
            let keys = jwk::set(&[p.x509(), p.jwt()]);
            keys.replacen('{', r#"{"note":{"a":[true,1.5e3]},"#, 1)
        }),
        set("without-the-standard's-own", "Bundle 4.1 unknown-parameters", read(1, 0), |p| {
            jwk::set(&[p.x509()])
        }),
    ]
}

/// The set with one authority and these members.
fn with(parts: &super::Parts, members: &str) -> String {
    jwk::set(&[parts.x509()]).replacen('{', &format!("{{{members},"), 1)
}

fn numbers() -> Vec<Case> {
    let (width, seconds) = ("Bundle 4.1.1 width", "Bundle 4.1.2 seconds");
    vec![
        set("sequence-and-hint", width, read(1, 0), |p| {
            with(p, r#""spiffe_sequence":12,"spiffe_refresh_hint":300"#)
        }),
        set("sequence-zero", width, read(1, 0), |p| with(p, r#""spiffe_sequence":0"#)),
        set("sequence-of-64-bits", width, read(1, 0), |p| {
            with(p, r#""spiffe_sequence":18446744073709551615"#)
        }),
        set("sequence-of-65-bits", width, refuse("Json"), |p| {
            with(p, r#""spiffe_sequence":18446744073709551616"#)
        }),
        set("sequence-negative", "Bundle 4.1.1 monotonic", refuse("Json"), |p| {
            with(p, r#""spiffe_sequence":-1"#)
        }),
        set("sequence-with-a-fraction", "Bundle 4.1.1 monotonic", refuse("Json"), |p| {
            with(p, r#""spiffe_sequence":1.0"#)
        }),
        set("sequence-with-an-exponent", "Bundle 4.1.1 monotonic", refuse("Json"), |p| {
            with(p, r#""spiffe_sequence":1e3"#)
        }),
        set("sequence-text", "Bundle 4.1.1 monotonic", refuse("Json"), |p| {
            with(p, r#""spiffe_sequence":"1""#)
        }),
        set("hint-zero", seconds, read(1, 0), |p| with(p, r#""spiffe_refresh_hint":0"#)),
        set("hint-of-a-thousand-years", seconds, read(1, 0), |p| {
            with(p, r#""spiffe_refresh_hint":1000000000000000000"#)
        }),
        set("hint-with-a-fraction", seconds, refuse("Json"), |p| with(p, r#""spiffe_refresh_hint":300.5"#)),
        set("hint-text", seconds, refuse("Json"), |p| with(p, r#""spiffe_refresh_hint":"300""#)),
        set("hint-null", seconds, refuse("Json"), |p| with(p, r#""spiffe_refresh_hint":null"#)),
    ]
}

fn json() -> Vec<Case> {
    let json = |id, make| set(id, "RFC 8259 2", refuse("Json"), make);
    vec![
        json("nothing", |_| String::new()),
        json("an-array", |p| format!("[{}]", p.x509())),
        json("text-form-of-a-certificate", |_| "-----BEGIN CERTIFICATE-----".into()),
        json("bytes-behind", |p| jwk::set(&[p.x509()]) + "{}"),
        json("comma-too-many", |_| r#"{"keys":[],}"#.into()),
        json("comment", |_| r#"{"keys":[]/**/}"#.into()),
        json("half-of-it", |p| {
            let whole = jwk::set(&[p.x509()]);
            whole[..whole.len() / 2].to_owned()
        }),
        set("keys-twice", "RFC 8259 4", refuse("Json"), |p| {
            format!(r#"{{"keys":[],"keys":[{}]}}"#, p.x509())
        }),
        set("use-twice-in-an-entry", "RFC 8259 4", refuse("Json"), |p| {
            jwk::set(&[p.jwt().replace(r#""use""#, r#""use":"x509-svid","use""#)])
        }),
        set("sequence-twice", "RFC 8259 4", refuse("Json"), |p| {
            with(p, r#""spiffe_sequence":2,"spiffe_sequence":1"#)
        }),
        set("nested-a-thousand-times", "Kith", refuse("Json"), |p| {
            with(p, &format!(r#""a":{}{}"#, "[".repeat(1000), "]".repeat(1000)))
        }),
        set("hundred-keys", "Kith", read(0, 100), |p| {
            let key = |number: usize| jwk::token_key(p.token_key, &format!("key {number}"));
            jwk::set(&(0..100).map(key).collect::<Vec<_>>())
        }),
        set("hundred-and-one-keys", "Kith", refuse("TooManyKeys"), |_| jwk::set(&vec!["{}".to_owned(); 101])),
        set("two-megabytes", "Kith", refuse("Json"), |p| {
            with(p, &format!(r#""a":"{}""#, "a".repeat(2 * 1024 * 1024)))
        }),
    ]
}
