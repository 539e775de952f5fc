//! Requests that must not pass: refused by us with a denial id that the log has, or by the library before it makes a
//! request of them. Nothing of any of them reaches the application. Each row runs on both faces.

use anyhow::Context;
use kith_tests::Backend;

use super::http1;
use super::http2::{self, Ended, Fields, fields};
use super::site::{Face, Site, Spoken, identity};

/// What a row wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    /// Our own refusal with this status, under an id that the log has.
    Ours(u16),
    /// The library's, with this status; it has no id.
    Library(u16),
    /// A refusal of any kind: the library may end the stream or the connection instead of answering.
    Refused,
}

use Want::{Library, Ours, Refused};

fn repeated(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// The id of the attack, the bytes of the head without its last empty line, what is wanted.
fn http1_rows() -> Vec<(&'static str, String, Want)> {
    let get = |head: &str| format!("GET /no HTTP/1.1\r\n{head}");
    let with = |header: &str| get(&format!("host: backend\r\n{header}\r\n"));
    vec![
        ("H4", get("host: backend\r\nhost: backend\r\n"), Ours(400)),
        ("H5", "GET http://backend/no HTTP/1.1\r\nhost: other\r\n".into(), Ours(400)),
        ("H6", get("host: user@backend\r\n"), Ours(400)),
        ("H6 target", "GET http://user@backend/no HTTP/1.1\r\nhost: user@backend\r\n".into(), Ours(400)),
        ("H7 path", get("host: backend/x\r\n"), Ours(400)),
        ("H7 space", get("host: back end\r\n"), Ours(400)),
        ("H7 comma", get("host: backend,other\r\n"), Ours(400)),
        ("H7 port", get("host: backend:99999\r\n"), Ours(400)),
        ("H7 empty", get("host: \r\n"), Ours(400)),
        ("H8", get("accept: */*\r\n"), Ours(400)),
        ("H8 of 1.0", "GET /no HTTP/1.0\r\n".into(), Ours(400)),
        ("H14 space", with("x-role : admin"), Library(400)),
        ("H14 name", with("x-ro\u{e9}le: admin"), Library(400)),
        ("H16 NUL", with("x-role: a\0b"), Library(400)),
        ("H16 CR", with("x-role: a\rb"), Library(400)),
        ("H16 LF", with("x-role: a\nb"), Library(400)),
        ("H16 DEL", with("x-role: a\x7fb"), Library(400)),
        ("H20 1001 fields", with(&repeated(1_001, |n| format!("x-{n}: v\r\n"))), Library(431)),
        ("H20 65 KiB", with(&repeated(65, |n| format!("x-{n}: {}\r\n", "v".repeat(1_024)))), Ours(431)),
        ("H20 one value", with(&format!("x-role: {}", "v".repeat(64 * 1_024))), Ours(431)),
        ("H20 target", format!("GET /{} HTTP/1.1\r\nhost: backend\r\n", "n".repeat(40_000)), Ours(431)),
        ("H32", "CONNECT backend:22 HTTP/1.1\r\nhost: backend:22\r\n".into(), Ours(405)),
        (
            "H32 metadata",
            "CONNECT 169.254.169.254:80 HTTP/1.1\r\nhost: 169.254.169.254:80\r\n".into(),
            Ours(405),
        ),
        ("H35", "TRACE /no HTTP/1.1\r\nhost: backend\r\n".into(), Ours(405)),
        ("H35 TRACK", "TRACK /no HTTP/1.1\r\nhost: backend\r\n".into(), Ours(405)),
        ("H35 case", "Trace /no HTTP/1.1\r\nhost: backend\r\n".into(), Ours(405)),
        ("H36", "GET /no HTTP/1.0\r\nhost: backend\r\ntransfer-encoding: chunked\r\n".into(), Library(400)),
        ("X2 folded", with("x-forwarded-client-cert: By=a;\r\n URI=spiffe://test.local/admin"), Library(400)),
        ("two codings", with("transfer-encoding: chunked, gzip"), Library(400)),
        ("two lengths", with("content-length: 5\r\ncontent-length: 6"), Library(400)),
        ("a signed length", with("content-length: +5"), Library(400)),
        ("target *", "GET * HTTP/1.1\r\nhost: backend\r\n".into(), Ours(400)),
        ("P46", "GET no HTTP/1.1\r\nhost: backend\r\n".into(), Refused),
    ]
}

#[tokio::test]
async fn a_request_in_http1_that_could_be_read_in_two_ways_or_asks_the_proxy_for_something_never_arrives()
-> anyhow::Result<()> {
    let backend = Backend::start().await?;
    let site = Site::start(backend.address()).await?;
    for face in Face::BOTH {
        for (id, head, want) in http1_rows() {
            let before = site.refusals(face)?.len();
            // What follows a CONNECT before its answer must not get anywhere either (H33).
            let request = format!("{head}connection: close\r\n\r\nearly bytes");
            let stream = site.connect(face, Spoken::Http1).await?;
            let reply = http1::exchange(stream, request.as_bytes()).await.context(id)?;
            let got = (face, id, reply.status());
            match want {
                Ours(status) => {
                    assert_eq!(got, (face, id, Some(status)), "{reply:?}");
                    let call = site.refused(face, before + 1).await.context(id)?;
                    assert_eq!((id, call.status), (id, Some(status)));
                    assert_eq!((id, call.denial_id.as_deref()), (id, reply.denial_id()));
                }
                // It closes over a head that it did not read to its end, and the answer may be lost with it.
                Library(431) => assert!(matches!(reply.status(), None | Some(431)), "{got:?}"),
                Library(status) => assert_eq!(got, (face, id, Some(status)), "{reply:?}"),
                Refused => assert!(reply.status().is_none_or(|status| status >= 400), "{got:?}"),
            }
        }
    }
    only_ready_arrived(&backend);
    site.stop().await
}

fn http2_rows() -> Vec<(&'static str, Fields<'static>, Want)> {
    let with = |more: &[(&'static str, &'static str)]| fields("/no", more);
    let many = |count, length| {
        let mut all = fields("/no", &[]);
        (0..count).for_each(|_| all.push(("x-role", vec![b'v'; length])));
        all
    };
    let bytes = |name, value: &[u8]| {
        let mut all = fields("/no", &[]);
        all.push((name, value.to_vec()));
        all
    };
    let connect = vec![(":method", b"CONNECT".to_vec()), (":authority", b"backend:22".to_vec())];
    let late = [vec![("x-role", b"user".to_vec())], with(&[])].concat();
    vec![
        ("H4", with(&[("host", "backend"), ("host", "backend")]), Ours(400)),
        ("H5", with(&[("host", "other")]), Ours(400)),
        ("H6", with(&[(":authority", "user@backend")]), Ours(400)),
        ("H7 path", with(&[(":authority", ""), ("host", "backend/x")]), Ours(400)),
        ("H7 space", with(&[(":authority", ""), ("host", "back end")]), Ours(400)),
        ("H7 comma", with(&[(":authority", ""), ("host", "backend,other")]), Ours(400)),
        ("H7 port", with(&[(":authority", "backend:99999")]), Ours(400)),
        ("H7 authority", with(&[(":authority", "backend/x")]), Refused),
        ("H8", with(&[(":authority", "")]), Ours(400)),
        ("H14 name", with(&[("x role", "admin")]), Refused),
        ("H14 case", with(&[("X-Role", "admin")]), Refused),
        ("H16 NUL", bytes("x-role", b"a\0b"), Refused),
        ("H16 CR LF", bytes("x-role", b"a\r\nx-role: admin"), Refused),
        ("H16 DEL", bytes("x-role", b"a\x7fb"), Refused),
        ("H20 200 fields", many(200, 1), Ours(431)),
        ("H20 65 KiB", many(65, 1_024), Ours(431)),
        ("H20 one value", many(1, 64 * 1_024), Ours(431)),
        ("H20 far beyond", many(40, 16 * 1_024), Refused),
        ("H32", connect, Ours(405)),
        ("H34", with(&[(":method", "CONNECT"), (":protocol", "connect-udp")]), Refused),
        ("H35", with(&[(":method", "TRACE")]), Ours(405)),
        ("H35 TRACK", with(&[(":method", "TRACK")]), Ours(405)),
        ("H35 case", with(&[(":method", "trace")]), Ours(405)),
        ("of one hop", with(&[("connection", "x-role")]), Refused),
        ("a coding", with(&[("transfer-encoding", "chunked")]), Refused),
        ("pseudo twice", [with(&[]), vec![(":path", b"/other".to_vec())]].concat(), Refused),
        ("pseudo late", late, Refused),
        ("target *", with(&[(":path", "*")]), Ours(400)),
        ("P46", with(&[(":path", "no")]), Refused),
        ("no path", with(&[(":path", "")]), Refused),
    ]
}

#[tokio::test]
async fn a_request_in_http2_that_could_be_read_in_two_ways_or_asks_the_proxy_for_something_never_arrives()
-> anyhow::Result<()> {
    let backend = Backend::start().await?;
    let site = Site::start(backend.address()).await?;
    for face in Face::BOTH {
        for (id, fields, want) in http2_rows() {
            let before = site.refusals(face)?.len();
            let stream = site.connect(face, Spoken::Http2).await?;
            let ended = http2::exchange(stream, &fields).await.context(id)?;
            match want {
                Ours(status) => {
                    assert_eq!((face, id, ended), (face, id, Ended::Status(status)));
                    let call = site.refused(face, before + 1).await.context(id)?;
                    assert_eq!((id, call.status), (id, Some(status)));
                    assert_eq!(call.denial_id.map(|id| id.len()), Some(32));
                }
                Library(status) => assert_eq!((face, id, ended), (face, id, Ended::Status(status))),
                Refused => {
                    assert!(!matches!(ended, Ended::Status(..400)), "{face:?} {id}: {ended:?}");
                }
            }
        }
    }
    only_ready_arrived(&backend);
    site.stop().await
}

#[tokio::test]
async fn a_peer_that_speaks_as_a_sidecar_gets_no_further_than_the_workload_of_its_session()
-> anyhow::Result<()> {
    // X10: a session for streams is no open proxy.
    let backend = Backend::start().await?;
    let site = Site::start(backend.address()).await?;
    let (here, own, other) =
        (site.inbound.to_string(), identity("backend")?.to_string(), identity("caller")?.to_string());
    let connect = |authority: &str, destinations: &[&str]| {
        let mut fields =
            vec![(":method", b"CONNECT".to_vec()), (":authority", authority.as_bytes().to_vec())];
        fields.extend(destinations.iter().map(|id| ("kith-destination", id.as_bytes().to_vec())));
        fields
    };
    let websocket = |protocol| {
        let more = [(":method", "CONNECT"), (":protocol", protocol), (":authority", "user@backend")];
        let mut fields = fields("/no", &more);
        fields.push(("kith-destination", own.clone().into_bytes()));
        fields
    };
    let rows = [
        ("metadata", connect("169.254.169.254:80", &[&own]), 421),
        ("loopback", connect("127.0.0.1:22", &[&own]), 421),
        ("the application", connect(&backend.address().to_string(), &[&own]), 421),
        ("another workload", connect(&here, &[&other]), 421),
        ("nobody", connect(&here, &[]), 421),
        ("two workloads", connect(&here, &[&own, &other]), 421),
        ("a request", fields("/no", &[]), 405),
        ("another protocol", websocket("connect-udp"), 405),
        ("H6 of a WebSocket", websocket("websocket"), 400),
    ];
    for (row, fields, status) in rows {
        // Calls that came before there was a snapshot were refused, too.
        let before = site.refusals(Face::Peer)?.len();
        let stream = site.connect_as(b"kith-streams/1").await?;
        let ended = http2::exchange(stream, &fields).await.context(row)?;
        assert_eq!((row, ended), (row, Ended::Status(status)));
        assert_eq!((row, site.refused(Face::Peer, before + 1).await?.status), (row, Some(status)));
    }
    only_ready_arrived(&backend);
    site.stop().await
}

/// The application got the call by which the start is told, and nothing else.
fn only_ready_arrived(backend: &Backend) {
    let lines: Vec<_> = backend.requests().into_iter().map(|(line, _)| line).collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| line == "GET /ready"), "{lines:?}");
}
