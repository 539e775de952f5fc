//! gRPC from a real client to a real server, through two sidecars.

mod echo;
mod mesh;

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use echo::Text;
use http::uri::PathAndQuery;
use http_body_util::{BodyExt, Full};
use kith_tests::{Connection, Version, read};
use mesh::Mesh;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status};

const SOON: Duration = Duration::from_secs(5);
/// How long a server may go on for a client that is gone.
const LIMIT: Duration = Duration::from_secs(1);

fn text(message: &str) -> Request<String> {
    Request::new(message.to_owned())
}

#[tokio::test]
async fn messages_metadata_and_trailers_arrive_as_they_were_sent() -> anyhow::Result<()> {
    let mesh = Mesh::start("grpc-all").await?;
    let large = "x".repeat(1_000_000);
    for message in ["", "one", &large] {
        assert_eq!(mesh.unary("/test.Echo/Unary", text(message)).await??, message);
    }
    let path = PathAndQuery::from_static("/test.Echo/Many");
    let mut answers = mesh.client().await?.server_streaming(text("go"), path, Text).await?.into_inner();
    for number in 0..100 {
        assert_eq!(answers.message().await?, Some(number.to_string()));
    }
    let status = answers.message().await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Aborted, "voll: \u{fc}ber"));
    assert_eq!(status.details(), b"details");
    assert_eq!(status.metadata().get("x-reason").context("no metadata")?, "full");
    let state = status.metadata().get_bin("x-state-bin").context("no binary metadata")?;
    assert_eq!(&state.to_bytes()?[..], b"\x00\xff");
    mesh.stop().await
}

#[tokio::test]
async fn both_directions_of_a_stream_flow_at_once_and_end_one_after_the_other() -> anyhow::Result<()> {
    let mesh = Mesh::start("grpc-chat").await?;
    let (send, receive) = mpsc::channel(4);
    let path = PathAndQuery::from_static("/test.Echo/Chat");
    let request = Request::new(ReceiverStream::new(receive));
    let mut answers = mesh.client().await?.streaming(request, path, Text).await?.into_inner();
    // Each message comes back before the next one is sent.
    for number in 0..100 {
        send.send(number.to_string()).await?;
        assert_eq!(timeout(SOON, answers.message()).await??, Some(number.to_string()));
    }
    drop(send);
    assert_eq!(timeout(SOON, answers.message()).await??, None, "it ends well");
    mesh.until_ended(1).await?;
    mesh.stop().await
}

#[tokio::test]
async fn a_rule_allows_the_methods_that_it_names_and_a_denial_reads_as_permission_denied()
-> anyhow::Result<()> {
    let mesh = Mesh::start("grpc-rules").await?;
    assert_eq!(mesh.unary("/test.Echo/Unary", text("one")).await??, "one");
    let rows = [
        ("/test.Echo/Delete", Code::PermissionDenied),
        ("/test.Admin/Unary", Code::PermissionDenied),
        // P47: gRPC paths are never normalised.
        ("/test.Admin/../test.Echo/Unary", Code::InvalidArgument),
        ("/test.Echo/%55nary", Code::InvalidArgument),
        // P48
        ("/test.echo/Unary", Code::PermissionDenied),
        ("/test.Echo/unary", Code::PermissionDenied),
        // P49
        ("/test.Echo/Unary/", Code::PermissionDenied),
        ("/test.Echo/Unary/more", Code::PermissionDenied),
    ];
    for (path, code) in rows {
        let status = mesh.unary(path, text("one")).await?.unwrap_err();
        assert_eq!((path, status.code()), (path, code), "{status:?}");
        let id = status.metadata().get("kith-denial-id").context("no denial id")?;
        assert_eq!(id.as_bytes().len(), 32, "{path}");
    }
    assert_eq!(mesh.begun(), 1, "nothing that was refused came to the server");
    mesh.stop().await
}

#[tokio::test]
async fn a_client_that_cancels_is_noticed_at_the_server_within_a_second() -> anyhow::Result<()> {
    let mesh = Mesh::start("grpc-cancel").await?;
    // Before the answer began.
    let mut client = mesh.client().await?;
    let unary = client.unary::<_, String, _>(text("one"), PathAndQuery::from_static("/test.Echo/Hang"), Text);
    tokio::select! {
        answer = unary => anyhow::bail!("an answer: {answer:?}"),
        begun = mesh.until_begun(1) => begun?,
    }
    assert!(mesh.until_ended(1).await? < LIMIT);
    // In the middle of a stream, while the server has nothing to send.
    let path = PathAndQuery::from_static("/test.Echo/Watch");
    let mut answers = mesh.client().await?.server_streaming(text("one"), path, Text).await?.into_inner();
    assert_eq!(timeout(SOON, answers.message()).await??.as_deref(), Some("one"));
    drop(answers);
    assert!(mesh.until_ended(2).await? < LIMIT);
    mesh.stop().await
}

#[tokio::test]
async fn a_deadline_that_passes_ends_the_call_at_both_ends() -> anyhow::Result<()> {
    let mesh = Mesh::start("grpc-deadline").await?;
    let mut request = text("one");
    request.set_timeout(Duration::from_millis(300));
    let since = Instant::now();
    let status = mesh.unary("/test.Echo/Hang", request).await?.unwrap_err();
    assert!(since.elapsed() < LIMIT, "{:?}", since.elapsed());
    assert!(is_deadline(&status), "{status:?}");
    assert!(mesh.until_ended(1).await? < LIMIT, "the server goes on");
    // A client that does not watch its own deadline: it came to the server, which keeps it.
    let mut client = Connection::open(mesh.outbound, Version::Http2).await?;
    let request =
        http::Request::post("/").header("content-type", "application/grpc").header("te", "trailers");
    let message = Full::new(Bytes::from_static(b"\0\0\0\0\x03one")).boxed();
    let answer = client.send(request.header("grpc-timeout", "300m"), "/test.Echo/Hang", message);
    let answer = read(timeout(SOON, answer).await.context("no answer")??).await?;
    let status = answer.headers.get("grpc-status").or(answer.trailers.get("grpc-status"));
    assert!(status.is_some_and(|status| status == "1" || status == "4"), "{answer:?}");
    assert!(mesh.until_ended(2).await? < LIMIT, "the server goes on");
    // A server that says so itself.
    let status = mesh.unary("/test.Echo/Unary", text("late")).await?.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "too late"));
    mesh.stop().await
}

/// tonic calls its own deadline a cancellation.
fn is_deadline(status: &Status) -> bool {
    matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled)
}
