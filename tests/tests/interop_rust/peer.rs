//! The other end: `spiffe-rustls` with the svid of an `X509Source`, as a client and as a server. It has the interface of
//! the peer of `interop`, whose cases it runs.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, ensure};
use kith_runtime::Tasks;
use rustls_pki_types::ServerName;
use spiffe_rustls::{authorizer, mtls_client, mtls_server};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::authority::Files;
use crate::ground::SOON;
use crate::kith_side::{GNIP, PING, line_of};
use crate::workload_api::WorkloadApi;

/// Whose library.
#[derive(Debug, Clone, Copy)]
pub(super) enum Peer {
    /// `mtls_client` and `mtls_server`, with their own policy: whichever trust domain has a bundle.
    SpiffeRustls,
}

/// What the other end is told.
#[derive(Debug)]
pub(super) struct Side<'a> {
    /// Who it is, and whom it trusts.
    pub(super) files: &'a Files,
    /// Who we must be.
    pub(super) expect: String,
    /// Whether it offers nothing newer than TLS 1.2.
    pub(super) tls12: bool,
}

/// A server that runs until it is dropped.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    _api: WorkloadApi,
    _tasks: Tasks,
}

impl Peer {
    pub(super) const ALL: [Self; 1] = [Self::SpiffeRustls];

    /// Those that can hold us against an identity.
    pub(super) fn that_authorize() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }

    /// Calls us. The error is what it says about why it got no answer.
    pub(super) async fn call(self, side: &Side<'_>, address: SocketAddr) -> anyhow::Result<()> {
        ensure!(!side.tls12, "{self:?} is built without TLS 1.2");
        let api = WorkloadApi::of(side.files)?;
        let config = mtls_client(api.source().await?).authorize(authorizer::exact([side.expect.as_str()])?);
        let connector = TlsConnector::from(Arc::new(config.build()?));
        // rustls wants a name and sends it. It is not what the server is held against.
        let name = ServerName::try_from("kith.interop.example")?;
        let stream = TcpStream::connect(address).await?;
        let mut stream = timeout(SOON, connector.connect(name, stream)).await.context("no handshake")??;
        stream.write_all(format!("{PING}\n").as_bytes()).await?;
        let line = line_of(&mut stream).await?;
        ensure!(line == GNIP, "no answer: {line:?}");
        Ok(())
    }

    /// Waits for calls.
    pub(super) async fn serve(self, side: &Side<'_>) -> anyhow::Result<Running> {
        ensure!(!side.tls12, "{self:?} is built without TLS 1.2");
        let api = WorkloadApi::of(side.files)?;
        let config = mtls_server(api.source().await?).authorize(authorizer::exact([side.expect.as_str()])?);
        let acceptor = TlsAcceptor::from(Arc::new(config.build()?));
        let (listener, tasks) = (TcpListener::bind("127.0.0.1:0").await?, Tasks::new());
        let address = listener.local_addr()?;
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Whoever is refused was told so by the handshake, and gets nothing.
                if let Ok(stream) = acceptor.accept(stream).await {
                    // Whether the answer arrived, its reader says.
                    let _ = answer(stream).await;
                }
            }
        });
        Ok(Running { address, _api: api, _tasks: tasks })
    }
}

/// Answers a line with the same line backwards.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> anyhow::Result<()> {
    let line: String = line_of(&mut stream).await?.chars().rev().collect();
    stream.write_all(format!("{line}\n").as_bytes()).await?;
    Ok(stream.shutdown().await?)
}
