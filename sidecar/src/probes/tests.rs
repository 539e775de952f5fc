//! Questions over real sockets: an application on loopback, and the answers as the kubelet reads them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use ::http::Request;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use kith_proto::pod::ProbeAction;
use kith_runtime::HealthPort;
use kith_runtime::metrics::Process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct NoFigure;

impl prometheus_client::collector::Collector for NoFigure {
    fn encode(&self, _: prometheus_client::encoding::DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        Ok(())
    }
}

/// A sidecar's health port with these probes, of a pod at 127.0.0.1.
async fn port(probes: &[(&str, ProbeAction, u32)]) -> HealthPort {
    let entry = |(path, action, timeout_seconds): &(&str, ProbeAction, u32)| {
        ((*path).to_owned(), Probe { action: action.clone(), timeout_seconds: *timeout_seconds })
    };
    let probes: Probes = probes.iter().map(entry).collect();
    let health = Health::of(Process::new("1", SystemTime::UNIX_EPOCH), NoFigure, Vec::new);
    let health = replayed(health, &probes, Some(Ipv4Addr::LOCALHOST.into()));
    health.open(TcpListener::bind("127.0.0.1:0").await.unwrap()).unwrap()
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

async fn get(port: &HealthPort, path: &str) -> (u16, String, String) {
    let agent = "user-agent: kube-probe/1.34\r\n";
    let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{agent}\r\n", port.address());
    let answer = exchange(port.address(), &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), head.to_lowercase(), body.to_owned())
}

/// An application that reads one head on each connection and answers with these bytes. Returns its port, and the heads.
async fn application(
    answer: &'static str,
) -> (u16, tokio::sync::mpsc::UnboundedReceiver<String>, kith_runtime::Tasks) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heads, seen) = tokio::sync::mpsc::unbounded_channel();
    let tasks = kith_runtime::Tasks::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            let _ = heads.send(String::from_utf8(head).unwrap());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (port, seen, tasks)
}

fn http(port: u16, path: &str, headers: &[(&str, &str)]) -> ProbeAction {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ProbeAction::Http { port, path: path.to_owned(), https: false, headers }
}

#[tokio::test]
async fn the_application_is_asked_as_the_kubelet_would_ask_it() {
    let (to, mut heads, _tasks) = application("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine").await;
    let declared = [("X-A", "1"), ("X-A", "2"), ("Host", "shop.example"), ("Accept", "")];
    let port = port(&[
        ("app/liveness", http(to, "/healthz?full=1", &[]), 5),
        ("app/readiness", http(to, "ready", &declared), 5),
    ])
    .await;
    let (status, _, body) = get(&port, "/probe/app/liveness").await;
    assert_eq!((status, body.as_str()), (200, "fine\n"));
    let head = heads.recv().await.unwrap();
    assert!(head.starts_with("GET /healthz?full=1 HTTP/1.1\r\n"), "{head}");
    for line in
        [&format!("host: 127.0.0.1:{to}"), "user-agent: kube-probe/1.34", "accept: */*", "connection: close"]
    {
        assert!(head.contains(&format!("{line}\r\n")), "{line}: {head}");
    }
    assert_eq!(get(&port, "/probe/app/readiness").await.0, 200);
    let head = heads.recv().await.unwrap();
    assert!(head.starts_with("GET /ready HTTP/1.1\r\n") && head.contains("x-a: 1\r\nx-a: 2\r\n"), "{head}");
    assert!(head.contains("host: shop.example\r\n") && !head.contains("accept"), "{head}");
}

#[tokio::test]
async fn what_the_application_says_is_what_the_kubelet_hears() {
    for (answer, status, body) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        ("HTTP/1.1 302 Found\r\nlocation: http://evil.example/\r\ncontent-length: 0\r\n\r\n", 302, "\n"),
        ("HTTP/1.1 399 Odd\r\ncontent-length: 0\r\n\r\n", 399, "\n"),
        ("HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, "until the end\n"),
        (
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nno",
            503,
            "the application answered 400 Bad Request: no\n",
        ),
        (
            "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n",
            503,
            "the application answered 500 Internal Server Error: \n",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", 503, "the application broke off: "),
        ("nonsense\r\n\r\n", 503, "the application broke off: "),
        ("", 503, "the application broke off: "),
    ] {
        let (to, _heads, _tasks) = application(answer).await;
        let port = port(&[("app/liveness", http(to, "/", &[]), 5)]).await;
        let (got, head, said) = get(&port, "/probe/app/liveness").await;
        assert_eq!(got, status, "{answer:?}: {said}");
        assert!(said.starts_with(body) && !head.contains("location"), "{answer:?}: {head} {said}");
    }
}

#[tokio::test]
async fn a_long_body_is_cut() {
    let long: &'static str =
        Box::leak(format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(100_000)).into_boxed_str());
    let (to, _heads, _tasks) = application(long).await;
    let port = port(&[("app/liveness", http(to, "/", &[]), 5)]).await;
    let (status, _, body) = get(&port, "/probe/app/liveness").await;
    assert_eq!((status, body.len()), (200, 4 * 1024 + 1));
}

#[tokio::test]
async fn a_connection_is_all_that_tcp_asks_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap().port();
    let port = port(&[("app/liveness", ProbeAction::Tcp { port: to }, 5)]).await;
    assert_eq!(get(&port, "/probe/app/liveness").await.0, 200);
    drop(listener);
    let (status, _, body) = get(&port, "/probe/app/liveness").await;
    assert_eq!(status, 503);
    assert!(body.starts_with(&format!("the application cannot be reached at 127.0.0.1:{to}: ")), "{body}");
}

#[tokio::test]
async fn grpc_is_asked_for_its_own_health_check() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap().port();
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_service_status("up", tonic_health::ServingStatus::Serving).await;
    reporter.set_service_status("down", tonic_health::ServingStatus::NotServing).await;
    let tasks = kith_runtime::Tasks::new();
    let connections = tasks.clone();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let served = hyper::server::conn::http2::Builder::new(connections.clone())
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service.clone()));
            connections.spawn(async move { drop(served.await) });
        }
    });
    let grpc = |service: &str| ProbeAction::Grpc { port: to, service: service.to_owned() };
    let port = port(&[
        ("app/liveness", grpc(""), 5),
        ("app/readiness", grpc("up"), 5),
        ("app/startup", grpc("down"), 5),
        ("other/liveness", grpc("unknown"), 5),
        ("other/startup", ProbeAction::Grpc { port: 1, service: String::new() }, 5),
    ])
    .await;
    for (path, status, said) in [
        ("app/liveness", 200, "ok"),
        ("app/readiness", 200, "ok"),
        ("app/startup", 503, "the application is NOT_SERVING"),
        ("other/liveness", 503, "the application answered gRPC status"),
        ("other/startup", 503, "the application cannot be reached"),
    ] {
        let (got, _, body) = get(&port, &format!("/probe/{path}")).await;
        assert_eq!(got, status, "{path}: {body}");
        assert!(body.starts_with(said), "{path}: {body}");
    }
}

#[tokio::test]
async fn nothing_but_the_declared_questions_can_be_asked() {
    let (to, mut heads, _tasks) = application("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let hook = "app/pre-stop/0123456789abcdef0123456789abcdef";
    let port = port(&[(hook, http(to, "/stop", &[]), 5)]).await;
    for path in [
        "/probe/",
        "/probe/app",
        "/probe/app/",
        "/probe/app/liveness",
        // A1: an order is given by its whole key, and by nothing that is only like it.
        "/probe/app/pre-stop",
        "/probe/app/pre-stop/",
        "/probe/app/pre-stop?0123456789abcdef0123456789abcdef",
        "/probe/app/pre-stop/0123456789abcdef0123456789abcde",
        "/probe/app/pre-stop/0123456789abcdef0123456789abcdef0",
        "/probe/app/pre-stop/0123456789ABCDEF0123456789ABCDEF",
        "/probe/app/pre-stop/00000000000000000000000000000000",
        "/probe/app/post-start/0123456789abcdef0123456789abcdef",
        &format!("/probe/{hook}/"),
        &format!("/probe//{hook}"),
        &format!("/{hook}"),
        &format!("/probe/app/../{hook}"),
        "/probe/app%2Fpre-stop/0123456789abcdef0123456789abcdef",
        "/probe/app/pre-stop/%30123456789abcdef0123456789abcdef",
    ] {
        assert_eq!(get(&port, path).await.0, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        let request =
            format!("{method} /probe/{hook} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n");
        assert!(exchange(port.address(), &request).await.starts_with("HTTP/1.1 405 "), "{method}");
    }
    let named = format!("GET /probe/{hook} HTTP/1.1\r\nhost: evil.example\r\n\r\n");
    let named = exchange(port.address(), &named).await;
    assert!(named.starts_with("HTTP/1.1 403 "), "G5: {named}");
    assert!(heads.try_recv().is_err(), "none of it reached the application");
    // A query of whoever asks changes nothing.
    assert_eq!(get(&port, &format!("/probe/{hook}?path=/other")).await.0, 200);
    assert!(heads.recv().await.unwrap().starts_with("GET /stop HTTP/1.1"));
}

#[tokio::test]
async fn whoever_asks_what_is_being_asked_gets_that_answer_and_the_application_is_asked_once() {
    // D1
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap().port();
    let (asked, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let tasks = kith_runtime::Tasks::new();
    let (counted, gate) = (Arc::clone(&asked), Arc::clone(&go));
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            gate.notified().await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let probes =
        Probes::from([("app/liveness".to_owned(), Probe { action: http(to, "/", &[]), timeout_seconds: 5 })]);
    let questions = Questions::new(&probes, Ipv4Addr::LOCALHOST.into());
    let (head, ()) = Request::get("/probe/app/liveness").body(()).unwrap().into_parts();
    let pages: Vec<Page> = (0..100).map(|_| questions.page(&head).unwrap()).collect();
    let all = futures_util::future::join_all(pages);
    go.notify_one();
    assert!(all.await.into_iter().all(|(status, _)| status == 200));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // What was asked before is no answer to who asks now; and nobody is kept by somebody who went away.
    drop(questions.page(&head));
    let page = questions.page(&head).unwrap();
    go.notify_one();
    assert_eq!(page.await.0, 200);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn an_application_that_says_nothing_has_as_long_as_was_declared() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap().port();
    let probe = Probe { action: http(to, "/", &[]), timeout_seconds: 7 };
    let begun = tokio::time::Instant::now();
    let (status, body) = ask(Arc::new(probe), Ipv4Addr::LOCALHOST.into(), None).await;
    assert_eq!((status.as_u16(), body.as_str()), (503, "no answer within 7 s"));
    assert_eq!(begun.elapsed().as_secs(), 7);
    drop(listener);
}

fn https(port: u16) -> ProbeAction {
    ProbeAction::Http { port, path: "/".into(), https: true, headers: Vec::new() }
}

#[tokio::test]
async fn https_is_asked_whatever_the_certificate() {
    // For another name, signed by nobody.
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["elsewhere.example".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let identity = kith_mtls::WebIdentity::new(certificate.der(), &key.serialize_der()).unwrap();
    let (_keep, identity) = tokio::sync::watch::channel(Arc::new(identity));
    let server = kith_mtls::WebServer::new(identity, kith_mtls::Now::new(|| SystemTime::UNIX_EPOCH), &[]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap().port();
    let tasks = kith_runtime::Tasks::new();
    tasks.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (mut stream, _) = server.accept(stream, PATIENCE).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret").await.unwrap();
        stream.flush().await.unwrap();
        // Until the other side has read it.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let port = port(&[("app/liveness", https(to), 5)]).await;
    let (status, _, body) = get(&port, "/probe/app/liveness").await;
    assert_eq!((status, body.as_str()), (200, "secret\n"));
}

#[tokio::test]
async fn plain_text_is_no_answer_to_https() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap().port();
    let tasks = kith_runtime::Tasks::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let port = port(&[("app/liveness", https(to), 5)]).await;
    let (status, _, body) = get(&port, "/probe/app/liveness").await;
    assert!(status == 503 && body.starts_with("no TLS with the application: "), "{body}");
}

#[tokio::test]
async fn outside_a_pod_there_is_nothing_to_replay() {
    let health = Health::of(Process::new("1", SystemTime::UNIX_EPOCH), NoFigure, Vec::new);
    let health = replayed(health, &Probes::new(), None);
    let port = health.open(TcpListener::bind("127.0.0.1:0").await.unwrap()).unwrap();
    assert_eq!(get(&port, "/probe/app/liveness").await.0, 404);
    assert_eq!(get(&port, "/ready").await.0, 200);
}
