//! What a peer may send once it is proven, and must not be able to make much of: new keys without end, a second handshake
//! inside the first, and data before there is a session.

use std::io::{Read, Write};

use rustls::ClientConnection;
use rustls::client::Resumption;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::hello::Hello;
use super::sealed::{ALERT, DATA, HANDSHAKE, Sealer};
use super::*;

/// What our server reads of a session, and why it stopped.
async fn read(
    root: &TestCa,
    theirs: impl FnOnce(TcpStream, ClientConfig) -> usize + Send + 'static,
) -> (Vec<u8>, String, usize) {
    let (server, config) = (server(root), genuine_client(root));
    let serving = async |socket| {
        let mut session = match server.accept(socket, LIMIT).await {
            Ok(session) => session,
            // What comes right behind the handshake may be read with its last bytes.
            Err(error) => return (Vec::new(), error.to_string()),
        };
        let mut bytes = Vec::new();
        let end = session.stream.read_to_end(&mut bytes).await;
        (bytes, end.map_or_else(|error| error.to_string(), |_| "closed".to_owned()))
    };
    let ((bytes, end), sent) = meet(move |socket| theirs(socket, config), serving).await;
    (bytes, end, sent)
}

/// The keys of a session that rustls began and a test goes on with.
fn taken_over(mut config: ClientConfig, socket: &mut TcpStream) -> Sealer {
    config.enable_secret_extraction = true;
    Sealer::of(client_connection(config, socket).dangerous_extract_secrets().unwrap())
}

// L7.
#[tokio::test]
async fn a_million_requests_for_new_keys_end_the_session_after_a_few() {
    let root = TestCa::root();
    let flooding = |mut socket: TcpStream, config| {
        let mut client = client_connection(config, &mut socket);
        let mut sent = 0;
        while sent < 1_000_000 {
            client.refresh_traffic_keys().unwrap();
            if client.write_tls(&mut socket).is_err() {
                break;
            }
            sent += 1;
        }
        sent
    };
    let (bytes, end, sent) = read(&root, flooding).await;
    assert!(end.contains("TooManyKeyUpdateRequests"), "{end}");
    assert_eq!(bytes, b"");
    // What the kernel took before the reset arrived.
    assert!(sent < 1_000_000, "{sent}");
}

// L7: a byte of data between them makes them legal, so they must not be worth anything: one answer stands for many
// requests, and nothing gathers on our side.
#[tokio::test]
async fn new_keys_between_data_are_answered_with_less_than_was_asked() {
    const ROUNDS: usize = 500;
    let root = TestCa::root();
    let (server, config) = (server(&root), genuine_client(&root));
    let asking = move |mut socket: TcpStream| {
        let mut client = client_connection(config, &mut socket);
        let mut sent = 0;
        for _ in 0..ROUNDS {
            for _ in 0..31 {
                client.refresh_traffic_keys().unwrap();
            }
            client.writer().write_all(b".").unwrap();
            while client.wants_write() {
                sent += client.write_tls(&mut socket).unwrap();
            }
        }
        client.send_close_notify();
        client.write_tls(&mut socket).unwrap();
        let mut back = Vec::new();
        socket.read_to_end(&mut back).unwrap();
        (sent, back.len())
    };
    let serving = async |socket| {
        let mut session = server.accept(socket, LIMIT).await.unwrap();
        let mut bytes = Vec::new();
        session.stream.read_to_end(&mut bytes).await.unwrap();
        session.stream.shutdown().await.unwrap();
        bytes.len()
    };
    let (read, (sent, back)) = meet(asking, serving).await;
    assert_eq!(read, ROUNDS);
    assert!(back < sent / 4, "{back} bytes came back for {sent}");
}

// L7: nothing of a handshake is taken once it is over, from whoever proved whatever.
#[tokio::test]
async fn a_second_handshake_inside_the_first_ends_the_session() {
    let root = TestCa::root();
    let certificate_request = vec![13, 0, 0, 11, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3];
    for (what, message) in [
        ("a hello: renegotiation", Hello::tls13().message()),
        ("a request for a certificate", certificate_request),
        ("a certificate", vec![11, 0, 0, 4, 0, 0, 0, 0]),
        (
            "a ticket for the server",
            [&[4, 0, 0, 14][..], &[0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 1, 7, 0, 0]].concat(),
        ),
        ("a second end of the handshake", [&[20, 0, 0, 48][..], &[0; 48]].concat()),
        ("a hello request of TLS 1.2", vec![0, 0, 0, 0]),
        ("a message of no kind", vec![99, 0, 0, 0]),
        ("new keys that nobody could want", vec![24, 0, 0, 1, 2]),
        ("new keys and the beginning of something else", vec![24, 0, 0, 1, 0, 24]),
    ] {
        let talking = move |mut socket: TcpStream, config| {
            let mut sealer = taken_over(config, &mut socket);
            socket.write_all(&sealer.seal(DATA, b"before")).unwrap();
            socket.write_all(&sealer.seal(HANDSHAKE, &message)).unwrap();
            // The other end may be gone already.
            let _ = socket.write_all(&sealer.seal(DATA, b"after"));
            let _ = socket.read_to_end(&mut Vec::new());
            0
        };
        let (bytes, end, _) = read(&root, talking).await;
        // What came with the offence may be lost with it; nothing after it is read.
        assert!(b"before".starts_with(&bytes), "{what}: {bytes:?}");
        assert_ne!(end, "closed", "{what}");
    }
}

// L7, the other way round: a server that asks for our svid again.
#[tokio::test]
async fn a_server_that_asks_again_who_we_are_ends_the_session() {
    let root = TestCa::root();
    let mut config = genuine_server(&root);
    config.enable_secret_extraction = true;
    config.send_tls13_tickets = 0;
    let asking = move |mut socket: TcpStream| {
        let connection = server_connection(config, &mut socket);
        let mut sealer = Sealer::of(connection.dangerous_extract_secrets().unwrap());
        socket.write_all(&sealer.seal(DATA, b"before")).unwrap();
        let request = [13, 0, 0, 12, 1, 9, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3];
        socket.write_all(&sealer.seal(HANDSHAKE, &request)).unwrap();
        let mut back = Vec::new();
        let _ = socket.read_to_end(&mut back);
        back.len()
    };
    let calling = async |socket| {
        let mut session = connect(&root, socket).await.unwrap();
        let mut bytes = Vec::new();
        let end = session.stream.read_to_end(&mut bytes).await;
        (bytes, end.unwrap_err().to_string())
    };
    let ((bytes, end), back) = meet(asking, calling).await;
    assert!(b"before".starts_with(&bytes), "{bytes:?}");
    assert!(end.contains("CertificateRequest"), "{end}");
    assert!(back < 64, "an alert, and no svid: {back} bytes");
}

// L7: and the sealing of these tests is sound: what is sealed as data arrives, and a farewell is one.
#[tokio::test]
async fn records_without_content_are_overlooked_and_a_flood_of_them_is_not() {
    let root = TestCa::root();
    for (empty, data, want) in
        [(32, b"hello".as_slice(), "closed"), (1_000_000, b"", "TooManyEmptyFragments")]
    {
        let talking = move |mut socket: TcpStream, config| {
            let mut sealer = taken_over(config, &mut socket);
            let sent = (0..empty).take_while(|_| socket.write_all(&sealer.seal(DATA, b"")).is_ok()).count();
            // The other end may be gone already.
            let _ = socket.write_all(&[sealer.seal(DATA, b"hello"), sealer.seal(ALERT, &[1, 0])].concat());
            let _ = socket.read_to_end(&mut Vec::new());
            sent
        };
        let (bytes, end, sent) = read(&root, talking).await;
        assert!(end.contains(want), "{end}");
        assert_eq!(bytes, data);
        assert!(sent <= 32 || sent < empty, "all {sent} were taken");
    }
}

// L4: the client has a ticket of some other server that allows early data, and sends a request with its hello.
#[tokio::test]
async fn data_before_the_handshake_is_never_read() {
    let root = TestCa::root();
    let mut config = genuine_client(&root);
    config.enable_early_data = true;
    config.resumption = Resumption::in_memory_sessions(8);
    let mut generous = genuine_server(&root);
    generous.max_early_data_size = 16 * 1024;
    // A ticket, and an early request to see that it is worth something where it is allowed.
    for early in [false, true] {
        let (config, generous) = (config.clone(), generous.clone());
        let serving = move |mut socket: TcpStream| {
            let mut connection = server_connection(generous, &mut socket);
            let mut read = Vec::new();
            if let Some(mut data) = connection.early_data() {
                data.read_to_end(&mut read).unwrap();
            }
            connection.writer().write_all(b"tickets").unwrap();
            shake(&mut connection, &mut socket).unwrap();
            socket.read_to_end(&mut Vec::new()).unwrap();
            read
        };
        let ((), read) = meet(serving, async |socket| {
            let socket = socket.into_std().unwrap();
            socket.set_nonblocking(false).unwrap();
            tokio::task::spawn_blocking(move || assert_eq!(early_request(config, socket).0, early))
                .await
                .unwrap();
        })
        .await;
        assert_eq!(read, if early { b"early".as_slice() } else { b"" });
    }
    // A server of ours, whether or not it gives tickets itself.
    for server in [server(&root), server(&root).resuming_foreign(|| 0)] {
        let config = config.clone();
        let serving = async |socket| match server.accept(socket, LIMIT).await {
            Ok(mut session) => {
                let mut bytes = Vec::new();
                session.stream.read_to_end(&mut bytes).await.unwrap();
                bytes
            }
            Err(_) => Vec::new(),
        };
        let (bytes, (offered, accepted)) = meet(move |socket| early_request(config, socket), serving).await;
        assert!(offered && !accepted);
        assert_eq!(bytes, b"");
    }
}

/// Sends early data if there is a ticket for it, then shakes hands and reads a little. Whether it was sent; whether it
/// was accepted.
fn early_request(config: ClientConfig, mut socket: TcpStream) -> (bool, bool) {
    let mut client = ClientConnection::new(Arc::new(config), any_name()).unwrap();
    let offered = client.early_data().is_some_and(|mut early| early.write_all(b"early").is_ok());
    if shake(&mut client, &mut socket).is_ok() {
        client.send_close_notify();
        shake(&mut client, &mut socket).unwrap();
        // Tickets come with the first data; a server that has none to send just ends.
        while client.wants_read() {
            if client.complete_io(&mut socket).map_or(true, |(read, _)| read == 0) {
                break;
            }
        }
    }
    (offered, client.is_early_data_accepted())
}
