//! What is spoken on a connection of the application: HTTP/2 begins with a preface that no other protocol has.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::timeout;

const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A connection that says nothing for so long is closed (D1).
const LIMIT: Duration = Duration::from_secs(10);

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    Http1,
    Http2,
}

/// A stream whose first bytes were read already and will be read again.
#[derive(Debug)]
pub(crate) struct Replayed<S> {
    first: Vec<u8>,
    read: usize,
    stream: S,
}

/// Reads until it is certain. `None`: the connection ended, or said nothing in time.
pub(crate) async fn detect<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<Option<(Spoken, Replayed<S>)>> {
    let mut first = Vec::with_capacity(HTTP2_PREFACE.len());
    let decided = timeout(LIMIT, async {
        loop {
            if !HTTP2_PREFACE.starts_with(&first) {
                return Ok(Some(Spoken::Http1));
            }
            if first.len() == HTTP2_PREFACE.len() {
                return Ok(Some(Spoken::Http2));
            }
            let missing = (HTTP2_PREFACE.len() - first.len()) as u64;
            if (&mut stream).take(missing).read_buf(&mut first).await? == 0 {
                return Ok::<_, io::Error>(None);
            }
        }
    });
    match decided.await {
        Ok(spoken) => Ok(spoken?.map(|spoken| (spoken, Replayed { first, read: 0, stream }))),
        Err(_) => Ok(None),
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

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_is_given_up() {
        // D1
        let (_client, server) = tokio::io::duplex(16);
        assert!(detect(server).await.unwrap().is_none());
    }
}
