//! Hellos at a port that is declared to speak TLS of its own: which of them are the application's, in each posture, and
//! that whoever has a sidecar is never taken for somebody who has none.

use std::net::IpAddr;
use std::time::Duration;

use kith_mtls::{Accept, Client, ClientIdentity, connect_to_own_application};
use kith_proto::v1::{Egress, Posture, Protocol};
use tokio::io::DuplexStream;

use super::pod::NOBODY;
use super::*;
use crate::capture::{Capture, OwnAddresses};
use crate::identity_log::Event;
use crate::session::{ALPN_CALLS, ALPN_STREAMS};
use crate::test_mesh::{TestSidecar, identity};

/// More than a hello has.
const LARGE: usize = 64 * 1024;

/// What a client sends first that offers these.
async fn hello(pod: &Pod, alpn: &[&[u8]]) -> Vec<u8> {
    let client = Client::new(pod.authority.credentials(&identity("web")), ClientIdentity::Svid, alpn);
    let accept = Accept::OneOf([identity("orders")].into());
    let (near, far) = tokio::io::duplex(LARGE);
    first_of(client.connect(near, accept, Duration::from_secs(20)), far).await
}

/// Of any client that knows nothing of the mesh.
async fn foreign_hello() -> Vec<u8> {
    let (near, far) = tokio::io::duplex(LARGE);
    first_of(connect_to_own_application(near, [127, 0, 0, 1].into()), far).await
}

/// What is sent while nobody answers.
async fn first_of(connecting: impl Future, mut far: DuplexStream) -> Vec<u8> {
    let mut bytes = vec![0; LARGE];
    tokio::select! {
        biased;
        _ = connecting => panic!("nobody answers"),
        read = far.read(&mut bytes) => bytes.truncate(read.unwrap()),
    }
    assert_eq!(bytes[0], 0x16);
    bytes
}

/// Observing, with the port of the application declared.
async fn observing(application: &Application, declared: Protocol, specs: &[&str]) -> Pod {
    let mut pod = Pod::start(Applications::OriginalDestination).await;
    pod.declare(application.address.port(), declared);
    pod.enforce(Posture::Observe, specs);
    pod
}

/// Sends this and reads as much back.
async fn echoed(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).await.unwrap();
    assert!(back == bytes, "every byte arrives as it was sent");
}

#[tokio::test]
async fn in_observe_tls_of_the_applications_own_passes_as_bytes_of_nobody_and_its_line_says_so() {
    let application = Application::echo().await;
    let mut pod = observing(&application, Protocol::Tls, &[]).await;
    let whole = foreign_hello().await;
    for hello in [whole.clone(), hello(&pod, &[b"http/1.1", b"h2"]).await, hello(&pod, &[]).await] {
        let mut stream = pod.connect(application.address).await;
        echoed(&mut stream, &hello).await;
        drop(stream);
        let call = pod.call().await;
        assert_eq!((call.protocol.as_str(), would(&call)), ("tls", Some("no_identity")));
        assert_eq!((call.verdict, call.source.as_deref()), (Verdict::Allow, None));
        assert_eq!(call.posture.as_deref(), Some("Observe"));
        assert_eq!(call.request_bytes, Some(hello.len() as u64));
        assert_eq!((call.method.as_str(), call.path.as_str()), ("", ""));
    }
    // L8: however it is cut into pieces.
    let mut stream = pod.connect(application.address).await;
    for piece in whole.chunks(100) {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut back = vec![0; whole.len()];
    stream.read_exact(&mut back).await.unwrap();
    assert!(back == whole);
}

/// What became of a connection that begins like this.
async fn outcome(posture: Posture, declared: Protocol, first: &[u8], ended: bool) -> String {
    let application = Application::echo().await;
    let mut pod = observing(&application, declared, &[]).await;
    pod.enforce(posture, &[]);
    if ended {
        pod.sidecar.hand.advance(OBSERVE);
    }
    let mut stream = pod.connect(application.address).await;
    stream.write_all(first).await.unwrap();
    stream.shutdown().await.unwrap();
    // However it ends, its line says what it was.
    let _ = stream.read_to_end(&mut Vec::new()).await;
    match pod.event().await {
        Event::Call(call) if call.verdict == Verdict::Allow => format!("passes as {}", call.protocol),
        Event::Call(call) => format!("refused: {}", call.denial_reason.unwrap()),
        Event::SessionRefused(refused) if refused.reason == "connection_lost" => {
            "begins a session".to_owned()
        }
        Event::SessionRefused(refused) => format!("refused: {}", refused.reason),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_is_handed_to_the_application_is_this_table() {
    use Posture::{Encrypt, Enforce, Observe};
    use Protocol::{Http, Tcp, Tls, Unspecified};
    let pod = Pod::start(Applications::OriginalDestination).await;
    let (foreign, sidecars) = (foreign_hello().await, hello(&pod, &[ALPN_CALLS]).await);
    let (streams, both) =
        (hello(&pod, &[ALPN_STREAMS]).await, hello(&pod, &[b"http/1.1", ALPN_CALLS, b"h2"]).await);
    let (mut long, odd) = (vec![0x16, 3, 1, 0x40, 0], b"\x16\x01 no hello".as_slice());
    long.extend([1, 0, 0xff, 0xff]);
    long.resize(40 * 1024, 0);
    let session = "begins a session";
    for (name, first, declared, expected) in [
        ("foreign", &foreign[..], Tls, "passes as tls"),
        ("broken", odd, Tls, "passes as tls"),
        ("too long", &long[..], Tls, "passes as tls"),
        ("in the clear", b"GET / HTTP/1.1\r\n\r\n", Tls, "passes as tcp"),
        ("a sidecar's calls", &sidecars[..], Tls, session),
        ("a sidecar's streams", &streams[..], Tls, session),
        ("a sidecar that offers more", &both[..], Tls, session),
        ("foreign", &foreign[..], Tcp, session),
        ("foreign", &foreign[..], Http, session),
        ("foreign", &foreign[..], Unspecified, session),
    ] {
        assert_eq!(outcome(Observe, declared, first, false).await, expected, "{name} at {declared:?}");
        for (posture, ended) in [(Encrypt, false), (Enforce, false), (Observe, true)] {
            let outcome = outcome(posture, declared, first, ended).await;
            assert!(!outcome.starts_with("passes"), "{name} at {declared:?} in {posture:?}: {outcome}");
        }
    }
}

#[tokio::test]
async fn https_of_a_member_goes_inside_a_session_as_bytes_of_a_proven_caller() {
    const SERVICE: &str = "10.96.0.1:443";
    let mut pod = Pod::start(Applications::OriginalDestination).await;
    let address = pod.front().await;
    pod.declare(address.port(), Protocol::Tls);
    pod.enforce(Posture::Observe, &[]);
    let own = OwnAddresses::new(["10.1.2.3".parse::<IpAddr>().unwrap()]);
    let capture = Capture::Told { destination: SERVICE.parse().unwrap(), own };
    let mut web = TestSidecar::start(&pod.authority, "web", capture, Applications::OriginalDestination).await;
    let endpoint = v1::Endpoint { address: address.to_string(), identity: identity("orders").to_string() };
    let protocol = Protocol::Tls.into();
    let name = SERVICE.to_owned();
    let destination =
        v1::Destination { name, protocol, endpoints: vec![endpoint], ..v1::Destination::default() };
    let (destinations, egress) = (vec![destination], Egress::Allow.into());
    web.enforce(v1::Snapshot { destinations, egress, ..v1::Snapshot::default() });

    let mut stream = TcpStream::connect(web.outbound).await.unwrap();
    echoed(&mut stream, &foreign_hello().await).await;
    drop(stream);
    assert!(matches!(pod.event().await, Event::SessionOpened(_)));
    let call = pod.call().await;
    assert_eq!((call.source, call.protocol.as_str()), (Some(identity("web").to_string()), "tcp"));
    assert_eq!(call.would_deny.unwrap().reason, "default_deny");
    let call = web.next_call().await;
    assert_eq!((call.destination, call.would_deny), (Some(identity("orders").to_string()), None));
    assert!(call.session.is_some());
}

#[tokio::test]
async fn a_rule_that_denies_and_a_quarantine_hold_for_it() {
    let application = Application::echo().await;
    let mut pod = observing(&application, Protocol::Tls, &[NOBODY]).await;
    let hello = foreign_hello().await;
    for reason in ["policy_deny", "quarantined"] {
        let mut stream = pod.connect(application.address).await;
        stream.write_all(&hello).await.unwrap();
        let call = pod.call().await;
        assert_eq!((call.verdict, call.denial_reason.as_deref()), (Verdict::Deny, Some(reason)));
        assert!(stream.read(&mut [0; 1]).await.is_err(), "a reset, and no answer");
        pod.enforce(Posture::Observe, &[]);
        pod.sidecar.quarantine(v1::Quarantines { yourself: true, ..v1::Quarantines::default() });
    }
}

#[tokio::test]
async fn what_passes_is_cut_when_observe_ends_and_when_the_posture_changes() {
    let application = Application::echo().await;
    let hello = foreign_hello().await;
    for by_time in [true, false] {
        let mut pod = observing(&application, Protocol::Tls, &[]).await;
        let mut stream = pod.connect(application.address).await;
        echoed(&mut stream, &hello).await;
        if by_time {
            pod.sidecar.hand.advance(OBSERVE);
        } else {
            pod.enforce(Posture::Encrypt, &[]);
        }
        let call = pod.call().await;
        assert_eq!((call.verdict, call.denial_reason.as_deref()), (Verdict::Deny, Some("plaintext")));
        assert_eq!((call.protocol.as_str(), call.error.as_deref()), ("tls", Some("cut")));
        assert!(stream.read(&mut [0; 1]).await.is_err(), "a reset, and no clean end");
    }
}

#[tokio::test]
async fn one_address_has_its_own_places_for_it_too() {
    // D3, D14
    let application = Application::echo().await;
    let mut pod = observing(&application, Protocol::Tls, &[]).await;
    let (hello, mut held) = (foreign_hello().await, Vec::new());
    for _ in 0..pod.sidecar.worker.shared.streams_per_identity {
        let mut stream = pod.connect(application.address).await;
        echoed(&mut stream, &hello).await;
        held.push(stream);
    }
    let mut more = pod.connect(application.address).await;
    more.write_all(&hello).await.unwrap();
    assert_eq!(pod.refused().await.reason, "too_many_streams");
}

#[tokio::test(start_paused = true)]
async fn a_hello_that_stops_in_its_middle_is_given_up() {
    // D1, L8
    let application = Application::echo().await;
    let mut pod = observing(&application, Protocol::Tls, &[]).await;
    let hello = foreign_hello().await;
    let mut stream = pod.connect(application.address).await;
    stream.write_all(&hello[..hello.len() / 2]).await.unwrap();
    assert!(!matches!(stream.read(&mut [0; 1]).await, Ok(1..)));
    // The line is written by a thread, which no paused time waits for.
    tokio::time::resume();
    assert_eq!(pod.refused().await.reason, "handshake_timeout");
    assert!(application.is_untouched().await);
}
