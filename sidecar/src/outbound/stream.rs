//! Opens one stream to a peer, in the session for streams: an HTTP/2 CONNECT that names the endpoint and the identity
//! that are meant. Bytes go only after the peer has let it through.

use std::future::poll_fn;

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http::{Request, Response};

use crate::identity_log::OpenCall;
use crate::refusal::Refusal;
use crate::session::{Carrier, OpenSession, SessionTarget, Streams};
use crate::worker::Worker;

/// A stream that the peer has answered.
pub(super) struct Opened {
    pub(super) response: Response<RecvStream>,
    pub(super) send: SendStream<Bytes>,
}

type Sender = <Streams as Carrier>::Sender;

enum Failed {
    /// The session closed before it took the request.
    Unsent,
    /// It was sent, and no answer came.
    Broken(h2::Error),
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
    let error = match send(session.sender, request.clone()).await {
        Ok(opened) => return Ok(opened),
        Err(Failed::Broken(error)) => error,
        Err(Failed::Unsent) => {
            // Once is enough to step over a session that just ended; more would hide a peer that closes every one.
            let session = self::session(worker, target).await?;
            open.carried_by(&session.state);
            match send(session.sender, request.clone()).await {
                Ok(opened) => return Ok(opened),
                Err(Failed::Broken(error)) => error,
                Err(Failed::Unsent) => h2::Reason::REFUSED_STREAM.into(),
            }
        }
    };
    let because = open.cut_because();
    Err(because.unwrap_or_else(|| Refusal::unavailable("session_broke_off", error.to_string())))
}

async fn session(worker: &Worker, target: &SessionTarget) -> Result<OpenSession<Streams>, Refusal> {
    worker.streams.session(target).await.map_err(|error| error.refusal())
}

async fn send(mut sender: Sender, request: Request<()>) -> Result<Opened, Failed> {
    poll_fn(|cx| sender.poll_ready(cx)).await.map_err(|_| Failed::Unsent)?;
    let (response, send) = sender.send_request(request, false).map_err(|_| Failed::Unsent)?;
    let response = response.await.map_err(|error| {
        // The peer says that it never looked at it.
        let unsent = error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM);
        if unsent { Failed::Unsent } else { Failed::Broken(error) }
    })?;
    Ok(Opened { response, send })
}
