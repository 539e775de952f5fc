//! Over which session a request goes, and over which a second time.
//!
//! Owns the rule: what no session took goes once more, to another endpoint where there is one; what may have been sent is
//! never sent again. Once is enough to step over a session that just ended or an endpoint that is gone; more would hide a
//! peer that closes every one.

use std::sync::Arc;

use super::resolve::Choice;
use crate::identity_log::OpenCall;
use crate::refusal::Refusal;
use crate::session::{Carrier, OpenSession, Pool, SessionError, SessionTarget};

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

/// Sends a request over a session to the endpoint that was chosen, or to another.
pub(super) async fn send<C: Carrier, R, T, E>(
    pool: &Pool<C>,
    choice: Choice<'_>,
    open: &mut OpenCall,
    request: R,
    send: impl AsyncFn(C::Sender, SessionTarget, R) -> Result<T, Unanswered<R, E>>,
) -> Result<T, Failed<E>> {
    let request = match session(pool, choice, choice.target, open).await {
        Ok(first) => match send(first.sender, choice.target.clone(), request).await {
            Ok(answer) => return Ok(answer),
            Err(Unanswered::Sent(error)) => return Err(Failed::Sent(error)),
            Err(Unanswered::Unsent(request)) => request,
        },
        // Where there is no other endpoint, a second look would find the same.
        Err(error) if !error.is_of_endpoint() || choice.other().is_none() => {
            return Err(Failed::Refused(error.refusal()));
        }
        Err(_) => request,
    };
    let target = choice.other().unwrap_or(choice.target);
    let second = session(pool, choice, target, open).await;
    let second = second.map_err(|error| Failed::Refused(error.refusal()))?;
    send(second.sender, target.clone(), request).await.map_err(|failed| match failed {
        Unanswered::Sent(error) => Failed::Sent(error),
        Unanswered::Unsent(_) => Failed::Unsent,
    })
}

async fn session<C: Carrier>(
    pool: &Pool<C>,
    choice: Choice<'_>,
    target: &SessionTarget,
    open: &mut OpenCall,
) -> Result<OpenSession<C>, Arc<SessionError>> {
    let session = pool.session(target).await.inspect_err(|error| {
        if error.is_of_endpoint() {
            choice.balance.failed(target.address);
        }
    })?;
    open.carried_by(&session.state);
    Ok(session)
}
