//! Verified peers under each posture, and of those whose svid alone is cut off.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use kith_identity::SpiffeId;
use kith_mtls::{Accept, Client, ClientIdentity, ClientStream, Credentials};
use kith_proto::v1;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::application::{self, Application};
use super::pod::{OBSERVE, OWN, Pod};
use crate::identity_log::{Event, Verdict};
use crate::test_mesh::identity;

const LIMIT: Duration = Duration::from_secs(5);
const GET: &[u8] = b"GET /x HTTP/1.1\r\nhost: orders\r\n\r\n";

/// A session of HTTP/1.1, as a foreign client has it.
async fn session(
    pod: &Pod,
    credentials: &Credentials,
    destination: SocketAddr,
) -> Option<ClientStream<TcpStream>> {
    let client = Client::new(credentials.clone(), ClientIdentity::Svid, &[b"http/1.1"]);
    let accept = Accept::OneOf(BTreeSet::from([SpiffeId::parse(OWN).unwrap()]));
    let stream = pod.connect(destination).await;
    client.connect(stream, accept, LIMIT).await.ok().map(|session| session.stream)
}

/// One request; the status of its answer.
async fn get(stream: &mut (impl AsyncRead + AsyncWriteExt + Unpin)) -> String {
    stream.write_all(GET).await.unwrap();
    status(stream).await
}

/// Of the next answer, of which the body is read too.
async fn status(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let head = application::head(stream).await;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    head[9..12].to_owned()
}

#[tokio::test]
async fn a_verified_peer_that_no_rule_allows_is_observed_in_observe_and_encrypt_and_refused_in_enforce() {
    let application = Application::start().await;
    let mut pod = Pod::observing(&[]).await;
    let web = pod.authority.credentials(&identity("web"));
    let mut stream = session(&pod, &web, application.address).await.unwrap();
    assert!(matches!(pod.event().await, Event::SessionOpened(_)));
    for (posture, status) in
        [(v1::Posture::Observe, "200"), (v1::Posture::Encrypt, "200"), (v1::Posture::Enforce, "403")]
    {
        pod.enforce(posture, &[]);
        assert_eq!(get(&mut stream).await, status, "{posture:?}");
        let call = pod.call().await;
        let name =
            (posture != v1::Posture::Enforce).then(|| posture.as_str_name()["POSTURE_".len()..].to_owned());
        assert_eq!(call.posture.map(|posture| posture.to_uppercase()), name);
        assert_eq!(call.source.as_deref(), Some(identity("web").as_str()));
        let (would, did) = (call.would_deny.map(|would_deny| would_deny.reason), call.denial_reason);
        let default = Some("default_deny".to_owned());
        let (observed, refused) = if status == "200" { (default, None) } else { (None, default) };
        assert_eq!((would, did), (observed, refused), "{posture:?}");
        if status == "200" {
            // X1: who it is was proven in every posture.
            assert!(application.head().await.contains(&format!("URI={}", identity("web"))));
        }
    }
}

#[tokio::test]
async fn a_verified_call_that_was_observed_is_cut_when_observe_ends_and_its_session_goes_on() {
    let application = Application::silent().await;
    let mut pod = Pod::observing(&[]).await;
    let web = pod.authority.credentials(&identity("web"));
    let mut stream = session(&pod, &web, application.address).await.unwrap();
    assert!(matches!(pod.event().await, Event::SessionOpened(_)));
    stream.write_all(GET).await.unwrap();
    application.head().await;
    pod.sidecar.hand.advance(OBSERVE);
    let call = pod.call().await;
    assert_eq!((call.verdict, call.denial_reason.as_deref()), (Verdict::Deny, Some("default_deny")));
    assert_eq!(status(&mut stream).await, "403");
    assert_eq!(get(&mut stream).await, "403");
}

#[tokio::test]
async fn a_serial_that_is_cut_off_ends_its_session_and_gets_no_other_and_the_rest_of_its_identity_does() {
    let application = Application::start().await;
    let mut pod = Pod::observing(&[]).await;
    let [bad, good] = [(); 2].map(|()| pod.authority.credentials(&identity("web")));
    let mut streams = Vec::new();
    for credentials in [&bad, &good] {
        streams.push(session(&pod, credentials, application.address).await.unwrap());
        assert!(matches!(pod.event().await, Event::SessionOpened(_)));
    }
    let serial = bad.svid().unwrap().serial().to_string();
    pod.sidecar.quarantine(v1::Quarantines { serials: vec![serial.clone()], ..v1::Quarantines::default() });
    let Event::SessionEnded(ended) = pod.event().await else { panic!("its session ends") };
    assert_eq!(ended.reason, "quarantined");
    // Its client learns of it when it reads.
    if let Some(mut stream) = session(&pod, &bad, application.address).await {
        assert!(!matches!(stream.read(&mut [0; 1]).await, Ok(1..)));
    }
    let refused = pod.refused().await;
    assert_eq!(refused.reason, "quarantined");
    assert!(refused.detail.contains(&serial), "{}", refused.detail);
    assert_eq!(get(&mut streams[1]).await, "200");
    assert_eq!(pod.call().await.source.as_deref(), Some(identity("web").as_str()));
}

#[tokio::test]
async fn a_workload_that_is_cut_off_itself_takes_no_session_and_nothing_in_the_clear() {
    let application = Application::start().await;
    let mut pod = Pod::observing(&[]).await;
    pod.sidecar.quarantine(v1::Quarantines { yourself: true, ..v1::Quarantines::default() });
    let web = pod.authority.credentials(&identity("web"));
    drop(session(&pod, &web, application.address).await);
    assert_eq!(pod.refused().await.reason, "quarantined");
    let mut stream = pod.connect(application.address).await;
    stream.write_all(GET).await.unwrap();
    assert_eq!(pod.refused().await.reason, "quarantined");
    assert!(application.is_untouched().await);
}
