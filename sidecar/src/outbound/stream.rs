//! Opens one stream to a peer, in the session for streams: an HTTP/2 CONNECT that names the endpoint and the identity
//! that are meant. Bytes go only after the peer has let it through.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use tokio::time::timeout;

use super::once_more::{self, Failed, Unanswered};
use super::resolve::Choice;
use crate::identity_log::OpenCall;
use crate::refusal::Refusal;
use crate::session::{Carrier, SessionTarget, Streams};
use crate::stream_request;
use crate::worker::Worker;

/// The other side answers when its application has taken the connection, or has answered the upgrade.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A stream that the peer has answered.
pub(super) struct Opened {
    pub(super) response: Response<RecvStream>,
    pub(super) send: SendStream<Bytes>,
}

type Sender = <Streams as Carrier>::Sender;

enum Broken {
    /// The session broke.
    Session(h2::Error),
    /// No answer came in time.
    Late,
}

/// Sends the request and waits for the answer.
pub(super) async fn open(
    worker: &Worker,
    choice: Choice<'_>,
    request: Request<()>,
    open: &mut OpenCall,
) -> Result<Opened, Refusal> {
    let sent = once_more::send(&worker.streams, choice, open, request, send).await;
    let broke_off = |detail: String| {
        open.cut_because().unwrap_or_else(|| Refusal::unavailable("session_broke_off", detail))
    };
    sent.map_err(|failed| match failed {
        Failed::Refused(refusal) => refusal,
        Failed::Unsent => broke_off("the session closed twice".to_owned()),
        Failed::Sent(Broken::Session(error)) => broke_off(error.to_string()).under_way(),
        Failed::Sent(Broken::Late) => Refusal::unavailable("not_answered", "the peer did not answer in time"),
    })
}

async fn send(
    mut sender: Sender,
    target: SessionTarget,
    mut request: Request<()>,
) -> Result<Opened, Unanswered<Request<()>, Broken>> {
    stream_request::readdress(&mut request, &target);
    if poll_fn(|cx| sender.poll_ready(cx)).await.is_err() {
        return Err(Unanswered::Unsent(request));
    }
    let Ok((response, send)) = sender.send_request(request.clone(), false) else {
        return Err(Unanswered::Unsent(request));
    };
    match timeout(ANSWER_LIMIT, response).await {
        Ok(Ok(response)) => Ok(Opened { response, send }),
        Ok(Err(error)) if never_looked_at(&error) => Err(Unanswered::Unsent(request)),
        Ok(Err(error)) => Err(Unanswered::Sent(Broken::Session(error))),
        Err(_) => Err(Unanswered::Sent(Broken::Late)),
    }
}

/// Whether the peer says so: it refused the stream, or left in peace before it. A session that it ended for an error may
/// have taken the request before.
fn never_looked_at(error: &h2::Error) -> bool {
    match error.reason() {
        Some(Reason::REFUSED_STREAM) => true,
        Some(Reason::NO_ERROR) => error.is_go_away(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    /// DATA belongs to a stream, and this has none.
    const NONSENSE: &[u8] = b"\0\0\x01\0\0\0\0\0\0\0";

    #[tokio::test]
    async fn a_request_that_the_peer_may_have_taken_before_the_session_broke_is_not_sent_again() {
        let (client, mut peer) = tokio::io::duplex(64 * 1024);
        let (sender, connection) = h2::client::handshake(client).await.unwrap();
        let request = Request::builder().method(Method::CONNECT).uri("db:80").body(()).unwrap();
        let target = SessionTarget {
            address: "10.0.0.1:80".parse().unwrap(),
            identity: "spiffe://demo.local/ns/demo/sa/db".parse().unwrap(),
        };
        let peer = async {
            peer.write_all(SETTINGS).await.unwrap();
            let mut seen = Vec::new();
            // Until a frame of type HEADERS has begun.
            while !seen.windows(4).any(|window| window.starts_with(&[0, 0]) && window[3] == 1) {
                assert!(peer.read_buf(&mut seen).await.unwrap() > 0);
            }
            peer.write_all(NONSENSE).await.unwrap();
        };
        let (sent, _, ()) = tokio::join!(send(sender, target, request), connection, peer);
        assert!(matches!(sent.err(), Some(Unanswered::Sent(Broken::Session(_)))));
    }
}
