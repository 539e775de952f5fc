//! Connections of an application in a pod, from the accepted socket to whoever answers. The kernel's word on what they
//! were for comes from `Capture::Told`.

mod names;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use kith_proto::v1;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::outgoing::Outgoing;
use super::resolve::choose;
use super::*;
use crate::capture::{Applications, Capture, OwnAddresses};
use crate::identity_log::{Call, Direction, Event, Verdict};
use crate::test_mesh::{Authority, TestSidecar, echo_application, get, http_application, identity};

/// A Service's address, which leads nowhere by itself.
const SERVICE: &str = "10.96.0.1:80";

fn own() -> OwnAddresses {
    OwnAddresses::new(["10.1.2.3".parse::<IpAddr>().unwrap()])
}

/// A sidecar whose application calls this address.
async fn calling(authority: &Authority, address: &str) -> TestSidecar {
    let capture = Capture::Told { destination: address.parse().unwrap(), own: own() };
    TestSidecar::start(authority, "web", capture, Applications::OriginalDestination).await
}

/// A sidecar in front of an application, that lets everybody through whose identity is proven.
async fn serving(authority: &Authority, application: SocketAddr) -> TestSidecar {
    let applications = Applications::Fixed(application);
    let mut serving = TestSidecar::start(authority, "payments", Capture::Explicit, applications).await;
    serving.enforce(v1::Snapshot { posture: v1::Posture::Encrypt.into(), ..v1::Snapshot::default() });
    serving
}

fn meshed(address: SocketAddr) -> v1::Endpoint {
    v1::Endpoint { address: address.to_string(), identity: identity("payments").to_string() }
}

fn plain(address: SocketAddr) -> v1::Endpoint {
    v1::Endpoint { address: address.to_string(), identity: String::new() }
}

fn service(endpoints: Vec<v1::Endpoint>) -> v1::Destination {
    let service = "shop/payments".to_owned();
    v1::Destination { name: SERVICE.to_owned(), endpoints, service, ..v1::Destination::default() }
}

/// Nothing of the mesh is there.
fn outside(address: &str) -> v1::Destination {
    v1::Destination { name: address.to_owned(), outside: true, ..v1::Destination::default() }
}

fn snapshot(destination: v1::Destination, egress: v1::Egress) -> v1::Snapshot {
    v1::Snapshot {
        destinations: vec![destination],
        egress: egress.into(),
        // Of the workload itself, which nobody calls here.
        posture: v1::Posture::Enforce.into(),
        ..v1::Snapshot::default()
    }
}

fn would_deny(call: &Call) -> Option<&str> {
    call.would_deny.as_ref().map(|would_deny| would_deny.reason.as_str())
}

/// Sends bytes that nobody takes for HTTP and reads so many back.
async fn echoed(at: SocketAddr) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(at).await?;
    stream.write_all(b"\x01ping").await?;
    let mut back = [0; 5];
    stream.read_exact(&mut back).await?;
    assert_eq!(&back, b"\x01ping");
    Ok(stream)
}

async fn ends_in_a_reset(mut stream: TcpStream) {
    let mut rest = Vec::new();
    assert_eq!(stream.read_to_end(&mut rest).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

/// A port that refuses connections.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_call_waits_until_its_address_is_known_and_is_carried_then() {
    let authority = Authority::new();
    let (application, _running) = http_application().await;
    let serving = serving(&authority, application).await;
    let mut calling = calling(&authority, SERVICE).await;
    calling.enforce(v1::Snapshot::default());
    let subscriptions = Arc::clone(&calling.worker.shared.subscriptions);
    let mut changed = subscriptions.watch();
    let out = calling.outbound;
    let (answer, ()) = tokio::join!(get(out), async {
        changed.changed().await.unwrap();
        assert_eq!(subscriptions.list().addresses, [SERVICE]);
        calling.enforce(snapshot(service(vec![meshed(serving.inbound)]), v1::Egress::Deny));
    });
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let call = calling.next_call().await;
    assert_eq!((call.verdict, call.status, call.direction), (Verdict::Allow, Some(200), Direction::Outbound));
    assert_eq!(call.destination, Some(identity("payments").to_string()));
}

#[tokio::test]
async fn bytes_to_an_address_are_carried_as_a_stream() {
    let authority = Authority::new();
    let (application, _running) = echo_application().await;
    let serving = serving(&authority, application).await;
    let mut calling = calling(&authority, SERVICE).await;
    calling.enforce(snapshot(service(vec![meshed(serving.inbound)]), v1::Egress::Deny));
    let mut stream = echoed(calling.outbound).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "a half-close comes back as one");
    let call = calling.next_call().await;
    assert_eq!((call.verdict, call.protocol.as_str()), (Verdict::Allow, "tcp"));
    assert_eq!(call.destination, Some(identity("payments").to_string()));
}

#[tokio::test]
async fn what_is_outside_the_mesh_is_refused_unless_egress_lets_it() {
    let authority = Authority::new();
    let (address, _running) = echo_application().await;
    let mut calling = calling(&authority, SERVICE).await;
    for destination in [service(vec![plain(address)]), outside(SERVICE)] {
        calling.enforce(snapshot(destination, v1::Egress::Deny));
        let answer = get(calling.outbound).await;
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("kith-denial-id: "), "{answer}");
        let call = calling.next_call().await;
        assert_eq!((call.verdict, call.denial_reason.as_deref()), (Verdict::Deny, Some("egress_denied")));
        assert_eq!(call.server_address.as_deref(), Some(SERVICE));

        assert_eq!(echoed(calling.outbound).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(calling.next_call().await.denial_reason.as_deref(), Some("egress_denied"));
    }
}

#[tokio::test]
async fn a_client_that_waits_for_a_server_that_is_refused_does_not_wait_for_long() {
    let authority = Authority::new();
    let mut calling = calling(&authority, SERVICE).await;
    calling.enforce(snapshot(outside(SERVICE), v1::Egress::Deny));
    let stream = TcpStream::connect(calling.outbound).await.unwrap();
    // Sooner than what is spoken would be given up on.
    timeout(Duration::from_secs(4), ends_in_a_reset(stream)).await.expect("refused by now");
    assert_eq!(calling.next_call().await.denial_reason.as_deref(), Some("egress_denied"));
}

#[tokio::test]
async fn egress_that_is_observed_is_let_through_and_its_line_says_what_deny_would_have_done() {
    let authority = Authority::new();
    let (address, _running) = echo_application().await;
    let mut calling = calling(&authority, SERVICE).await;
    for (egress, would) in [(v1::Egress::Observe, Some("egress_denied")), (v1::Egress::Allow, None)] {
        calling.enforce(snapshot(service(vec![plain(address)]), egress));
        let mut stream = echoed(calling.outbound).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        let call = calling.next_call().await;
        assert_eq!((call.verdict, call.protocol.as_str()), (Verdict::Allow, "tcp"));
        assert_eq!((would_deny(&call), call.error.as_deref()), (would, None));
        assert_eq!((call.destination, call.server_address), (None, Some(address.to_string())));
        assert_eq!((call.request_bytes, call.response_bytes), (Some(5), Some(5)));
    }
}

#[tokio::test]
async fn what_leaves_the_mesh_is_not_looked_into_in_any_protocol() {
    let authority = Authority::new();
    let (application, _running) = http_application().await;
    let mut calling = calling(&authority, SERVICE).await;
    calling.enforce(snapshot(service(vec![plain(application)]), v1::Egress::Allow));
    assert!(get(calling.outbound).await.starts_with("HTTP/1.1 200 "));
    let call = calling.next_call().await;
    assert_eq!((call.method.as_str(), call.path.as_str(), call.protocol.as_str()), ("", "", "tcp"));
}

#[tokio::test]
async fn outside_the_mesh_a_connection_goes_to_the_very_address_that_it_was_for() {
    let authority = Authority::new();
    let mut calling = calling(&authority, SERVICE).await;
    calling.enforce(snapshot(outside(SERVICE), v1::Egress::Allow));
    let shared = &calling.worker.shared;
    let outgoing = Outgoing::begin(shared, None, accepted()).await;
    let way = way(shared, outgoing.in_force(shared).await.as_ref(), &outgoing).unwrap();
    let Way::Plain(to) = way else { panic!("{way:?}") };
    assert_eq!(to.addresses, [SERVICE.parse().unwrap()]);
}

#[tokio::test]
async fn what_egress_forbids_now_ends_while_it_is_open() {
    let authority = Authority::new();
    let (address, _running) = echo_application().await;
    let mut calling = calling(&authority, SERVICE).await;
    calling.enforce(snapshot(service(vec![plain(address)]), v1::Egress::Allow));
    let stream = echoed(calling.outbound).await.unwrap();
    calling.enforce(snapshot(service(vec![plain(address)]), v1::Egress::Deny));
    ends_in_a_reset(stream).await;
    let call = calling.next_call().await;
    assert_eq!((call.verdict, call.denial_reason.as_deref()), (Verdict::Deny, Some("egress_denied")));
    assert_eq!(call.error.as_deref(), Some("cut"));
}

#[tokio::test]
async fn a_metadata_service_is_never_called_whoever_declares_it() {
    // K17
    let authority = Authority::new();
    let mut direct = calling(&authority, "169.254.169.254:80").await;
    direct.enforce(snapshot(outside("169.254.169.254:80"), v1::Egress::Allow));
    let answer = get(direct.outbound).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert_eq!(direct.next_call().await.denial_reason.as_deref(), Some("metadata_address"));
    assert!(direct.worker.shared.subscriptions.list().addresses.is_empty());

    let mut by_endpoint = calling(&authority, SERVICE).await;
    let metadata = plain("169.254.169.254:80".parse().unwrap());
    by_endpoint.enforce(snapshot(service(vec![metadata]), v1::Egress::Allow));
    assert_eq!(echoed(by_endpoint.outbound).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(by_endpoint.next_call().await.denial_reason.as_deref(), Some("metadata_address"));
}

#[tokio::test]
async fn a_connection_to_the_sidecar_itself_is_closed_with_one_line() {
    // K14, K15
    let authority = Authority::new();
    let mut calling = calling(&authority, "10.1.2.3:7442").await;
    let mut stream = TcpStream::connect(calling.outbound).await.unwrap();
    assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
    let Event::SessionRefused(refused) = calling.next_event().await else { panic!("another event") };
    assert_eq!((refused.direction, refused.reason.as_str()), (Direction::Outbound, "own_listener"));
}

/// A sidecar that knows of an endpoint that is gone, and has not found that out yet, and of this one.
async fn calling_one_of_two(authority: &Authority, serving: &TestSidecar) -> TestSidecar {
    let mut calling = calling(authority, SERVICE).await;
    let endpoints = vec![meshed(nobody().await), meshed(serving.inbound)];
    calling.enforce(snapshot(service(endpoints), v1::Egress::Deny));
    calling
}

#[tokio::test]
async fn an_endpoint_that_is_gone_costs_no_call_while_another_is_there() {
    let authority = Authority::new();
    let (application, _running) = http_application().await;
    let serving = serving(&authority, application).await;
    // Each picks the one that is gone with a chance of a half.
    for _ in 0..10 {
        let mut calling = calling_one_of_two(&authority, &serving).await;
        let answer = get(calling.outbound).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(calling.next_call().await.verdict, Verdict::Allow);
    }
}

#[tokio::test]
async fn bytes_go_to_the_other_endpoint_under_its_own_address() {
    let authority = Authority::new();
    let (application, _running) = echo_application().await;
    let serving = serving(&authority, application).await;
    for _ in 0..10 {
        let calling = calling_one_of_two(&authority, &serving).await;
        // The other sidecar refuses a stream that is for another address.
        echoed(calling.outbound).await.unwrap();
    }
}

#[tokio::test]
async fn an_endpoint_outside_the_mesh_gets_no_call_where_egress_keeps_them_in() {
    let authority = Authority::new();
    let (application, _running) = http_application().await;
    let serving = serving(&authority, application).await;
    let mut calling = calling(&authority, SERVICE).await;
    let endpoints = vec![plain(nobody().await), meshed(serving.inbound)];
    calling.enforce(snapshot(service(endpoints), v1::Egress::Deny));
    for _ in 0..8 {
        assert!(get(calling.outbound).await.starts_with("HTTP/1.1 200 "));
        assert_eq!(calling.next_call().await.destination, Some(identity("payments").to_string()));
    }
}

#[tokio::test]
async fn a_workload_that_is_cut_off_calls_nobody() {
    let authority = Authority::new();
    let (address, _running) = echo_application().await;
    let mut calling = calling(&authority, SERVICE).await;
    calling.enforce(snapshot(service(vec![plain(address)]), v1::Egress::Allow));
    let stream = echoed(calling.outbound).await.unwrap();
    calling.quarantine(v1::Quarantines { yourself: true, ..v1::Quarantines::default() });
    ends_in_a_reset(stream).await;
    assert_eq!(calling.next_call().await.denial_reason.as_deref(), Some("quarantined"));
    assert!(get(calling.outbound).await.starts_with("HTTP/1.1 403 "));
    assert_eq!(calling.next_call().await.denial_reason.as_deref(), Some("quarantined"));
}

#[tokio::test]
async fn a_call_whose_session_is_cut_after_it_was_sent_says_that_it_may_have_arrived() {
    let authority = Authority::new();
    let application = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let serving = serving(&authority, application.local_addr().unwrap()).await;
    let mut calling = calling(&authority, SERVICE).await;
    calling.enforce(snapshot(service(vec![meshed(serving.inbound)]), v1::Egress::Deny));
    let out = calling.outbound;
    let (answer, _unanswered) = tokio::join!(get(out), async {
        let (mut stream, _) = application.accept().await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0, "the request arrived");
        let identities = vec![identity("payments").to_string()];
        calling.quarantine(v1::Quarantines { identities, ..v1::Quarantines::default() });
        stream
    });
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    let call = calling.next_call().await;
    assert_eq!((call.verdict, call.denial_reason.as_deref()), (Verdict::Deny, Some("quarantined")));
    let detail = call.denial_detail.unwrap();
    assert!(detail.ends_with("under way and may have reached its destination"), "{detail}");
}

/// A connection of the application to the Service.
fn accepted() -> Accepted {
    Accepted { peer: "127.0.0.1:1".parse().unwrap(), destination: SERVICE.parse().unwrap() }
}

/// What is said about an address that nobody knows, and how long that took.
async fn unknown(calling: &TestSidecar) -> (String, Duration) {
    let shared = &calling.worker.shared;
    let begun = tokio::time::Instant::now();
    let outgoing = Outgoing::begin(shared, None, accepted()).await;
    let enforced = outgoing.in_force(shared).await;
    let refused = choose(&calling.worker, &calling.worker.calls, &enforced, &outgoing).unwrap_err();
    assert_eq!(refused.reason, "unknown_destination");
    (refused.detail, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn an_address_that_nobody_knows_is_refused_in_time_and_it_is_said_who_was_to_know() {
    let authority = Authority::new();
    let mut calling = calling(&authority, SERVICE).await;
    calling.enforce(v1::Snapshot::default());
    let (detail, took) = unknown(&calling).await;
    assert!(detail.contains("the control plane is not connected"), "{detail}");
    assert_eq!(took.as_secs(), 10, "a control plane that is replaced is back by then");
    let subscriptions = Arc::clone(&calling.worker.shared.subscriptions);
    let _connected = subscriptions.connected();
    let (detail, _) = unknown(&calling).await;
    assert!(detail.contains("the control plane is connected"), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_an_address_is_let_go_when_the_process_stops() {
    let authority = Authority::new();
    let mut calling = calling(&authority, SERVICE).await;
    calling.enforce(v1::Snapshot::default());
    let stopper = calling.stopper.clone();
    let ((_, took), ()) = tokio::join!(biased; unknown(&calling), async { stopper.begin() });
    assert_eq!(took, Duration::ZERO);
}
