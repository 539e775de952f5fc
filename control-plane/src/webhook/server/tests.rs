//! The server over loopback, asked by the client that the rest of this crate asks API servers with.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use hyper::body::Frame;
use kith_runtime::{Clock, Stopper};
use kube::client::Body as KubeBody;
use serde_json::Value;

use super::*;
use crate::testing::PATIENCE;
use crate::webhook::Certificates;
use crate::webhook::testing::{OWN, UID, facts, new_pod, pod, settings, world};

/// A webhook that runs, and a client that trusts it.
struct House {
    address: SocketAddr,
    facts: watch::Sender<Arc<Facts>>,
    webhook: Arc<Webhook>,
    client: kube::Client,
    stopper: Stopper,
    tasks: Tasks,
    certificates: Certificates,
}

impl House {
    async fn start() -> Self {
        let (stopper, stop) = Stop::new();
        let tasks = Tasks::new();
        let certificates = Certificates::create("kith", Clock::system()).unwrap();
        let (facts, known) = watch::channel(facts(&[("shop", "enabled")]));
        let (_, worlds) = watch::channel(Arc::new(world()));
        let clock = Clock::system();
        let webhook = Webhook::new(
            certificates.tls(),
            known,
            worlds,
            Installed { settings: settings(), namespace: OWN.into() },
            clock,
            stop,
            tasks.clone(),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tasks.spawn(Arc::clone(&webhook).serve(listener));
        let client = client(address, &certificates.trusted().borrow());
        Self { address, facts, webhook, client, stopper, tasks, certificates }
    }

    async fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> (StatusCode, String) {
        let request = HttpRequest::post(path).header("content-type", "application/json");
        self.send(request.body(KubeBody::from(body.into())).unwrap()).await
    }

    async fn send(&self, request: HttpRequest<KubeBody>) -> (StatusCode, String) {
        let response = timeout(PATIENCE, self.client.send(request)).await.unwrap().unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn stop(self) {
        self.stopper.begin();
        drop((self.client, self.certificates));
        assert_eq!(self.tasks.finish(PATIENCE).await, 0, "every task ends by itself");
    }
}

/// As an API server connects: by the Service's name, trusting what the configuration says.
fn client(address: SocketAddr, trusted: &str) -> kube::Client {
    let mut config = kube::Config::new(format!("https://{address}").parse().unwrap());
    config.tls_server_name = Some("kith-control-plane.kith.svc".into());
    config.root_cert = Some(vec![certificate(trusted)]);
    kube::Client::try_from(config).unwrap()
}

/// The DER of the one certificate in a PEM text.
fn certificate(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let encoded: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    base64::engine::general_purpose::STANDARD.decode(encoded).unwrap()
}

#[tokio::test]
async fn a_question_is_answered_over_tls() {
    let house = House::start().await;
    let (status, text) = house.post("/inject", new_pod(&pod()).to_string()).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&answer["response"]["uid"], &answer["response"]["allowed"]), (&UID.into(), &true.into()));
    house.stop().await;
}

#[tokio::test]
async fn a_client_that_trusts_somebody_else_gets_no_answer() {
    let house = House::start().await;
    let other = Certificates::create("kith", Clock::system()).unwrap();
    let client = client(house.address, &other.trusted().borrow());
    let request = HttpRequest::post("/inject").body(KubeBody::empty()).unwrap();
    client.send(request).await.unwrap_err();
    house.stop().await;
}

// K20
#[tokio::test]
async fn what_is_no_question_gets_a_status_that_says_why() {
    let house = House::start().await;
    let good = new_pod(&pod()).to_string();
    let ask = |path: &str| HttpRequest::post(path).header("content-type", "application/json");
    let body = |text: &str| KubeBody::from(text.as_bytes().to_vec());
    for (request, wanted) in [
        (ask("/").body(body(&good)), StatusCode::NOT_FOUND),
        (ask("/inject?x=1").body(body("{}")), StatusCode::BAD_REQUEST),
        (ask("/inject").method("GET").body(body("")), StatusCode::METHOD_NOT_ALLOWED),
        (ask("/inject").method("PUT").body(body(&good)), StatusCode::METHOD_NOT_ALLOWED),
        (
            ask("/inject").header("content-encoding", "gzip").body(body(&good)),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (HttpRequest::post("/inject").body(body(&good)), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (
            HttpRequest::post("/inject").header("content-type", "application/yaml").body(body(&good)),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (ask("/inject").body(body("not json")), StatusCode::BAD_REQUEST),
        (ask("/inject").body(body(&"[".repeat(1024 * 1024))), StatusCode::BAD_REQUEST),
    ] {
        let (status, text) = house.send(request.unwrap()).await;
        assert_eq!(status, wanted, "{text}");
        assert!(!text.trim().is_empty());
    }
    house.stop().await;
}

/// A body that does not say how long it is.
struct OfUnknownLength(Full<Bytes>);

impl Body for OfUnknownLength {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }
}

// K20
#[tokio::test]
async fn a_body_of_more_than_four_mebibytes_is_refused_and_one_of_three_is_read() {
    let house = House::start().await;
    let padded = |mebibytes: usize| {
        let mut review = new_pod(&pod());
        review["request"]["object"]["metadata"]["annotations"] =
            serde_json::json!({ "theirs": "x".repeat(mebibytes * 1024 * 1024) });
        review.to_string()
    };
    let (status, text) = house.post("/inject", padded(3)).await;
    assert_eq!(status, StatusCode::OK, "{text}");

    let guest = house.webhook.guests.at([10, 0, 0, 1].into());
    let request = || HttpRequest::post("/inject").header("content-type", "application/json");
    let large = Full::new(Bytes::from(padded(5)));
    let told = request().body(large.clone()).unwrap();
    let told = Arc::clone(&house.webhook).answer(Arc::clone(&guest), told).await.unwrap();
    let found = request().body(OfUnknownLength(large)).unwrap();
    let found = Arc::clone(&house.webhook).answer(guest, found).await.unwrap();
    assert_eq!([told.status(), found.status()], [StatusCode::PAYLOAD_TOO_LARGE; 2]);
    house.stop().await;
}

#[tokio::test]
async fn a_namespace_that_is_heard_of_while_the_api_server_waits_is_answered_for() {
    let house = House::start().await;
    house.facts.send_replace(facts(&[]));
    let (answered, ()) = tokio::join!(house.post("/inject", new_pod(&pod()).to_string()), async {
        tokio::task::yield_now().await;
        house.facts.send_replace(facts(&[("shop", "enabled")]));
    });
    let answer: Value = serde_json::from_str(&answered.1).unwrap();
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
    house.stop().await;
}

/// A body that never has anything, and knows how many of its kind are read at once.
struct Endless {
    reading: Arc<Reading>,
    read: bool,
}

#[derive(Default)]
struct Reading {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !std::mem::replace(&mut self.read, true) {
            let now = self.reading.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.reading.most.fetch_max(now, Ordering::SeqCst);
        }
        Poll::Pending
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        if self.read {
            self.reading.now.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

// K21
#[tokio::test]
async fn a_body_that_never_ends_is_given_up_and_so_is_the_wait_behind_it() {
    let house = House::start().await;
    // After the sockets, which need real time.
    tokio::time::pause();
    let reading = Arc::new(Reading::default());
    let guest = house.webhook.guests.at([10, 0, 0, 1].into());
    let ask = || {
        let request = HttpRequest::post("/inject").header("content-type", "application/json");
        let request = request.body(Endless { reading: Arc::clone(&reading), read: false }).unwrap();
        Arc::clone(&house.webhook).answer(Arc::clone(&guest), request)
    };
    let start = tokio::time::Instant::now();
    let answers = futures_util::future::join_all((0..100).map(|_| ask())).await;
    // Timers are rounded up.
    assert!(start.elapsed() < ANSWER_TIME + Duration::from_millis(100));
    let statuses: std::collections::BTreeSet<_> =
        answers.into_iter().map(|answer| answer.unwrap().status().as_u16()).collect();
    assert_eq!(statuses, [408, 503].into());
    assert_eq!(reading.most.load(Ordering::SeqCst), 16, "an address has its share, and no more");
    house.stop().await;
}

fn ask<B>(house: &House, last: u8, body: B) -> impl Future<Output = StatusCode>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let guest = house.webhook.guests.at([10, 0, 0, last].into());
    let request = HttpRequest::post("/inject").header("content-type", "application/json");
    let answered = Arc::clone(&house.webhook).answer(guest, request.body(body).unwrap());
    async { answered.await.unwrap().status() }
}

// K21
#[tokio::test]
async fn slow_bodies_and_unheard_of_namespaces_of_some_addresses_make_no_other_wait() {
    let house = House::start().await;
    tokio::time::pause();
    let reading = Arc::new(Reading::default());
    let mut unheard = new_pod(&pod());
    unheard["request"]["namespace"] = "unheard".into();
    let unheard = Full::new(Bytes::from(unheard.to_string()));
    let slow = (2..10).flat_map(|last| {
        let (house, reading, unheard) = (&house, &reading, &unheard);
        (0..16).map(move |number| {
            let endless = Endless { reading: Arc::clone(reading), read: false };
            match number % 2 {
                0 => futures_util::future::Either::Left(ask(house, last, endless)),
                _ => futures_util::future::Either::Right(ask(house, last, unheard.clone())),
            }
        })
    });
    let start = tokio::time::Instant::now();
    let other = async {
        tokio::task::yield_now().await;
        let status = ask(&house, 1, Full::new(Bytes::from(new_pod(&pod()).to_string()))).await;
        (status, start.elapsed())
    };
    let (_, (status, took)) = tokio::join!(biased; futures_util::future::join_all(slow), other);
    assert_eq!(status, StatusCode::OK);
    assert!(took < FACTS_TIME, "{took:?}");
    assert_eq!(reading.most.load(Ordering::SeqCst), 8 * 8, "they were all being read");
    house.stop().await;
}

// K20, K21
#[tokio::test]
async fn a_large_body_waits_for_room_among_all_and_a_small_one_does_not() {
    let house = House::start().await;
    tokio::time::pause();
    let guest = house.webhook.guests.at([10, 0, 0, 2].into());
    let rooms = futures_util::future::join_all((0..32).map(|_| guest.room())).await;
    let mut large = new_pod(&pod());
    large["request"]["object"]["metadata"]["annotations"] =
        serde_json::json!({ "theirs": "x".repeat(SMALL_BODY) });
    let large = Full::new(Bytes::from(large.to_string()));
    let small = Full::new(Bytes::from(new_pod(&pod()).to_string()));
    assert_eq!(ask(&house, 1, small).await, StatusCode::OK);
    assert_eq!(ask(&house, 1, large.clone()).await, StatusCode::REQUEST_TIMEOUT);
    drop(rooms);
    assert_eq!(ask(&house, 1, large).await, StatusCode::OK);
    house.stop().await;
}
