//! One handshake between any two ends. Owns the stream between them, and what travels so that tickets arrive.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use kith_mtls::{Accept, Client, Server};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const LIMIT: Duration = Duration::from_secs(10);
/// What bare clients ask for, and bare servers' certificates name.
pub(crate) const NAME: &str = "payments.shop";

/// Whether the client comes back with a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tickets {
    None,
    Used,
}

/// The accepting end.
pub(crate) enum Acceptor {
    Bare(TlsAcceptor),
    Kith(Server),
}

/// The opening end.
pub(crate) enum Connector {
    Bare(TlsConnector),
    Kith(Client, Accept),
}

/// One handshake.
pub(crate) async fn handshake(
    acceptor: &Acceptor,
    connector: &Connector,
    tickets: Tickets,
) -> Result<(), Box<dyn Error>> {
    let (near, far) = duplex(64 * 1024);
    let (accepted, connected) =
        tokio::join!(accept(acceptor, near, tickets), connect(connector, far, tickets));
    accepted?;
    connected
}

async fn accept(acceptor: &Acceptor, io: DuplexStream, tickets: Tickets) -> Result<(), Box<dyn Error>> {
    match acceptor {
        Acceptor::Bare(acceptor) => greet(acceptor.accept(io).await?, tickets).await,
        Acceptor::Kith(server) => greet(server.accept(io, LIMIT).await?.stream, tickets).await,
    }
}

async fn connect(connector: &Connector, io: DuplexStream, tickets: Tickets) -> Result<(), Box<dyn Error>> {
    match connector {
        Connector::Bare(connector) => {
            let mut stream = connector.connect(ServerName::try_from(NAME)?, io).await?;
            if tickets == Tickets::Used {
                // The ticket for the next handshake is before this.
                stream.read_exact(&mut [0; 1]).await?;
            }
        }
        Connector::Kith(client, accept) => drop(client.connect(io, accept.clone(), LIMIT).await?),
    }
    Ok(())
}

async fn greet(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    tickets: Tickets,
) -> Result<(), Box<dyn Error>> {
    if tickets == Tickets::Used {
        stream.write_all(&[0]).await?;
        stream.flush().await?;
    }
    Ok(())
}

/// For both kinds of end.
pub(crate) fn bare_acceptor(config: rustls::ServerConfig) -> Acceptor {
    Acceptor::Bare(TlsAcceptor::from(Arc::new(config)))
}

/// The same for the opening end.
pub(crate) fn bare_connector(config: rustls::ClientConfig) -> Connector {
    Connector::Bare(TlsConnector::from(Arc::new(config)))
}
