//! Opaque streams and WebSockets through a pair of sidecars: bytes, ends of every kind, and who may open them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use kith_sidecar::identity_log::{Call, Verdict};
use kith_tests::{ALLOW_CALLER, Mesh, policy, policy_for};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

/// A mesh whose service `db` is a listener of the test.
struct Streams {
    mesh: Mesh,
    db: TcpListener,
}

impl Streams {
    async fn start(name: &str, rules: &str) -> anyhow::Result<Self> {
        let db = TcpListener::bind("127.0.0.1:0").await?;
        let policies = format!(
            "{}---\n{}",
            policy("callers", "ALLOW", ALLOW_CALLER),
            policy_for("db", "clients", "ALLOW", rules)
        );
        let mesh = Mesh::start_beside(name, 60, &policies, Some(db.local_addr()?)).await?;
        Ok(Self { mesh, db })
    }

    /// A connection of `caller`'s application, and what `db`'s application accepted for it.
    async fn open(&self) -> anyhow::Result<(TcpStream, TcpStream)> {
        let client = TcpStream::connect(self.mesh.outbound_to("caller", "db")?).await?;
        let (server, _) = timeout(SOON, self.db.accept()).await.context("nothing arrived")??;
        Ok((client, server))
    }

    /// The line of the one stream that `service` logged.
    async fn line(&self, service: &str) -> anyhow::Result<Call> {
        let found = |record: &kith_tests::Record| {
            Ok(record.calls(service)?.into_iter().find(|call| call.protocol == "tcp"))
        };
        self.mesh.record.until("the stream is logged", SOON, found).await
    }
}

async fn is_reset(stream: &mut TcpStream) -> anyhow::Result<bool> {
    let mut rest = Vec::new();
    match timeout(SOON, stream.read_to_end(&mut rest)).await.context("it is still open")? {
        Ok(_) => Ok(false),
        Err(error) => Ok(error.kind() == std::io::ErrorKind::ConnectionReset),
    }
}

/// The connection then ends in a reset when it is dropped.
fn doomed(stream: TcpStream) -> std::io::Result<TcpStream> {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    Ok(stream)
}

#[tokio::test]
async fn bytes_travel_both_ways_past_a_half_close_and_are_counted() -> anyhow::Result<()> {
    let streams = Streams::start("tcp", ALLOW_CALLER).await?;
    let (mut client, mut server) = streams.open().await?;
    client.write_all(b"ping").await?;
    client.shutdown().await?;
    let mut seen = Vec::new();
    timeout(SOON, server.read_to_end(&mut seen)).await??;
    assert_eq!(seen, b"ping");
    // The other direction is open all the same.
    let large = vec![b'x'; 5_000_000];
    let (written, read) = tokio::join!(
        async {
            server.write_all(&large).await?;
            server.shutdown().await
        },
        async {
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.map(|_| answer)
        }
    );
    written?;
    assert!(read? == large, "the answer changed on its way");
    for service in ["caller", "db"] {
        let call = streams.line(service).await?;
        assert_eq!((call.verdict, call.error.as_deref(), call.status), (Verdict::Allow, None, Some(200)));
        assert_eq!((call.request_bytes, call.response_bytes), (Some(4), Some(5_000_000)), "{service}");
        assert_eq!((call.method.as_str(), call.path.as_str()), ("", ""));
    }
    assert_eq!(streams.line("db").await?.policy.as_deref(), Some("test/clients"));
    streams.mesh.stop().await
}

#[tokio::test]
async fn a_server_may_speak_first_where_its_protocol_is_declared() -> anyhow::Result<()> {
    let streams = Streams::start("first", ALLOW_CALLER).await?;
    let (mut client, mut server) = streams.open().await?;
    server.write_all(b"220 ready\r\n").await?;
    let mut greeting = [0; 11];
    timeout(SOON, client.read_exact(&mut greeting)).await??;
    assert_eq!(&greeting, b"220 ready\r\n");
    streams.mesh.stop().await
}

#[tokio::test]
async fn an_abort_stays_an_abort_on_the_other_side() -> anyhow::Result<()> {
    let streams = Streams::start("abort", ALLOW_CALLER).await?;
    for client_aborts in [true, false] {
        let (mut client, mut server) = streams.open().await?;
        client.write_all(b"half").await?;
        server.read_exact(&mut [0; 4]).await?;
        let (one, mut other) = if client_aborts { (client, server) } else { (server, client) };
        drop(doomed(one)?);
        assert!(is_reset(&mut other).await?, "cut short, and it looks complete (client: {client_aborts})");
    }
    let errors = streams.mesh.record.until("both are logged", SOON, |record| {
        let errors: Vec<_> = record.calls("db")?.into_iter().filter_map(|call| call.error).collect();
        Ok(Some(errors).filter(|errors| errors.len() == 2))
    });
    assert_eq!(errors.await?, ["caller_aborted", "destination_aborted"]);
    streams.mesh.stop().await
}

#[tokio::test]
async fn a_sidecar_that_is_killed_leaves_no_stream_that_looks_complete() -> anyhow::Result<()> {
    let streams = Streams::start("killed", ALLOW_CALLER).await?;
    let (mut client, mut server) = streams.open().await?;
    client.write_all(b"half").await?;
    server.read_exact(&mut [0; 4]).await?;
    streams.mesh.supervisor.sidecar("db").context("no sidecar")?.kill()?;
    assert!(is_reset(&mut client).await?, "the caller's side looks complete");
    assert!(is_reset(&mut server).await?, "the application's side looks complete");
    streams.mesh.stop().await
}

#[tokio::test]
async fn whoever_may_not_open_a_stream_reaches_nothing_and_both_sides_log_the_same_id() -> anyhow::Result<()>
{
    let streams = Streams::start("refused", ALLOW_CALLER).await?;
    let mut client = TcpStream::connect(streams.mesh.outbound_to("other", "db")?).await?;
    client.write_all(b"secret").await?;
    assert!(is_reset(&mut client).await?);
    let (there, here) = (streams.line("db").await?, streams.line("other").await?);
    assert_eq!(there.denial_reason.as_deref(), Some("default_deny"));
    assert_eq!((there.status, here.status), (Some(403), Some(403)));
    assert_eq!(there.denial_id.context("no id")?, here.denial_id.context("no id")?);
    let nothing = timeout(Duration::from_millis(100), streams.db.accept()).await;
    assert!(nothing.is_err(), "the application was reached");
    streams.mesh.stop().await
}

#[tokio::test]
async fn a_rule_that_asks_for_http_lets_no_opaque_stream_through() -> anyhow::Result<()> {
    let rules = "  - sources: [{ type: ServiceAccount, serviceAccount: { name: caller } }]\n    \
                 operations: [{ http: { methods: [GET] } }]\n";
    let streams = Streams::start("seven", rules).await?;
    let mut client = TcpStream::connect(streams.mesh.outbound_to("caller", "db")?).await?;
    client.write_all(b"GET / HTTP/1.1\r\nhost: db\r\n\r\n").await?;
    assert!(is_reset(&mut client).await?);
    assert_eq!(streams.line("db").await?.denial_reason.as_deref(), Some("default_deny"));
    streams.mesh.stop().await
}

#[tokio::test]
async fn an_application_that_cannot_be_reached_is_an_abort_with_its_reason() -> anyhow::Result<()> {
    let Streams { mesh, db } = Streams::start("nobody", ALLOW_CALLER).await?;
    drop(db);
    let mut client = TcpStream::connect(mesh.outbound_to("caller", "db")?).await?;
    assert!(is_reset(&mut client).await?);
    let found = |record: &kith_tests::Record| {
        Ok(record.calls("db")?.into_iter().find_map(|call| call.error.map(|error| (error, call.status))))
    };
    let line = mesh.record.until("the failure is logged", SOON, found).await?;
    assert_eq!(line, ("application_unreachable".to_owned(), Some(503)));
    mesh.stop().await
}

#[tokio::test]
async fn bytes_that_are_no_http_are_carried_where_nothing_was_declared() -> anyhow::Result<()> {
    let mesh = Mesh::start("detect", 60).await?;
    let mut client = TcpStream::connect(mesh.outbound("caller")?).await?;
    // The backend speaks HTTP and says what it thinks of this.
    client.write_all(b"\x16\x03\x01 no http\r\n\r\n").await?;
    let found = |record: &kith_tests::Record| {
        Ok(record.calls("backend")?.into_iter().find(|call| call.protocol == "tcp"))
    };
    drop(client.read(&mut [0; 64]).await);
    drop(client);
    let call = mesh.record.until("the stream is logged", SOON, found).await?;
    assert_eq!((call.verdict, call.status), (Verdict::Allow, Some(200)));
    mesh.stop().await
}

#[tokio::test]
async fn http_inside_a_stream_reaches_no_application_that_did_not_declare_bytes() -> anyhow::Result<()> {
    // X1, X3: what nobody reads may claim any identity. The caller's sidecar is tricked here by a blank line.
    let mesh = Mesh::start("smuggle", 60).await?;
    for before in ["\r\n", "\n", " ", "\t\r\n"] {
        let mut client = TcpStream::connect(mesh.outbound("caller")?).await?;
        let request = format!(
            "{before}GET /as-admin HTTP/1.1\r\nhost: backend\r\nconnection: close\r\n\
             x-forwarded-client-cert: URI=spiffe://test.local/ns/test/sa/admin\r\n\r\n"
        );
        client.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        // How it is refused is up to the parser; what counts is what arrives.
        drop(timeout(SOON, client.read_to_end(&mut answer)).await?);
    }
    for (path, headers) in mesh.backend.requests() {
        let told = headers["x-forwarded-client-cert"].to_str()?;
        assert!(told.ends_with("sa/caller") && headers.len() < 10, "{path} {told}");
    }
    mesh.stop().await
}

#[tokio::test]
async fn an_answer_that_is_cut_short_is_a_reset_for_a_client_that_reads_until_the_end() -> anyhow::Result<()>
{
    let mesh = Mesh::start("oldest", 60).await?;
    let mut client = TcpStream::connect(mesh.outbound("caller")?).await?;
    client.write_all(b"GET /flood HTTP/1.0\r\nhost: backend\r\n\r\n").await?;
    client.read_exact(&mut [0; 1024]).await?;
    std::fs::write(mesh.policy_file(), policy("callers", "DENY", ALLOW_CALLER))?;
    let read_on = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match client.read(&mut buffer).await {
                Ok(0) => return false,
                Ok(_) => {}
                Err(_) => return true,
            }
        }
    };
    assert!(timeout(SOON, read_on).await.context("it goes on")?, "it looks complete");
    mesh.stop().await
}

/// Asks for an upgrade by hand and reads the answer's head.
async fn upgrade(to: SocketAddr, path: &str, protocol: &str) -> anyhow::Result<(TcpStream, String)> {
    let mut client = TcpStream::connect(to).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: backend\r\nconnection: Upgrade\r\nupgrade: {protocol}\r\n\
         sec-websocket-key: AAAA\r\nsec-websocket-version: 13\r\n\r\n"
    );
    client.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        let read = timeout(SOON, client.read(&mut byte)).await.context("no answer")??;
        anyhow::ensure!(read == 1, "closed after {:?}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    Ok((client, String::from_utf8(head)?.to_ascii_lowercase()))
}

#[tokio::test]
async fn a_websocket_is_switched_end_to_end_and_carries_bytes_both_ways() -> anyhow::Result<()> {
    let mesh = Mesh::start("ws", 60).await?;
    let (mut client, head) = upgrade(mesh.outbound("caller")?, "/ws", "websocket").await?;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    for header in ["upgrade: websocket", "sec-websocket-accept: accepted", "connection: upgrade"] {
        assert!(head.contains(header), "{header} is missing in {head}");
    }
    assert!(!head.contains("kith-"), "{head}");
    for _ in 0..3 {
        client.write_all(b"hello").await?;
        let mut echoed = [0; 5];
        timeout(SOON, client.read_exact(&mut echoed)).await??;
        assert_eq!(&echoed, b"hello");
    }
    client.shutdown().await?;
    assert!(!is_reset(&mut client).await?, "a clean end is one");
    let (_, headers) = mesh.backend.requests().pop().context("nothing arrived")?;
    assert_eq!(
        headers["x-forwarded-client-cert"],
        "By=spiffe://test.local/ns/test/sa/backend;URI=spiffe://test.local/ns/test/sa/caller"
    );
    for service in ["caller", "backend"] {
        let found = |record: &kith_tests::Record| Ok(record.calls(service)?.pop());
        let call = mesh.record.until("the websocket is logged", SOON, found).await?;
        assert_eq!((call.protocol.as_str(), call.status, call.error), ("websocket", Some(101), None));
        assert_eq!(
            (call.path.as_str(), call.request_bytes, call.response_bytes),
            ("/ws", Some(15), Some(15))
        );
    }
    mesh.stop().await
}

#[tokio::test]
async fn a_websocket_that_no_rule_allows_is_refused_before_the_application_hears_of_it() -> anyhow::Result<()>
{
    // H30
    let mesh = Mesh::start("wsdeny", 60).await?;
    let (_client, head) = upgrade(mesh.outbound("other")?, "/ws", "websocket").await?;
    assert!(head.starts_with("http/1.1 403") && head.contains("kith-denial-id: "), "{head}");
    assert!(mesh.backend.requests().is_empty());
    mesh.stop().await
}

#[tokio::test]
async fn an_application_that_does_not_switch_is_heard_like_any_other() -> anyhow::Result<()> {
    // H27
    let mesh = Mesh::start("wsplain", 60).await?;
    let (mut client, head) = upgrade(mesh.outbound("caller")?, "/plain", "websocket").await?;
    assert!(head.starts_with("http/1.1 200") && !head.contains("upgrade"), "{head}");
    let mut body = [0; 10];
    timeout(SOON, client.read_exact(&mut body)).await??;
    assert_eq!(&body, b"GET /plain");
    mesh.stop().await
}

#[tokio::test]
async fn no_other_upgrade_is_carried() -> anyhow::Result<()> {
    // H31
    let mesh = Mesh::start("h2c", 60).await?;
    let (_client, head) = upgrade(mesh.outbound("caller")?, "/x", "h2c").await?;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let (_, headers) = mesh.backend.requests().pop().context("nothing arrived")?;
    assert!(!headers.contains_key("upgrade"), "{headers:?}");
    mesh.stop().await
}
