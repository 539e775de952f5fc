//! What hostile or careless bytes on a real socket come to, row by row of the TLS surface. Owns the two ends that meet
//! here: our [`Server`] or [`Client`] on one side, and on the other a blocking socket on which a test writes what it likes.
//! What both sides' certificates say is tested beside `server.rs` and `client.rs`.

mod endings;
mod floods;
mod hello;
mod hellos;
mod retry;
mod sealed;

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, ConnectionCommon, ServerConfig, ServerConnection, SideData};
use tokio::net::TcpListener;

use crate::testing::{
    LIMIT, Party, TestCa, any_name, certified, domain, identity, leaf_params, raw_client, raw_server,
};
use crate::{
    Accept, Client, ClientIdentity, ClientStream, ClientSvid, HandshakeError, Server, ServerStream, Session,
};

const WEB: &str = "spiffe://demo.local/ns/shop/sa/web";
const PAYMENTS: &str = "spiffe://demo.local/ns/shop/sa/payments";
/// No blocking end of a test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);

type Socket = tokio::net::TcpStream;
type Accepted = Result<Session<ServerStream<Socket>>, HandshakeError>;
type Connected = Result<Session<ClientStream<Socket>>, HandshakeError>;

/// `payments`, whoever in the domain comes.
fn server(root: &TestCa) -> Server {
    let payments = Party::new(Some(root.svid(PAYMENTS)), [root.bundle("demo.local")]);
    let accept = Accept::TrustDomain(domain("demo.local"));
    Server::new(payments.credentials(), accept, ClientSvid::Required, &[b"h2"])
}

/// `web`, for `payments` alone.
async fn connect(root: &TestCa, socket: Socket) -> Connected {
    let web = Party::new(Some(root.svid(WEB)), [root.bundle("demo.local")]);
    let client = Client::new(web.credentials(), ClientIdentity::SvidIfAny, &[b"h2"]);
    client.connect(socket, Accept::only(identity(PAYMENTS)), LIMIT).await
}

/// Gives one end of a connection to blocking code on a thread of its own, and the other to ours.
async fn meet<T: Send + 'static, O>(
    theirs: impl FnOnce(TcpStream) -> T + Send + 'static,
    ours: impl AsyncFnOnce(Socket) -> O,
) -> (O, T) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let theirs = tokio::task::spawn_blocking(move || {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        theirs(socket)
    });
    let (socket, _) = listener.accept().await.unwrap();
    let ours = ours(socket).await;
    (ours, theirs.await.unwrap())
}

/// The same where ours is `payments`, which does nothing but shake hands.
async fn attempt<T: Send + 'static>(theirs: impl FnOnce(TcpStream) -> T + Send + 'static) -> (Accepted, T) {
    let server = server(&TestCa::root());
    meet(theirs, async |socket| server.accept(socket, LIMIT).await).await
}

/// The reason of a failed handshake; panics when there is a session.
fn refused(accepted: Accepted) -> (&'static str, String) {
    let error = accepted.expect_err("the handshake should have failed");
    (error.reason(), error.to_string())
}

/// A client with a genuine svid of `web`.
fn genuine_client(root: &TestCa) -> ClientConfig {
    let (key, chain) = root.key_and_chain(&leaf_params(WEB));
    raw_client(Some(certified(&key, chain)))
}

/// A server with a genuine svid of `payments`.
fn genuine_server(root: &TestCa) -> ServerConfig {
    let (key, chain) = root.key_and_chain(&leaf_params(PAYMENTS));
    raw_server(certified(&key, chain))
}

/// A handshake as rustls does it.
fn shake<D: SideData>(connection: &mut ConnectionCommon<D>, socket: &mut TcpStream) -> std::io::Result<()> {
    while connection.is_handshaking() || connection.wants_write() {
        connection.complete_io(socket)?;
    }
    Ok(())
}

fn client_connection(config: ClientConfig, socket: &mut TcpStream) -> ClientConnection {
    let mut connection = ClientConnection::new(Arc::new(config), any_name()).unwrap();
    shake(&mut connection, socket).unwrap();
    connection
}

fn server_connection(config: ServerConfig, socket: &mut TcpStream) -> ServerConnection {
    let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
    shake(&mut connection, socket).unwrap();
    connection
}
