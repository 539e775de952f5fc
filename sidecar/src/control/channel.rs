//! A gRPC channel to the control plane, which must prove exactly its reserved identity before anything is sent.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use kith_identity::SpiffeId;
use kith_mtls::{Accept, Client, ClientIdentity, ClientStream, Credentials};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

const CONNECT_LIMIT: Duration = Duration::from_secs(3);
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(3);
/// A control plane that hangs is as good as gone.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_LIMIT: Duration = Duration::from_secs(5);
/// Names nothing: who answers is proven by its svid, not by its name.
const AUTHORITY: &str = "http://control-plane.kith.invalid";

/// Connects to the first of the addresses that answers and proves who it is. With [`ClientIdentity::Svid`] the own svid
/// is shown.
pub(super) async fn connect(
    addresses: &[SocketAddr],
    control_plane: &SpiffeId,
    credentials: Credentials,
    identity: ClientIdentity,
) -> Result<Channel, tonic::transport::Error> {
    let client = Client::new(credentials, identity, &[b"h2"]);
    let accept = Accept::OneOf(BTreeSet::from([control_plane.clone()]));
    let addresses: Arc<[SocketAddr]> = addresses.into();
    let connector = service_fn(move |_| {
        let (client, accept, addresses) = (client.clone(), accept.clone(), Arc::clone(&addresses));
        async move {
            let mut failed = io::Error::other("there is no address to connect to");
            for address in addresses.iter() {
                // One that does not answer leaves the others their time.
                let share = CONNECT_LIMIT / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
                let opened = timeout(share, open(&client, *address, accept.clone())).await;
                match opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                    Ok(stream) => return Ok(TokioIo::new(stream)),
                    Err(error) => failed = error,
                }
            }
            Err::<_, io::Error>(failed)
        }
    });
    Endpoint::from_static(AUTHORITY)
        .connect_timeout(CONNECT_LIMIT)
        .http2_keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_LIMIT)
        .keep_alive_while_idle(true)
        .connect_with_connector(connector)
        .await
}

async fn open(client: &Client, address: SocketAddr, accept: Accept) -> io::Result<ClientStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let session = client.connect(stream, accept, HANDSHAKE_LIMIT).await.map_err(io::Error::other)?;
    Ok(session.stream)
}
