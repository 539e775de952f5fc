//! Streams of every kind, held open, and what ends them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Channel};
use hyper::body::{Frame, Incoming};
use kith_runtime::{Limits, Stop, Stopper, Tasks, serve};
use kith_tests::{Connection, Mesh, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

const SOON: Duration = Duration::from_secs(5);

/// An application that sends back whatever it gets.
pub(super) struct TcpEcho {
    address: SocketAddr,
    stopper: Stopper,
}

impl TcpEcho {
    /// Listens on loopback.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let ((stopper, stop), tasks) = (Stop::new(), Tasks::new());
        let accepting = tasks.clone();
        tasks.spawn(async move {
            let each = |mut stream: TcpStream, _| async move {
                let (mut read, mut write) = stream.split();
                // How it ends is what the test sees.
                let _ = tokio::io::copy(&mut read, &mut write).await;
            };
            serve(listener, Limits { connections: 4_096 }, stop, &accepting, each).await;
        });
        Ok(Self { address, stopper })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for TcpEcho {
    fn drop(&mut self) {
        self.stopper.force();
    }
}

/// One open stream.
pub(super) enum Open {
    /// A gRPC stream, over HTTP/1.1 or HTTP/2.
    Http {
        messages: http_body_util::channel::Sender<Bytes, Infallible>,
        answers: Incoming,
        _held: Option<Connection>,
    },
    /// Bytes: a WebSocket, or an opaque stream.
    Bytes(TcpStream),
}

impl Open {
    /// Sends something and reads it back.
    async fn echo(&mut self) -> anyhow::Result<()> {
        let echoed = match self {
            Self::Http { messages, answers, .. } => {
                messages.send(Frame::data(Bytes::from_static(b"alive"))).await?;
                let frame = timeout(SOON, answers.frame()).await?.context("the stream ended")??;
                frame.into_data().ok().context("not data")?.to_vec()
            }
            Self::Bytes(stream) => {
                stream.write_all(b"alive").await?;
                let mut echoed = vec![0; 5];
                timeout(SOON, stream.read_exact(&mut echoed)).await??;
                echoed
            }
        };
        ensure!(echoed == b"alive", "{echoed:?}");
        Ok(())
    }

    /// Waits until it is broken off; an error when it ends as if it were complete.
    async fn until_cut(&mut self) -> anyhow::Result<()> {
        let broken = match self {
            Self::Http { answers, .. } => loop {
                match answers.frame().await {
                    None => break false,
                    Some(Ok(_)) => {}
                    Some(Err(_)) => break true,
                }
            },
            Self::Bytes(stream) => stream.read(&mut [0; 64]).await.is_err(),
        };
        ensure!(broken, "it looks complete");
        Ok(())
    }
}

/// Many open streams of one workload.
pub(super) struct Opened(Vec<Open>);

impl Opened {
    /// As many of each kind: HTTP/1.1, HTTP/2, WebSocket, opaque.
    pub(super) async fn all(mesh: &Mesh, from: &str, each: usize) -> anyhow::Result<Self> {
        let (backend, db) = (mesh.outbound(from)?, mesh.outbound_to(from, "db")?);
        let mut opened = Vec::new();
        let mut shared = Connection::open(backend, Version::Http2).await?;
        for _ in 0..each {
            let mut own = Connection::open(backend, Version::Http1).await?;
            opened.push(http(&mut own).await?.holding(own));
            opened.push(http(&mut shared).await?);
            opened.push(Open::Bytes(websocket(backend).await?));
            opened.push(Open::Bytes(TcpStream::connect(db).await?));
        }
        if let Some(Open::Http { _held, .. }) = opened.get_mut(1) {
            *_held = Some(shared);
        }
        let mut opened = Self(opened);
        opened.echo().await?;
        Ok(opened)
    }

    /// Echoes over every one; how many there are.
    pub(super) async fn echo(&mut self) -> anyhow::Result<usize> {
        for (number, open) in self.0.iter_mut().enumerate() {
            open.echo().await.with_context(|| format!("stream {number}"))?;
        }
        Ok(self.0.len())
    }

    /// How long after `began` each was cut.
    pub(super) async fn until_cut(
        &mut self,
        began: Instant,
        limit: Duration,
    ) -> anyhow::Result<Vec<Duration>> {
        let cuts = self.0.iter_mut().enumerate().map(|(number, open)| async move {
            let cut =
                timeout(limit, open.until_cut()).await.with_context(|| format!("stream {number} is open"))?;
            cut.with_context(|| format!("stream {number}"))?;
            anyhow::Ok(began.elapsed())
        });
        futures_util::future::try_join_all(cuts).await
    }
}

impl Open {
    fn holding(mut self, connection: Connection) -> Self {
        if let Self::Http { _held, .. } = &mut self {
            *_held = Some(connection);
        }
        self
    }
}

async fn http(connection: &mut Connection) -> anyhow::Result<Open> {
    let (mut messages, body) = Channel::new(4);
    let request = Request::post("/").header("content-type", "application/grpc").header("te", "trailers");
    // An application in HTTP/1.1 may wait for the first bytes of the body.
    messages.send(Frame::data(Bytes::from_static(b"first"))).await?;
    let mut answers = connection.send(request, "/echo.Echo/Open", body.boxed()).await?.into_body();
    timeout(SOON, answers.frame()).await?.context("the stream ended")??;
    Ok(Open::Http { messages, answers, _held: None })
}

async fn websocket(to: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(to).await?;
    stream
        .write_all(b"GET /ws HTTP/1.1\r\nhost: backend\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        .await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(SOON, stream.read_u8()).await??);
    }
    ensure!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    Ok(stream)
}
