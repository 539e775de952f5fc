//! What a flood reaches, and what a slow or failing API server does to others.

use super::*;

// U3
#[tokio::test(start_paused = true)]
async fn an_api_server_that_fails_or_says_nothing_is_no_yes_and_the_answer_is_to_try_again() {
    for answer in [Answer::Fails, Answer::Silent] {
        let house = House::new();
        house.answer_reviews(answer);
        let start = Instant::now();
        let refused = house.refused(token()).await;
        assert_eq!(refused, PodTokenError::Away);
        assert!(start.elapsed() <= ASK_TIME);
        assert_eq!(tonic::Status::from(refused).code(), tonic::Code::Unavailable);

        house.answer_reviews(Answer::With(vouched(WEB)));
        tokio::time::advance(PAUSE).await;
        house.attest(token()).await.unwrap();
    }
}

// U3
#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_answer_is_not_asked_again_at_once() {
    let house = House::new();
    house.answer_reviews(Answer::Fails);
    for _ in 0..100 {
        assert_eq!(house.refused(token()).await, PodTokenError::Away);
    }
    assert_eq!(house.reviews(), 1);
    tokio::time::advance(PAUSE).await;
    house.refused(token()).await;
    assert_eq!(house.reviews(), 2);
}

// U10
#[tokio::test(start_paused = true)]
async fn a_thousand_bad_tokens_a_second_reach_the_api_server_at_most_ten_times() {
    let house = House::new();
    house.answer_reviews(Answer::With(json!({ "authenticated": false })));
    for second in 0..3 {
        let before = house.reviews();
        for number in 0..1000 {
            let forged = sign(&claims(&format!("uid-{second}-{number}")), "forged");
            house.refused(forged).await;
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let asked = house.reviews() - before;
        assert!((1..=10).contains(&asked), "{asked}");
    }

    // And nobody who is known waits for it.
    house.answer_reviews(Answer::With(vouched(WEB)));
    house.attest(token()).await.unwrap();
}

// U10: as a pod that others know by name and uid.
#[tokio::test(start_paused = true)]
async fn forged_tokens_of_a_known_pod_do_not_use_its_share_up() {
    for from_elsewhere in [FromElsewhere::Refuse, FromElsewhere::Alarm] {
        let house = House::with(from_elsewhere);
        house.at(OTHER_ADDRESS, "uid-of-intruder");
        house.answer_reviews(Answer::With(json!({ "authenticated": false })));
        let intruder = Connection { peer: None, address: address(OTHER_ADDRESS) };
        for number in 0..1000 {
            let forged = sign(&claims(WEB), &format!("forged {number}"));
            house.tokens.attest(forged, intruder, &house.worlds, now()).await.unwrap_err();
        }
        assert!(house.reviews() <= 10, "{}", house.reviews());
        house.answer_reviews(Answer::With(vouched(WEB)));
        house.attest(token()).await.unwrap();
    }
}

// U10: a pod that nobody has heard of yet needs one question, while another sends what it likes.
#[tokio::test(start_paused = true)]
async fn a_flood_from_one_address_does_not_keep_a_new_pod_from_its_svid() {
    let house = House::new();
    house.at(OTHER_ADDRESS, "uid-of-intruder");
    house.answer_reviews(Answer::With(json!({ "authenticated": false })));
    let intruder = Connection { peer: None, address: address(OTHER_ADDRESS) };
    for number in 0..1000 {
        let forged = sign(&claims(&format!("uid-{number}")), "forged");
        house.tokens.attest(forged, intruder, &house.worlds, now()).await.unwrap_err();
    }
    const NEW: &str = "uid-of-new";
    house.answer_reviews(Answer::With(vouched(NEW)));
    house.answer_gets(Answer::With(pod(NEW)));
    let (attested, ()) = tokio::join!(house.attest(sign(&claims(NEW), "good")), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        house.know([workload(NEW, "node-a")]);
    });
    assert_eq!(attested.unwrap().workload, WorkloadId::new(NEW));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_sends_bad_tokens_is_slowed_down_itself() {
    let house = House::new();
    house.answer_reviews(Answer::With(json!({ "authenticated": false })));
    for number in 0..100 {
        house.refused(sign(&claims(WEB), &format!("bad {number}"))).await;
    }
    assert_eq!(house.reviews(), 3);
    let refused = house.refused(token()).await;
    assert!(matches!(refused, PodTokenError::TooMany { .. }), "{refused}");
    assert_eq!(tonic::Status::from(refused).code(), tonic::Code::ResourceExhausted);
}

#[tokio::test(start_paused = true)]
async fn good_tokens_are_never_slowed_down() {
    let house = House::new();
    for number in 0..1000 {
        house.attest(sign(&claims(WEB), &format!("good {number}"))).await.unwrap();
    }
}

#[tokio::test]
async fn before_the_first_list_of_pods_the_answer_is_to_try_again_and_nobody_is_asked() {
    let house = House::new();
    house.worlds.update(|world| Some(World { workloads: None, ..world.clone() }));
    assert_eq!(house.attest(token()).await, Err(Unknown::NotYet.into()));
    assert_eq!(house.reviews(), 0);
}
