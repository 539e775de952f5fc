//! What fuzzing starts from: some cases of the corpus, each in the form that its target reads (`fuzz/bodies`).

use std::time::Duration;

use kith_mtls::peek_chain;
use tokio::io::AsyncReadExt;

use crate::corpus;

/// Target, name and bytes of each.
pub(crate) fn all() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (id, anchors, chain) in corpus::certificate_seeds() {
        // A chain above is one that is refused for its size: nothing to start from.
        if anchors.iter().chain(&chain).map(Vec::len).sum::<usize>() > 8192 {
            continue;
        }
        if let Some(leaf) = chain.first() {
            seeds.push(("certificate", id.clone(), leaf.clone()));
        }
        seeds.push(("chain", id, joined(&anchors, &chain)));
    }
    seeds.extend(
        corpus::token_seeds()
            .into_iter()
            .filter(|(_, token, _)| token.len() < 8192)
            .map(|(id, token, set)| ("token", id, format!("{token}\n{set}").into_bytes())),
    );
    for (id, is_map, text) in corpus::bundle_seeds() {
        if text.len() < 8192 {
            seeds.push((if is_map { "bundle_map" } else { "bundle" }, id, text.into_bytes()));
        }
    }
    for (number, name) in NAMES.iter().enumerate() {
        seeds.push(("spiffe_id", format!("name-{number}"), name.as_bytes().to_vec()));
    }
    for (name, alpn) in [("mesh", &[b"kith/1".as_slice()][..]), ("web", &[b"h2", b"http/1.1"]), ("bare", &[])]
    {
        let hello = hello(alpn);
        // A byte in each record: as slowly as a hello can come.
        let slow = hello[5..].iter().flat_map(|byte| [0x16, 3, 1, 0, 1, *byte]).collect();
        seeds
            .extend([("hello", name.to_owned(), hello), ("hello", format!("{name}-in-small-records"), slow)]);
    }
    seeds
}

/// What a client sends first.
fn hello(alpn: &[&[u8]]) -> Vec<u8> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime without I/O");
    runtime.block_on(async {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        let client = peek_chain(near, alpn, Duration::from_secs(10));
        let first = async {
            let mut header = [0; 5];
            far.read_exact(&mut header).await.expect("a client speaks first");
            let mut record = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
            far.read_exact(&mut record).await.expect("a whole record");
            drop(far);
            [&header, record.as_slice()].concat()
        };
        // The client fails: nobody answers it.
        let (_, hello) = tokio::join!(client, first);
        hello
    })
}

const NAMES: &[&str] = &[
    "spiffe://corpus.example/ns/shop/sa/web",
    "spiffe://a-b_c.0/A/.../z-",
    "spiffe://corpus.example",
    "corpus.example",
    "spiffe://corpus.example/a/../b",
    "spiffe://user@corpus.example:1/a?b#c",
];

/// The count of anchors, then every certificate behind its length.
fn joined(anchors: &[Vec<u8>], chain: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(anchors.len()).expect("few anchors")];
    for der in anchors.iter().chain(chain) {
        bytes.extend(u16::try_from(der.len()).expect("a small certificate").to_be_bytes());
        bytes.extend(der);
    }
    bytes
}
