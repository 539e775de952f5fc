//! A gRPC channel to the control plane, which must prove exactly its reserved identity before anything is sent.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use kith_identity::SpiffeId;
use kith_mtls::{Accept, Client, ClientIdentity, Credentials};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

const CONNECT_LIMIT: Duration = Duration::from_secs(3);
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(3);
/// A control plane that hangs is as good as gone.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_LIMIT: Duration = Duration::from_secs(5);
/// Names nothing: who answers is proven by its svid, not by its name.
const AUTHORITY: &str = "http://control-plane.kith.invalid";

/// Connects. With [`ClientIdentity::Svid`] the own svid is shown.
pub(super) async fn connect(
    address: SocketAddr,
    control_plane: &SpiffeId,
    credentials: Credentials,
    identity: ClientIdentity,
) -> Result<Channel, tonic::transport::Error> {
    let client = Client::new(credentials, identity, &[b"h2"]);
    let accept = Accept::OneOf(BTreeSet::from([control_plane.clone()]));
    let connector = service_fn(move |_| {
        let (client, accept) = (client.clone(), accept.clone());
        async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let session = client.connect(stream, accept, HANDSHAKE_LIMIT).await.map_err(io::Error::other)?;
            Ok::<_, io::Error>(TokioIo::new(session.stream))
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
