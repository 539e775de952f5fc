//! The pod behind a token: that it exists, is the one, is in the mesh, and is where the token came from.

use super::*;

/// A pod that the index has not heard of yet.
const NEW: &str = "uid-of-new";

fn new_house(pod: Value) -> House {
    let house = House::new();
    house.answer_reviews(Answer::With(vouched(NEW)));
    house.answer_gets(Answer::With(pod));
    house
}

fn changed(pointer: &str, value: Value) -> Value {
    let mut pod = pod(NEW);
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    pod.pointer_mut(parent).unwrap()[key] = value;
    pod
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_the_index_has_not_heard_of_is_looked_up_and_then_waited_for() {
    let house = new_house(pod(NEW));
    let token = sign(&claims(NEW), "good");
    let (attested, ()) = tokio::join!(house.attest(token.clone()), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        house.know([workload(NEW, "node-a")]);
    });
    assert_eq!(attested.unwrap().workload, WorkloadId::new(NEW));
}

// Quarantines of pods and nodes hold for what the index has.
#[tokio::test(start_paused = true)]
async fn a_pod_that_the_index_never_hears_of_gets_nothing_yet() {
    let house = new_house(pod(NEW));
    let refused = house.attest(sign(&claims(NEW), "good")).await.unwrap_err();
    assert_eq!(tonic::Status::from(refused).code(), tonic::Code::Unavailable);
}

// C15, U6, A4, K30
#[tokio::test]
async fn a_pod_that_is_not_the_tokens_attests_nobody() {
    for (pod, code) in [
        (Value::Null, "pod_gone"),
        (changed("/metadata/uid", json!("uid-of-another")), "pod_gone"),
        (changed("/status/phase", json!("Succeeded")), "pod_gone"),
        (changed("/status/phase", json!("Failed")), "pod_gone"),
        (changed("/status", Value::Null), "pod_gone"),
        (changed("/spec", Value::Null), "pod_gone"),
        (changed("/spec/serviceAccountName", json!("admin")), "pod_service_account"),
        (changed("/spec/nodeName", json!("node-b")), "pod_node"),
        (changed("/spec/nodeName", Value::Null), "pod_node"),
        (changed("/spec/initContainers", json!([{ "name": "kith-redirect" }])), "pod_not_in_mesh"),
        (changed("/spec/initContainers", Value::Null), "pod_not_in_mesh"),
    ] {
        let house = new_house(pod.clone());
        let refused = house.refused(sign(&claims(NEW), "good")).await;
        assert_eq!(refused.code(), code, "{pod}");
    }
}

#[tokio::test]
async fn a_pod_that_is_ending_keeps_its_identity_until_it_has() {
    let house = new_house(changed("/metadata/deletionTimestamp", json!("2027-01-15T08:00:00Z")));
    let (attested, ()) = tokio::join!(house.attest(sign(&claims(NEW), "good")), async {
        house.know([workload(NEW, "node-a")]);
    });
    attested.unwrap();
}

// A4, K30
#[tokio::test]
async fn a_pod_that_is_known_has_to_fit_as_well() {
    let wrong = |change: fn(&mut Workload)| {
        let mut workload = workload(WEB, "node-a");
        change(&mut workload);
        workload
    };
    for (known, code) in [
        (wrong(|it| it.node = Some("node-b".into())), "pod_node"),
        (wrong(|it| it.node = None), "pod_node"),
        (wrong(|it| it.name = "shop/other".into()), "pod_gone"),
        (wrong(|it| it.service_account = "admin".into()), "pod_service_account"),
    ] {
        let house = House::new();
        house.know([known]);
        assert_eq!(house.refused(token()).await.code(), code);
    }
}

#[tokio::test]
async fn a_lookup_without_an_answer_is_no_yes() {
    let house = new_house(pod(NEW));
    house.answer_gets(Answer::Fails);
    assert_eq!(house.refused(sign(&claims(NEW), "good")).await, PodTokenError::Away);
}

// U5, U11
#[tokio::test]
async fn a_good_token_from_another_address_than_its_pods_is_refused_before_anybody_is_asked() {
    let house = House::new();
    for other in [OTHER_ADDRESS, "192.0.2.1", "fd00::7"] {
        let connection = Connection { peer: None, address: address(other) };
        let refused = house.tokens.attest(token(), connection, &house.worlds, now()).await;
        assert_eq!(refused, Err(PodTokenError::OtherAddress(other.parse().unwrap()).into()));
    }
    assert_eq!(house.reviews(), 0);
    // Any of the pod's own.
    house.at("fd00::7", WEB);
    let connection = Connection { peer: None, address: address("fd00::7") };
    house.tokens.attest(token(), connection, &house.worlds, now()).await.unwrap();
}

// U11
#[tokio::test]
async fn where_the_network_hides_the_caller_it_is_only_counted() {
    let house = House::with(FromElsewhere::Alarm);
    let connection = Connection { peer: None, address: address("192.0.2.1") };
    house.tokens.attest(token(), connection, &house.worlds, now()).await.unwrap();
    assert_eq!(house.tokens.metrics.count_from_elsewhere(), 1);
}

#[tokio::test]
async fn an_address_that_is_not_known_is_no_proof_of_theft_but_counted() {
    let house = House::new();
    house.worlds.update(|world| Some(World { services: Arc::default(), ..world.clone() }));
    house.attest(token()).await.unwrap();
    assert_eq!(house.tokens.metrics.count_from_elsewhere(), 1);
}

// U11: its address becomes known together with the pod.
#[tokio::test(start_paused = true)]
async fn a_new_pods_token_from_elsewhere_is_refused_when_its_address_is_heard_of() {
    let house = new_house(pod(NEW));
    let (refused, ()) = tokio::join!(house.refused(sign(&claims(NEW), "good")), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        house.at(OTHER_ADDRESS, NEW);
        house.know([workload(NEW, "node-a")]);
    });
    assert_eq!(refused.code(), "token_address");
}
