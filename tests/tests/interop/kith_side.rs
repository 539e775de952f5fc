//! Our end: one connection, accepted or opened, with a line each way.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, ensure};
use kith_identity::{Bundle, BundleSet, SpiffeId};
use kith_mtls::{
    Accept, Client, ClientIdentity, ClientSvid, Credentials, HandshakeError, Now, Server, Svid, VerifiedPeer,
};
use kith_runtime::Clock;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::ground::SOON;

/// What a client sends. A server answers the same backwards, as `openssl s_server -rev` does.
pub(super) const PING: &str = "ping";
pub(super) const GNIP: &str = "gnip";

/// Our end.
pub(super) struct Kith {
    credentials: Credentials,
    listener: TcpListener,
}

impl Kith {
    /// With this svid, and trust in these anchors alone.
    pub(super) async fn new(svid: Svid, bundle: Bundle) -> anyhow::Result<Self> {
        let (clock, bundles) = (Clock::system(), BundleSet::from_iter([bundle]));
        // Their values outlive the sending ends.
        let (_, svid) = watch::channel(Some(Arc::new(svid)));
        let (_, bundles) = watch::channel(Arc::new(bundles));
        let credentials = Credentials::new(svid, bundles, Now::new(move || clock.now()));
        Ok(Self { credentials, listener: TcpListener::bind("127.0.0.1:0").await? })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Answers one client, and says who it was.
    pub(super) async fn answer(&self, expect: &str) -> anyhow::Result<VerifiedPeer> {
        let server =
            Server::new(self.credentials.clone(), only(expect)?, ClientSvid::Required, &[b"http/1.1"]);
        let (stream, _) = timeout(SOON, self.listener.accept()).await.context("nobody came")??;
        let mut session = server.accept(stream, SOON).await?;
        let line = line_of(&mut session.stream).await?;
        ensure!(line == PING, "the client said {line:?}");
        session.stream.write_all(format!("{GNIP}\n").as_bytes()).await?;
        session.stream.shutdown().await?;
        session.peer.context("the client is nobody")
    }

    /// Calls a server, and says who it was.
    pub(super) async fn call(&self, address: SocketAddr, expect: &str) -> anyhow::Result<VerifiedPeer> {
        let client = Client::new(self.credentials.clone(), ClientIdentity::Svid, &[b"http/1.1"]);
        let stream = TcpStream::connect(address).await?;
        let mut session = client.connect(stream, only(expect)?, SOON).await?;
        session.stream.write_all(format!("{PING}\n").as_bytes()).await?;
        let line = line_of(&mut session.stream).await?;
        ensure!(line == GNIP, "the server said {line:?}");
        session.peer.context("the server is nobody")
    }
}

/// The stable reason of a handshake of ours that failed.
pub(super) fn reason(result: &anyhow::Result<VerifiedPeer>) -> &'static str {
    match result {
        Ok(_) => "there was none",
        Err(error) => {
            error.downcast_ref::<HandshakeError>().map_or("after the handshake", HandshakeError::reason)
        }
    }
}

/// Reads one line, without its end.
pub(super) async fn line_of(stream: &mut (impl AsyncRead + Unpin)) -> anyhow::Result<String> {
    let mut line = String::new();
    let read = timeout(SOON, BufReader::new(stream).read_line(&mut line)).await;
    ensure!(read.context("the other end is silent")?? > 0, "the other end is gone");
    Ok(line.trim_end().to_owned())
}

fn only(expect: &str) -> anyhow::Result<Accept> {
    Ok(Accept::only(SpiffeId::parse(expect)?))
}
