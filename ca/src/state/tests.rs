//! What is read back from a sealed state, and what is refused although its seal held.

use super::*;
use crate::authority::{issuing, root};
use crate::testing::{DAY, start, trust_domain};

fn encoded() -> serde_json::Value {
    let domain = trust_domain("demo.local");
    let root = root::create(&domain, 365 * DAY, start()).unwrap();
    let issuing = issuing::create(&root, &domain, 7 * DAY, start()).unwrap();
    let svids = Svids { lifetime: DAY / 2, earlier_until: Some(start()) };
    let state = StateRef { trust_domain: &domain, epoch: 7, svids, root: &root, issuing: &issuing };
    let json = state.encode().unwrap();
    assert!(json.len() < ROOM, "{} bytes: the buffer with the keys was moved", json.len());
    serde_json::from_slice(&json).unwrap()
}

fn decode(document: &serde_json::Value) -> Result<State, StateError> {
    State::decode(document.to_string().as_bytes(), &trust_domain("demo.local"))
}

fn refusal(change: impl FnOnce(&mut serde_json::Value)) -> StateError {
    let mut document = encoded();
    change(&mut document);
    decode(&document).map(|_| ()).unwrap_err()
}

#[test]
fn a_state_is_read_back_as_it_was() {
    let document = encoded();
    let state = decode(&document).unwrap();
    let certificate = |authority: &Authority| STANDARD.encode(authority.der());
    assert_eq!(state.epoch, 7);
    let until = start() + Duration::from_millis(750);
    assert_eq!(
        state.svids,
        Svids { lifetime: DAY / 2, earlier_until: Some(until) },
        "in whole seconds, upwards"
    );
    assert_eq!(certificate(&state.root), document["root"]["certificate"]);
    assert_eq!(certificate(&state.issuing), document["issuing"]["certificate"]);
}

#[test]
fn an_unknown_field_and_a_missing_one_are_refused() {
    let unknown = refusal(|document| document["more"] = 1.into());
    assert!(matches!(unknown, StateError::Json(_)), "{unknown:?}");
    let missing = refusal(|document| assert!(document.as_object_mut().unwrap().remove("epoch").is_some()));
    assert!(matches!(missing, StateError::Json(_)), "{missing:?}");
}

#[test]
fn a_state_that_does_not_bound_its_svids_is_read_as_one_of_the_longest() {
    let mut document = encoded();
    for field in ["svid_seconds", "earlier_svids_until_seconds"] {
        assert!(document.as_object_mut().unwrap().remove(field).is_some());
    }
    let svids = decode(&document).unwrap().svids;
    assert_eq!(svids.reopened(DAY / 24, start()).earlier_until, Some(start() + DAY));
}

#[test]
fn a_version_of_the_future_is_refused() {
    let refused = refusal(|document| document["version"] = 2.into());
    assert!(matches!(refused, StateError::Version { found: 2 }), "{refused:?}");
}

// C23
#[test]
fn the_state_of_another_trust_domain_is_refused() {
    let refused = refusal(|document| document["trust_domain"] = "other.local".into());
    assert!(matches!(refused, StateError::TrustDomain { .. }), "{refused:?}");
}

#[test]
fn an_authority_that_cannot_be_used_is_named() {
    let base64 = refusal(|document| document["root"]["key"] = "%".into());
    assert!(matches!(base64, StateError::Base64 { role: "root", .. }), "{base64:?}");
    let swapped = refusal(|document| {
        let key = document["root"]["key"].take();
        document["issuing"]["key"] = key.clone();
        document["root"]["key"] = key;
    });
    assert!(matches!(swapped, StateError::Authority { role: "issuing", .. }), "{swapped:?}");
}
