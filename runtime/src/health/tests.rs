//! The answers as a prober sees them, on the wire.

use std::time::SystemTime;

use prometheus_client::encoding::DescriptorEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::Readiness;

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct OneFigure;

impl Collector for OneFigure {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        crate::metrics::counter(&mut encoder, "kith_test", "A figure", 0)
    }
}

struct Probed {
    address: SocketAddr,
    readiness: Readiness,
    port: HealthPort,
}

async fn probed() -> Probed {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let readiness = Readiness::new();
    let process = Process::new("1.2.3", SystemTime::UNIX_EPOCH);
    let waits = readiness.clone();
    let port = Health::of(process, OneFigure, move || waits.waiting_for()).open(listener).unwrap();
    Probed { address: port.address(), readiness, port }
}

impl Probed {
    /// Everything that comes back until the connection is closed, which the server does after one answer.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    }

    async fn get(&self, path: &str) -> String {
        self.raw(&format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address)).await
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {answer:?}"))
}

#[tokio::test]
async fn a_process_is_live_at_once_and_ready_when_nothing_is_waited_for() {
    let probed = probed().await;
    let (svid, snapshot) = (probed.readiness.block("svid"), probed.readiness.block("snapshot"));
    assert!(probed.get("/live").await.ends_with("\r\n\r\nok\n"));
    let answer = probed.get("/ready").await;
    assert_eq!(status(&answer), "503");
    assert!(answer.ends_with("not ready: svid, snapshot\n"), "{answer}");
    drop((svid, snapshot));
    assert_eq!(status(&probed.get("/ready").await), "200");
    let again = probed.readiness.block("svid");
    assert_eq!(status(&probed.get("/ready").await), "503", "asked anew each time");
    drop(again);
}

#[tokio::test]
async fn metrics_are_open_metrics_text() {
    let answer = probed().await.get("/metrics?any=thing").await;
    assert_eq!(status(&answer), "200");
    assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
    assert!(answer.contains("kith_build_info{version=\"1.2.3\"} 1\n"), "what every process has: {answer}");
    assert!(answer.ends_with("kith_test_total 0\n# EOF\n"), "{answer}");
}

#[tokio::test]
async fn nothing_but_get_and_head_of_three_pages_is_answered() {
    // G5, G6: there is nothing to change, whatever the method.
    let probed = probed().await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
        let answer = probed
            .raw(&format!("{method} /ready HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n"))
            .await;
        assert_eq!(status(&answer), "405", "{method}");
        assert!(answer.contains("allow: GET, HEAD\r\n"));
    }
    for path in ["/", "/shutdown", "/ready/", "//ready", "/READY", "/%72eady", "/ready/../live"] {
        assert_eq!(status(&probed.get(path).await), "404", "{path}");
    }
    let head = probed.raw("HEAD /live HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(status(&head), "200");
    assert!(head.ends_with("\r\n\r\n"), "no body: {head}");
    let with_body = probed.raw("GET /live HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nGET").await;
    assert_eq!(status(&with_body), "200", "the body is not looked at");
}

#[tokio::test]
async fn a_host_that_is_a_name_is_refused_so_that_no_web_page_can_ask() {
    // G5: DNS rebinding.
    let probed = probed().await;
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example@127.0.0.1",
        "[evil]",
        "127.1",
        "2130706433",
        "",
    ] {
        let answer = probed.raw(&format!("GET /metrics HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        assert_eq!(status(&answer), "403", "{host}");
        assert!(!answer.contains("kith_test"));
    }
    for host in
        ["127.0.0.1", "127.0.0.1:7447", "10.1.2.3:7447", "[::1]:7447", "[::1]", "localhost:1", "LOCALHOST"]
    {
        let answer = probed.raw(&format!("GET /live HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        assert_eq!(status(&answer), "200", "{host}");
    }
    for request in [
        "GET /live HTTP/1.1\r\n\r\n",
        "GET /live HTTP/1.0\r\n\r\n",
        "GET /live HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n",
        "GET http://localhost/live HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ] {
        assert_eq!(status(&probed.raw(request).await), "400", "{request}");
    }
}

#[tokio::test]
async fn a_connection_carries_one_question_and_a_head_that_is_too_large_is_refused() {
    let probed = probed().await;
    let request = format!("GET /live HTTP/1.1\r\nhost: {}\r\n\r\n", probed.address);
    let answer = probed.raw(&format!("{request}{request}")).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1);
    assert!(answer.contains("connection: close\r\n"));
    let large = probed
        .raw(&format!("GET /live HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(9_000)))
        .await;
    assert_eq!(status(&large), "431");
}

#[tokio::test]
async fn connections_that_say_nothing_keep_nobody_from_asking() {
    // D1
    let probed = probed().await;
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS * 4 {
        silent.push(TcpStream::connect(probed.address).await.unwrap());
    }
    assert_eq!(status(&probed.get("/live").await), "200");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end_is_cut_off_after_its_time() {
    // D1
    let probed = probed().await;
    let mut slow = TcpStream::connect(probed.address).await.unwrap();
    slow.write_all(b"GET /live HTTP/1.1\r\nhost: loc").await.unwrap();
    let begun = tokio::time::Instant::now();
    let mut rest = Vec::new();
    let read = timeout(CONNECTION_LIMIT * 2, slow.read_to_end(&mut rest)).await.unwrap();
    assert!(read.is_err() || rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{read:?}");
    assert!(
        begun.elapsed() < CONNECTION_LIMIT,
        "ended by the connection's limit only: {:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn it_answers_until_it_is_closed_and_a_silent_connection_does_not_delay_that() {
    let probed = probed().await;
    assert_eq!(status(&probed.get("/live").await), "200");
    let _silent = TcpStream::connect(probed.address).await.unwrap();
    assert_eq!(status(&probed.get("/live").await), "200");
    timeout(HEADER_LIMIT, probed.port.close()).await.unwrap();
    assert!(TcpStream::connect(probed.address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_process_may_have_more_pages_which_are_asked_under_the_same_conditions() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let process = Process::new("1.2.3", SystemTime::UNIX_EPOCH);
    let slow = CONNECTION_LIMIT * 2;
    let health = Health::of(process, OneFigure, Vec::new).with_pages(slow, move |head| {
        let agent =
            head.headers.get("user-agent").map_or("nobody", |agent| agent.to_str().unwrap()).to_owned();
        matches!(head.uri.path(), "/slow" | "/ready" | "/metrics").then(|| {
            let page: Page = Box::pin(async move {
                tokio::time::sleep(slow).await;
                (StatusCode::IM_A_TEAPOT, agent)
            });
            page
        })
    });
    let port = health.open(listener).unwrap();
    let probed = Probed { address: port.address(), readiness: Readiness::new(), port };
    let ask = |head: &'static str| {
        let probed = &probed;
        async move { probed.raw(&format!("{head}\r\nuser-agent: kube-probe/1\r\n\r\n")).await }
    };
    // Longer than a connection lasts otherwise, and than this test's patience.
    let mut stream = TcpStream::connect(probed.address).await.unwrap();
    stream
        .write_all(b"GET /slow HTTP/1.1\r\nhost: localhost\r\nuser-agent: kube-probe/1\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    timeout(slow * 2, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 418 ") && answer.ends_with("\r\n\r\nkube-probe/1\n"), "{answer}");
    // Nobody changes anything by them, nor from a web page, and none takes the place of what every process has.
    assert_eq!(status(&ask("POST /slow HTTP/1.1\r\nhost: localhost").await), "405");
    assert_eq!(status(&ask("GET /slow HTTP/1.1\r\nhost: evil.example").await), "403");
    assert_eq!(status(&ask("GET /ready HTTP/1.1\r\nhost: localhost").await), "200");
    assert_eq!(status(&ask("GET /other HTTP/1.1\r\nhost: localhost").await), "404");
}
