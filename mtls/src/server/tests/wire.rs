//! What comes over the wire before there is any proof: other versions, other protocols, silence, and no TLS at all.

use super::*;

/// A ClientHello as a client without TLS 1.3 sends it.
fn tls12_hello() -> Vec<u8> {
    let extensions: Vec<u8> = [
        &[0, 10, 0, 4, 0, 2, 0, 23][..], // supported_groups: secp256r1
        &[0, 11, 0, 2, 1, 0],            // ec_point_formats: uncompressed
        &[0, 13, 0, 4, 0, 2, 4, 3],      // signature_algorithms: ecdsa_secp256r1_sha256
        &[0, 23, 0, 0],                  // extended_master_secret
    ]
    .concat();
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    let mut body = vec![3, 3];
    body.extend([7; 32]); // random
    body.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]); // no session; ECDHE-ECDSA-AES128-GCM-SHA256; no compression
    body.extend(length(&extensions));
    body.extend(extensions);
    let handshake = [&[1, 0][..], &length(&body), &body].concat();
    [&[22, 3, 1][..], &length(&handshake), &handshake].concat()
}

// L1, L2.
#[tokio::test]
async fn a_client_that_knows_only_tls_1_2_is_refused() {
    let root = TestCa::root();
    let (near, mut far) = duplex(64 * 1024);
    let speaking = async {
        far.write_all(&tls12_hello()).await.unwrap();
        let mut alert = Vec::new();
        far.read_to_end(&mut alert).await.unwrap();
        alert
    };
    let server = server(&payments(&root), ClientSvid::Required);
    let (accepted, alert) = tokio::join!(accept(&server, near), speaking);
    assert_eq!(refused(accepted).0, "tls_error");
    assert_eq!(alert, [21, 3, 3, 0, 2, 2, 70], "fatal protocol_version");
}

// L8: whether the client says nothing, half of its hello, or its hello in drops.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_never_finishes_ends_at_its_limit() {
    let root = TestCa::root();
    let server = server(&payments(&root), ClientSvid::Required);
    let hello = tls12_hello();
    for bytes in [&[][..], &hello[..1], &hello[..hello.len() - 1]] {
        let (near, mut far) = duplex(1024);
        far.write_all(bytes).await.unwrap();
        let began = tokio::time::Instant::now();
        let (reason, message) = refused(accept(&server, near).await);
        assert_eq!((reason, began.elapsed()), ("handshake_timeout", LIMIT), "{message}");
    }
    let (near, mut far) = duplex(1024);
    let dripping = async {
        for byte in hello {
            tokio::time::sleep(LIMIT / 20).await;
            if far.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    };
    let (accepted, ()) = tokio::join!(accept(&server, near), dripping);
    assert_eq!(refused(accepted).0, "handshake_timeout");
}

#[tokio::test]
async fn a_connection_that_ends_in_the_handshake_is_lost_and_not_blamed_on_tls() {
    let root = TestCa::root();
    let (near, far) = duplex(1024);
    drop(far);
    let server = server(&payments(&root), ClientSvid::Required);
    assert_eq!(refused(accept(&server, near).await).0, "connection_lost");
}

// L14.
#[tokio::test]
async fn what_is_no_tls_is_refused_at_once() {
    let root = TestCa::root();
    let (near, mut far) = duplex(1024);
    far.write_all(b"GET / HTTP/1.1\r\nHost: payments\r\n\r\n").await.unwrap();
    let server = server(&payments(&root), ClientSvid::Required);
    assert_eq!(refused(accept(&server, near).await).0, "not_tls");
}

// L9.
#[tokio::test]
async fn a_client_that_offers_only_other_protocols_is_refused() {
    let root = TestCa::root();
    let (key, chain) = root.key_and_chain(&leaf_params(WEB));
    let mut config = raw_client(Some(certified(&key, chain)));
    config.alpn_protocols = vec![b"smtp".to_vec()];
    let (accepted, answer) = attempt(&server(&payments(&root), ClientSvid::Required), config).await;
    assert_eq!(refused(accepted).0, "tls_error");
    assert!(answer.unwrap_err().to_string().contains("NoApplicationProtocol"));
}

// H11: the raw client asks for "evil.example".
#[tokio::test]
async fn the_name_that_a_client_asks_for_changes_nothing() {
    let root = TestCa::root();
    let (key, chain) = root.key_and_chain(&leaf_params(WEB));
    let (near, far) = duplex(64 * 1024);
    let config = raw_client(Some(certified(&key, chain)));
    let connector = TlsConnector::from(Arc::new(config));
    let server = server(&payments(&root), ClientSvid::Required);
    let (accepted, _stream) = tokio::join!(server.accept(near, LIMIT), connector.connect(any_name(), far));
    let session = accepted.unwrap();
    assert_eq!(session.stream.get_ref().1.server_name(), Some("evil.example"));
    assert_eq!(session.peer.unwrap().identity(), &identity(WEB));
    assert_eq!(session.own.unwrap().identity(), &identity(PAYMENTS));
}
