//! First bytes: old versions, weak signatures, hellos of odd sizes and shapes, and what is no hello.

use std::io::{Read, Write};

use rustls::ClientConnection;
use tokio_rustls::LazyConfigAcceptor;

use super::hello::{Answer, Hello, ask};
use super::*;

const HANDSHAKE_FAILURE: u8 = 40;
const DECODE_ERROR: u8 = 50;
const PROTOCOL_VERSION: u8 = 70;

/// What the server makes of first bytes after which the client says nothing more: its reason and its answer.
async fn answer(bytes: Vec<u8>) -> (&'static str, Answer) {
    let (reason, _, answer) = whole_answer(bytes).await;
    (reason, answer)
}

/// The same with its own words.
async fn whole_answer(bytes: Vec<u8>) -> (&'static str, String, Answer) {
    let began = tokio::time::Instant::now();
    let (accepted, answer) = attempt(move |socket| ask(socket, &bytes)).await;
    let (reason, message) = refused(accepted);
    assert!(began.elapsed() < LIMIT, "{message}");
    (reason, message, answer)
}

// L1: the two forms of SSL 2's hello, the second as browsers sent it until 2010.
#[tokio::test]
async fn a_hello_of_ssl_2_is_no_tls() {
    for version in [[0, 2], [3, 1]] {
        let body = [&[1][..], &version, &[0, 3, 0, 0, 0, 16, 1, 0, 0x80], &[7; 16]].concat();
        let length = [0x80, u8::try_from(body.len()).unwrap()];
        let (reason, answer) = answer([&length[..], &body].concat()).await;
        assert_eq!(reason, "not_tls");
        assert_ne!(answer, Answer::ServerHello);
    }
}

// L1, L2: SSL 3 to TLS 1.2, and those who only say in new words that they are old, or from elsewhere.
#[tokio::test]
async fn every_version_but_tls_1_3_is_refused_with_an_alert_that_says_so() {
    let says = |versions: &[u16]| Hello { versions: Some(versions.to_vec()), ..Hello::tls13() };
    for (what, hello) in [
        ("TLS 1.0", Hello::old(0x0301)),
        ("TLS 1.1", Hello::old(0x0302)),
        ("TLS 1.2", Hello::old(0x0303)),
        ("TLS 1.3 where TLS 1.2 said it", Hello { versions: None, version: 0x0304, ..Hello::tls13() }),
        ("all up to TLS 1.2", says(&[0x0303, 0x0302, 0x0301, 0x0300])),
        ("drafts of TLS 1.3", says(&[0x7f1c, 0x7f17, 0x7f12])),
        ("a later one", says(&[0x0305])),
        ("DTLS", says(&[0xfefd, 0xfeff])),
        ("noise", says(&[0x0a0a, 0xdada])),
    ] {
        let (reason, answer) = answer(hello.records()).await;
        assert_eq!((reason, answer), ("tls_error", Answer::Alert(PROTOCOL_VERSION)), "{what}");
    }
    // SSL 3 has no extensions, and misses them before anything else.
    let (reason, alert) = answer(Hello::old(0x0300).records()).await;
    assert_eq!((reason, alert), ("tls_error", Answer::Alert(HANDSHAKE_FAILURE)));
    // The fixture itself is sound: with the right version the server goes on.
    assert_eq!(answer(Hello::tls13().records()).await.1, Answer::ServerHello);
    let both = says(&[0x0a0a, 0x0304, 0x0303]);
    assert_eq!(answer(both.records()).await.1, Answer::ServerHello);
}

// L13.
#[tokio::test]
async fn a_client_that_reads_only_weak_signatures_gets_no_certificate() {
    for (what, schemes) in [
        ("rsa_pkcs1_sha1", vec![0x0201]),
        ("ecdsa_sha1", vec![0x0203]),
        ("PKCS#1 of any hash", vec![0x0201, 0x0401, 0x0501, 0x0601]),
        ("what our key cannot do", vec![0x0804, 0x0603]),
        ("noise", vec![0x0a0a]),
    ] {
        let hello = Hello { schemes, ..Hello::tls13() };
        let (reason, answer) = answer(hello.records()).await;
        assert_eq!(reason, "tls_error", "{what}");
        assert!(matches!(answer, Answer::Alert(_)), "{what}: {answer:?}");
    }
}

// L13, the other way round: our client never says that it would read one. The old padding of RSA is for certificates; a
// handshake that is signed with it is refused (RFC 8446 §4.2.3).
#[tokio::test]
async fn our_own_hello_offers_nothing_weak() {
    use rustls::SignatureScheme as Scheme;
    let root = TestCa::root();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let web = Party::new(Some(root.svid(WEB)), [root.bundle("demo.local")]);
    let client = Client::new(web.credentials(), ClientIdentity::Svid, &[b"h2"]);
    let reading = async {
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), far).await.unwrap();
        start.client_hello().signature_schemes().to_vec()
    };
    let accept = Accept::only(identity(PAYMENTS));
    let (_, schemes) = tokio::join!(client.connect(near, accept, LIMIT), reading);
    let strong = [
        Scheme::ECDSA_NISTP256_SHA256,
        Scheme::ECDSA_NISTP384_SHA384,
        Scheme::RSA_PSS_SHA256,
        Scheme::RSA_PSS_SHA384,
        Scheme::RSA_PSS_SHA512,
        Scheme::RSA_PKCS1_SHA256,
        Scheme::RSA_PKCS1_SHA384,
        Scheme::RSA_PKCS1_SHA512,
    ];
    assert!(schemes.contains(&Scheme::ECDSA_NISTP256_SHA256));
    assert!(schemes.iter().all(|scheme| strong.contains(scheme)), "{schemes:?}");
}

// L8: one byte in each record, to the end of the hello. A client may do that; nothing is lost and nothing hangs.
#[tokio::test]
async fn a_hello_in_records_of_one_byte_is_one_hello() {
    let root = TestCa::root();
    let server = server(&root);
    let config = genuine_client(&root);
    let talking = move |mut socket: TcpStream| {
        let mut client = ClientConnection::new(Arc::new(config), any_name()).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        let pieces: Vec<u8> = hello[5..].iter().flat_map(|byte| [22, 3, 1, 0, 1, *byte]).collect();
        socket.write_all(&pieces).unwrap();
        shake(&mut client, &mut socket).unwrap();
    };
    let began = tokio::time::Instant::now();
    let (accepted, ()) = meet(talking, async |socket| server.accept(socket, LIMIT).await).await;
    assert_eq!(accepted.unwrap().peer.unwrap().identity(), &identity(WEB));
    assert!(began.elapsed() < LIMIT / 2);
}

// L8, L9.
#[tokio::test]
async fn a_large_hello_is_read_as_far_as_it_makes_sense_and_no_further() {
    /// The server waits for the rest of the handshake, and this client leaves.
    const LOST: &str = "connection was lost";
    let names = |count: usize| (0..count).map(|number| format!("proto-{number}").into_bytes());
    let with = |alpn: Vec<Vec<u8>>| Hello { alpn: Some(alpn), ..Hello::tls13() };
    let unknown = |bytes: usize| Hello { more: vec![(0xffce, vec![0; bytes])], ..Hello::tls13() };
    for (what, hello, want, words) in [
        ("an extension of 16 KiB that nobody knows", unknown(16 * 1024), Answer::ServerHello, LOST),
        (
            // The refusal travels under the first keys, so the client has to read on for it.
            "1,000 protocols, none of ours",
            with(names(1_000).collect()),
            Answer::ServerHello,
            "any known protocol",
        ),
        (
            "1,000 protocols, the last is ours",
            with(names(999).chain([b"h2".to_vec()]).collect()),
            Answer::ServerHello,
            LOST,
        ),
        (
            "a protocol without a name",
            with(vec![b"h2".to_vec(), Vec::new()]),
            Answer::Alert(DECODE_ERROR),
            "",
        ),
        (
            "an extension that says the length of another",
            Hello { more: vec![(16, vec![0, 9, 2, b'h', b'2'])], ..Hello::tls13() },
            Answer::Alert(DECODE_ERROR),
            "",
        ),
        (
            "an extension twice",
            Hello {
                alpn: Some(vec![b"h2".to_vec()]),
                more: vec![(16, vec![0, 3, 2, b'h', b'2'])],
                ..Hello::tls13()
            },
            Answer::Alert(DECODE_ERROR),
            "",
        ),
    ] {
        let (_, message, answer) = whole_answer(hello.records()).await;
        assert_eq!(answer, want, "{what}: {message}");
        assert!(message.contains(words), "{what}: {message}");
    }
    // A message that announces more than any hello has is refused by the announcement.
    let announced = [&[22, 3, 1, 0, 4][..], &[1, 1, 0, 0]].concat();
    let (reason, answer) = answer(announced).await;
    assert_eq!(reason, "tls_error");
    assert_ne!(answer, Answer::ServerHello);
    // And one that is longer than a handshake may be is not waited for.
    let mut endless = [&[22, 3, 1, 0x40, 0][..], &[1, 0, 0xff, 0xf0], &[0; 16 * 1024 - 4]].concat();
    endless = [endless.clone(), [&[22, 3, 1, 0x40, 0][..], &[0; 16 * 1024]].concat()].concat();
    assert_eq!(whole_answer(endless).await.0, "handshake_too_large");
}

// L9: who names no protocol gets a session without one, and it is for the layer above to say what that means.
#[tokio::test]
async fn a_client_that_names_no_protocol_gets_a_session_without_one() {
    let root = TestCa::root();
    let (server, config) = (server(&root), genuine_client(&root));
    let talking = move |mut socket: TcpStream| {
        client_connection(config, &mut socket).alpn_protocol().map(<[u8]>::to_vec)
    };
    let (accepted, alpn) = meet(talking, async |socket| server.accept(socket, LIMIT).await).await;
    assert_eq!((accepted.unwrap().facts.alpn, alpn), (None, None));
}

// L14: ten gibibytes, of which the kernel takes what fits its buffers.
#[tokio::test]
async fn endless_garbage_is_cut_off_at_its_first_bytes() {
    const ALL: u64 = 10 * 1024 * 1024 * 1024;
    for (what, first, reason) in [
        ("letters", b"AAAAAAAA".as_slice(), "not_tls"),
        ("zeros", &[0; 8], "not_tls"),
        ("HTTP", b"POST / HTTP/1.1\r\n", "not_tls"),
        ("records of data before any hello", &[23, 3, 3, 0x40, 0, 1, 2, 3], "tls_error"),
        ("a hello that is none", &[22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc], "tls_error"),
        ("records that are too long", &[22, 3, 1, 0xff, 0xff], "tls_error"),
        ("a change of cipher before any hello, again and again", &[20, 3, 3, 0, 1, 1], "tls_error"),
    ] {
        let head = first.to_vec();
        let flooding = move |mut socket: TcpStream| {
            let garbage: Vec<u8> = head.iter().copied().cycle().take(256 * 1024).collect();
            let mut sent = 0;
            while sent < ALL {
                match socket.write(&garbage) {
                    Ok(count) => sent += count as u64,
                    Err(_) => break,
                }
            }
            // What came back before the end: an alert, or nothing.
            let mut back = Vec::new();
            let _ = socket.read_to_end(&mut back);
            (sent, back.len())
        };
        let (accepted, (sent, back)) = attempt(flooding).await;
        assert_eq!(refused(accepted).0, reason, "{what}");
        assert!(sent < 64 * 1024 * 1024, "{what}: {sent} bytes were taken");
        assert!(back <= 7, "{what}: {back} bytes came back");
    }
}
