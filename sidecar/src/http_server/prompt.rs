//! A stream whose first bytes must come in time: one that says nothing would otherwise be held for as long as its
//! session lives (D1).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Reads fail as timed out until enough has come; after that it is the stream itself.
#[derive(Debug)]
pub(crate) struct Prompt<S> {
    stream: S,
    missing: usize,
    /// Gone once nothing is missing.
    limit: Option<Pin<Box<Sleep>>>,
}

impl<S> Prompt<S> {
    /// At least `bytes` are to come within `limit`.
    pub(super) fn new(stream: S, bytes: usize, limit: Duration) -> Self {
        Self { stream, missing: bytes, limit: Some(Box::pin(sleep(limit))) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prompt<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        let Some(limit) = self.limit.as_mut() else { return read };
        if read.is_pending() && limit.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.missing = self.missing.saturating_sub(into.filled().len() - before);
        if self.missing == 0 {
            self.limit = None;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prompt<S> {
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_says_too_little_in_time_fails_however_it_drips() {
        // D1
        let (mut client, server) = tokio::io::duplex(64);
        let mut prompt = Prompt::new(server, 4, LIMIT);
        client.write_all(b"abc").await.unwrap();
        let mut all = Vec::new();
        let error = prompt.read_to_end(&mut all).await.unwrap_err();
        assert_eq!((error.kind(), all.as_slice()), (io::ErrorKind::TimedOut, &b"abc"[..]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_has_begun_may_be_silent_for_as_long_as_it_likes() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut prompt = Prompt::new(server, 4, LIMIT);
        let mut bytes = [0; 4];
        client.write_all(b"abcd").await.unwrap();
        prompt.read_exact(&mut bytes).await.unwrap();
        let later = async {
            sleep(LIMIT * 100).await;
            client.write_all(b"efgh").await
        };
        let (read, written) = tokio::join!(prompt.read_exact(&mut bytes), later);
        read.unwrap();
        written.unwrap();
        assert_eq!(&bytes, b"efgh");
    }
}
