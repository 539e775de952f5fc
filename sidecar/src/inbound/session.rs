//! One session of a peer, from its proof to its end.
//!
//! Owns the deadline: a session ends at the earlier of its two svids' expiries, or when it is not allowed any more, and
//! what is open in it then is cut and says so.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kith_identity::SpiffeId;
use kith_mtls::Session;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::application::Link;
use super::shares::{Holder, Share};
use super::stream::Accepting;
use super::{Ends, http};
use crate::enforce::{Caller, Cut, LAST_WORDS, Subject};
use crate::http_server;
use crate::identity_log::Direction;
use crate::refusal::Refusal;
use crate::session::{ALPN_CALLS, ALPN_H2, ALPN_STREAMS, Lifetime, SessionState};
use crate::session_tasks::SessionTasks;
use crate::worker::Worker;

/// The other end, for each of its calls.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// `None`: it came in the clear.
    pub(super) proven: Option<Proven>,
    pub(super) ends: Ends,
    /// Ends the session, or the connection in the clear.
    pub(super) session: Cut,
    /// It is a sidecar of Kith, which may say what version its application spoke.
    pub(super) is_sidecar: bool,
    /// To the application, for calls in HTTP/2.
    pub(super) link: Arc<Link>,
    /// Of a connection in the clear: what it became holds its place for as long as that is open.
    pub(super) place: Option<Arc<Share>>,
}

/// What the session of a verified peer proved.
#[derive(Debug, Clone)]
pub(super) struct Proven {
    pub(super) caller: Arc<Caller>,
    pub(super) state: SessionState,
}

impl Peer {
    /// One that proved nothing; `connection` ends its connection, which has this place.
    pub(super) fn in_the_clear(ends: Ends, connection: Cut, place: Share) -> Self {
        let (link, place) = (Arc::default(), Some(Arc::new(place)));
        Self { proven: None, ends, session: connection, is_sidecar: false, link, place }
    }

    /// Who it is, when that is known.
    pub(super) fn identity(&self) -> Option<&SpiffeId> {
        self.proven.as_ref().map(|proven| &proven.caller.identity)
    }
}

/// Serves the session until it ends, unless it may not begin.
pub(super) async fn serve<S>(worker: &Arc<Worker>, session: Session<S>, ends: Ends) -> Result<(), Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shared = &worker.shared;
    // The handshake demanded both, so this is unreachable; without them there is nothing to enforce by.
    let (Some(verified), Some(ends_at)) = (session.peer.clone(), session.ends_at()) else {
        return Err(Refusal::unavailable("session_failed", "the handshake proved nothing"));
    };
    let caller = Caller { identity: verified.identity().clone(), serial: verified.serial().clone() };
    let holder = Holder::Identity(caller.identity.clone());
    let subject = Subject::Session(Arc::new(verified));
    let entered = worker.registry.enter(subject.clone());
    worker.law.check(&subject)?;
    let Some(state) = SessionState::open(Direction::Inbound, &session, &shared.numbers, &shared.log) else {
        return Err(Refusal::unavailable("session_failed", "the handshake proved nothing"));
    };
    let alpn = session.facts.alpn.clone().unwrap_or_default().into_bytes();
    let peer = Peer {
        proven: Some(Proven { caller: Arc::new(caller), state: state.clone() }),
        ends,
        session: entered.cut.clone(),
        is_sidecar: alpn == ALPN_CALLS,
        link: Arc::default(),
        place: None,
    };
    let course = Course {
        worker,
        holder,
        state: &state,
        lifetime: Lifetime::new(shared.clock.now(), ends_at),
        cut: &entered.cut,
    };
    let reason = speak(&course, &alpn, session.stream, peer).await;
    state.ended(reason, &shared.log);
    Ok(())
}

/// Speaks what was agreed on; why it ended.
async fn speak<S>(course: &Course<'_>, alpn: &[u8], stream: S, peer: Peer) -> &'static str
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // Held to the end, because what is left of them goes with it.
    let tasks = SessionTasks::default();
    let worker = Arc::clone(course.worker);
    if alpn == ALPN_STREAMS {
        let accepting = Accepting::new(worker, peer, course.holder.clone(), tasks, stream);
        return course.run(accepting, |accepting| accepting.leave()).await;
    }
    let service = service_fn(move |request| {
        let (worker, peer) = (Arc::clone(&worker), peer.clone());
        // On the heap at once: every layer between here and its task would move it.
        Box::pin(async move { Ok::<_, Infallible>(http::call(&worker, &peer, request).await) })
    });
    let io = TokioIo::new(stream);
    if alpn == ALPN_CALLS || alpn == ALPN_H2 {
        let connection = http_server::http2_builder(tasks.executor()).serve_connection(io, service);
        course.run(connection, |connection| connection.graceful_shutdown()).await
    } else {
        let connection = http_server::http1_builder().serve_connection(io, service);
        course.run(connection, |connection| connection.graceful_shutdown()).await
    }
}

/// What a session goes through.
struct Course<'a> {
    worker: &'a Arc<Worker>,
    /// Whose places its streams take.
    holder: Holder,
    state: &'a SessionState,
    lifetime: Lifetime,
    cut: &'a Cut,
}

impl Course<'_> {
    /// Drives the connection past its dates: asked to leave, drained, cut.
    async fn run<C, E>(&self, connection: C, leave: impl Fn(Pin<&mut C>)) -> &'static str
    where
        C: Future<Output = Result<(), E>>,
    {
        let (clock, stop) = (&self.worker.shared.clock, &self.worker.shared.stop);
        let mut connection = std::pin::pin!(connection);
        let ended = |result: Result<(), E>| if result.is_ok() { "closed" } else { "failed" };
        tokio::select! {
            result = connection.as_mut() => return ended(result),
            () = clock.until(self.lifetime.leave_at) => {}
            () = stop.graceful() => {}
            because = self.cut.reason() => return self.cut_off(connection, leave, because).await,
        }
        leave(connection.as_mut());
        tokio::select! {
            result = connection.as_mut() => ended(result),
            () = clock.until(self.lifetime.ends_at) => self.state.cut(Refusal::svid_expired()),
            because = self.cut.reason() => self.cut_off(connection, leave, because).await,
            () = stop.forced() => self.state.cut(Refusal::drained()),
        }
    }

    /// Refusals that are on their way are worth a moment; how the connection ends then is all the same.
    async fn cut_off<C: Future>(
        &self,
        mut connection: Pin<&mut C>,
        leave: impl Fn(Pin<&mut C>),
        because: Refusal,
    ) -> &'static str {
        leave(connection.as_mut());
        let reason = self.state.cut(because);
        let _ = timeout(LAST_WORDS, connection).await;
        reason
    }
}
