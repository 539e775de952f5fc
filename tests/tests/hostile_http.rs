//! Requests and answers that mean harm, or that a careless proxy would change on their way.

mod hostile;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Channel, Empty};
use hyper::body::Frame;
use kith_tests::{Connection, Mesh, Version, read};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_body_of_unknown_length_arrives_whatever_the_method() -> anyhow::Result<()> {
    let mesh = Mesh::start("get-body", 60).await?;
    for method in ["GET", "POST", "DELETE"] {
        let request = format!(
            "{method} /x HTTP/1.1\r\nhost: backend\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
             5\r\nhello\r\n0\r\n\r\n"
        );
        let answer = raw(mesh.outbound("caller")?, &request).await?;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("hello"), "{method}: {answer}");
    }
    mesh.stop().await
}

#[tokio::test]
async fn trailers_of_a_request_arrive_without_a_claimed_identity() -> anyhow::Result<()> {
    // X1
    let mesh = Mesh::start("trailers", 60).await?;
    let request = "POST /x HTTP/1.1\r\nhost: backend\r\nconnection: close\r\nte: trailers\r\n\
         trailer: x-sum, x-forwarded-client-cert\r\ntransfer-encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\nx-sum: 7\r\nx-forwarded-client-cert: URI=spiffe://test.local/admin\r\n\r\n";
    let answer = raw(mesh.outbound("caller")?, request).await?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let trailers = mesh.backend.trailers();
    let names: Vec<_> = trailers.iter().flat_map(|map| map.keys().map(|name| name.as_str())).collect();
    assert_eq!(names, ["x-sum"]);
    mesh.stop().await
}

#[tokio::test]
async fn an_answer_with_an_oversized_head_harms_no_call_beside_it() -> anyhow::Result<()> {
    let mesh = Mesh::start("large-head", 60).await?;
    let mut client = Connection::open(mesh.outbound("caller")?, Version::Http2).await?;
    let (mut messages, body) = Channel::<Bytes, std::convert::Infallible>::new(4);
    let stream = Request::post("/").header("content-type", "application/grpc");
    let mut answers = client.send(stream, "/echo.Echo/Chat", body.boxed()).await?.into_body();
    for bytes in [60_000, 100_000, 300_000] {
        let path = format!("/head/{bytes}");
        for version in [Version::Http1, Version::Http2] {
            let mut other = Connection::open(mesh.outbound("caller")?, version).await?;
            assert_eq!(other.call("GET", &path, "").await?.status.as_u16(), 502, "{path} {version:?}");
        }
        assert_eq!(client.call("GET", &path, "").await?.status.as_u16(), 502, "{path}");
    }
    let mut other = Connection::open(mesh.outbound("caller")?, Version::Http1).await?;
    assert_eq!(other.call("GET", "/head/50000", "").await?.status.as_u16(), 200);
    messages.send(Frame::data(Bytes::from_static(b"alive"))).await?;
    let frame = timeout(SOON, answers.frame()).await?.context("the stream ended")??;
    assert_eq!(frame.into_data().ok().as_deref(), Some(&b"alive"[..]));
    mesh.stop().await
}

#[tokio::test]
async fn an_oversized_request_head_is_refused_with_a_denial_id_that_the_log_has() -> anyhow::Result<()> {
    // H20
    let mesh = Mesh::start("large-request", 60).await?;
    for version in [Version::Http1, Version::Http2] {
        let mut client = Connection::open(mesh.outbound("caller")?, version).await?;
        let request =
            (0..60).fold(Request::get("/"), |request, n| request.header(format!("x-{n}"), "v".repeat(1_000)));
        let answer = read(client.send(request, "/x", Empty::new().boxed()).await?).await?;
        assert_eq!(answer.status.as_u16(), 431, "{version:?}");
        let id = answer.denial_id().context("no denial id")?;
        let refused = mesh.record.until("the refusal is logged", SOON, |record| {
            Ok(record.refusals("caller")?.into_iter().find(|call| call.denial_id.as_deref() == Some(id)))
        });
        assert_eq!(refused.await?.denial_reason.as_deref(), Some("head_too_large"));
    }
    assert!(mesh.backend.requests().is_empty());
    mesh.stop().await
}

#[tokio::test]
async fn a_flood_of_long_paths_leaves_the_reports_of_a_sidecar_intact() -> anyhow::Result<()> {
    // What a refused caller sends must not end the stream by which its refusals are told.
    let mesh = Mesh::start("long-paths", 60).await?;
    let mut client = Connection::open(mesh.outbound("other")?, Version::Http2).await?;
    let path = format!("/{}", "%22".repeat(8_000));
    for _ in 0..200 {
        assert_eq!(client.call("GET", &path, "").await?.status.as_u16(), 403);
    }
    let counted = timeout(SOON, async {
        loop {
            let status = mesh.status().await?;
            let backend = status.workloads.into_iter().find(|workload| workload.name == "backend");
            if backend.as_ref().is_some_and(|backend| backend.denied == 200) {
                return anyhow::Ok(backend);
            }
        }
    });
    let backend = counted.await.context("the refusals were not counted")??.context("no backend")?;
    assert!(backend.connected);
    let logged = mesh.record.refusals("backend")?;
    assert!(logged.iter().all(|call| call.path.len() < 2_000 && call.path.ends_with("...")));
    mesh.stop().await
}

/// Sends bytes as they are, and reads until the connection closes.
async fn raw(address: SocketAddr, request: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answer)).await.context("no end")??;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
