//! What is refused before a single byte of an application passes, each with its own reason in the log.

use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use http::Request;
use http_body_util::{BodyExt, Empty};
use kith::local::Kept;
use kith_runtime::{Limits, Stop, Tasks, serve};
use kith_sidecar::identity_log::{Event, SessionRefused};
use kith_tests::{Connection, Mesh, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn curl_without_a_certificate_is_refused_in_the_handshake() -> anyhow::Result<()> {
    // L3
    let mesh = Mesh::start("no-certificate", 60).await?;
    let url = format!("https://{}/", mesh.inbound("backend")?);
    let output = run("curl", &["--insecure", "--silent", "--show-error", "--max-time", "5", &url]).await?;
    assert!(!output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty(), "no HTTP byte comes back");
    let refused = refusal(&mesh, "backend", "no_client_certificate").await?;
    assert_eq!(refused.denial_id.len(), 32);
    assert!(mesh.backend.requests().is_empty());
    mesh.stop().await
}

#[tokio::test]
async fn openssl_with_a_self_made_certificate_is_refused_in_the_handshake() -> anyhow::Result<()> {
    let mesh = Mesh::start("self-made", 60).await?;
    let folder = tempfile::tempdir()?;
    let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("certificate.pem"));
    let (key, certificate) = (key.to_str().context("path")?, certificate.to_str().context("path")?);
    // The right name, every rule of the profile, and nobody's signature but its own.
    let made = run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=caller",
            "-addext",
            "subjectAltName=critical,URI:spiffe://test.local/ns/test/sa/caller",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            "keyUsage=critical,digitalSignature",
            "-addext",
            "extendedKeyUsage=serverAuth,clientAuth",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
    )
    .await?;
    ensure!(made.status.success(), "{made:?}");
    let address = mesh.inbound("backend")?.to_string();
    run("openssl", &["s_client", "-connect", &address, "-cert", certificate, "-key", key, "-tls1_3"]).await?;
    let refused = refusal(&mesh, "backend", "unknown_authority").await?;
    assert!(refused.detail.contains("spiffe://test.local/ns/test/sa/caller"), "{refused:?}");
    run("openssl", &["s_client", "-connect", &address, "-cert", certificate, "-key", key, "-tls1_2"]).await?;
    refusal(&mesh, "backend", "tls_error").await?; // L2
    assert!(mesh.backend.requests().is_empty());
    mesh.stop().await
}

#[tokio::test]
async fn a_listener_with_a_genuine_svid_of_another_workload_gets_no_byte_of_the_application()
-> anyhow::Result<()> {
    // L10. The listener in the place of `backend` is the sidecar of `other`, genuine svid and all, behind a relay
    // that counts what the caller sends.
    let mesh = Mesh::start("impostor", 60).await?;
    let place = mesh.inbound("backend")?;
    let backend = mesh.supervisor.sidecar("backend").context("no sidecar")?;
    backend.hold(true);
    backend.kill()?;
    backend.until_ended(SOON).await?;
    let relay = Relay::start(place, mesh.inbound("other")?).await?;
    let mut client = Connection::open(mesh.outbound("caller")?, Version::Http1).await?;
    let answer = client.call("POST", "/charge/7", "secret ".repeat(1_000)).await?;
    assert_eq!(answer.status.as_u16(), 503);
    let id = answer.denial_id().context("no denial id")?;
    let refused = mesh
        .record
        .until("the refusal is logged", SOON, |record| {
            Ok(record.refusals("caller")?.into_iter().find(|call| call.denial_id.as_deref() == Some(id)))
        })
        .await?;
    assert_eq!(refused.denial_reason.as_deref(), Some("unexpected_identity"));
    let detail = refused.denial_detail.context("no detail")?;
    assert!(detail.contains("sa/other") && detail.contains("sa/backend"), "{detail}");
    // A ClientHello with X25519MLKEM768 has about 1.5 KiB; the alert has less than 100 bytes. The request would
    // have had 7,000.
    let sent = relay.sent.load(Ordering::SeqCst);
    assert!((1..3_000).contains(&sent), "the impostor got {sent} bytes");
    assert!(mesh.record.calls("other")?.is_empty());
    assert!(mesh.backend.requests().is_empty());
    mesh.stop().await
}

#[tokio::test]
async fn a_destination_that_hangs_holds_up_a_burst_of_calls_once_and_not_one_after_the_other()
-> anyhow::Result<()> {
    let mesh = Mesh::start("hanging", 60).await?;
    let place = mesh.inbound("backend")?;
    let backend = mesh.supervisor.sidecar("backend").context("no sidecar")?;
    backend.hold(true);
    backend.kill()?;
    backend.until_ended(SOON).await?;
    // Connections are accepted by the kernel, and nobody ever reads from them.
    let _silent = TcpListener::bind(place).await?;
    let address = mesh.outbound("caller")?;
    let tasks = Tasks::new();
    let refused = Arc::new(AtomicUsize::new(0));
    for _ in 0..20 {
        let refused = Arc::clone(&refused);
        tasks.spawn(async move {
            let call = async { Connection::open(address, Version::Http1).await?.call("GET", "/x", "").await };
            if call.await.is_ok_and(|answer| answer.status.as_u16() == 503) {
                refused.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    // One handshake may take 5 s; with two workers there may be two, beside each other.
    assert_eq!(tasks.finish(Duration::from_secs(9)).await, 0, "calls waited for each other");
    assert_eq!(refused.load(Ordering::SeqCst), 20);
    let reasons = mesh.record.until("all are logged", SOON, |record| {
        let refusals = record.refusals("caller")?;
        Ok((refusals.len() == 20).then_some(refusals))
    });
    let reasons = reasons.await?;
    assert!(
        reasons.iter().all(|call| call.denial_reason.as_deref() == Some("handshake_timeout")),
        "{reasons:?}"
    );
    mesh.stop().await
}

#[tokio::test]
async fn hellos_that_are_never_finished_cost_little_memory_and_no_more_than_ten_seconds() -> anyhow::Result<()>
{
    // L8: from almost nothing to as much as is read, always all but the last bytes. What waits is a future, and those of
    // an unoptimized build are several times larger.
    const CONNECTIONS: u64 = 100;
    const MOST: u64 = if cfg!(debug_assertions) { 96 } else { 64 };
    let mesh = Mesh::start("half-hellos", 60).await?;
    let place = mesh.inbound("backend")?;
    let process = mesh.supervisor.sidecar("backend").and_then(Kept::pid).context("no process")?;
    let mut client = Connection::open(mesh.outbound("caller")?, Version::Http1).await?;
    client.call("GET", "/before", "").await?;
    let mut held = Vec::new();
    for bytes in [16, 23 * 1024] {
        let before = resident_kib(process)?;
        for _ in 0..CONNECTIONS {
            let mut stream = TcpStream::connect(place).await?;
            stream.write_all(&half_hello(bytes)).await?;
            held.push(stream);
        }
        // Answered after them, so what they sent was read or is being read.
        client.call("GET", "/beside", "").await?;
        let each = resident_kib(process)?.saturating_sub(before) / CONNECTIONS;
        println!("{each} KiB for each hello that ends after {bytes} bytes");
        assert!(each < MOST, "{each} KiB for each that ends after {bytes} bytes");
    }
    // And for no longer than a handshake may take.
    let mut last = held.pop().context("none")?;
    let end = async { while let Ok(1..) = last.read(&mut [0; 64]).await {} };
    timeout(Duration::from_secs(13), end).await.context("it is still held")?;
    refusal(&mesh, "backend", "handshake_timeout").await?;
    mesh.stop().await
}

/// So many bytes of a hello that says it is as long as a message may be.
fn half_hello(bytes: usize) -> Vec<u8> {
    let message = [&[1, 0, 0xff, 0xf0, 3, 3][..], &vec![0; bytes]].concat();
    let record = |piece: &[u8]| {
        let length = u16::try_from(piece.len()).unwrap_or(u16::MAX).to_be_bytes();
        [&[22, 3, 1], &length[..], piece].concat()
    };
    message.chunks(16 * 1024).flat_map(record).collect()
}

/// Memory of a process, in KiB.
fn resident_kib(pid: i32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[tokio::test]
async fn an_answer_whose_session_is_cut_without_a_farewell_never_looks_complete() -> anyhow::Result<()> {
    // L12: whatever the application reads the end of its answer from: frames, chunks or the connection itself.
    for spoken in ["HTTP/1.0", "HTTP/1.1", "HTTP/2"] {
        let mesh = Mesh::start(&format!("cut-{}", spoken.len()), 60).await?;
        let sidecar = mesh.supervisor.sidecar("backend").context("no sidecar")?;
        if spoken == "HTTP/2" {
            let mut client = Connection::open(mesh.outbound("caller")?, Version::Http2).await?;
            let body = Empty::new().boxed();
            let mut answer = client.send(Request::get("/"), "/flood", body).await?.into_body();
            answer.frame().await.context("no data")??;
            sidecar.kill()?;
            let rest = async {
                while let Some(frame) = answer.frame().await {
                    frame?;
                }
                anyhow::Ok(())
            };
            assert!(timeout(SOON, rest).await.context("it goes on")?.is_err(), "{spoken}: it looks complete");
        } else {
            let mut client = TcpStream::connect(mesh.outbound("caller")?).await?;
            client.write_all(format!("GET /flood {spoken}\r\nhost: backend\r\n\r\n").as_bytes()).await?;
            client.read_exact(&mut [0; 1024]).await?;
            sidecar.kill()?;
            let (end, tail) = timeout(SOON, last_words(&mut client)).await.context("it goes on")?;
            // A reset says it; so does an end before the chunk that would be the last.
            let complete = end.is_ok() && (spoken == "HTTP/1.0" || tail.ends_with(b"\r\n0\r\n\r\n"));
            assert!(!complete, "{spoken}: it looks complete");
        }
        mesh.stop().await?;
    }
    Ok(())
}

/// Reads to the end: how it ended, and the last bytes before that.
async fn last_words(client: &mut TcpStream) -> (std::io::Result<()>, Vec<u8>) {
    let (mut tail, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        match client.read(&mut buffer).await {
            Ok(0) => return (Ok(()), tail),
            Ok(count) => {
                tail.extend_from_slice(&buffer[..count]);
                tail.drain(..tail.len().saturating_sub(16));
            }
            Err(error) => return (Err(error), tail),
        }
    }
}

/// Copies bytes both ways and counts those of the client.
struct Relay {
    sent: Arc<AtomicUsize>,
    _tasks: Tasks,
}

impl Relay {
    async fn start(listen: SocketAddr, to: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let (sent, tasks) = (Arc::new(AtomicUsize::new(0)), Tasks::new());
        let (_stopper, stop) = Stop::new();
        let (counted, accepting) = (Arc::clone(&sent), tasks.clone());
        tasks.spawn(async move {
            let each = move |stream, _| relay(stream, to, Arc::clone(&counted));
            serve(listener, Limits { connections: 16 }, stop, &accepting, each).await;
        });
        Ok(Self { sent, _tasks: tasks })
    }
}

async fn relay(client: TcpStream, to: SocketAddr, sent: Arc<AtomicUsize>) {
    let Ok(server) = TcpStream::connect(to).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut bytes = [0; 4_096];
        while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
            sent.fetch_add(count, Ordering::SeqCst);
            if to_server.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    };
    let down = tokio::io::copy(&mut from_server, &mut to_client);
    tokio::select! {
        () = up => {}
        _ = down => {}
    }
}

async fn refusal(mesh: &Mesh, service: &str, reason: &str) -> anyhow::Result<SessionRefused> {
    let what = format!("{reason} is logged");
    let found = mesh.record.until_line(service, &what, SOON, |line| match &line.event {
        Event::SessionRefused(refused) if refused.reason == reason => Some(refused.clone()),
        _ => None,
    });
    found.await
}

/// Runs a program of the system; a missing one is a failure, not a skipped test.
async fn run(program: &str, arguments: &[&str]) -> anyhow::Result<Output> {
    let (name, arguments) =
        (program.to_owned(), arguments.iter().map(ToString::to_string).collect::<Vec<_>>());
    let output = tokio::task::spawn_blocking(move || {
        Command::new(&name).args(&arguments).stdin(Stdio::null()).output()
    });
    output.await?.with_context(|| format!("{program} cannot be run; install it"))
}
