//! What the API server says of a token, and what is made of it.

use super::*;

/// What the API server answers, but for one field.
fn vouched_with(path: &[&str], value: Value) -> Answer {
    let mut status = vouched(WEB);
    let mut field = &mut status;
    for name in path {
        field = &mut field[*name];
    }
    *field = value;
    Answer::With(status)
}

#[tokio::test]
async fn a_token_that_the_api_server_vouches_for_attests_its_pod() {
    let house = House::new();
    let attested = house.attest(token()).await.unwrap();
    assert_eq!(attested.workload, WorkloadId::new(WEB));
    assert_eq!(attested.identity.as_str(), "spiffe://demo.local/ns/shop/sa/web");
    assert_eq!(attested.key_hash, None);
    assert_eq!(house.script.gets.load(Ordering::SeqCst), 0, "the index has the pod");
}

// U1, U4, U7, U8, U12: whatever is wrong with the text alone.
#[tokio::test]
async fn what_cannot_be_good_never_reaches_the_api_server() {
    let house = House::new();
    let with = |pointer: &str, value: Value| {
        let mut claims = claims(WEB);
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        claims.pointer_mut(parent).unwrap()[key] = value;
        sign(&claims, "s")
    };
    let mut reserved = claims(WEB);
    reserved["kubernetes.io"]["namespace"] = json!("kith");
    reserved["kubernetes.io"]["serviceaccount"]["name"] = json!("kith-control-plane");
    for (token, code) in [
        ("x".repeat(1024 * 1024), "token_malformed"),
        (format!("{}\n", token()), "token_malformed"),
        (with("/aud", json!("https://kubernetes.default.svc")), "token_audience"),
        (with("/kubernetes.io/pod", Value::Null), "token_not_bound"),
        (with("/exp", json!(1_800_000_000_u64)), "token_expired"),
        (with("/kubernetes.io/serviceaccount/name", json!("a/../b")), "token_malformed"),
        (sign(&reserved, "s"), "reserved"),
    ] {
        assert_eq!(house.refused(token).await.code(), code);
    }
    assert_eq!(house.reviews(), 0);
}

// U2, U6, A4
#[tokio::test]
async fn an_answer_that_does_not_vouch_for_every_claim_vouches_for_nothing() {
    let [pod_name, pod_uid, node_name] =
        ["pod-name", "pod-uid", "node-name"].map(|key| format!("authentication.kubernetes.io/{key}"));
    for (path, value, code) in [
        (&["authenticated"][..], json!(false), "token_rejected"),
        (&["authenticated"], Value::Null, "token_rejected"),
        (&["error"], json!("the token could not be checked"), "token_rejected"),
        (&["audiences"], Value::Null, "token_audience"),
        (&["audiences"], json!([]), "token_audience"),
        (&["audiences"], json!(["https://kubernetes.default.svc"]), "token_audience"),
        (&["user"], Value::Null, "token_disagrees"),
        (&["user", "username"], json!("system:serviceaccount:shop:admin"), "token_disagrees"),
        (&["user", "username"], json!("system:node:node-a"), "token_disagrees"),
        (&["user", "uid"], json!("uid-of-another"), "token_disagrees"),
        (&["user", "uid"], Value::Null, "token_disagrees"),
        (&["user", "extra"], Value::Null, "token_disagrees"),
        (&["user", "extra", &pod_name], json!(["other"]), "token_disagrees"),
        (&["user", "extra", &pod_uid], json!(["other"]), "token_disagrees"),
        (&["user", "extra", &pod_uid], json!([WEB, "other"]), "token_disagrees"),
        (&["user", "extra", &node_name], json!(["node-b"]), "token_disagrees"),
    ] {
        let house = House::new();
        house.answer_reviews(vouched_with(path, value.clone()));
        assert_eq!(house.refused(token()).await.code(), code, "{path:?} {value}");
    }
}

// A4: an API server that tells no node, and a token that has none.
#[tokio::test]
async fn a_node_that_only_one_of_the_two_names_is_not_agreed_on() {
    let house = House::new();
    let mut nameless = claims(WEB);
    nameless["kubernetes.io"].as_object_mut().unwrap().remove("node");
    assert_eq!(house.refused(sign(&nameless, "s")).await.code(), "token_disagrees");

    let mut status = vouched(WEB);
    status["user"]["extra"].as_object_mut().unwrap().remove("authentication.kubernetes.io/node-name");
    house.answer_reviews(Answer::With(status));
    house.attest(token()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_good_answer_is_remembered_for_a_minute_and_never_longer_than_the_token_holds() {
    let house = House::new();
    for _ in 0..100 {
        house.attest(token()).await.unwrap();
    }
    assert_eq!(house.reviews(), 1);
    tokio::time::advance(memory::MEMORY).await;
    house.attest(token()).await.unwrap();
    assert_eq!(house.reviews(), 2);

    // U7: remembered as good, and over.
    let later = now() + Duration::from_secs(600);
    let expired = house.tokens.attest(token(), from_web(), &house.worlds, later).await;
    assert_eq!(expired, Err(PodTokenError::Expired.into()));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_remembered_too() {
    let house = House::new();
    house.answer_reviews(Answer::With(json!({ "authenticated": false })));
    for _ in 0..100 {
        assert_eq!(house.refused(token()).await, PodTokenError::Rejected);
    }
    assert_eq!(house.reviews(), 1);
    house.answer_reviews(Answer::With(vouched(WEB)));
    tokio::time::advance(memory::MEMORY).await;
    house.attest(token()).await.unwrap();
}

#[tokio::test]
async fn two_tokens_are_two_questions() {
    let house = House::new();
    house.attest(token()).await.unwrap();
    house.answer_reviews(Answer::With(json!({ "authenticated": false })));
    assert_eq!(house.refused(sign(&claims(WEB), "forged")).await, PodTokenError::Rejected);
    assert_eq!(house.reviews(), 2);
}

// U6, K30
#[tokio::test]
async fn a_service_account_that_was_made_anew_or_is_gone_is_noticed_although_the_token_is_remembered() {
    let house = House::new();
    house.attest(token()).await.unwrap();
    for facts in [facts("uid-of-the-next"), Arc::default()] {
        house.facts.send_replace(facts);
        assert_eq!(house.refused(token()).await, PodTokenError::OtherServiceAccount);
    }
    assert_eq!(house.reviews(), 1);
}
