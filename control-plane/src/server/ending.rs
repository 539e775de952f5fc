//! How a connection over HTTP ends: by itself, or with a goodbye and a moment for the answers that are being written. Owns
//! that moment; what happens on a connection until then is its owner's.

use std::pin::{Pin, pin};
use std::time::Duration;

use kith_runtime::Stop;
use tokio::time::timeout;

/// Between GOAWAY and the end: for answers that are being written.
const GOODBYE_TIME: Duration = Duration::from_millis(500);

/// Serves until `end`, or until the stop begins. `goodbye` tells the other end then.
pub(crate) async fn serve_until<C>(
    connection: C,
    end: impl Future<Output = ()>,
    stop: &Stop,
    goodbye: impl FnOnce(Pin<&mut C>),
) -> hyper::Result<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = end => {}
        () = stop.graceful() => {}
    }
    goodbye(connection.as_mut());
    tokio::select! {
        // Whoever does not end in time is cut off, which is no error.
        ended = timeout(GOODBYE_TIME, connection) => ended.unwrap_or(Ok(())),
        () = stop.forced() => Ok(()),
    }
}
