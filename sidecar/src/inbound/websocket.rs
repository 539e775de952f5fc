//! A WebSocket to the workload, in a stream of a verified peer or in the clear: the application is asked, and what it
//! answers is answered. Bytes flow only once it has switched (H27, H30).

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::response::Parts;
use http::uri::Authority;
use http::{Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use kith_runtime::Stop;
use tokio::net::TcpStream;

use super::application::ApplicationError;
use super::judged::Judged;
use super::session::Peer;
use super::stream::{Admitted, not_taken, refuse};
use crate::answer;
use crate::body::Body;
use crate::enforce::Cut;
use crate::forward;
use crate::identity_log::OpenCall;
use crate::plaintext;
use crate::refusal::Refusal;
use crate::stream_request;
use crate::tunnel::{self, Far, Near};
use crate::worker::Worker;

/// Asks the application, answers, and carries what follows.
pub(super) async fn carry(worker: &Worker, peer: &Peer, authority: Authority, admitted: Admitted) {
    let Admitted { parts, receive, respond, open, cut } = admitted;
    let answered = tokio::select! {
        biased;
        because = cut.reason() => return refuse(respond, open, &because),
        answered = ask(worker, peer, authority, parts) => answered,
    };
    match answered {
        Ok((head, Answer::Switched(near))) => switched(head, near, receive, respond, open, &cut).await,
        Ok((head, Answer::Plain(body))) => plain(head, body, respond, open).await,
        Err(error) => {
            tracing::debug!(%error, "WebSocket not answered by the application");
            not_taken(respond, open, StatusCode::BAD_GATEWAY, error.code());
        }
    }
}

/// The same of a caller in the clear, whose connection of HTTP/1.1 is switched.
pub(super) async fn in_the_clear(
    worker: &Worker,
    peer: &Peer,
    authority: Authority,
    parts: http::request::Parts,
    on_upgrade: OnUpgrade,
    judged: Judged,
) -> Response<Body> {
    let Judged { mut open, cut, .. } = judged;
    let answered = tokio::select! {
        biased;
        because = cut.reason() => return answer::refused(&because, &open.refuse(&because), false),
        answered = ask(worker, peer, authority, parts) => answered,
    };
    let (mut head, near) = match answered {
        Ok((head, Answer::Switched(near))) => (head, near),
        Ok((head, Answer::Plain(body))) => return super::http::answered(Ok((head, body)), open),
        Err(error) => return super::http::answered(Err(error), open),
    };
    open.answered(head.status.as_u16());
    stream_request::say_switched(&mut head);
    let (stop, connection, place) = (worker.shared.stop.clone(), peer.session.clone(), peer.place.clone());
    worker.tasks.spawn(async move {
        // Held until the WebSocket has ended.
        let _place = place;
        let far = match on_upgrade.await.map_err(|error| error.to_string()).and_then(plaintext::switched) {
            Ok(far) => far,
            Err(error) => {
                tracing::debug!(error, "Connection in the clear did not switch");
                return open.finish(Some("caller_gone"));
            }
        };
        let over = over_in_the_clear(&cut, &connection, &stop);
        open.tunnelled(tunnel::carry_plain(near, far, over, |_| true).await);
    });
    Response::from_parts(head, Body::empty())
}

/// Ends when the call was cut, or when its time to finish is over: nothing but its line would say so otherwise.
pub(super) async fn over_in_the_clear(cut: &Cut, connection: &Cut, stop: &Stop) {
    tokio::select! {
        () = cut.over() => {}
        _ = connection.reason() => {}
        () = stop.forced() => connection.cut(Refusal::drained()),
    }
}

enum Answer {
    Switched(Near),
    Plain(Incoming),
}

async fn ask(
    worker: &Worker,
    peer: &Peer,
    authority: Authority,
    mut parts: http::request::Parts,
) -> Result<(Parts, Answer), ApplicationError> {
    let own = &worker.shared.identity;
    forward::into_application(&mut parts, authority, Version::HTTP_11, own, peer.identity());
    stream_request::ask_for_websocket(&mut parts);
    let request = Request::from_parts(parts, Body::empty());
    let mut response = worker.application.ask_to_switch(peer.ends.application, request).await?;
    let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let answer = if stream_request::switches(&response) {
        let upgraded = hyper::upgrade::on(&mut response).await.map_err(ApplicationError::Broken)?;
        Some(near(upgraded)?)
    } else if switching {
        // To something that nobody asked for.
        return Err(ApplicationError::Switched);
    } else {
        None
    };
    let (mut head, body) = response.into_parts();
    forward::response(&mut head.headers, false);
    if !forward::fits(&head.headers) {
        return Err(ApplicationError::HeadTooLarge);
    }
    Ok((head, answer.map_or(Answer::Plain(body), Answer::Switched)))
}

/// The connection under hyper, with what hyper has read of it beyond the answer.
fn near(upgraded: Upgraded) -> Result<Near, ApplicationError> {
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().map_err(|_| ApplicationError::Switched)?;
    Near::new(parts.io.into_inner(), parts.read_buf).map_err(ApplicationError::Unreachable)
}

async fn switched(
    mut head: Parts,
    near: Near,
    receive: RecvStream,
    mut respond: SendResponse<Bytes>,
    mut open: OpenCall,
    cut: &Cut,
) {
    open.answered(head.status.as_u16());
    stream_request::mark_switched(&mut head);
    match respond.send_response(Response::from_parts(head, ()), false) {
        Ok(send) => open.tunnelled(tunnel::carry(near, Far { send, receive }, cut.over()).await),
        Err(_) => open.finish(Some("caller_gone")),
    }
}

/// The application does not switch: its answer travels as that of any call.
async fn plain(head: Parts, body: Incoming, mut respond: SendResponse<Bytes>, mut open: OpenCall) {
    open.answered(head.status.as_u16());
    let head_version = head.version;
    let mut body = Body::through(body, head_version).ending(open);
    let Ok(mut send) = respond.send_response(Response::from_parts(head, ()), body.is_end_stream()) else {
        return;
    };
    if let Err(reason) = copy(&mut body, &mut send).await {
        send.send_reset(reason);
    }
}

async fn copy(body: &mut Body, send: &mut SendStream<Bytes>) -> Result<(), Reason> {
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| Reason::INTERNAL_ERROR)?;
        match frame.into_data() {
            Ok(data) => tunnel::send(send, data).await.map_err(|_| Reason::CANCEL)?,
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                return send.send_trailers(trailers).map_err(|_| Reason::CANCEL);
            }
        }
    }
    send.send_data(Bytes::new(), true).map_err(|_| Reason::CANCEL)
}
