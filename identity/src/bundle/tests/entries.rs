//! Entries of a JWK set: which are ignored, and that the others are used all the same.

use proptest::prelude::*;

use super::*;

/// Reads the good entries and, between them, this one: they must be used whatever it is.
fn between(entry: &str) -> Vec<Ignored> {
    let [certificate, token] = good_entries();
    let bundle = read(&format!(r#"{{"keys":[{certificate},{entry},{token}]}}"#)).expect(entry);
    let whole = bundle.ignored().iter().filter(|it| it.because.takes_the_entry()).count();
    let used = bundle.authorities().len() + bundle.jwt_authorities().len();
    assert_eq!(used, 3 - whole, "{entry}");
    let start = "{\"keys\":[,".len() + certificate.len();
    for ignored in bundle.ignored() {
        assert_eq!(ignored.entry, 1);
        assert!((start..start + entry.len()).contains(&ignored.offset), "{ignored} is not in {entry}");
    }
    bundle.ignored().to_vec()
}

fn ignored(entry: &str) -> IgnoredBecause {
    let [ignored] = between(entry).try_into().expect(entry);
    assert!(ignored.because.takes_the_entry());
    ignored.because
}

fn x509(rest: &str) -> String {
    format!(r#"{{"kty":"EC","use":"x509-svid"{rest}}}"#)
}

fn base64(der: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(der)
}

// Conforms: Bundle 4.2.1 kty, Bundle 4.2.2 use, Bundle 4.2.2 case, Bundle 4.1.3 unknown
// F8.
#[test]
fn an_unknown_or_missing_type_or_use_takes_the_entry_and_not_the_bundle() {
    let [certificate, token] = good_entries();
    for good in [&certificate, &token] {
        for kty in ["\"OKP\"", "\"oct\"", "\"ec\"", "\"AKP\"", "\"\"", "null", "1"] {
            let entry = good.replace("\"kty\":\"EC\"", &format!("\"kty\":{kty}"));
            assert_eq!(ignored(&entry), IgnoredBecause::KeyType, "{kty}");
        }
        assert_eq!(ignored(&good.replace("\"kty\":", "\"typ\":")), IgnoredBecause::KeyType);
        for of in ["x509-svid", "jwt-svid"] {
            for with in ["X509-SVID", "Jwt-Svid", "wit-svid", "sig", "enc", "", "x509-svid "] {
                let entry = good.replace(&format!("\"{of}\""), &format!("\"{with}\""));
                if entry != *good {
                    assert_eq!(ignored(&entry), IgnoredBecause::Use, "{with}");
                }
            }
        }
        assert_eq!(ignored(&good.replace("\"use\":", "\"for\":")), IgnoredBecause::Use);
    }
    assert_eq!(ignored("{}"), IgnoredBecause::KeyType);
}

// Conforms: X509-SVID 6.2 no-x5c
#[test]
fn an_entry_without_a_certificate_is_ignored() {
    for rest in ["", r#","x5c":[]"#, r#","x5c":null"#, r#","x5c":"""#, r#","x5c":{}"#, r#","x5t":"a""#] {
        assert_eq!(ignored(&x509(rest)), IgnoredBecause::NoCertificate, "{rest}");
    }
}

// Conforms: X509-SVID 6.2 first-x5c
#[test]
fn only_the_first_certificate_of_an_entry_is_used() {
    let (first, second) = (der(&authority("spiffe://demo.local")), der(&authority("spiffe://demo.local")));
    let entry = |values: &[&str]| x509(&format!(r#","x5c":["{}"]"#, values.join("\",\"")));
    let several = entry(&[&base64(&first), &base64(&second), "not even base64"]);
    let bundle = read(&format!(r#"{{"keys":[{several}]}}"#)).unwrap();
    assert_eq!(bundle.authorities().iter().map(Authority::der).collect::<Vec<_>>(), [first.as_slice()]);
    let told: Vec<_> = bundle.ignored().iter().map(|it| &it.because).collect();
    assert_eq!(told, [&IgnoredBecause::FurtherCertificates { count: 2 }]);
    assert_eq!(ignored(&entry(&["", &base64(&first)])), IgnoredBecause::Certificate(not_a_certificate()));
    assert_eq!(
        ignored(&x509(&format!(r#","x5c":[1,"{}"]"#, base64(&first)))),
        IgnoredBecause::CertificateEncoding
    );
}

fn not_a_certificate() -> Broken {
    Authority::parse(&[]).unwrap_err()
}

// F8.
#[test]
fn a_kid_on_an_entry_for_certificates_is_ignored_and_never_written_back() {
    let [certificate, _] = good_entries();
    for kid in ["\"a\"", "\"one\"", "1"] {
        let entry = certificate.replacen('{', &format!("{{\"kid\":{kid},"), 1);
        let told: Vec<_> = between(&entry).into_iter().map(|it| it.because).collect();
        assert_eq!(told, [IgnoredBecause::KeyIdOfCertificate]);
        let bundle = read(&format!(r#"{{"keys":[{entry}]}}"#)).unwrap();
        assert!(!String::from_utf8(bundle.to_jwks()).unwrap().contains("kid"));
    }
}

// F9.
#[test]
fn a_certificate_that_is_no_authority_is_ignored() {
    let entry = |der: &[u8]| x509(&format!(r#","x5c":["{}"]"#, base64(der)));
    let because = ignored(&entry(&der(&leaf("spiffe://demo.local/a"))));
    assert!(matches!(
        because,
        IgnoredBecause::Certificate(Broken { rule: ProfileError::NotAnAuthority, .. })
    ));
    let good = der(&authority("spiffe://demo.local"));
    for spoilt in [&good[1..], &good[..good.len() - 1], &[&good[..], &[0]].concat()] {
        assert!(matches!(ignored(&entry(spoilt)), IgnoredBecause::Certificate(_)));
    }
}

// F1.
#[test]
fn an_authority_of_another_trust_domain_is_ignored() {
    let foreign = der(&authority("spiffe://other.example"));
    let because = ignored(&x509(&format!(r#","x5c":["{}"]"#, base64(&foreign))));
    assert_eq!(because, IgnoredBecause::Foreign { found: domain("other.example") });
}

#[test]
fn a_certificate_is_in_padded_base64_of_one_spelling() {
    let good = base64(&der(&authority("spiffe://demo.local")));
    let pem = format!("-----BEGIN CERTIFICATE-----\\n{good}\\n-----END CERTIFICATE-----\\n");
    for spelling in [format!("{good} "), format!("{good}\\n"), format!("{good}="), pem, "-_-_".to_owned()] {
        let because = ignored(&x509(&format!(r#","x5c":["{spelling}"]"#)));
        assert_eq!(because, IgnoredBecause::CertificateEncoding, "{spelling}");
    }
}

#[test]
fn an_entry_describes_the_key_of_its_certificate_or_none() {
    let [certificate, token] = good_entries();
    let coordinates: String =
        token.split(',').filter(|it| it.contains("\"x\":") || it.contains("\"y\":")).collect();
    assert_eq!(coordinates.matches('"').count(), 8);
    let member = |entry: &str, name: &str| {
        let (_, rest) = entry.split_once(&format!("\"{name}\":\"")).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let mut other = certificate.clone();
    for name in ["x", "y"] {
        other = other.replace(&member(&certificate, name), &member(&token, name));
    }
    assert_eq!(ignored(&other), IgnoredBecause::KeysDiffer);
    assert_eq!(
        ignored(&certificate.replace("\"kty\":\"EC\"", "\"kty\":\"RSA\"")),
        IgnoredBecause::KeysDiffer
    );
    assert_eq!(ignored(&certificate.replace("\"y\":", "\"z\":")), IgnoredBecause::KeysDiffer);
    let bare = x509(&format!(r#","x5c":["{}"]"#, member(&certificate.replace(":[\"", ":\""), "x5c")));
    assert_eq!(between(&bare), []);
    let private = certificate.replacen('{', r#"{"d":"AQAB","#, 1);
    assert_eq!(ignored(&private), IgnoredBecause::Key(JwkError::Private));
}

#[test]
fn a_token_key_has_an_id_of_its_own() {
    let [_, token] = good_entries();
    let two = token.replace("\"kid\":\"one\"", "\"kid\":\"two\"");
    assert_eq!(between(&two), []);
    for kid in ["\"\"", "null", "2", &format!("\"{}\"", "a".repeat(1025))] {
        let because = ignored(&token.replace("\"kid\":\"one\"", &format!("\"kid\":{kid}")));
        assert_eq!(because, IgnoredBecause::Key(JwkError::KeyId), "{kid}");
    }
    let none = token.replace("\"kid\":\"one\",", "");
    assert_eq!(ignored(&none), IgnoredBecause::Key(JwkError::KeyId));
    let bundle = read(&format!(r#"{{"keys":[{token},{}]}}"#, good_entries()[1])).unwrap();
    let told: Vec<_> = bundle.ignored().iter().map(|it| (it.entry, &it.because)).collect();
    assert_eq!(told, [(1, &IgnoredBecause::KeyIdTaken)]);
}

#[test]
fn a_token_key_that_cannot_be_used_is_ignored() {
    let [_, good] = good_entries();
    let token = good.replace("\"kid\":\"one\"", "\"kid\":\"two\"");
    for (spoilt, want) in [
        (token.replace("P-256", "secp256k1"), JwkError::Curve),
        (token.replace("\"x\":\"", "\"x\":\"AAAA"), JwkError::CoordinateLength("x")),
        (token.replacen('{', r#"{"d":"AQAB","#, 1), JwkError::Private),
        (token.replacen('{', r#"{"alg":"ES384","#, 1), JwkError::Algorithm),
        (token.replacen('{', r#"{"alg":"RS256","#, 1), JwkError::Algorithm),
        (token.replacen('{', r#"{"alg":"none","#, 1), JwkError::Algorithm),
        (token.replacen('{', r#"{"alg":256,"#, 1), JwkError::Algorithm),
    ] {
        assert_eq!(ignored(&spoilt), IgnoredBecause::Key(want), "{spoilt}");
    }
    assert_eq!(between(&token.replacen('{', r#"{"alg":"ES256","#, 1)), []);
}

#[test]
fn every_reason_names_its_section() {
    for (because, section) in [
        (IgnoredBecause::KeyType, "Trust-Domain-and-Bundle 4.2.1"),
        (IgnoredBecause::Use, "Trust-Domain-and-Bundle 4.2.2"),
        (IgnoredBecause::NoCertificate, "X509-SVID 6.2"),
        (IgnoredBecause::CertificateEncoding, "RFC 7517 4.7"),
        (IgnoredBecause::KeysDiffer, "RFC 7517 4.7"),
        (IgnoredBecause::Foreign { found: domain("a") }, "X509-SVID 3.2"),
        (IgnoredBecause::Key(JwkError::KeyId), "JWT-SVID 6.1"),
        (IgnoredBecause::KeyIdTaken, "RFC 7517 4.5"),
        (IgnoredBecause::KeyIdOfCertificate, "X509-SVID 6.1"),
        (IgnoredBecause::FurtherCertificates { count: 1 }, "X509-SVID 6.2"),
    ] {
        assert_eq!(because.section(), section);
        assert!(because.to_string().contains(section), "{because}");
    }
}

proptest! {
    #[test]
    fn no_document_makes_the_reader_panic(
        document in r#"\{("(keys|spiffe_sequence|a)":(\[\{("(kty|use|x5c|kid|x|n)":("(EC|RSA|x509-svid|jwt-svid|AQAB)"|\["AAAA"\]|1),?){0,4}\}\]|-?[0-9]{1,30}|null),?){0,3}\}"#,
    ) {
        if let Ok(bundle) = read(&document) {
            prop_assert!(bundle.authorities().is_empty() && bundle.jwt_authorities().is_empty());
        }
    }

    #[test]
    fn a_changed_byte_changes_no_key_without_being_noticed(
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        static GOOD: std::sync::LazyLock<Bundle> =
            std::sync::LazyLock::new(|| bundle_with("demo.local", [TestKey::p256().authority("one")]));
        let mut document = GOOD.to_jwks();
        let at = position.index(document.len());
        document[at] = byte;
        if let Ok(bundle) = Bundle::from_jwks(domain("demo.local"), &document) {
            // The certificate is signed by nobody whom we ask; a point of the curve has exactly one other with its x.
            for authority in bundle.jwt_authorities() {
                prop_assert_eq!(authority.key_hash(), GOOD.jwt_authorities()[0].key_hash());
            }
            let again = Bundle::from_jwks(domain("demo.local"), &bundle.to_jwks());
            prop_assert_eq!(again, Ok(Bundle { ignored: Vec::new(), ..bundle }));
        }
    }
}
