//! What both directions share: the time limit, and the reading of a failure. Owns no TLS settings.

use std::future::Future;
use std::io;
use std::time::Duration;

use crate::error::HandshakeError;
use crate::verifier::Outcome;

/// Waits for a handshake, at most for `limit` (L8). Dropping the future closes the connection.
pub(crate) async fn finish<S>(
    handshake: impl Future<Output = io::Result<S>>,
    limit: Duration,
    outcome: &Outcome,
) -> Result<S, HandshakeError> {
    match tokio::time::timeout(limit, handshake).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(failure(error, outcome)),
        Err(_) => Err(HandshakeError::Timeout { limit }),
    }
}

/// The verifier's own refusal comes first: it has the values, and the error of the stream is only its echo.
fn failure(error: io::Error, outcome: &Outcome) -> HandshakeError {
    if let Some(Err(refusal)) = outcome.get() {
        return refusal.into();
    }
    HandshakeError::of_stream(error)
}
