//! What is granted while the API server cannot be asked: a renewal by the svid that the same pod holds, and no more.

use kith_ca::{Ca, Issued, Lifetimes, OpenOptions, SealKey, SubjectKey};
use kith_mtls::{Accept, Client, ClientIdentity, ClientSvid, Credentials, Now, Server, Svid, WorkloadKey};
use tokio::sync::watch;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn identity() -> SpiffeId {
    SpiffeId::parse("spiffe://demo.local/ns/shop/sa/web").unwrap()
}

fn authority(dir: &tempfile::TempDir) -> Ca {
    Ca::open(OpenOptions {
        path: dir.path().join("state"),
        key: SealKey::from_bytes([7; 32]),
        trust_domain: trust_domain(),
        lifetimes: Lifetimes { svid: 24 * HOUR, ..Lifetimes::default() },
        now: now(),
    })
    .unwrap()
}

fn issue(ca: &Ca, key: &WorkloadKey) -> Issued {
    ca.issue(&identity(), &SubjectKey::from_csr(&key.csr_der().unwrap()).unwrap(), now()).unwrap()
}

/// Who a server sees when a client with a new svid connects, and that svid as it was issued.
async fn peer() -> (VerifiedPeer, Issued) {
    let dir = tempfile::tempdir().unwrap();
    let ca = authority(&dir);
    let key = WorkloadKey::generate().unwrap();
    let issued = issue(&ca, &key);
    let svid = Arc::new(Svid::new(key, issued.chain.clone()).unwrap());
    let (_, svid) = watch::channel(Some(svid));
    let (_, bundles) = watch::channel(Arc::new(BundleSet::from_iter([ca.bundle().clone()])));
    let credentials = Credentials::new(svid, bundles, Now::new(now));
    let accept = Accept::only(identity());
    let server = Server::new(credentials.clone(), accept.clone(), ClientSvid::Required, &[b"h2"]);
    let client = Client::new(credentials, ClientIdentity::Svid, &[b"h2"]);
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (accepted, connected) =
        tokio::join!(server.accept(near, ASK_TIME), client.connect(far, accept, ASK_TIME));
    connected.unwrap();
    (accepted.unwrap().peer.unwrap(), issued)
}

/// A pod that was attested and holds an svid, when the API server goes away.
async fn outage() -> (House, VerifiedPeer) {
    let house = House::new();
    house.attest(token()).await.unwrap();
    let (peer, issued) = peer().await;
    house.issued.record(&WorkloadId::new(WEB), &issued, peer.key_hash());
    house.answer_reviews(Answer::Fails);
    // What was remembered of the token is forgotten.
    tokio::time::advance(memory::MEMORY).await;
    (house, peer)
}

async fn renew(house: &House, peer: Option<&VerifiedPeer>, later: Duration) -> Result<Attested, NotAttested> {
    let connection = Connection { peer, address: address(WEB_ADDRESS) };
    house.tokens.attest(token(), connection, &house.worlds, now() + later).await
}

#[tokio::test(start_paused = true)]
async fn an_svid_renews_itself_for_four_hours_after_the_last_review() {
    let (house, peer) = outage().await;
    // Also with the token of the beginning: nobody gives the kubelet a new one (design §4).
    for later in [Duration::from_secs(60), HOUR, 4 * HOUR - Duration::from_secs(1)] {
        let attested = renew(&house, Some(&peer), later).await.unwrap();
        assert_eq!((attested.workload, attested.identity), (WorkloadId::new(WEB), identity()));
    }
    assert_eq!(house.tokens.metrics.renewals_without_review(), 3);
    assert!(renew(&house, Some(&peer), 4 * HOUR).await.is_err());
    assert!(renew(&house, Some(&peer), 5 * HOUR).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn without_an_svid_of_the_same_pod_nothing_is_granted() {
    let (house, held) = outage().await;
    let (another, _) = peer().await;
    assert_eq!(renew(&house, None, HOUR / 60).await, Err(PodTokenError::Away.into()));
    // The same identity, and an svid that was not issued to this pod.
    assert_eq!(renew(&house, Some(&another), HOUR / 60).await, Err(PodTokenError::Away.into()));
    renew(&house, Some(&held), HOUR / 60).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_known_to_be_gone_renews_no_more() {
    let (house, peer) = outage().await;
    house.know([]);
    assert!(renew(&house, Some(&peer), HOUR / 60).await.is_err());
}

// K30
#[tokio::test(start_paused = true)]
async fn a_pod_whose_service_account_is_gone_renews_no_more() {
    let (house, peer) = outage().await;
    house.facts.send_replace(Arc::default());
    assert!(renew(&house, Some(&peer), HOUR / 60).await.is_err());
}

// U11
#[tokio::test(start_paused = true)]
async fn an_outage_is_no_excuse_for_another_address() {
    let (house, peer) = outage().await;
    let connection = Connection { peer: Some(&peer), address: address(OTHER_ADDRESS) };
    let refused = house.tokens.attest(token(), connection, &house.worlds, now()).await;
    assert!(matches!(refused, Err(NotAttested::PodToken(PodTokenError::OtherAddress(_)))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_no_outage() {
    let (house, peer) = outage().await;
    house.answer_reviews(Answer::With(json!({ "authenticated": false })));
    assert_eq!(renew(&house, Some(&peer), Duration::ZERO).await, Err(PodTokenError::Rejected.into()));
}

// U7
#[tokio::test(start_paused = true)]
async fn an_expired_token_renews_nothing_while_the_api_server_answers() {
    let (house, peer) = outage().await;
    // Within the API server's leeway, it even vouches for it.
    house.answer_reviews(Answer::With(vouched(WEB)));
    assert_eq!(renew(&house, Some(&peer), HOUR).await, Err(PodTokenError::Expired.into()));
}

#[tokio::test(start_paused = true)]
async fn a_review_after_the_outage_begins_the_four_hours_anew() {
    let (house, peer) = outage().await;
    house.answer_reviews(Answer::With(vouched(WEB)));
    let later = Duration::from_secs(500);
    renew(&house, Some(&peer), later).await.unwrap();
    house.answer_reviews(Answer::Fails);
    tokio::time::advance(memory::MEMORY).await;
    renew(&house, Some(&peer), 4 * HOUR + Duration::from_secs(499)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_holds_an_svid_speaks_as_its_workload_without_a_review() {
    let (house, peer) = outage().await;
    let before = house.reviews();
    let connection = Connection { peer: Some(&peer), address: address(WEB_ADDRESS) };
    let speaker = house.tokens.speaker(token(), &peer, connection, &house.worlds, now() + HOUR).await;
    assert_eq!(speaker.unwrap(), WorkloadId::new(WEB));
    assert_eq!(house.reviews(), before);
}

#[tokio::test(start_paused = true)]
async fn an_svid_that_nobody_remembers_needs_a_good_token_to_speak() {
    let (house, _) = outage().await;
    let (stranger, _) = peer().await;
    let connection = Connection { peer: Some(&stranger), address: address(WEB_ADDRESS) };
    let speak = async || house.tokens.speaker(token(), &stranger, connection, &house.worlds, now()).await;
    assert_eq!(speak().await, Err(PodTokenError::Away.into()));
    house.answer_reviews(Answer::With(vouched(WEB)));
    tokio::time::advance(PAUSE).await;
    assert_eq!(speak().await, Ok(WorkloadId::new(WEB)));
}

/// The control plane was started anew, and then the API server went away.
#[tokio::test(start_paused = true)]
async fn who_spoke_under_review_renews_itself_without_one() {
    let house = House::new();
    let (peer, _) = peer().await;
    let connection = Connection { peer: Some(&peer), address: address(WEB_ADDRESS) };
    house.tokens.speaker(token(), &peer, connection, &house.worlds, now()).await.unwrap();
    house.issued.presented(&WorkloadId::new(WEB), peer.serial(), peer.not_after());
    house.answer_reviews(Answer::Fails);
    tokio::time::advance(memory::MEMORY).await;
    renew(&house, Some(&peer), HOUR).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_identity_than_the_svids_speaks_for_nobody() {
    let (house, peer) = outage().await;
    let mut other = claims(WEB);
    other["kubernetes.io"]["serviceaccount"]["name"] = json!("admin");
    let connection = Connection { peer: Some(&peer), address: address(WEB_ADDRESS) };
    let refused = house.tokens.speaker(sign(&other, "s"), &peer, connection, &house.worlds, now()).await;
    assert_eq!(refused, Err(PodTokenError::OtherPeer(identity()).into()));
}
