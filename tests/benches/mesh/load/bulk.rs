//! One large answer, read as fast as it comes.

use std::io::{Read, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, ensure};
use tokio::time::Instant;

use super::http::{body_of, request};
use super::latency::Latencies;
use super::{GRACE, Outcome, Request, question};

const READ: usize = 256 * 1024;
const HEAD_LIMIT: usize = 16 * 1024;

/// As an opaque stream.
pub(super) fn stream(load: &Request, bytes: u64) -> anyhow::Result<Outcome> {
    transfer(load, &question(bytes), bytes, |_| Ok(0))
}

/// As the body of a call.
pub(super) fn body(load: &Request, bytes: u64) -> anyhow::Result<Outcome> {
    transfer(load, &request(load.to, bytes), bytes, |stream| {
        let (mut answer, mut read) = (Vec::new(), [0; HEAD_LIMIT]);
        loop {
            let length = stream.read(&mut read)?;
            ensure!(length > 0 && answer.len() < HEAD_LIMIT, "the connection was closed before a whole head");
            answer.extend_from_slice(&read[..length]);
            if let Some((start, wanted)) = body_of(&answer)? {
                ensure!(wanted == bytes, "the answer has {wanted} bytes, not {bytes}");
                return Ok((answer.len() - start) as u64);
            }
        }
    })
}

/// Asks, lets `begin` say how much of the answer it has read already, and reads the rest.
fn transfer(
    load: &Request,
    ask: &[u8],
    bytes: u64,
    begin: impl FnOnce(&mut TcpStream) -> anyhow::Result<u64>,
) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let latest = begun + load.limit + GRACE;
    let mut stream = TcpStream::connect(load.to).with_context(|| format!("cannot connect to {}", load.to))?;
    stream.set_read_timeout(Some(GRACE))?;
    stream.write_all(ask)?;
    let mut read = vec![0; READ];
    let mut got = begin(&mut stream)?;
    while got < bytes {
        let length =
            stream.read(&mut read).with_context(|| format!("it broke off after {got} of {bytes} bytes"))?;
        ensure!(length > 0, "it ended after {got} of {bytes} bytes");
        ensure!(Instant::now() < latest, "only {got} of {bytes} bytes came within {:?}", load.limit + GRACE);
        got += length as u64;
    }
    ensure!(got == bytes, "{got} bytes came, not {bytes}");
    let mut latencies = Latencies::default();
    latencies.add(begun.elapsed());
    latencies.outcome(begun.elapsed(), bytes)
}
