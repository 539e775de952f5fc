//! The JOSE header: its algorithm above all, and that nothing else stands in it.

use super::{ACCEPT, Case, case, refuse};

/// The algorithm, the other two headers, and those that must not be there.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = algorithms();
    cases.extend(refused_algorithms());
    cases.extend(kid_and_typ());
    cases.extend(others());
    cases
}

fn algorithms() -> Vec<Case> {
    let alg = "JWT-SVID 2.1 alg";
    vec![
        case("es256", alg, ACCEPT, |_, _| ()),
        case("es384", alg, ACCEPT, |d, keys| d.sign(keys.es384, "ES384", "es384")),
        case("es512", alg, ACCEPT, |d, keys| d.sign(keys.es512, "ES512", "es512")),
        case("rs256", alg, ACCEPT, |d, keys| d.sign(keys.rsa, "RS256", "rsa")),
        case("rs384", alg, ACCEPT, |d, keys| d.sign(keys.rsa, "RS384", "rsa")),
        case("rs512", alg, ACCEPT, |d, keys| d.sign(keys.rsa, "RS512", "rsa")),
        case("ps256", alg, ACCEPT, |d, keys| d.sign(keys.rsa, "PS256", "rsa")),
        case("ps384", alg, ACCEPT, |d, keys| d.sign(keys.rsa, "PS384", "rsa")),
        case("ps512", alg, ACCEPT, |d, keys| d.sign(keys.rsa, "PS512", "rsa")),
    ]
}

fn refused_algorithms() -> Vec<Case> {
    let alg = |id, change| case(id, "JWT-SVID 2.1 alg", refuse("Algorithm"), change);
    vec![
        alg("none", |d, _| d.header = r#"{"alg":"none"}"#.into()),
        alg("none-in-other-letters", |d, _| d.header = r#"{"alg":"nOnE"}"#.into()),
        alg("hs256", |d, _| d.header = r#"{"alg":"HS256","kid":"es256"}"#.into()),
        alg("hs512", |d, _| d.header = r#"{"alg":"HS512","kid":"rsa"}"#.into()),
        alg("eddsa", |d, _| d.header = r#"{"alg":"EdDSA","kid":"es256"}"#.into()),
        alg("es256k", |d, _| d.header = r#"{"alg":"ES256K","kid":"es256"}"#.into()),
        alg("lower-case", |d, _| d.header = r#"{"alg":"es256","kid":"es256"}"#.into()),
        alg("with-a-space", |d, _| d.header = r#"{"alg":"ES256 ","kid":"es256"}"#.into()),
        alg("empty", |d, _| d.header = r#"{"alg":"","kid":"es256"}"#.into()),
        alg("a-number", |d, _| d.header = r#"{"alg":256,"kid":"es256"}"#.into()),
        alg("null", |d, _| d.header = r#"{"alg":null,"kid":"es256"}"#.into()),
        alg("an-array", |d, _| d.header = r#"{"alg":["ES256"],"kid":"es256"}"#.into()),
        case("no-alg", "JWT-SVID 2.1 alg", refuse("AlgorithmMissing"), |d, _| {
            d.header = r#"{"kid":"es256"}"#.into();
        }),
        case("empty-header", "JWT-SVID 2.1 alg", refuse("AlgorithmMissing"), |d, _| d.header = "{}".into()),
        case("alg-before-all-else", "JWT-SVID 4 alg-first", refuse("Algorithm"), |d, _| {
            // Wrong in three more ways, of which none may be reported, or looked at, first.
            d.header = r#"{"alg":"none","typ":"x","crit":["b64"]}"#.into();
            d.claims = "no json".into();
        }),
        case("alg-twice", "RFC 7515 4", refuse("Json"), |d, _| {
            d.header = r#"{"alg":"ES256","alg":"none","kid":"es256"}"#.into();
        }),
        case("alg-twice-spelt-differently", "RFC 7515 4", refuse("Json"), |d, _| {
            d.header = r#"{"alg":"ES256","\u0061lg":"none","kid":"es256"}"#.into();
        }),
    ]
}

fn kid_and_typ() -> Vec<Case> {
    vec![
        case("no-kid", "JWT-SVID 2.2 kid", ACCEPT, |d, _| d.header = r#"{"alg":"ES256"}"#.into()),
        case("kid-of-no-key", "JWT-SVID 6.2 extract", refuse("UnknownKey"), |d, _| {
            d.header = r#"{"alg":"ES256","kid":"ES256"}"#.into();
        }),
        case("kid-a-number", "JWT-SVID 2.2 kid", refuse("KeyId"), |d, _| {
            d.header = r#"{"alg":"ES256","kid":1}"#.into();
        }),
        case("typ-jwt", "JWT-SVID 2.3 typ", ACCEPT, |d, _| {
            d.header = r#"{"alg":"ES256","typ":"JWT"}"#.into();
        }),
        case("typ-jose", "JWT-SVID 2.3 typ", ACCEPT, |d, _| {
            d.header = r#"{"alg":"ES256","typ":"JOSE"}"#.into();
        }),
        case("typ-lower-case", "JWT-SVID 2.3 typ", refuse("Type"), |d, _| {
            d.header = r#"{"alg":"ES256","typ":"jwt"}"#.into();
        }),
        case("typ-of-an-access-token", "JWT-SVID 2.3 typ", refuse("Type"), |d, _| {
            d.header = r#"{"alg":"ES256","typ":"at+jwt"}"#.into();
        }),
        case("typ-of-a-wit", "JWT-SVID 2.3 typ", refuse("Type"), |d, _| {
            d.header = r#"{"alg":"ES256","typ":"wit+jwt"}"#.into();
        }),
        case("typ-null", "JWT-SVID 2.3 typ", refuse("Type"), |d, _| {
            d.header = r#"{"alg":"ES256","typ":null}"#.into();
        }),
    ]
}

fn others() -> Vec<Case> {
    let other = |id, change| case(id, "JWT-SVID 2 other-headers", refuse("OtherHeader"), change);
    vec![
        other("crit", |d, _| d.header = r#"{"alg":"ES256","crit":["exp"]}"#.into()),
        other("b64", |d, _| d.header = r#"{"alg":"ES256","b64":false}"#.into()),
        other("cty", |d, _| d.header = r#"{"alg":"ES256","cty":"JWT"}"#.into()),
        other("jku", |d, _| d.header = r#"{"alg":"ES256","jku":"https://evil.example/keys"}"#.into()),
        other("x5u", |d, _| d.header = r#"{"alg":"ES256","x5u":"https://evil.example/chain"}"#.into()),
        other("x5c", |d, _| d.header = r#"{"alg":"ES256","x5c":[]}"#.into()),
        other("x5t", |d, _| d.header = r#"{"alg":"ES256","x5t":"AA"}"#.into()),
        other("zip", |d, _| d.header = r#"{"alg":"ES256","zip":"DEF"}"#.into()),
        other("private", |d, _| d.header = r#"{"alg":"ES256","kith":true}"#.into()),
        other("jwk", |d, keys| {
            let key = super::jwk::described(keys.stranger);
            d.header = format!(r#"{{"alg":"ES256","jwk":{{{key}}}}}"#);
            d.signer = keys.stranger;
        }),
    ]
}
