//! One call, from application to application, through two sidecars that are real processes.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Channel, Full};
use hyper::body::Frame;
use kith_sidecar::identity_log::{Direction, Verdict};
use kith_tests::{ALLOW_CALLER, Connection, Mesh, Version, policy};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_allowed_call_arrives_as_it_was_sent_and_both_ends_log_it() -> anyhow::Result<()> {
    let mesh = Mesh::start("one-call", 60).await?;
    for (version, protocol) in [(Version::Http1, "1.1"), (Version::Http2, "2")] {
        let mut client = Connection::open(mesh.outbound("caller")?, version).await?;
        let path = format!("/a%20b/~x/{protocol}?q=%2F../");
        let answer = client.call("POST", &path, "body").await?;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"body"[..]));
        let reached = mesh.backend.requests();
        let (line, headers) = reached.last().context("nothing reached the application")?;
        assert_eq!(*line, format!("POST {path}"));
        let who = "By=spiffe://test.local/ns/test/sa/backend;URI=spiffe://test.local/ns/test/sa/caller";
        assert_eq!(headers["x-forwarded-client-cert"], who);
        assert!(headers.keys().all(|name| !name.as_str().starts_with("kith-")));
        for (service, direction) in [("caller", Direction::Outbound), ("backend", Direction::Inbound)] {
            let call = mesh
                .record
                .until("the call is logged", SOON, |record| {
                    let calls = record.calls(service)?;
                    Ok(calls.into_iter().find(|call| call.protocol == protocol))
                })
                .await?;
            assert_eq!((call.direction, call.verdict, call.status), (direction, Verdict::Allow, Some(200)));
            assert_eq!(call.source.as_deref(), Some("spiffe://test.local/ns/test/sa/caller"));
            assert_eq!(call.destination.as_deref(), Some("spiffe://test.local/ns/test/sa/backend"));
            let session = call.session.context("a call without a session")?;
            assert_eq!((session.tls_version.as_str(), session.group.as_str()), ("1.3", "X25519MLKEM768"));
            assert_eq!(call.error, None);
        }
    }
    let judged = mesh.record.calls("backend")?;
    assert!(judged.iter().all(|call| call.policy.as_deref() == Some("test/callers")), "{judged:?}");
    assert!(judged.iter().all(|call| call.rule.as_deref() == Some("rule-1") && call.revision.is_some()));
    mesh.stop().await
}

#[tokio::test]
async fn a_genuine_svid_that_no_rule_allows_completes_tls_and_gets_403_with_a_denial_id() -> anyhow::Result<()>
{
    let mesh = Mesh::start("no-rule", 60).await?;
    for version in [Version::Http1, Version::Http2] {
        let mut client = Connection::open(mesh.outbound("other")?, version).await?;
        let answer = client.call("POST", "/charge/7", "").await?;
        assert_eq!(answer.status.as_u16(), 403);
        let id = answer.denial_id().context("no denial id")?.to_owned();
        assert_eq!(id.len(), 32);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            !text.contains("callers") && !text.contains("spiffe"),
            "the caller learns the id alone: {text}"
        );
        let call = mesh
            .record
            .until("the refusal is logged", SOON, |record| {
                Ok(record.refusals("backend")?.into_iter().find(|call| call.denial_id.as_ref() == Some(&id)))
            })
            .await?;
        assert_eq!(call.denial_reason.as_deref(), Some("default_deny"));
        assert_eq!(call.source.as_deref(), Some("spiffe://test.local/ns/test/sa/other"));
        assert!(call.denial_detail.context("no detail")?.contains("spiffe://test.local/ns/test/sa/other"));
        assert!(call.session.is_some(), "TLS was completed");
    }
    assert!(mesh.backend.requests().is_empty());
    mesh.stop().await
}

#[tokio::test]
async fn grpc_streams_both_ways_and_keeps_its_trailers() -> anyhow::Result<()> {
    let mesh = Mesh::start("grpc", 60).await?;
    let mut client = Connection::open(mesh.outbound("caller")?, Version::Http2).await?;
    let (mut messages, body) = Channel::<Bytes, std::convert::Infallible>::new(4);
    let request = Request::post("/").header("content-type", "application/grpc").header("te", "trailers");
    let response = client.send(request, "/echo.Echo/Chat", body.boxed()).await?;
    assert_eq!(response.status().as_u16(), 200);
    let mut answers = response.into_body();
    // Each message comes back before the next one is sent: nothing waits for the end of a body.
    for text in ["one", "two", "three"] {
        messages.send(Frame::data(Bytes::from(text))).await?;
        let answer = answers.frame().await.context("the stream ended")??;
        assert_eq!(answer.into_data().ok().as_deref(), Some(text.as_bytes()));
    }
    drop(messages);
    let rest = answers.collect().await?;
    assert_eq!(rest.trailers().context("no trailers")?["grpc-status"], "0");
    mesh.stop().await
}

#[tokio::test]
async fn a_refused_grpc_call_gets_a_grpc_status_and_the_denial_id() -> anyhow::Result<()> {
    let mesh = Mesh::start("grpc-refused", 60).await?;
    let mut client = Connection::open(mesh.outbound("other")?, Version::Http2).await?;
    let request = Request::post("/").header("content-type", "application/grpc").header("te", "trailers");
    let response =
        client.send(request, "/echo.Echo/Chat", Full::new(Bytes::from_static(b"x")).boxed()).await?;
    assert_eq!(response.headers()["grpc-status"], "7");
    assert_eq!(response.headers()["kith-denial-id"].len(), 32);
    assert!(mesh.backend.requests().is_empty());
    mesh.stop().await
}

#[tokio::test]
async fn an_edit_of_the_policies_flips_the_same_call_and_an_invalid_edit_does_not() -> anyhow::Result<()> {
    let mesh = Mesh::start("flip", 60).await?;
    let address = mesh.outbound("caller")?;
    let status = async || -> anyhow::Result<u16> {
        Ok(Connection::open(address, Version::Http1).await?.call("GET", "/x", "").await?.status.as_u16())
    };
    assert_eq!(status().await?, 200);
    let deny = policy("no-get", "DENY", "  - name: get\n    operations: [{ http: { methods: [GET] } }]\n");
    let both = format!("{}---\n{deny}", policy("callers", "ALLOW", ALLOW_CALLER));
    std::fs::write(mesh.policy_file(), both)?;
    let flipped = tokio::time::timeout(Duration::from_secs(1), async {
        while status().await? != 403 {
            tokio::task::yield_now().await;
        }
        anyhow::Ok(())
    });
    flipped.await.context("not within a second")??;
    let refused = mesh
        .record
        .until("the refusal is logged", SOON, |record| Ok(record.refusals("backend")?.into_iter().next()))
        .await?;
    assert_eq!(refused.policy.as_deref(), Some("test/no-get"));
    assert_eq!(refused.rule.as_deref(), Some("get"));
    assert_eq!(refused.denial_reason.as_deref(), Some("policy_deny"));

    std::fs::write(mesh.policy_file(), "kind: AuthorizationPolicy\nspec: { actoin: ALLOW }\n")?;
    let shown = tokio::time::timeout(SOON, async {
        loop {
            let status = mesh.status().await?;
            if !status.policies_error.is_empty() {
                return anyhow::Ok(status.policies_error);
            }
        }
    });
    let error = shown.await.context("the error was not shown")??;
    assert!(error.contains("backend.yaml:"), "{error}");
    assert_eq!(status().await?, 403, "an invalid edit changes nothing");
    mesh.stop().await
}
