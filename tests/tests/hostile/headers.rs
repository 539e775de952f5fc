//! Requests that are allowed, and headers among theirs that are not: each arrives without them.

use anyhow::Context;
use http::HeaderMap;
use kith_tests::Backend;

use super::http2::{self, Ended, fields};
use super::site::{Face, Site, Spoken};
use super::{http1, site};

/// Claims of an identity, and what speaks for a mesh (X1, X2, X5, X7, X10, H24).
const CLAIMS: [(&str, &str); 14] = [
    (
        "x-forwarded-client-cert",
        "By=spiffe://test.local/ns/test/sa/backend;URI=spiffe://test.local/ns/test/sa/admin",
    ),
    ("x-forwarded-client-cert", "URI=spiffe://test.local/ns/test/sa/admin"),
    ("x_forwarded_client_cert", "URI=spiffe://test.local/ns/test/sa/admin"),
    ("x.forwarded-client_cert", "URI=spiffe://test.local/ns/test/sa/admin"),
    ("x-spiffe-id", "spiffe://test.local/ns/test/sa/admin"),
    ("l5d-client-id", "admin.test.serviceaccount.identity.linkerd.cluster.local"),
    ("l5d-dst-override", "169.254.169.254:80"),
    ("x-envoy-original-path", "/admin"),
    ("x-envoy-peer-metadata", "admin"),
    ("kith-denial-id", "00000000000000000000000000000000"),
    ("kith-destination", "169.254.169.254:80"),
    ("kith_destination", "127.0.0.1:22"),
    ("content_length", "5"),
    ("transfer.encoding", "chunked"),
];

impl Site {
    /// Sends an allowed request with further headers, and returns those with which it arrived.
    async fn arrived(
        &self,
        backend: &Backend,
        face: Face,
        spoken: Spoken,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<HeaderMap> {
        let path = format!("/arrived/{}", backend.requests().len());
        let stream = self.connect(face, spoken).await?;
        match spoken {
            Spoken::Http1 => {
                let lines: String =
                    headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                let close = if headers.iter().any(|(name, _)| *name == "connection") {
                    ""
                } else {
                    "connection: close\r\n"
                };
                let request = format!("GET {path} HTTP/1.1\r\nhost: backend\r\n{close}{lines}\r\n");
                let reply = http1::exchange(stream, request.as_bytes()).await?;
                assert_eq!((face, reply.status()), (face, Some(200)), "{headers:?}: {reply:?}");
            }
            Spoken::Http2 => {
                let ended = http2::exchange(stream, &fields(&path, headers)).await?;
                assert_eq!((face, ended), (face, Ended::Status(200)), "{headers:?}");
            }
        }
        let all = backend.requests().into_iter();
        let mut found = all.filter(|(line, _)| *line == format!("GET {path}")).map(|(_, headers)| headers);
        let headers = found.next().context("it did not arrive")?;
        assert!(found.next().is_none(), "it arrived twice");
        Ok(headers)
    }
}

fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

#[tokio::test]
async fn whoever_claims_an_identity_arrives_as_whom_the_handshake_proved() -> anyhow::Result<()> {
    let backend = Backend::start().await?;
    let site = Site::start(backend.address()).await?;
    for (face, who) in [(Face::Application, "caller"), (Face::Peer, "foreign")] {
        for spoken in [Spoken::Http1, Spoken::Http2] {
            let sent: Vec<_> = CLAIMS.into_iter().chain([("x-role", "user")]).collect();
            let headers = site.arrived(&backend, face, spoken, &sent).await?;
            let proven = format!("By={};URI={}", site::identity("backend")?, site::identity(who)?);
            assert_eq!(all(&headers, "x-forwarded-client-cert"), [proven]);
            let names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
            let known = ["x-forwarded-client-cert", "x-role", "host"];
            assert!(names.iter().all(|name| known.contains(name)), "{face:?} {spoken:?}: {names:?}");
            assert_eq!(all(&headers, "x-role"), ["user"]);
        }
    }
    site.stop().await
}

#[tokio::test]
async fn connection_names_only_what_is_of_one_hop_and_no_upgrade_of_the_protocol_gets_through()
-> anyhow::Result<()> {
    // H17, H18, H19, H31
    let backend = Backend::start().await?;
    let site = Site::start(backend.address()).await?;
    for face in Face::BOTH {
        let sent = [
            ("connection", "close, x-role, host, x-forwarded-client-cert, authorization, keep-alive"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers, deflate"),
            ("x-role", "user"),
            ("authorization", "Bearer x"),
        ];
        let headers = site.arrived(&backend, face, Spoken::Http1, &sent).await?;
        let mut names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["authorization", "host", "te", "x-forwarded-client-cert", "x-role"], "{face:?}");
        assert_eq!(all(&headers, "te"), ["trailers"]);
        let upgrade = [
            ("connection", "close, upgrade, http2-settings"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
        ];
        let headers = site.arrived(&backend, face, Spoken::Http1, &upgrade).await?;
        let names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
        assert!(
            !names.iter().any(|name| ["connection", "upgrade", "http2-settings"].contains(name)),
            "{names:?}"
        );
    }
    site.stop().await
}

#[tokio::test]
async fn a_timeout_or_a_trace_that_makes_no_sense_is_dropped_and_the_call_arrives() -> anyhow::Result<()> {
    let backend = Backend::start().await?;
    let site = Site::start(backend.address()).await?;
    let baggage = "v".repeat(64 * 1_024);
    let members = vec!["k=v"; 10_000].join(",");
    for face in Face::BOTH {
        for spoken in [Spoken::Http1, Spoken::Http2] {
            // H25
            let timeouts = [("99999999H", Some("8760H")), ("-1S", None), ("1x", None), ("5S", Some("5S"))];
            for (sent, wanted) in timeouts {
                let headers = site.arrived(&backend, face, spoken, &[("grpc-timeout", sent)]).await?;
                assert_eq!(all(&headers, "grpc-timeout"), Vec::from_iter(wanted), "{sent}");
            }
            // X11
            for trace in [
                ("baggage", &*baggage),
                ("baggage", &*members),
                ("traceparent", "00-zz"),
                ("tracestate", "a=1"),
            ] {
                let headers = site.arrived(&backend, face, spoken, &[trace]).await?;
                assert!(!headers.contains_key(trace.0), "{}", trace.0);
            }
        }
    }
    site.stop().await
}

#[tokio::test]
async fn encodings_ranges_and_cookies_are_the_business_of_the_ends() -> anyhow::Result<()> {
    // H22, H23, H39, H40, P50
    let backend = Backend::start().await?;
    let site = Site::start(backend.address()).await?;
    for face in Face::BOTH {
        let sent = [
            ("accept-encoding", "zstd"),
            ("range", "bytes=0-1"),
            ("x-original-url", "/forbidden"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-http-method-override", "DELETE"),
        ];
        for spoken in [Spoken::Http1, Spoken::Http2] {
            let headers = site.arrived(&backend, face, spoken, &sent).await?;
            for (name, value) in sent {
                assert_eq!(all(&headers, name), [value]);
            }
        }
        let headers =
            site.arrived(&backend, face, Spoken::Http2, &[("cookie", "a=1"), ("cookie", "b=2")]).await?;
        assert_eq!(all(&headers, "cookie").join("; "), "a=1; b=2");
    }
    site.stop().await
}
