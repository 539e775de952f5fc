//! How a session or a handshake ends that ends badly: chains too large to read, and connections cut in the middle.

use std::io::Write;

use tokio::io::AsyncReadExt;

use super::*;

// L11: one certificate more than is read; a hundred; and more bytes than one message may have.
#[tokio::test]
async fn a_chain_beyond_measure_is_refused_by_its_size_alone() {
    let root = TestCa::root();
    let authority = root.issuing();
    for (what, certificates, reason, words) in [
        ("10 certificates", 9, "bad_certificate", "9 intermediates"),
        ("100 certificates", 99, "handshake_too_large", "24576 bytes"),
        ("more than 64 KiB", 400, "tls_error", "PayloadTooLarge"),
    ] {
        let (key, mut chain) = root.key_and_chain(&leaf_params(WEB));
        chain.extend(std::iter::repeat_n(authority.der().to_vec(), certificates));
        let config = raw_client(Some(certified(&key, chain)));
        let talking = move |mut socket: TcpStream| {
            let mut client = ClientConnection::new(Arc::new(config), any_name()).unwrap();
            // A client is through before the server has judged it; the alert comes to whoever reads on.
            shake(&mut client, &mut socket)
                .and_then(|()| client.complete_io(&mut socket).map(drop))
                .expect_err("nobody refused")
        };
        let server = server(&root);
        let began = tokio::time::Instant::now();
        let (accepted, _) = meet(talking, async |socket| server.accept(socket, LIMIT).await).await;
        let (got, message) = refused(accepted);
        assert_eq!(got, reason, "{what}: {message}");
        assert!(message.contains(words), "{what}: {message}");
        assert!(began.elapsed() < LIMIT / 2, "{what}");
    }
}

// L12: the end of a connection is the end of a session only where the peer said so under its keys.
#[tokio::test]
async fn a_connection_that_is_cut_never_looks_like_one_that_was_closed() {
    let root = TestCa::root();
    for farewell in [true, false] {
        let (server, config) = (server(&root), genuine_client(&root));
        let talking = move |mut socket: TcpStream| {
            let mut client = client_connection(config, &mut socket);
            client.writer().write_all(b"half").unwrap();
            if farewell {
                client.send_close_notify();
            }
            shake(&mut client, &mut socket).unwrap();
        };
        let serving = async |socket| {
            let mut session = server.accept(socket, LIMIT).await.unwrap();
            let mut bytes = Vec::new();
            let end = session.stream.read_to_end(&mut bytes).await.map_err(|error| error.kind());
            (bytes, end)
        };
        let ((bytes, end), ()) = meet(talking, serving).await;
        assert_eq!(bytes, b"half");
        assert_eq!(end, if farewell { Ok(4) } else { Err(std::io::ErrorKind::UnexpectedEof) });
    }
}

// L12, as a client reads it.
#[tokio::test]
async fn an_answer_that_is_cut_never_looks_complete() {
    let root = TestCa::root();
    let config = genuine_server(&root);
    let answering = move |mut socket: TcpStream| {
        let mut connection = server_connection(config, &mut socket);
        connection.writer().write_all(b"half").unwrap();
        shake(&mut connection, &mut socket).unwrap();
    };
    let reading = async |socket| {
        let mut session = connect(&root, socket).await.unwrap();
        let mut bytes = Vec::new();
        let end = session.stream.read_to_end(&mut bytes).await.map_err(|error| error.kind());
        (bytes, end)
    };
    let ((bytes, end), ()) = meet(answering, reading).await;
    assert_eq!((bytes.as_slice(), end), (b"half".as_slice(), Err(std::io::ErrorKind::UnexpectedEof)));
}
