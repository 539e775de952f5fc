//! Which bundle follows which.

use super::*;

/// The good entries, in this order, under this number.
fn numbered(entries: &[&str], sequence: Option<u64>) -> Bundle {
    let sequence = sequence.map(|it| format!(r#","spiffe_sequence":{it}"#)).unwrap_or_default();
    read(&format!(r#"{{"keys":[{}]{sequence}}}"#, entries.join(","))).unwrap()
}

// F3.
#[test]
fn a_sequence_never_goes_back() {
    let [certificate, token] = good_entries();
    let of = |sequence| numbered(&[&certificate, &token], sequence);
    for (from, to) in [(1, 2), (1, u64::MAX), (0, 1), (7, 7)] {
        assert_eq!(of(Some(to)).follows(&of(Some(from))), Ok(()), "{from} to {to}");
    }
    for (from, to) in [(2, 1), (u64::MAX, 0), (u64::MAX, u64::MAX - 1)] {
        assert_eq!(of(Some(to)).follows(&of(Some(from))), Err(SequenceError::WentBack { from, to }));
    }
    assert_eq!(of(Some(1)).follows(&of(None)), Ok(()), "a source may begin to count");
    assert_eq!(of(None).follows(&of(Some(7))), Err(SequenceError::Missing { from: 7 }), "and not stop");
    assert_eq!(of(None).follows(&of(None)), Ok(()));
}

// F3.
#[test]
fn content_does_not_change_under_one_sequence() {
    let [certificate, token] = good_entries();
    let old = numbered(&[&certificate, &token], Some(7));
    let [other, _] = good_entries();
    for changed in [
        numbered(&[&certificate], Some(7)),
        numbered(&[], Some(7)),
        numbered(&[&certificate, &token, &other], Some(7)),
        numbered(&[&certificate, &token.replace("one", "two")], Some(7)),
        numbered(&[&certificate, &token.replacen('{', r#"{"alg":"ES256","#, 1)], Some(7)),
        numbered(&[&certificate, &token.replacen('{', r#"{"new":1,"#, 1)], Some(7)),
        numbered(&[&certificate, &token], Some(7)).with_refresh_hint(Duration::from_secs(9)),
    ] {
        assert_eq!(changed.follows(&old), Err(SequenceError::Unchanged { sequence: 7 }));
        assert_eq!(changed.clone().with_sequence(8).follows(&old), Ok(()));
    }
}

#[test]
fn the_order_and_the_spelling_of_a_document_are_not_its_content() {
    let [certificate, token] = good_entries();
    let old = numbered(&[&certificate, &token], Some(7));
    let same = [
        numbered(&[&token, &certificate], Some(7)),
        numbered(&[&certificate.replace(':', " : "), &token.replace("\"kid\"", "\"\\u006bid\"")], Some(7)),
        numbered(&[&certificate, &token, r#"{"kty":"AKP","use":"wit-svid"}"#], Some(7)),
    ];
    for same in same {
        assert_eq!(same.follows(&old), Ok(()));
    }
}

// Federation 4.2.
#[test]
fn a_bundle_follows_none_of_another_trust_domain() {
    let (ours, theirs) = (bundle_with("demo.local", []), bundle_with("other.example", []));
    let (wanted, found) = (domain("demo.local"), domain("other.example"));
    assert_eq!(theirs.follows(&ours), Err(SequenceError::OtherTrustDomain { wanted, found }));
}
