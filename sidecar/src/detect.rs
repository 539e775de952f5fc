//! What is spoken on a connection in the clear, of the application or to it, told from its first bytes where nobody
//! declared it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::timeout;

const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A connection that stops in the middle of what may be HTTP for so long is closed (D1); one that says nothing at all is
/// waiting for the server to speak.
const LIMIT: Duration = Duration::from_secs(10);

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    Http1,
    Http2,
    /// Bytes that no request begins with, or nothing yet: the server may be the one that speaks first.
    Opaque,
}

/// A stream whose first bytes were read already and will be read again.
#[derive(Debug)]
pub(crate) struct Replayed<S> {
    first: Vec<u8>,
    read: usize,
    stream: S,
}

/// Reads until it is certain. `None`: the connection ended, or stopped in the middle of a preface.
pub(crate) async fn detect<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<Option<(Spoken, Replayed<S>)>> {
    let mut first = Vec::with_capacity(HTTP2_PREFACE.len());
    let decided = timeout(LIMIT, async {
        loop {
            if let Some(spoken) = spoken(&first) {
                return Ok(Some(spoken));
            }
            let missing = (HTTP2_PREFACE.len() - first.len()) as u64;
            if (&mut stream).take(missing).read_buf(&mut first).await? == 0 {
                return Ok::<_, io::Error>(None);
            }
        }
    });
    let spoken = match decided.await {
        Ok(spoken) => spoken?,
        Err(_) if first.is_empty() => Some(Spoken::Opaque),
        Err(_) => None,
    };
    Ok(spoken.map(|spoken| (spoken, Replayed::after(first, stream))))
}

/// What the first bytes are, once there are enough of them.
fn spoken(first: &[u8]) -> Option<Spoken> {
    match first.first() {
        None => None,
        Some(byte) if may_begin_http(*byte) => {
            if first.starts_with(HTTP2_PREFACE) {
                Some(Spoken::Http2)
            } else {
                (!HTTP2_PREFACE.starts_with(first)).then_some(Spoken::Http1)
            }
        }
        Some(_) => Some(Spoken::Opaque),
    }
}

/// Whether some server may take what begins like this for HTTP. Many skip empty lines and blanks, and what a method is
/// they judge mildly: so all text is held to HTTP, and only bytes that no request begins with are opaque undeclared.
pub(crate) fn may_begin_http(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte.is_ascii_whitespace()
}

impl<S> Replayed<S> {
    /// A stream of which nothing was read.
    pub(crate) fn untouched(stream: S) -> Self {
        Self::after(Vec::new(), stream)
    }

    /// A stream of which this was read.
    pub(crate) fn after(first: Vec<u8>, stream: S) -> Self {
        Self { first, read: 0, stream }
    }

    /// The stream below.
    pub(crate) fn inner(&self) -> &S {
        &self.stream
    }

    /// The stream, and what was read from it and not read again.
    pub(crate) fn into_parts(self) -> (S, Vec<u8>) {
        let rest = self.first.get(self.read..).unwrap_or_default().to_vec();
        (self.stream, rest)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Replayed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &self.first[self.read..];
        if rest.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, into);
        }
        let count = rest.len().min(into.remaining());
        into.put_slice(&rest[..count]);
        self.read += count;
        if self.read == self.first.len() {
            self.first = Vec::new();
            self.read = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replayed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn detected(chunks: &[&[u8]]) -> Option<(Spoken, Vec<u8>)> {
        let (mut client, server) = tokio::io::duplex(1024);
        let write = async move {
            for chunk in chunks {
                client.write_all(chunk).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let (detected, ()) = tokio::join!(detect(server), write);
        let (spoken, mut replayed) = detected.unwrap()?;
        let mut all = Vec::new();
        replayed.read_to_end(&mut all).await.unwrap();
        Some((spoken, all))
    }

    #[tokio::test]
    async fn the_preface_tells_http2_from_http1_and_no_byte_is_lost() {
        let http1 = b"GET / HTTP/1.1\r\n\r\n".as_slice();
        let almost = b"PRI /x HTTP/1.1\r\n\r\n".as_slice();
        let http2 = [HTTP2_PREFACE, b"frames"].concat();
        assert_eq!(detected(&[http1]).await, Some((Spoken::Http1, http1.to_vec())));
        assert_eq!(detected(&[almost]).await, Some((Spoken::Http1, almost.to_vec())));
        assert_eq!(detected(&[&http2]).await, Some((Spoken::Http2, http2.clone())));
        let bytes: Vec<&[u8]> = http2.chunks(1).collect();
        assert_eq!(detected(&bytes).await, Some((Spoken::Http2, http2.clone())));
    }

    #[tokio::test]
    async fn a_connection_that_ends_undecided_is_nothing() {
        assert_eq!(detected(&[b"PRI * HT"]).await, None);
        assert_eq!(detected(&[]).await, None);
    }

    #[tokio::test]
    async fn bytes_that_no_request_begins_with_are_opaque_and_none_is_lost() {
        for bytes in
            [b"\x16\x03\x01\x02\x00\x01".as_slice(), b"\x00\x00\x00\x08\x04\xd2", b"\xffGET / HTTP/1.1"]
        {
            assert_eq!(detected(&[bytes]).await, Some((Spoken::Opaque, bytes.to_vec())), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn what_some_server_may_take_for_a_request_is_held_to_http() {
        for text in
            ["\r\nGET / HTTP/1.1", "\nGET /", " GET /", "\tGET /", "GE(T /", "GET\t/", "*1\r\n$4\r\nPING"]
        {
            let detected = detected(&[text.as_bytes()]).await;
            assert_eq!(detected, Some((Spoken::Http1, text.as_bytes().to_vec())), "{text:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_waits_for_its_server() {
        let (_client, server) = tokio::io::duplex(16);
        assert!(matches!(detect(server).await.unwrap(), Some((Spoken::Opaque, _))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_stops_in_the_middle_of_a_preface_is_given_up() {
        // D1
        let (mut client, server) = tokio::io::duplex(16);
        client.write_all(b"PRI *").await.unwrap();
        assert!(detect(server).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_was_not_read_again_is_handed_over() {
        let (mut client, server) = tokio::io::duplex(64);
        client.write_all(b"\x01bytes").await.unwrap();
        let (_, mut replayed) = detect(server).await.unwrap().unwrap();
        let mut two = [0; 2];
        replayed.read_exact(&mut two).await.unwrap();
        assert_eq!(replayed.into_parts().1, b"ytes");
    }
}
