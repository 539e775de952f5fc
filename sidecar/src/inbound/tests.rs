//! Connections in the clear, from the accepted socket to the application's: who is let in where, what reaches the
//! application, and what is written about it.

mod application;
mod pod;
mod proven;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use kith_mtls::{Accept, Client, ClientIdentity};
use kith_proto::v1;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use self::application::Application;
use self::pod::{ANYBODY, OBSERVE, OWN, Pod};
use super::{First, plain};
use crate::capture::Applications;
use crate::identity_log::{Call, Event, Verdict};
use crate::session::ALPN_CALLS;
use crate::test_mesh::identity;
use crate::worker::HANDSHAKES_PER_ADDRESS;

const CLAIMS: &str = "GET /x HTTP/1.1\r\nhost: orders\r\nconnection: close\r\n\
                      x-forwarded-client-cert: By=a;URI=spiffe://demo.local/ns/a/sa/admin\r\n\
                      X_Forwarded_Client_Cert: again\r\nl5d-client-id: admin\r\nx-role: kept\r\n\r\n";

async fn exchange(mut stream: TcpStream, request: &str) -> std::io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn would(call: &Call) -> Option<&str> {
    call.would_deny.as_ref().map(|would_deny| would_deny.reason.as_str())
}

#[tokio::test]
async fn a_call_in_the_clear_is_let_through_in_observe_without_any_claim_and_its_line_says_so() {
    // X1, X2, X5, X7
    let (mut pod, application) = (Pod::observing(&[]).await, Application::start().await);
    let answer = exchange(pod.connect(application.address).await, CLAIMS).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let seen = application.head().await;
    assert!(seen.starts_with("GET /x HTTP/1.1\r\n") && seen.contains("x-role: kept"), "{seen}");
    for claim in ["client-cert", "Client_Cert", "client_cert", "l5d-", "admin"] {
        assert!(!seen.contains(claim), "{claim} in {seen}");
    }
    let call = pod.call().await;
    assert_eq!((call.verdict, would(&call), call.status), (Verdict::Allow, Some("no_identity"), Some(200)));
    assert_eq!((call.source.as_deref(), call.destination.as_deref()), (None, Some(OWN)));
    assert_eq!(call.posture.as_deref(), Some("Observe"));
    assert_eq!(call.server_address, Some(application.address.to_string()));
    assert_eq!(call.would_deny.unwrap().id.len(), 32);
    assert_eq!((call.session, call.denial_id), (None, None));
}

#[tokio::test]
async fn what_a_rule_denies_to_anybody_is_refused_in_the_clear_too() {
    // A1
    let rule = r#"{ action: DENY, rules: [{ operations: [{ http: { paths: ["/x"] } }] }] }"#;
    let (mut pod, application) = (Pod::observing(&[rule]).await, Application::start().await);
    let answer = exchange(pod.connect(application.address).await, CLAIMS).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    let call = pod.call().await;
    assert_eq!((call.verdict, call.denial_reason.as_deref()), (Verdict::Deny, Some("policy_deny")));
    assert!(answer.contains(&call.denial_id.unwrap()), "{answer}");
    assert_eq!((call.would_deny, call.posture.as_deref()), (None, Some("Observe")));
    assert!(application.is_untouched().await);
}

#[tokio::test]
async fn a_request_in_the_clear_is_held_to_the_same_reading_as_any_other() {
    // H4, H32, X8
    let application = Application::start().await;
    let pod = Pod::observing(&[]).await;
    for (request, status) in [
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n", "400"),
        ("CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\nconnection: close\r\n\r\n", "405"),
        ("PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", "400"),
    ] {
        let answer = exchange(pod.connect(application.address).await, request).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
    }
    assert!(application.is_untouched().await);
}

#[tokio::test]
async fn bytes_in_the_clear_are_carried_both_ways_and_counted() {
    let (mut pod, application) = (Pod::observing(&[]).await, Application::echo().await);
    let answer = exchange_bytes(&mut pod.connect(application.address).await).await;
    assert_eq!(answer, b"\x01bytes");
    let call = pod.call().await;
    assert_eq!((call.protocol.as_str(), would(&call)), ("tcp", Some("no_identity")));
    assert_eq!((call.request_bytes, call.response_bytes, call.error), (Some(6), Some(6), None));
}

async fn exchange_bytes(stream: &mut TcpStream) -> Vec<u8> {
    stream.write_all(b"\x01bytes").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_caller_in_the_clear_that_asks_for_a_websocket_gets_one() {
    // H27
    let (mut pod, application) = (Pod::observing(&[]).await, Application::websocket().await);
    let mut stream = pod.connect(application.address).await;
    let request = "GET /ws HTTP/1.1\r\nhost: orders\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-key: x\r\nx-forwarded-client-cert: forged\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = application::head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("upgrade: websocket"), "{head}");
    let seen = application.head().await;
    assert!(seen.contains("upgrade: websocket") && !seen.contains("forged"), "{seen}");
    assert_eq!(exchange_bytes(&mut stream).await, b"\x01bytes");
    let call = pod.call().await;
    assert_eq!((call.protocol.as_str(), call.status), ("websocket", Some(101)));
    assert_eq!(
        (call.request_bytes, call.response_bytes, would(&call)),
        (Some(6), Some(6), Some("no_identity"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_says_nothing_waits_for_its_server_to_speak_first() {
    let (pod, application) = (Pod::observing(&[]).await, Application::speaks_first().await);
    let mut stream = pod.connect(application.address).await;
    let mut greeting = [0; 5];
    stream.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"hello");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_was_silent_and_then_speaks_http_is_cut_before_a_byte_of_it_arrives() {
    // X5: nobody would have read its claims.
    let (mut pod, application) = (Pod::observing(&[]).await, Application::speaks_first().await);
    let mut stream = pod.connect(application.address).await;
    stream.read_exact(&mut [0; 5]).await.unwrap();
    // The line is written by a thread, which no paused time waits for.
    tokio::time::resume();
    stream.write_all(CLAIMS.as_bytes()).await.unwrap();
    let call = pod.call().await;
    assert_eq!((call.verdict, call.denial_reason.as_deref()), (Verdict::Deny, Some("http_in_stream")));
    assert_eq!((call.request_bytes, call.would_deny), (Some(0), None));
    assert!(application.is_untouched().await);
}

#[tokio::test]
async fn nobody_is_answered_in_the_clear_where_the_posture_is_stricter() {
    // A1
    let application = Application::start().await;
    use v1::Posture::{Encrypt, Enforce, Observe};
    for (posture, ended, name) in
        [(Encrypt, false, "Encrypt"), (Enforce, false, "Enforce"), (Observe, true, "Enforce")]
    {
        let mut pod = Pod::start(Applications::OriginalDestination).await;
        pod.enforce(posture, &[ANYBODY]);
        if ended {
            pod.sidecar.hand.advance(OBSERVE);
        }
        let answer = exchange(pod.connect(application.address).await, CLAIMS).await.unwrap_or_default();
        assert!(!answer.contains("HTTP"), "{answer}");
        let refused = pod.refused().await;
        assert_eq!(refused.reason, "plaintext", "{posture:?}");
        assert!(refused.detail.contains(name) && refused.detail.contains("no sidecar"), "{}", refused.detail);
    }
    assert!(application.is_untouched().await);
}

#[tokio::test]
async fn local_mode_takes_nothing_in_the_clear_whatever_its_snapshot_says() {
    let application = Application::start().await;
    let mut pod = Pod::start(Applications::Fixed(application.address)).await;
    pod.enforce(v1::Posture::Observe, &[ANYBODY]);
    let answer = exchange(pod.connect(application.address).await, CLAIMS).await.unwrap_or_default();
    assert!(!answer.contains("HTTP"), "{answer}");
    assert_eq!(pod.refused().await.reason, "not_tls");
    assert!(application.is_untouched().await);
}

#[tokio::test]
async fn what_begins_like_tls_is_held_to_it_in_observe_too() {
    // Whatever is inside, it proves itself or goes.
    let (mut pod, application) = (Pod::observing(&[]).await, Application::start().await);
    let mut stream = pod.connect(application.address).await;
    stream.write_all(b"\x16\x03\x01\x00\x05hello").await.unwrap();
    let refused = pod.refused().await;
    assert!(["not_tls", "tls_error"].contains(&refused.reason.as_str()), "{refused:?}");
    assert!(application.is_untouched().await);
}

#[tokio::test]
async fn the_end_of_observe_ends_what_is_open_in_the_clear_and_says_why() {
    let (mut pod, application) = (Pod::observing(&[]).await, Application::echo().await);
    let mut stream = pod.connect(application.address).await;
    stream.write_all(b"\x01").await.unwrap();
    stream.read_exact(&mut [0; 1]).await.unwrap();
    pod.sidecar.hand.advance(OBSERVE);
    let call = pod.call().await;
    assert_eq!((call.verdict, call.denial_reason.as_deref()), (Verdict::Deny, Some("plaintext")));
    assert_eq!((call.error.as_deref(), call.would_deny), (Some("cut"), None));
    assert!(stream.read(&mut [0; 1]).await.is_err(), "a reset, and no clean end");
}

#[tokio::test]
async fn an_idle_connection_of_http_does_not_outlive_observe() {
    let (mut pod, application) = (Pod::observing(&[]).await, Application::start().await);
    let mut stream = pod.connect(application.address).await;
    stream.write_all(b"GET /x HTTP/1.1\r\nhost: orders\r\n\r\n").await.unwrap();
    assert!(application::head(&mut stream).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(would(&pod.call().await), Some("no_identity"));
    pod.enforce(v1::Posture::Encrypt, &[]);
    let mut rest = Vec::new();
    // However it ends, nothing more comes. Sooner than hyper would end an idle connection by itself.
    let ended = timeout(Duration::from_secs(4), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "it outlives Observe");
    assert!(!String::from_utf8_lossy(&rest).contains("HTTP"), "{rest:?}");
}

#[tokio::test]
async fn one_address_fills_its_own_places_and_learns_that_it_has_no_more() {
    // D3, D14
    let application = Application::echo().await;
    let mut pod = Pod::observing(&[]).await;
    let mut held = Vec::new();
    for _ in 0..pod.sidecar.worker.shared.streams_per_identity {
        let mut stream = pod.connect(application.address).await;
        stream.write_all(b"\x01").await.unwrap();
        stream.read_exact(&mut [0; 1]).await.unwrap();
        held.push(stream);
    }
    let mut more = pod.connect(application.address).await;
    more.write_all(b"\x01").await.unwrap();
    assert_eq!(pod.refused().await.reason, "too_many_streams");
    drop(held.pop());
    pod.call().await;
    let mut again = pod.connect(application.address).await;
    assert_eq!(exchange_bytes(&mut again).await, b"\x01bytes");
}

#[tokio::test]
async fn one_address_that_begins_and_stays_silent_pushes_out_its_own_handshakes_and_nobody_elses() {
    // D3
    let mut pod = Pod::start(Applications::OriginalDestination).await;
    pod.enforce(v1::Posture::Enforce, &[]);
    let [quiet, loud] = [SocketAddr::from(([10, 0, 0, 1], 1)), SocketAddr::from(([10, 0, 0, 2], 1))];
    // The same address, as a listener of both families tells it.
    let loud_again = SocketAddr::new("::ffff:10.0.0.2".parse().unwrap(), 1);
    let destination = SocketAddr::from(([127, 0, 0, 1], 8080));
    let waiting = pod.connect_from(quiet, destination).await;
    let oldest = pod.connect_from(loud, destination).await;
    let mut held = Vec::new();
    for _ in 0..HANDSHAKES_PER_ADDRESS {
        held.push(pod.connect_from(loud_again, destination).await);
    }
    let refused = pod.refused().await;
    assert_eq!((refused.reason.as_str(), refused.client_address), ("too_many_handshakes", loud.to_string()));
    drop(oldest);
    // Whoever came first and from elsewhere is still listened to.
    let web = identity("web");
    let client = Client::new(pod.authority.credentials(&web), ClientIdentity::Svid, &[ALPN_CALLS]);
    let accept = Accept::OneOf([identity("orders")].into());
    client.connect(waiting, accept, Duration::from_secs(5)).await.unwrap();
    assert!(matches!(pod.event().await, Event::SessionOpened(_)));
}

#[tokio::test]
async fn a_websocket_in_the_clear_keeps_its_place_for_as_long_as_it_is_open() {
    // D3
    let (mut pod, application) = (Pod::observing(&[]).await, Application::websocket().await);
    let request = "GET /ws HTTP/1.1\r\nhost: orders\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..pod.sidecar.worker.shared.streams_per_identity {
        let mut stream = pod.connect(application.address).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(application::head(&mut stream).await.starts_with("HTTP/1.1 101 "));
        held.push(stream);
    }
    let mut more = pod.connect(application.address).await;
    more.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(pod.refused().await.reason, "too_many_streams");
}

#[tokio::test]
async fn a_kept_connection_is_for_one_address_of_the_application() {
    let mut pod = Pod::observing(&[]).await;
    let (one, other) = (Application::start().await, Application::start().await);
    for _ in 0..3 {
        for application in [&one, &other] {
            let answer = exchange(pod.connect(application.address).await, CLAIMS).await.unwrap();
            assert!(answer.contains(&format!("port {}", application.address.port())), "{answer}");
            pod.call().await;
        }
    }
}

#[tokio::test]
async fn what_is_open_in_the_clear_when_the_process_ends_is_drained() {
    let (mut pod, application) = (Pod::observing(&[]).await, Application::echo().await);
    let mut stream = pod.connect(application.address).await;
    stream.write_all(b"\x01").await.unwrap();
    stream.read_exact(&mut [0; 1]).await.unwrap();
    pod.sidecar.stopper.begin();
    pod.sidecar.stopper.force();
    let call = pod.call().await;
    assert_eq!((call.verdict, call.error.as_deref()), (Verdict::Allow, Some("drained")));
}

#[tokio::test(start_paused = true)]
async fn the_first_byte_is_looked_at_and_stays_where_it_is() {
    let told = async |bytes: &[u8], closes: bool| {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut stream, _): (_, SocketAddr) = listener.accept().await.unwrap();
        client.write_all(bytes).await.unwrap();
        if closes {
            client.shutdown().await.unwrap();
        }
        let first = plain::first(&stream).await.unwrap();
        let mut read = vec![0; bytes.len()];
        stream.read_exact(&mut read).await.unwrap();
        assert_eq!(read, bytes);
        first
    };
    assert_eq!(told(b"\x16\x03\x01", false).await, First::Tls);
    for clear in [b"GET".as_slice(), b"\x00", b"\x15", b"\x17"] {
        assert_eq!(told(clear, false).await, First::Clear, "{clear:?}");
    }
    assert_eq!(told(b"", true).await, First::Gone);
    assert_eq!(told(b"", false).await, First::Silent);
}
