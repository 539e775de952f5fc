//! Streams without a socket, on paused time.

use tokio::net::UnixStream;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::*;
use crate::workload_api::caller::{Caller, Callers};

fn connection() -> (Connection, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    let caller = Caller::of(&near, &Callers::Everyone).unwrap();
    (Connection { caller, over: CancellationToken::new() }, far)
}

fn streams(stop: Stop) -> Streams {
    use std::sync::Arc;

    use kith_identity::BundleSet;
    use kith_runtime::Clock;
    use tokio::sync::watch;

    use crate::enforced::Enforced;
    use crate::test_mesh::identity;

    let source = Source {
        identity: identity("web"),
        svid: watch::channel(None).1,
        bundles: watch::channel(Arc::new(BundleSet::default())).1,
        enforced: watch::channel(Arc::new(Enforced::nothing())).1,
        clock: Clock::system(),
    };
    Streams { source, tasks: Tasks::new(), stop }
}

// W7.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_waited_for_and_then_cut_off_with_its_connection() {
    let (connection, _far) = connection();
    let streams = streams(Stop::new().1);
    let mut answers = streams.run(&connection, |writer: Writer<u32>| async move {
        for number in 0.. {
            writer.write(number).await?;
        }
        Ok(())
    });
    assert!(timeout(STALL_LIMIT / 2, connection.over.cancelled()).await.is_err(), "it may be slow");
    assert_eq!(answers.next().await.unwrap().unwrap(), 0);
    assert!(timeout(STALL_LIMIT / 2, connection.over.cancelled()).await.is_err(), "it has read");
    timeout(STALL_LIMIT * 2, connection.over.cancelled()).await.expect("it does not read");
    timeout(STALL_LIMIT, streams.tasks.ended()).await.expect("nothing is left of it");
    // What was waiting, and no more.
    assert_eq!(answers.next().await.unwrap().unwrap(), 1);
    assert!(answers.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_client() {
    let (connection, _far) = connection();
    let streams = streams(Stop::new().1);
    let work = |_: Writer<u32>| std::future::pending();
    drop(streams.run(&connection, work));
    timeout(STALL_LIMIT, streams.tasks.ended()).await.expect("nobody listens");
    assert!(!connection.over.is_cancelled(), "others may on the same connection");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_told_when_the_sidecar_ends() {
    let (connection, _far) = connection();
    let (stopper, stop) = Stop::new();
    let streams = streams(stop);
    let mut answers = streams.run(&connection, |_: Writer<u32>| std::future::pending());
    stopper.begin();
    assert_eq!(answers.next().await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert!(answers.next().await.is_none());
}
