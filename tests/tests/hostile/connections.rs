//! Connections that waste time, that begin with something else, or that carry more than one request.

use std::time::Duration;

use anyhow::Context;
use kith_tests::Backend;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

use super::http2::{PREFACE, block, fields, frame};
use super::scripted::{Answer, Scripted};
use super::site::{Face, Site, Spoken, Wire};
use super::{SOON, http1};

/// The limit for a head, and some time for a busy machine.
const HEAD_LIMIT: Duration = Duration::from_secs(13);
const HALF_HEAD: &[u8] = b"GET /slow HTTP/1.1\r\nhost: backend\r\nx-slow: ";

/// Reads until the other end closes.
async fn held(row: &str, mut stream: impl Wire, first: &[u8]) -> anyhow::Result<()> {
    stream.write_all(first).await?;
    stream.flush().await?;
    let mut ignored = [0; 1_024];
    let end = async { while let Ok(1..) = stream.read(&mut ignored).await {} };
    timeout(HEAD_LIMIT, end).await.with_context(|| format!("{row}: still held"))
}

/// The same of a head of which a byte comes every second.
async fn dripping(stream: Box<dyn Wire>) -> anyhow::Result<()> {
    let (mut read, mut write) = split(stream);
    let drip = async {
        let mut seconds = interval(Duration::from_secs(1));
        for byte in HALF_HEAD.iter().chain(std::iter::repeat(&b'v')) {
            seconds.tick().await;
            if write.write_all(&[*byte]).await.is_err() || write.flush().await.is_err() {
                return;
            }
        }
    };
    let mut ignored = Vec::new();
    let end = async {
        tokio::select! {
            () = drip => {}
            // An end without a farewell is an end.
            _ = read.read_to_end(&mut ignored) => {}
        }
    };
    timeout(HEAD_LIMIT, end).await.context("a head that drips is still held")
}

#[tokio::test]
async fn a_connection_that_never_finishes_its_head_is_closed_in_ten_seconds_and_holds_up_nobody()
-> anyhow::Result<()> {
    // D1, in real time, everywhere at once.
    let backend = Backend::start().await?;
    let site = Site::start(backend.address()).await?;
    let second = [b"GET /first HTTP/1.1\r\nhost: backend\r\n\r\n", HALF_HEAD].concat();
    let connect = |face, spoken| site.connect(face, spoken);
    let (http1, http2) = (Spoken::Http1, Spoken::Http2);
    let slow = async {
        tokio::try_join!(
            held("half a head of the application", connect(Face::Application, http1).await?, HALF_HEAD),
            held("its second head", connect(Face::Application, http1).await?, &second),
            held("half its preface", connect(Face::Application, http2).await?, &PREFACE[..10]),
            held("a silent peer", connect(Face::Peer, http1).await?, b""),
            held("half a head of a peer", connect(Face::Peer, http1).await?, HALF_HEAD),
            held("its second head", connect(Face::Peer, http1).await?, &second),
            held("a silent peer in h2", connect(Face::Peer, http2).await?, b""),
            held("half its preface", connect(Face::Peer, http2).await?, &PREFACE[..10]),
            held("a silent sidecar", site.connect_as(b"kith/1").await?, b""),
            held("a silent sidecar for streams", site.connect_as(b"kith-streams/1").await?, b""),
            held("no hello", TcpStream::connect(site.inbound).await?, b""),
            held("half a hello", TcpStream::connect(site.inbound).await?, b"\x16\x03\x01\x02\x00\x01"),
            dripping(connect(Face::Peer, http1).await?),
        )
    };
    let others = async {
        let mut tick = interval(Duration::from_millis(500));
        loop {
            tick.tick().await;
            for face in Face::BOTH {
                let request = b"GET /beside HTTP/1.1\r\nhost: backend\r\nconnection: close\r\n\r\n";
                let reply = http1::exchange(connect(face, http1).await?, request).await?;
                anyhow::ensure!(reply.status() == Some(200), "{reply:?}");
            }
        }
    };
    tokio::select! {
        slow = slow => drop(slow?),
        beside = others => beside?,
    }
    let lines: Vec<_> = backend.requests().into_iter().map(|(line, _)| line).collect();
    assert!(!lines.iter().any(|line| line.contains("/slow")), "{lines:?}");
    site.stop().await
}

#[tokio::test]
async fn what_is_not_tls_at_the_inbound_port_is_refused_and_no_preface_before_it_is_believed()
-> anyhow::Result<()> {
    // X5, X8, X9
    let backend = Backend::start().await?;
    let site = Site::start(backend.address()).await?;
    let plain = b"GET /no HTTP/1.1\r\nhost: backend\r\nx-forwarded-client-cert: URI=spiffe://test.local/ns/test/sa/caller\r\n\r\n";
    let proxy1 = b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\nGET /no HTTP/1.1\r\nhost: backend\r\n\r\n";
    let signature = b"\r\n\r\n\0\r\nQUIT\n";
    // A TLV of the type that carries an authority, as long as the length field can say.
    let proxy2 = [signature.as_slice(), b"\x21\x11\xff\xff", &[0x02; 4_096]].concat();
    for (number, first) in [plain.as_slice(), proxy1, &proxy2].into_iter().enumerate() {
        let stream = Box::new(TcpStream::connect(site.inbound).await?);
        let reply = http1::exchange(stream, first).await?;
        assert!(!reply.0.contains("HTTP"), "{reply:?}");
        site.sessions_refused("not_tls", number + 1).await?;
    }
    let lines: Vec<_> = backend.requests().into_iter().map(|(line, _)| line).collect();
    assert!(lines.iter().all(|line| line == "GET /ready"), "{lines:?}");
    site.stop().await
}

#[tokio::test]
async fn a_request_whose_session_is_cut_in_its_body_never_looks_complete_to_the_application()
-> anyhow::Result<()> {
    // L12: the peer ends its connection in the middle, with no farewell of TLS or with one.
    const HALF: &str = "0123456789";
    for farewell in [false, true] {
        for (framing, rest) in
            [("content-length: 20", HALF), ("transfer-encoding: chunked", "a\r\n0123456789\r\n")]
        {
            // Nothing is answered: there is no whole request.
            let app = Scripted::start(|_| Answer::Once(Vec::new())).await?;
            let site = Site::start(app.address).await?;
            let mut peer = site.connect(Face::Peer, Spoken::Http1).await?;
            let request = format!("POST /half HTTP/1.1\r\nhost: backend\r\n{framing}\r\n\r\n{rest}");
            peer.write_all(request.as_bytes()).await?;
            peer.flush().await?;
            let arrived = async {
                while !app.received()?.contains(HALF) {
                    tokio::task::yield_now().await;
                }
                anyhow::Ok(())
            };
            timeout(SOON, arrived).await.context("the half never arrived")??;
            if farewell {
                peer.shutdown().await?;
            }
            drop(peer);
            let line = timeout(SOON, site.call_to("/half")).await.context("no line of the call")??;
            assert!(line.error.is_some(), "{framing}, farewell {farewell}: {line:?}");
            let received = app.received()?;
            let half = received.split_once("POST /half").context("no request")?.1;
            let body = half.split_once("\r\n\r\n").context("no head")?.1;
            assert!(body.contains(HALF) && !body.contains("0\r\n\r\n"), "{framing}: {body:?}");
            site.stop().await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_thousand_pipelined_requests_are_judged_one_by_one_and_answered_in_their_order()
-> anyhow::Result<()> {
    // H37
    const COUNT: usize = 1_000;
    let backend = Backend::start().await?;
    let site = Site::start(backend.address()).await?;
    for face in Face::BOTH {
        let forbidden = |number: usize| number % 10 == 3;
        let request = |number: usize| {
            let path = if forbidden(number) { "/forbidden".to_owned() } else { format!("/p/{number}") };
            let close = if number + 1 == COUNT { "connection: close\r\n" } else { "" };
            format!("GET {path} HTTP/1.1\r\nhost: backend\r\n{close}\r\n")
        };
        let all: String = (0..COUNT).map(request).collect();
        let (mut read, mut write) = split(site.connect(face, Spoken::Http1).await?);
        let send = async {
            write.write_all(all.as_bytes()).await?;
            write.flush().await
        };
        let mut answers = Vec::new();
        let receive = async {
            // The session may end without a farewell.
            let _ = read.read_to_end(&mut answers).await;
        };
        let (sent, ()) = timeout(SOON * 4, async { tokio::join!(send, receive) }).await.context("no end")?;
        sent?;
        let text = String::from_utf8_lossy(&answers);
        let answers: Vec<_> = text.split("HTTP/1.1 ").skip(1).collect();
        assert_eq!(answers.len(), COUNT, "{face:?}");
        for (number, answer) in answers.into_iter().enumerate() {
            let (status, body) = if forbidden(number) {
                ("403", "refused".to_owned())
            } else {
                ("200", format!("GET /p/{number}"))
            };
            assert!(answer.starts_with(status) && answer.contains(&body), "{face:?} {number}: {answer}");
        }
    }
    assert!(!backend.requests().iter().any(|(line, _)| line.contains("forbidden")));
    site.stop().await
}

#[tokio::test]
async fn the_unread_body_of_a_refused_request_is_never_read_as_a_request() -> anyhow::Result<()> {
    // H38
    let backend = Backend::start().await?;
    let site = Site::start(backend.address()).await?;
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: backend\r\n\r\n";
    for face in Face::BOTH {
        for length in [smuggled.len(), 64 * 1_024, 1_024 * 1_024] {
            let body: String = smuggled.chars().cycle().take(length).collect();
            let request = format!(
                "GET /first HTTP/1.1\r\nhost: backend\r\n\r\n\
                 POST /forbidden HTTP/1.1\r\nhost: backend\r\ncontent-length: {length}\r\n\r\n{body}\
                 GET /last HTTP/1.1\r\nhost: backend\r\nconnection: close\r\n\r\n"
            );
            let reply = http1::exchange(site.connect(face, Spoken::Http1).await?, request.as_bytes()).await?;
            assert!(reply.0.contains("GET /first"), "{face:?} {length}: {reply:?}");
        }
    }
    let lines: Vec<_> = backend.requests().into_iter().map(|(line, _)| line).collect();
    let known = ["GET /ready", "GET /first", "GET /last"];
    assert!(lines.iter().all(|line| known.contains(&line.as_str())), "{lines:?}");
    site.stop().await
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_at_once_end_their_own_connection_and_no_other()
-> anyhow::Result<()> {
    // D11: rapid reset (CVE-2023-44487).
    const RST_STREAM: u8 = 3;
    let backend = Backend::start().await?;
    let site = Site::start(backend.address()).await?;
    for face in Face::BOTH {
        let mut stream = site.connect(face, Spoken::Http2).await?;
        let mut flood = [PREFACE, &frame(4, 0, 0, &[])].concat();
        let head = block(&fields("/reset", &[]));
        for number in 0..5_000 {
            flood.extend(frame(1, 5, 2 * number + 1, &head));
            flood.extend(frame(RST_STREAM, 0, 2 * number + 1, &8_u32.to_be_bytes()));
        }
        // It closes when it has seen enough.
        let _ = stream.write_all(&flood).await;
        let _ = stream.flush().await;
        http1::read_to_end(&mut stream).await.context("a flood of resets is not ended")?;
        let request = b"GET /beside HTTP/1.1\r\nhost: backend\r\nconnection: close\r\n\r\n";
        let reply = http1::exchange(site.connect(face, Spoken::Http1).await?, request).await?;
        assert_eq!(reply.status(), Some(200));
    }
    site.stop().await
}
