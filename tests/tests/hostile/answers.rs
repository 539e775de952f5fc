//! Applications that answer badly: the call ends, and no other one notices.

use anyhow::Context;
use http::Request;
use http_body_util::{BodyExt, Empty};
use kith_tests::{Connection, Version, read};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::scripted::{Answer, Scripted};
use super::site::{Face, Site, Spoken};
use super::{SOON, http1};

const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn get(path: &str, more: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: backend\r\nconnection: close\r\n{more}\r\n").into_bytes()
}

impl Site {
    async fn get(&self, face: Face, path: &str) -> anyhow::Result<http1::Reply> {
        http1::exchange(self.connect(face, Spoken::Http1).await?, &get(path, "")).await
    }
}

#[tokio::test]
async fn an_answer_that_lies_about_its_length_is_read_in_one_way_and_harms_no_answer_after_it()
-> anyhow::Result<()> {
    // H26
    let app = Scripted::start(|path| {
        Answer::Once(match path {
            "/both" => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 9\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec(),
            "/lengths" => b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd".to_vec(),
            "/204" => b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n".to_vec(),
            "/304" => b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n".to_vec(),
            "/head" => b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n".to_vec(),
            _ => OK.to_vec(),
        })
    })
    .await?;
    let site = Site::start(app.address).await?;
    for face in Face::BOTH {
        let both = site.get(face, "/both").await?;
        assert!(both.status() == Some(200) && both.0.contains("abc"), "{both:?}");
        assert!(!both.0.contains("content-length: 9"), "two lengths get out: {both:?}");
        assert_eq!(site.get(face, "/lengths").await?.status(), Some(502));
        for (path, status) in [("/204", 204), ("/304", 304)] {
            let reply = site.get(face, path).await?;
            assert_eq!(reply.status(), Some(status), "{reply:?}");
            assert!(reply.0.ends_with("\r\n\r\n"), "no body: {reply:?}");
            assert!(site.get(face, "/after").await?.0.ends_with("ok"), "{path}");
        }
        let request = get("/head", "").strip_prefix(b"GET").context("a GET")?.to_vec();
        let request = [b"HEAD".to_vec(), request].concat();
        let reply = http1::exchange(site.connect(face, Spoken::Http1).await?, &request).await?;
        assert!(reply.status() == Some(200) && reply.0.ends_with("\r\n\r\n"), "{reply:?}");
        assert!(site.get(face, "/after").await?.0.ends_with("ok"));
    }
    site.stop().await
}

#[tokio::test]
async fn nothing_is_switched_that_was_not_both_asked_for_and_granted() -> anyhow::Result<()> {
    // H27, H30: what follows an upgrade goes nowhere before the application has said 101.
    let app = Scripted::start(|path| match path {
        "/switch" => Answer::Once(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_vec(),
        ),
        _ => Answer::Once(OK.to_vec()),
    })
    .await?;
    let site = Site::start(app.address).await?;
    for face in Face::BOTH {
        assert_eq!(site.get(face, "/switch").await?.status(), Some(502));
        for upgrade in ["websocket", "h2c", "other"] {
            let more = format!(
                "connection: upgrade\r\nupgrade: {upgrade}\r\nsec-websocket-version: 13\r\n\
                 sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            );
            let request = format!("GET /granted-nothing HTTP/1.1\r\nhost: backend\r\n{more}\r\n");
            let mut stream = site.connect(face, Spoken::Http1).await?;
            stream.write_all(&[request.as_bytes(), b"early bytes\r\n\r\n"].concat()).await?;
            let reply = http1::read_to_end(&mut stream).await?;
            assert_eq!((face, upgrade, reply.status()), (face, upgrade, Some(200)), "{reply:?}");
        }
    }
    assert!(!app.received()?.contains("early bytes"));
    site.stop().await
}

#[tokio::test]
async fn a_flood_of_interim_answers_holds_up_nobody_and_ends_with_its_call() -> anyhow::Result<()> {
    // H28
    let app = Scripted::start(|path| match path {
        "/many" => Answer::Once([INTERIM.repeat(10_000).as_slice(), OK].concat()),
        "/endless" => Answer::Forever(INTERIM),
        _ => Answer::Once(OK.to_vec()),
    })
    .await?;
    let site = Site::start(app.address).await?;
    assert!(matches!(site.get(Face::Peer, "/many").await?.status(), Some(200 | 502)));
    let before = resident_kib(site.backend_pid()?)?;
    let mut flooded = site.connect(Face::Application, Spoken::Http1).await?;
    flooded.write_all(&get("/endless", "")).await?;
    // The sidecar has one worker, which the flood must not have for itself.
    for _ in 0..200 {
        let reply = timeout(SOON, site.get(Face::Peer, "/beside")).await.context("held up")??;
        assert_eq!(reply.status(), Some(200));
    }
    let grown = resident_kib(site.backend_pid()?)?.saturating_sub(before);
    assert!(grown < 16 * 1_024, "the flood is kept in memory: {grown} KiB more");
    drop(flooded);
    timeout(SOON, app.until_given_up(1)).await.context("the flood outlives its call")??;
    site.stop().await
}

#[tokio::test]
async fn a_compressed_body_is_passed_on_byte_for_byte() -> anyhow::Result<()> {
    // H39: the first bytes say zstd, the rest is nothing that could be decompressed.
    const BODY: &[u8] = b"\x28\xb5\x2f\xfd no frame \x00\xff";
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: zstd\r\ncontent-length: {}\r\n\r\n", BODY.len());
    let app = Scripted::start(move |_| Answer::Once([head.as_bytes(), BODY].concat())).await?;
    let site = Site::start(app.address).await?;
    let mut client = Connection::open(site.outbound, Version::Http1).await?;
    let answer = read(client.send(Request::get("/"), "/x", Empty::new().boxed()).await?).await?;
    assert_eq!((&answer.body[..], answer.headers["content-encoding"].as_bytes()), (BODY, &b"zstd"[..]));
    site.stop().await
}

/// Memory of a process, in KiB.
fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
