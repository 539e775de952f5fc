//! A client that is asked for its hello again (RFC 8446 §4.1.4) and offers another protocol in it. No library does that on
//! purpose: this one is rustls, whose first hello is changed on its way out and in its own transcript.

use std::io::Write;
use std::sync::LazyLock;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{cipher_suite, kx_group};
use rustls::crypto::hash::{Context, Hash, HashAlgorithm, Output};
use rustls::crypto::{CipherSuiteCommon, CryptoProvider, SupportedKxGroup};
use rustls::sign::SingleCertAndKey;
use rustls::{HandshakeKind, SupportedCipherSuite, Tls13CipherSuite};

use super::*;
use crate::probe::AnyCertificate;
use crate::provider;
use crate::resumption::TICKETS;

/// In the second hello, and of the same length in the first.
const SECOND: &[u8] = b"kith/1";
const FIRST: &[u8] = b"other1";
/// How the share of P-384 begins, which no server of ours wants and only the first hello has.
const UNWANTED_SHARE: &[u8] = &[0, 0x18, 0, 97, 4];

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// A first hello with the other protocol in it; everything else as it is.
fn disguised(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if position(&bytes, UNWANTED_SHARE).is_some()
        && let Some(place) = position(&bytes, SECOND)
    {
        bytes[place..place + SECOND.len()].copy_from_slice(FIRST);
    }
    bytes
}

/// The hash of a transcript in which the first hello is the disguised one.
struct Disguising(&'static dyn Hash);

impl Hash for Disguising {
    fn start(&self) -> Box<dyn Context> {
        Box::new(Disguised(self.0.start()))
    }

    fn hash(&self, data: &[u8]) -> Output {
        self.0.hash(&disguised(data))
    }

    fn output_len(&self) -> usize {
        self.0.output_len()
    }

    fn algorithm(&self) -> HashAlgorithm {
        self.0.algorithm()
    }
}

struct Disguised(Box<dyn Context>);

impl Context for Disguised {
    fn fork_finish(&self) -> Output {
        self.0.fork_finish()
    }

    fn fork(&self) -> Box<dyn Context> {
        Box::new(Self(self.0.fork()))
    }

    fn finish(self: Box<Self>) -> Output {
        self.0.finish()
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(&disguised(data));
    }
}

/// AES-128-GCM with that hash.
static SUITE: LazyLock<Tls13CipherSuite> = LazyLock::new(|| {
    static HASH: LazyLock<Disguising> = LazyLock::new(|| Disguising(genuine_suite().common.hash_provider));
    let genuine = genuine_suite();
    Tls13CipherSuite {
        common: CipherSuiteCommon {
            suite: genuine.common.suite,
            hash_provider: &*HASH,
            confidentiality_limit: genuine.common.confidentiality_limit,
        },
        hkdf_provider: genuine.hkdf_provider,
        aead_alg: genuine.aead_alg,
        quic: None,
    }
});

fn genuine_suite() -> &'static Tls13CipherSuite {
    cipher_suite::TLS13_AES_128_GCM_SHA256.tls13().expect("it is one of TLS 1.3")
}

/// `web` with its svid and a memory for tickets.
struct Caller {
    any: Arc<AnyCertificate>,
    svid: Arc<SingleCertAndKey>,
    tickets: Resumption,
}

impl Caller {
    fn new(root: &TestCa) -> Self {
        let (key, chain) = root.key_and_chain(&leaf_params(WEB));
        Self {
            any: Arc::new(AnyCertificate(provider::SIGNATURE_ALGORITHMS)),
            svid: Arc::new(SingleCertAndKey::from(certified(&key, chain))),
            tickets: Resumption::in_memory_sessions(8),
        }
    }

    /// Its first share has to be asked for again, and this one comes then. Of a group that a server chose before, the share
    /// would come at once.
    fn asked_again_for(&self, group: &'static dyn SupportedKxGroup) -> ClientConfig {
        let provider = CryptoProvider {
            cipher_suites: vec![SupportedCipherSuite::Tls13(&SUITE)],
            kx_groups: vec![kx_group::SECP384R1, group],
            ..(*provider::provider()).clone()
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(provider::VERSIONS)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(self.any.clone())
            .with_client_cert_resolver(self.svid.clone());
        config.resumption = self.tickets.clone();
        config
    }
}

/// What the client thinks of a handshake in which it offers this, and how many tickets it got.
type Seen = (Option<HandshakeKind>, Option<Vec<u8>>, usize);

async fn call(server: &Server, mut config: ClientConfig, alpn: &[u8]) -> (Accepted, Seen) {
    config.alpn_protocols = vec![alpn.to_vec()];
    let talking = move |mut socket: TcpStream| {
        let mut client = ClientConnection::new(Arc::new(config), any_name()).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        socket.write_all(&disguised(&hello)).unwrap();
        shake(&mut client, &mut socket).unwrap();
        // Whatever comes until the server is gone.
        while client.read_tls(&mut socket).is_ok_and(|count| count > 0) {
            client.process_new_packets().unwrap();
        }
        let tickets = usize::try_from(client.tls13_tickets_received()).unwrap();
        (client.handshake_kind(), client.alpn_protocol().map(<[u8]>::to_vec), tickets)
    };
    let accepting = async |socket| {
        // The session goes with its stream, so that the client reads an end.
        server.accept(socket, LIMIT).await.map(|session| session.facts.alpn)
    };
    meet(talking, accepting).await
}

type Accepted = Result<Option<String>, HandshakeError>;

/// `payments`, where foreign clients may come back.
fn resuming(root: &TestCa) -> Server {
    let payments = Party::new(Some(root.svid(PAYMENTS)), [root.bundle("demo.local")]);
    let accept = Accept::TrustDomain(domain("demo.local"));
    let alpn: &[&[u8]] = &[SECOND, b"h2"];
    Server::new(payments.credentials(), accept, ClientSvid::Required, alpn).resuming_foreign(|| 0)
}

/// Refused in words that lead to the client.
fn is_refused(accepted: Accepted) {
    let error = accepted.expect_err("a session of Kith's that can be resumed");
    assert_eq!(error.reason(), "tls_error");
    assert!(error.to_string().contains("second hello"), "{error}");
}

// L5: what is a foreign client's to the first look gets tickets; nothing of Kith's comes in by that door.
#[tokio::test]
async fn a_client_that_becomes_one_of_ours_in_its_second_hello_is_refused() {
    let root = TestCa::root();
    let (accepted, seen) =
        call(&resuming(&root), Caller::new(&root).asked_again_for(kx_group::X25519), SECOND).await;
    // It got as far as it could: there was a second hello, and what it offered was agreed on.
    assert_eq!((seen.0, seen.1), (Some(HandshakeKind::FullWithHelloRetryRequest), Some(SECOND.to_vec())));
    is_refused(accepted);
}

#[tokio::test]
async fn nor_does_it_come_back_as_one_of_ours() {
    let root = TestCa::root();
    let (server, caller) = (resuming(&root), Caller::new(&root));
    let (accepted, seen) = call(&server, caller.asked_again_for(kx_group::X25519), b"h2").await;
    let full = Some(HandshakeKind::FullWithHelloRetryRequest);
    assert_eq!((accepted.unwrap().as_deref(), seen), (Some("h2"), (full, Some(b"h2".to_vec()), TICKETS)));
    let (accepted, seen) = call(&server, caller.asked_again_for(kx_group::SECP256R1), SECOND).await;
    let resumed = Some(HandshakeKind::Resumed);
    assert_eq!((seen.0, seen.1), (resumed, Some(SECOND.to_vec())));
    is_refused(accepted);
}
