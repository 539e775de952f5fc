//! HTTP/2 as frames: libraries would refuse to send what is tried here.

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::SOON;
use super::site::Wire;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_BYTES: usize = 16 * 1024;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Header fields in the order in which they are sent.
pub(super) type Fields<'a> = Vec<(&'a str, Vec<u8>)>;

/// How the first stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// With an answer of this status.
    Status(u16),
    /// Reset.
    Reset,
    /// With its whole connection.
    Connection,
}

/// A request whose fields are `more` after, or instead of, the usual pseudo-header fields.
pub(super) fn fields<'a>(path: &'a str, more: &[(&'a str, &'a str)]) -> Fields<'a> {
    let usual = [(":method", "GET"), (":scheme", "http"), (":authority", "backend"), (":path", path)];
    let replaced = |name: &str| more.iter().any(|(other, _)| *other == name);
    let usual = usual.iter().filter(|(name, _)| !replaced(name));
    let pseudo = more.iter().filter(|(name, value)| name.starts_with(':') && !value.is_empty());
    let regular = more.iter().filter(|(name, _)| !name.starts_with(':'));
    usual.chain(pseudo).chain(regular).map(|(name, value)| (*name, value.as_bytes().to_vec())).collect()
}

/// Sends one request on a new connection, and reads until its stream has ended.
pub(super) async fn exchange(mut stream: Box<dyn Wire>, fields: &Fields<'_>) -> anyhow::Result<Ended> {
    // A server that has seen enough closes before it has read all.
    let _ = stream.write_all(&opening(fields)).await;
    let _ = stream.flush().await;
    timeout(SOON, read(&mut stream)).await.context("the stream did not end")?
}

/// Everything from the preface to the last header.
fn opening(fields: &Fields<'_>) -> Vec<u8> {
    let block = block(fields);
    let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let last = block.len().div_ceil(FRAME_BYTES).max(1) - 1;
    for (number, piece) in block.chunks(FRAME_BYTES).enumerate() {
        let (kind, flags) = if number == 0 { (HEADERS, END_STREAM) } else { (CONTINUATION, 0) };
        bytes.extend(frame(kind, flags | if number == last { END_HEADERS } else { 0 }, 1, piece));
    }
    bytes
}

/// One frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("pieces are small").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Literal fields with literal names, without indexing and without Huffman (RFC 7541 §6.2.2).
pub(super) fn block(fields: &Fields<'_>) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name.as_bytes(), value] {
            integer(&mut block, text.len());
            block.extend_from_slice(text);
        }
    }
    block
}

/// With a prefix of seven bits (RFC 7541 §5.1).
fn integer(block: &mut Vec<u8>, value: usize) {
    let Some(mut rest) = value.checked_sub(127) else {
        return block.push(u8::try_from(value).expect("below 127"));
    };
    block.push(127);
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).expect("seven bits") | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).expect("seven bits"));
}

async fn read(stream: &mut Box<dyn Wire>) -> anyhow::Result<Ended> {
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return Ok(Ended::Connection);
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if stream.read_exact(&mut payload).await.is_err() {
            return Ok(Ended::Connection);
        }
        match (head[3], head[8]) {
            (HEADERS, 1) => return Ok(Ended::Status(status(&payload).context("no status")?)),
            (RST_STREAM, 1) => return Ok(Ended::Reset),
            (GOAWAY, _) => return Ok(Ended::Connection),
            _ => {}
        }
    }
}

/// The status, which comes first in every block (RFC 7541 §6, Appendices A and B).
fn status(block: &[u8]) -> Option<u16> {
    match *block {
        [indexed @ 0x88..=0x8e, ..] => {
            [200, 204, 206, 304, 400, 404, 500].get(usize::from(indexed - 0x88)).copied()
        }
        // The name from the table, and a value.
        [0x08 | 0x48, length, ref rest @ ..] if length & 0x80 == 0 => {
            std::str::from_utf8(rest.get(..usize::from(length))?).ok()?.parse().ok()
        }
        [0x08 | 0x48, length, ref rest @ ..] => digits(rest.get(..usize::from(length & 0x7f))?),
        _ => None,
    }
}

/// Three digits in Huffman code: 0 to 2 have five bits, the others six.
fn digits(code: &[u8]) -> Option<u16> {
    let bits: Vec<u8> = code.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let value = |length: usize| {
            Some(bits.get(at..at + length)?.iter().fold(0, |all, bit| all << 1 | u16::from(*bit)))
        };
        let short = value(5)?;
        let (digit, length) = if short <= 2 { (short, 5) } else { (value(6)?.checked_sub(0x19)? + 3, 6) };
        number = number * 10 + digit;
        at += length;
    }
    Some(number)
}
