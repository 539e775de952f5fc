//! What is a token at all: the serialization, base64url, JSON, sizes; and whatever bytes come.

use super::*;

// Conforms: JWT-SVID 5.1 compact, JWT-SVID 1 json
#[test]
fn only_the_compact_serialization_of_three_parts_is_a_token() {
    let good = MESH.key.token("ES256", ES256, &claims());
    assert!(verify(&good).is_ok());
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("three parts") };
    let flattened = format!(r#"{{"payload":"{claims}","protected":"{header}","signature":"{signature}"}}"#);
    let general = format!(
        r#"{{"payload":"{claims}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
    );
    for token in [
        "",
        ".",
        "..",
        "...",
        header,
        &format!("{header}.{claims}"),
        &format!("{header}.{claims}."),
        &format!(".{claims}.{signature}"),
        &format!("{header}..{signature}"),
        &format!("{good}."),
        &format!("{good}.{signature}"),
        &format!("{good}.{signature}.{signature}"),
        &flattened,
        &general,
    ] {
        assert_eq!(verify(token), Err(JwtError::NotCompact), "{token:?}");
    }
}

#[test]
fn a_part_has_one_spelling_in_base64url() {
    let good = MESH.key.token("ES256", ES256, &claims());
    for (token, part, offset) in [
        (format!(" {good}"), JwtPart::Header, 0),
        (format!("Bearer {good}"), JwtPart::Header, 6),
        (good.replacen('.', "=.", 1), JwtPart::Header, good.find('.').unwrap()),
        (good.replacen('.', ".+", 1), JwtPart::Claims, good.find('.').unwrap() + 1),
        (good.replacen('.', "./", 1), JwtPart::Claims, good.find('.').unwrap() + 1),
        (format!("{good}="), JwtPart::Signature, good.len()),
        (format!("{good}=="), JwtPart::Signature, good.len()),
        (format!("{good}\n"), JwtPart::Signature, good.len()),
    ] {
        assert_eq!(verify(&token), Err(JwtError::Encoding { part, offset }), "{token:?}");
    }
    // 64 octets leave four bits of the last letter unused: only the letter in which they are zero is the signature.
    let last = good.chars().last().unwrap();
    let spellings = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = spellings.find(last).unwrap();
    assert_eq!(at % 16, 0, "the engine that wrote it leaves them zero");
    for other in &spellings[at + 1..at + 16].chars().collect::<Vec<_>>() {
        let token = format!("{}{other}", &good[..good.len() - 1]);
        let (part, offset) = (JwtPart::Signature, good.len() - 1);
        assert_eq!(verify(&token), Err(JwtError::Encoding { part, offset }), "{other}");
    }
}

#[test]
fn header_and_claims_are_each_one_strict_json_object() {
    for (header, error) in [
        (r#"{"alg":"ES256","alg":"ES256"}"#, JsonError::Duplicate { offset: 15 }),
        (r#"{"alg":"none","\u0061lg":"ES256"}"#, JsonError::Duplicate { offset: 14 }),
        (r#"{"alg":"ES256"}{}"#, JsonError::Trailing { offset: 15 }),
        (r#"["ES256"]"#, JsonError::Kind { offset: 0, wanted: "object" }),
        ("\u{feff}{\"alg\":\"ES256\"}", JsonError::Syntax { offset: 0, wanted: "value" }),
    ] {
        assert_eq!(with_header(header), Err(JwtError::Json { part: JwtPart::Header, error }), "{header}");
    }
    let twice = claims().replace('}', r#","sub":"spiffe://demo.local/ns/shop/sa/admin"}"#);
    let refused = with_claims(&twice);
    let offset = claims().len();
    let error = JsonError::Duplicate { offset };
    assert_eq!(refused, Err(JwtError::Json { part: JwtPart::Claims, error }));
    for claim in ["aud", "exp", "anything"] {
        let spoilt = claims().replace('{', &format!(r#"{{"o":{{"{claim}":1,"{claim}":2}},"#));
        assert!(matches!(with_claims(&spoilt), Err(JwtError::Json { .. })), "{claim}");
    }
}

// W9.
#[test]
fn size_and_depth_are_bounded() {
    let long = "a".repeat(1024 * 1024);
    let limit = 64 * 1024;
    assert_eq!(verify(&long), Err(JwtError::TooLong { length: long.len(), limit }));
    let deep = claims().replace('}', &format!(",\"a\":{}}}", "[".repeat(40_000)));
    let part = JwtPart::Claims;
    let refused = with_claims(&deep).unwrap_err();
    assert!(
        matches!(refused, JwtError::Json { part: found, error: JsonError::TooDeep { .. } } if found == part),
        "{refused:?}"
    );
    let many = claims().replace('}', &format!(",\"a\":[{}0]}}", "0,".repeat(5_000)));
    assert!(matches!(with_claims(&many), Err(JwtError::Json { error: JsonError::TooMany { .. }, .. })));
    let wide = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "a".repeat(5_000));
    assert!(matches!(with_header(&wide), Err(JwtError::Json { error: JsonError::TooLong { .. }, .. })));
}

#[test]
fn every_reason_with_a_section_says_it() {
    for error in [
        JwtError::NotCompact,
        JwtError::Encoding { part: JwtPart::Header, offset: 1 },
        JwtError::Json { part: JwtPart::Claims, error: JsonError::Duplicate { offset: 1 } },
        JwtError::AlgorithmMissing,
        JwtError::Algorithm { offset: 1 },
        JwtError::KeyId { offset: 1 },
        JwtError::Type { offset: 1 },
        JwtError::OtherHeader { offset: 1 },
        JwtError::SubjectMissing,
        JwtError::SubjectPath,
        JwtError::AudienceMissing,
        JwtError::Audience { offset: 1 },
        JwtError::ExpiryMissing,
        JwtError::Time { claim: "exp", offset: 1 },
        JwtError::NobodyAsks,
        JwtError::OtherAudience,
        JwtError::Expired,
        JwtError::NotYet { claim: "nbf" },
        JwtError::NoBundle { trust_domain: demo() },
        JwtError::NoKeys { trust_domain: demo() },
        JwtError::UnknownKey { trust_domain: demo() },
        JwtError::KeyForOtherAlgorithm { trust_domain: demo() },
        JwtError::Signature { trust_domain: demo() },
    ] {
        let section = error.section().expect("a rule of a standard");
        assert!(error.to_string().ends_with(&format!("({section})")), "{error}");
    }
    assert_eq!(JwtError::TooLong { length: 2, limit: 1 }.section(), None, "a limit of our own");
}

proptest! {
    #[test]
    fn no_byte_of_a_signed_token_can_change(position in any::<prop::sample::Index>(), byte in 0_u8..128) {
        static TOKEN: LazyLock<String> = LazyLock::new(|| MESH.key.token("ES256", ES256, &claims()));
        let mut octets = TOKEN.clone().into_bytes();
        let at = position.index(octets.len());
        prop_assume!(octets[at] != byte);
        octets[at] = byte;
        prop_assert!(verify(std::str::from_utf8(&octets).unwrap()).is_err());
    }

    #[test]
    fn no_byte_of_a_token_signed_with_rsa_can_change(position in any::<prop::sample::Index>(), byte in 0_u8..128) {
        static RSA: LazyLock<(String, BundleSet)> = LazyLock::new(|| {
            let key = TestKey::rsa();
            let bundles = BundleSet::from_iter([bundle_with("demo.local", [key.authority("one")])]);
            (key.token("PS256", r#"{"alg":"PS256","kid":"one"}"#, &claims()), bundles)
        });
        let (token, bundles) = &*RSA;
        let mut octets = token.clone().into_bytes();
        let at = position.index(octets.len());
        prop_assume!(octets[at] != byte);
        octets[at] = byte;
        let changed = std::str::from_utf8(&octets).unwrap();
        prop_assert!(JwtSvid::verify(changed, bundles, "reports", now()).is_err());
    }

    #[test]
    fn no_text_makes_the_reader_panic(token in "[A-Za-z0-9_.=+{}\" é-]{0,300}") {
        prop_assert!(verify(&token).is_err());
    }

    #[test]
    fn no_header_or_claims_make_the_reader_panic(
        header in r#"\{("(alg|kid|typ|crit)":("(ES256|none|one|JWT)"|1|\[\]),?){0,4}\}"#,
        claims in r#"\{("(sub|aud|exp|nbf|iat)":("(spiffe://[a-z./]{0,20}|reports)"|[0-9.e-]{1,20}|\["reports"\]|null),?){0,5}\}"#,
    ) {
        let token = format!("{}.{}.AAAA", encoded(header.as_bytes()), encoded(claims.as_bytes()));
        prop_assert!(verify(&token).is_err());
        let _ = crate::svid::inspect_token::token(&token);
    }
}
