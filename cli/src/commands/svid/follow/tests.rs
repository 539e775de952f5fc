//! Against a Workload API that answers as it is told to, over a real socket. Time is real, the wall clock is moved by hand.

use std::path::PathBuf;

use kith_proto::spiffe::X509svidResponse;
use kith_runtime::{ManualClock, Tasks};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tonic::Status;

use super::*;
use crate::args::EndpointAddress;
use crate::commands::svid::testing::{Answer, Ca, FakeApi, WEB, at, message};

/// Far above what anything here takes.
const SOON: Duration = Duration::from_secs(20);
const OTHER: &str = "spiffe://demo.local/ns/shop/sa/other";

#[derive(Debug, PartialEq)]
enum Seen {
    Accepted(String),
    Withdrawn,
    Reported(String),
}

struct Recorder(UnboundedSender<Seen>);

impl Sink for Recorder {
    fn accept(&mut self, update: &Update) -> anyhow::Result<()> {
        Ok(self.0.send(Seen::Accepted(update.default_svid().leaf.identity().to_string()))?)
    }

    fn withdraw(&mut self) -> anyhow::Result<()> {
        Ok(self.0.send(Seen::Withdrawn)?)
    }

    fn report(&mut self, text: &str) {
        self.0.send(Seen::Reported(text.to_owned())).unwrap();
    }
}

struct Site {
    socket: PathBuf,
    seen: UnboundedReceiver<Seen>,
    hand: ManualClock,
    _folder: TempDir,
    _server: Option<Tasks>,
}

impl Site {
    fn new(answers: impl IntoIterator<Item = Answer>) -> (Self, Follower<Recorder>) {
        let (mut site, follower) = Self::without_server();
        site._server = Some(FakeApi::serve(&site.socket, answers));
        (site, follower)
    }

    fn without_server() -> (Self, Follower<Recorder>) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("api.sock");
        let (clock, hand) = Clock::manual(at(0));
        let (sender, seen) = unbounded_channel();
        let api = WorkloadApi::at(EndpointAddress::Unix(socket.clone()), clock.clone());
        let follower = Follower::new(api, clock, Recorder(sender));
        (Self { socket, seen, hand, _folder: folder, _server: None }, follower)
    }

    /// The next thing that happened; what was merely reported is skipped.
    async fn next(&mut self) -> Seen {
        loop {
            match timeout(SOON, self.seen.recv()).await.unwrap().unwrap() {
                Seen::Reported(_) => {}
                seen => return seen,
            }
        }
    }

    async fn reported(&mut self, want: &str) {
        loop {
            let seen = timeout(SOON, self.seen.recv()).await.unwrap().unwrap();
            if matches!(&seen, Seen::Reported(text) if text.contains(want)) {
                return;
            }
        }
    }
}

fn accepted(identity: &str) -> Seen {
    Seen::Accepted(identity.to_owned())
}

/// Follows for as long as the test looks.
async fn following(mut follower: Follower<Recorder>, test: impl Future<Output = ()>) {
    tokio::select! {
        ended = async { follower.first(SOON).await?; follower.follow().await } => panic!("{ended:?}"),
        () = test => {}
    }
}

fn of(ca: &Ca, identity: &str) -> X509svidResponse {
    message([ca.svid(identity, 3600)])
}

// Conforms: Endpoint 3 send-header, Endpoint 3 grpc-client, Workload-API 4.2 keep-open
#[tokio::test]
async fn the_first_answer_and_every_later_one_is_handed_on() {
    let ca = Ca::new();
    // The fake refuses whoever does not send the header.
    let (mut site, follower) = Site::new([Answer::Stay(vec![of(&ca, WEB), of(&ca, OTHER)])]);
    following(follower, async {
        assert_eq!(site.next().await, accepted(WEB));
        assert_eq!(site.next().await, accepted(OTHER));
    })
    .await;
}

// W10
// Conforms: Workload-API 4.2 reconnect
#[tokio::test]
async fn a_stream_that_is_lost_is_opened_again_and_what_holds_is_kept() {
    let ca = Ca::new();
    let away = || Answer::Refuse(Status::unavailable("starting"));
    let (mut site, follower) =
        Site::new([Answer::End(vec![of(&ca, WEB)]), away(), away(), Answer::Stay(vec![of(&ca, OTHER)])]);
    following(follower, async {
        assert_eq!(site.next().await, accepted(WEB));
        site.reported("what was fetched last holds on").await;
        assert_eq!(site.next().await, accepted(OTHER), "nothing was taken away between them");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_comes_later_is_waited_for() {
    let ca = Ca::new();
    let (mut site, follower) = Site::without_server();
    following(follower, async {
        site.reported("waiting for it").await;
        let _server = FakeApi::serve(&site.socket, [Answer::Stay(vec![of(&ca, WEB)])]);
        assert_eq!(site.next().await, accepted(WEB));
    })
    .await;
}

// Conforms: Workload-API 4.5 client
#[tokio::test]
async fn a_message_that_cannot_be_used_is_reported_and_changes_nothing() {
    let ca = Ca::new();
    let (mut site, follower) = Site::new([Answer::Stay(vec![of(&ca, WEB), message([]), of(&ca, OTHER)])]);
    following(follower, async {
        assert_eq!(site.next().await, accepted(WEB));
        site.reported("there is no svid in it").await;
        assert_eq!(site.next().await, accepted(OTHER));
    })
    .await;
}

// Conforms: Workload-API 5.2.1 cease
#[tokio::test]
async fn an_identity_that_is_taken_back_is_used_no_longer() {
    let ca = Ca::new();
    let gone = Answer::Refuse(Status::permission_denied("no identity"));
    let (mut site, follower) =
        Site::new([Answer::End(vec![of(&ca, WEB)]), gone, Answer::Stay(vec![of(&ca, OTHER)])]);
    following(follower, async {
        assert_eq!(site.next().await, accepted(WEB));
        assert_eq!(site.next().await, Seen::Withdrawn);
        assert_eq!(site.next().await, accepted(OTHER), "and comes back when it is granted again");
    })
    .await;
}

#[tokio::test]
async fn what_expires_unrenewed_is_taken_away_once() {
    let ca = Ca::new();
    let (mut site, follower) = Site::new([Answer::Stay(vec![of(&ca, WEB)])]);
    following(follower, async {
        assert_eq!(site.next().await, accepted(WEB));
        site.hand.set(at(3600));
        tokio::task::yield_now().await;
        assert!(site.seen.is_empty(), "its last second is one in which it holds");
        site.hand.set(at(3601));
        site.reported("has expired and was not renewed").await;
        assert_eq!(site.next().await, Seen::Withdrawn);
        site.hand.set(at(9999));
    })
    .await;
    assert!(site.seen.is_empty());
}

// Conforms: Endpoint 6 no-retry
#[tokio::test]
async fn a_refusal_that_no_try_changes_ends_it() {
    for status in [Status::unimplemented("x509"), Status::invalid_argument("no header")] {
        let (_site, mut follower) = Site::new([Answer::Refuse(status)]);
        let error = timeout(SOON, follower.first(SOON * 2)).await.expect("at once").unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(FetchError::Refused { .. })), "{error}");
    }
}

#[tokio::test]
async fn without_an_answer_in_time_the_last_reason_is_told() {
    let limit = Duration::from_millis(300);
    let denied = || Answer::Refuse(Status::permission_denied("unknown caller"));
    let (_site, mut follower) = Site::new(std::iter::repeat_with(denied).take(50));
    let error = follower.first(limit).await.unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(FetchError::NoIdentity { .. })), "{error}");
    let (_site, mut follower) = Site::without_server();
    let error = follower.first(limit).await.unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(FetchError::Unreachable { .. })), "{error}");
    // A server that accepts and says nothing.
    let (_site, mut follower) = Site::new([Answer::Stay(vec![])]);
    let error = follower.first(limit).await.unwrap_err();
    assert!(error.to_string().contains("no answer within 300ms"), "{error}");
}

#[tokio::test]
async fn the_same_trouble_is_told_once() {
    let (mut site, mut follower) = Site::without_server();
    follower.first(Duration::from_secs(1)).await.unwrap_err();
    let mut told = 0;
    while site.seen.try_recv().is_ok() {
        told += 1;
    }
    assert_eq!(told, 1);
}
