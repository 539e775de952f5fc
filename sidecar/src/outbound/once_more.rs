//! Over which session a request goes, and over which a second time.
//!
//! Owns the rule: what a session closed before it took goes once more, over another session; what may have been sent is
//! never sent again. Once is enough to step over a session that just ended; more would hide a peer that closes every one.

use crate::identity_log::OpenCall;
use crate::refusal::Refusal;
use crate::session::{Carrier, OpenSession, Pool, SessionTarget};

/// What became of one try.
pub(super) enum Unanswered<R, E> {
    /// The request never left, and is here again.
    Unsent(R),
    /// It may have left.
    Sent(E),
}

/// Why there is no answer.
pub(super) enum Failed<E> {
    /// There is no session.
    Refused(Refusal),
    /// Two sessions closed before they took the request.
    Unsent,
    /// It may have left.
    Sent(E),
}

/// Sends a request over a session to `target`.
pub(super) async fn send<C: Carrier, R, T, E>(
    pool: &Pool<C>,
    target: &SessionTarget,
    open: &mut OpenCall,
    request: R,
    send: impl AsyncFn(C::Sender, R) -> Result<T, Unanswered<R, E>>,
) -> Result<T, Failed<E>> {
    let first = session(pool, target, open).await?;
    let request = match send(first.sender, request).await {
        Ok(answer) => return Ok(answer),
        Err(Unanswered::Sent(error)) => return Err(Failed::Sent(error)),
        Err(Unanswered::Unsent(request)) => request,
    };
    let second = session(pool, target, open).await?;
    send(second.sender, request).await.map_err(|failed| match failed {
        Unanswered::Sent(error) => Failed::Sent(error),
        Unanswered::Unsent(_) => Failed::Unsent,
    })
}

async fn session<C: Carrier, E>(
    pool: &Pool<C>,
    target: &SessionTarget,
    open: &mut OpenCall,
) -> Result<OpenSession<C>, Failed<E>> {
    let session = pool.session(target).await.map_err(|error| Failed::Refused(error.refusal()))?;
    open.carried_by(&session.state);
    Ok(session)
}
