//! Calls that are open while what decides about them changes.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Channel};
use hyper::body::{Frame, Incoming};
use kith_sidecar::identity_log::Verdict;
use kith_tests::{ALLOW_CALLER, Connection, Mesh, Version, policy};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(1);
const STANDS_STILL: Duration = Duration::from_millis(300);

/// A gRPC stream that echoes.
struct Stream {
    messages: http_body_util::channel::Sender<Bytes, Infallible>,
    answers: Incoming,
}

impl Stream {
    async fn open(client: &mut Connection, path: &str) -> anyhow::Result<Self> {
        let (messages, body) = Channel::new(4);
        let request = Request::post("/").header("content-type", "application/grpc").header("te", "trailers");
        let answers = client.send(request, path, body.boxed()).await?.into_body();
        Ok(Self { messages, answers })
    }

    /// Sends a message and reads it back.
    async fn echo(&mut self) -> anyhow::Result<()> {
        self.messages.send(Frame::data(Bytes::from_static(b"alive"))).await?;
        let frame = timeout(SOON, self.answers.frame()).await?.context("the stream ended")??;
        anyhow::ensure!(frame.into_data().ok().as_deref() == Some(&b"alive"[..]));
        Ok(())
    }
}

#[tokio::test]
async fn an_edit_cuts_the_open_calls_that_it_forbids_within_a_second_and_no_other() -> anyhow::Result<()> {
    let mesh = Mesh::start("cut", 60).await?;
    // Both travel in one session: what is cut is the call.
    let mut client = Connection::open(mesh.outbound("caller")?, Version::Http2).await?;
    let mut forbidden = Stream::open(&mut client, "/echo.Echo/Forbidden").await?;
    let mut allowed = Stream::open(&mut client, "/echo.Echo/Allowed").await?;
    forbidden.echo().await?;
    allowed.echo().await?;
    let rules = "  - name: still\n    sources: [{ type: ServiceAccount, serviceAccount: { name: caller } }]\n    \
                 operations: [{ grpc: { service: echo.Echo, methods: [Allowed] } }]\n";
    std::fs::write(mesh.policy_file(), policy("callers", "ALLOW", rules))?;
    let rest = timeout(LIMIT, forbidden.answers.collect()).await.context("not cut within a second")?;
    assert!(rest.is_err(), "a cut stream must not look complete");
    let cut = mesh.record.until("the cut is logged", SOON, |record| {
        Ok(record.refusals("backend")?.into_iter().find(|call| call.path == "/echo.Echo/Forbidden"))
    });
    let cut = cut.await?;
    assert_eq!((cut.verdict, cut.error.as_deref()), (Verdict::Deny, Some("cut")));
    assert_eq!(cut.denial_reason.as_deref(), Some("default_deny"));
    assert!(cut.denial_detail.context("no detail")?.contains("grpc"), "the nearest miss is named");
    assert_eq!(cut.denial_id.map(|id| id.len()), Some(32));
    allowed.echo().await?;
    // The acknowledgement that `Programmed` waits for comes after the cut.
    mesh.supervisor.until_programmed(SOON).await?;
    allowed.echo().await?;
    mesh.stop().await
}

#[tokio::test]
async fn an_edit_ends_a_call_whose_reader_stands_still_and_frees_the_application() -> anyhow::Result<()> {
    for version in [Version::Http1, Version::Http2] {
        let mesh = Mesh::start("stalled", 60).await?;
        let mut client = Connection::open(mesh.outbound("caller")?, version).await?;
        let body = http_body_util::Empty::new().boxed();
        let mut flood = timeout(SOON, client.send(Request::get("/"), "/flood", body)).await??.into_body();
        timeout(SOON, flood.frame()).await?.context("no answer")??;
        // Until every buffer on the way is full: then nobody asks the answer for more.
        tokio::time::sleep(STANDS_STILL).await;
        std::fs::write(mesh.policy_file(), policy("callers", "DENY", ALLOW_CALLER))?;
        let cut = mesh.record.until("the cut is logged", LIMIT * 2, |record| {
            Ok(record.refusals("backend")?.into_iter().find(|call| call.path == "/flood"))
        });
        let cut = cut.await?;
        assert_eq!((cut.error.as_deref(), cut.status), (Some("cut"), Some(200)), "{version:?}");
        let rest = timeout(SOON, flood.collect()).await.context("the caller still waits")?;
        assert!(rest.is_err(), "a cut answer must not look complete");
        mesh.stop().await?;
    }
    Ok(())
}
