//! Opens one stream to a peer, in the session for streams: an HTTP/2 CONNECT that names the endpoint and the identity
//! that are meant. Bytes go only after the peer has let it through.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use tokio::time::timeout;

use crate::identity_log::OpenCall;
use crate::refusal::Refusal;
use crate::session::{Carrier, OpenSession, SessionTarget, Streams};
use crate::worker::Worker;

/// The other side answers when its application has taken the connection, or has answered the upgrade.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A stream that the peer has answered.
pub(super) struct Opened {
    pub(super) response: Response<RecvStream>,
    pub(super) send: SendStream<Bytes>,
}

type Sender = <Streams as Carrier>::Sender;

enum Failed {
    /// The session closed before it took the request.
    Unsent,
    /// It was sent, and the session broke.
    Broken(h2::Error),
    /// It was sent, and no answer came in time.
    Late,
}

impl Failed {
    fn refusal(&self, open: &OpenCall) -> Refusal {
        let failed = |detail: String| Refusal::unavailable("session_broke_off", detail);
        match self {
            Self::Late => Refusal::unavailable("not_answered", "the peer did not answer in time"),
            Self::Unsent => {
                open.cut_because().unwrap_or_else(|| failed("the session closed twice".to_owned()))
            }
            Self::Broken(error) => open.cut_because().unwrap_or_else(|| failed(error.to_string())),
        }
    }
}

/// Sends the request and waits for the answer.
pub(super) async fn open(
    worker: &Worker,
    target: &SessionTarget,
    request: &Request<()>,
    open: &mut OpenCall,
) -> Result<Opened, Refusal> {
    let session = session(worker, target).await?;
    open.carried_by(&session.state);
    match send(session.sender, request.clone()).await {
        Ok(opened) => return Ok(opened),
        Err(Failed::Unsent) => {}
        Err(failed) => return Err(failed.refusal(open)),
    }
    // Once is enough to step over a session that just ended; more would hide a peer that closes every one.
    let session = self::session(worker, target).await?;
    open.carried_by(&session.state);
    send(session.sender, request.clone()).await.map_err(|failed| failed.refusal(open))
}

async fn session(worker: &Worker, target: &SessionTarget) -> Result<OpenSession<Streams>, Refusal> {
    worker.streams.session(target).await.map_err(|error| error.refusal())
}

async fn send(mut sender: Sender, request: Request<()>) -> Result<Opened, Failed> {
    poll_fn(|cx| sender.poll_ready(cx)).await.map_err(|_| Failed::Unsent)?;
    let (response, send) = sender.send_request(request, false).map_err(|_| Failed::Unsent)?;
    let answered = timeout(ANSWER_LIMIT, response).await.map_err(|_| Failed::Late)?;
    let response = answered.map_err(|error| {
        // The peer says that it never looked at it.
        let unsent = error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM);
        if unsent { Failed::Unsent } else { Failed::Broken(error) }
    })?;
    Ok(Opened { response, send })
}
