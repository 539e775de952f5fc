//! What a token claims: for whom, to whom, and until when.

use super::{ACCEPT, Case, NOW, WEB, case, claims_of, refuse};

/// Subject, audience, times, and the rest.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = subjects();
    cases.extend(audiences());
    cases.extend(expiry());
    cases.extend(other_times());
    cases.extend(others());
    cases
}

fn subjects() -> Vec<Case> {
    let sub = "JWT-SVID 3.1 sub";
    vec![
        case("no-sub", sub, refuse("SubjectMissing"), |d, _| {
            d.claims = format!(r#"{{"aud":"reports","exp":{}}}"#, NOW + 300);
        }),
        case("sub-a-number", sub, refuse("SubjectMissing"), |d, _| {
            d.claims = format!(r#"{{"sub":7,"aud":"reports","exp":{}}}"#, NOW + 300);
        }),
        case("sub-empty", sub, refuse("Subject"), |d, _| d.claims = claims_of("", r#""reports""#, NOW + 300)),
        case("sub-a-name", sub, refuse("Subject"), |d, _| {
            d.claims = claims_of("web", r#""reports""#, NOW + 300);
        }),
        case("sub-of-another-scheme", sub, refuse("Subject"), |d, _| {
            d.claims = claims_of("https://corpus.example/ns/shop/sa/web", r#""reports""#, NOW + 300);
        }),
        case("sub-in-upper-case", "SPIFFE-ID 2.1 lower-case", refuse("Subject"), |d, _| {
            d.claims = claims_of("spiffe://CORPUS.example/ns/shop/sa/web", r#""reports""#, NOW + 300);
        }),
        case("sub-with-a-query", "SPIFFE-ID 2 query", refuse("Subject"), |d, _| {
            d.claims = claims_of("spiffe://corpus.example/web?a=b", r#""reports""#, NOW + 300);
        }),
        case("sub-with-a-line-feed", "SPIFFE-ID 2.2 alphabet", refuse("Subject"), |d, _| {
            d.claims = claims_of(r"spiffe://corpus.example/web\n", r#""reports""#, NOW + 300);
        }),
        case("sub-of-the-trust-domain", sub, refuse("SubjectPath"), |d, _| {
            d.claims = claims_of("spiffe://corpus.example", r#""reports""#, NOW + 300);
        }),
        case(
            "sub-of-a-domain-without-bundle",
            "Workload-API 6.3 bundle-of-subject",
            refuse("NoBundle"),
            |d, _| {
                d.claims = claims_of("spiffe://other.example/web", r#""reports""#, NOW + 300);
            },
        ),
        case("sub-written-with-escapes", sub, ACCEPT, |d, _| {
            d.claims = claims_of(r"spiffe:\/\/corpus.example\u002fweb", r#""reports""#, NOW + 300);
        }),
    ]
}

fn audiences() -> Vec<Case> {
    let (aud, other) = ("JWT-SVID 3.2 aud", "JWT-SVID 3.2 other-aud");
    vec![
        case("aud-of-several", aud, ACCEPT, |d, _| {
            d.claims = claims_of(WEB, r#"["billing","reports"]"#, NOW + 300);
        }),
        case("aud-of-one-in-an-array", aud, ACCEPT, |d, _| {
            d.claims = claims_of(WEB, r#"["reports"]"#, NOW + 300);
        }),
        case("no-aud", aud, refuse("AudienceMissing"), |d, _| {
            d.claims = format!(r#"{{"sub":"{WEB}","exp":{}}}"#, NOW + 300);
        }),
        case("aud-of-nobody", aud, refuse("AudienceMissing"), |d, _| {
            d.claims = claims_of(WEB, "[]", NOW + 300)
        }),
        case("aud-null", aud, refuse("Audience"), |d, _| d.claims = claims_of(WEB, "null", NOW + 300)),
        case("aud-a-number", aud, refuse("Audience"), |d, _| d.claims = claims_of(WEB, "7", NOW + 300)),
        case("aud-with-a-number", aud, refuse("Audience"), |d, _| {
            d.claims = claims_of(WEB, r#"["reports",7]"#, NOW + 300);
        }),
        case("aud-within-aud", aud, refuse("Audience"), |d, _| {
            d.claims = claims_of(WEB, r#"[["reports"]]"#, NOW + 300);
        }),
        case("aud-of-somebody-else", other, refuse("OtherAudience"), |d, _| {
            d.claims = claims_of(WEB, r#""billing""#, NOW + 300);
        }),
        case("aud-in-other-letters", other, refuse("OtherAudience"), |d, _| {
            d.claims = claims_of(WEB, r#""Reports""#, NOW + 300);
        }),
        case("aud-that-only-begins-alike", other, refuse("OtherAudience"), |d, _| {
            d.claims = claims_of(WEB, r#""reports.evil""#, NOW + 300);
        }),
        case("aud-separated-by-spaces", other, refuse("OtherAudience"), |d, _| {
            d.claims = claims_of(WEB, r#""billing reports""#, NOW + 300);
        }),
        case("aud-empty", other, refuse("OtherAudience"), |d, _| {
            d.claims = claims_of(WEB, r#""""#, NOW + 300)
        }),
        case("nobody-asks", other, refuse("NobodyAsks"), |d, _| {
            d.claims = claims_of(WEB, r#""""#, NOW + 300);
            d.audience = "";
        }),
        case("aud-of-a-thousand", "Kith", refuse("TooManyAudiences"), |d, _| {
            let all = vec![r#""reports""#; 1000].join(",");
            d.claims = claims_of(WEB, &format!("[{all}]"), NOW + 300);
        }),
    ]
}

fn expiry() -> Vec<Case> {
    let (exp, expired) = ("JWT-SVID 3.3 exp", "JWT-SVID 4 expired");
    vec![
        case("no-exp", exp, refuse("ExpiryMissing"), |d, _| {
            d.claims = format!(r#"{{"sub":"{WEB}","aud":"reports"}}"#);
        }),
        case("exp-null", exp, refuse("Time"), |d, _| {
            d.claims = format!(r#"{{"sub":"{WEB}","aud":"reports","exp":null}}"#);
        }),
        case("exp-text", exp, refuse("Time"), |d, _| {
            d.claims = format!(r#"{{"sub":"{WEB}","aud":"reports","exp":"1800000300"}}"#);
        }),
        case("exp-negative", exp, refuse("Time"), |d, _| d.claims = claims_of(WEB, r#""reports""#, -1)),
        case("exp-zero", expired, refuse("Expired"), |d, _| d.claims = claims_of(WEB, r#""reports""#, 0)),
        case("exp-now", expired, refuse("Expired"), |d, _| d.claims = claims_of(WEB, r#""reports""#, NOW)),
        case("exp-in-a-second", expired, ACCEPT, |d, _| d.claims = claims_of(WEB, r#""reports""#, NOW + 1)),
        case("exp-a-second-ago", expired, refuse("Expired"), |d, _| {
            d.claims = claims_of(WEB, r#""reports""#, NOW - 1);
        }),
        case("exp-with-a-fraction", "RFC 7519 2", ACCEPT, |d, _| {
            d.claims = format!(r#"{{"sub":"{WEB}","aud":"reports","exp":1800000300.5}}"#);
        }),
        case("exp-in-milliseconds", "RFC 7519 2", refuse("Time"), |d, _| {
            d.claims = claims_of(WEB, r#""reports""#, (NOW + 300) * 1000);
        }),
        case("exp-beyond-all-numbers", "RFC 7519 2", refuse("Time"), |d, _| {
            d.claims = format!(r#"{{"sub":"{WEB}","aud":"reports","exp":99999999999999999999999999}}"#);
        }),
        case("exp-as-infinity", "RFC 7519 2", refuse("Time"), |d, _| {
            d.claims = format!(r#"{{"sub":"{WEB}","aud":"reports","exp":1e999}}"#);
        }),
        case("exp-twice", "RFC 7519 4", refuse("Json"), |d, _| {
            d.claims = format!(r#"{{"sub":"{WEB}","aud":"reports","exp":1,"exp":1800000300}}"#);
        }),
    ]
}

/// `nbf` and `iat`, with the minute by which clocks may differ.
fn other_times() -> Vec<Case> {
    vec![
        case("nbf-now", "RFC 7519 4.1.5", ACCEPT, |d, _| with(d, &format!(r#""nbf":{NOW}"#))),
        case("nbf-within-a-minute", "RFC 7519 4.1.5", ACCEPT, |d, _| {
            with(d, &format!(r#""nbf":{}"#, NOW + 60))
        }),
        case("nbf-in-the-future", "RFC 7519 4.1.5", refuse("NotYet"), |d, _| {
            with(d, &format!(r#""nbf":{}"#, NOW + 61));
        }),
        case("nbf-text", "RFC 7519 4.1.5", refuse("Time"), |d, _| with(d, r#""nbf":"now""#)),
        case("iat-now", "RFC 7519 4.1.6", ACCEPT, |d, _| with(d, &format!(r#""iat":{NOW}"#))),
        case("iat-in-the-future", "RFC 7519 4.1.6", refuse("NotYet"), |d, _| {
            with(d, &format!(r#""iat":{}"#, NOW + 61));
        }),
    ]
}

fn with(draft: &mut super::Draft, more: &str) {
    draft.claims = format!(r#"{{"sub":"{WEB}","aud":"reports","exp":{},{more}}}"#, NOW + 300);
}

fn others() -> Vec<Case> {
    vec![
        case("further-claims", "RFC 7519 4.3", ACCEPT, |d, _| {
            with(d, r#""iss":"https://corpus.example","jti":"1","groups":["a",{"b":[1.5e3,null,true]}]"#);
        }),
        case("sub-twice", "RFC 7519 4", refuse("Json"), |d, _| {
            with(d, r#""sub":"spiffe://corpus.example/ns/shop/sa/admin""#);
        }),
        case("aud-twice-spelt-differently", "RFC 7519 4", refuse("Json"), |d, _| {
            with(d, r#""\u0061ud":"billing""#)
        }),
        case("further-claim-twice-within", "RFC 7519 4", refuse("Json"), |d, _| {
            with(d, r#""a":{"b":1,"b":2}"#)
        }),
        case("nested-a-thousand-times", "Kith", refuse("Json"), |d, _| {
            with(d, &format!(r#""a":{}{}"#, "[".repeat(1000), "]".repeat(1000)));
        }),
    ]
}
