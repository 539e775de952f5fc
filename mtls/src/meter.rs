//! How much may come from the other end before anything is proven. Owns the count; what a byte means is for TLS. Each side
//! of a session reads through a [`Metered`] stream, which stops counting when the handshake is over.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// All that one side may send in a handshake (L8). A hello with keys for a quantum computer has 2 KiB, and eight authorities
/// with RSA keys of 4096 bits have 15; what is longer is somebody who wants our memory.
pub(crate) const MOST: usize = 24 * 1024;

/// A byte stream of which only so much is read until the handshake is over.
#[derive(Debug)]
pub struct Metered<IO> {
    io: IO,
    /// What may still come; `None` once it may be anything.
    left: Option<usize>,
}

/// The other end sent more than [`MOST`]. Travels inside the error of the stream.
#[derive(Debug, thiserror::Error)]
#[error("more than {MOST} bytes in a handshake")]
pub(crate) struct TooMuch;

impl<IO> Metered<IO> {
    pub(crate) fn new(io: IO) -> Self {
        Self { io, left: Some(MOST) }
    }

    /// The handshake is over: whoever is there may send what it likes.
    pub(crate) fn lift(&mut self) {
        self.left = None;
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Metered<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(left) = &mut this.left else { return Pin::new(&mut this.io).poll_read(cx, buf) };
        if *left == 0 {
            return Poll::Ready(Err(io::Error::other(TooMuch)));
        }
        let room = buf.remaining().min(*left);
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
        ready!(Pin::new(&mut this.io).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        *left -= read;
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Metered<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    // L8.
    #[tokio::test]
    async fn the_last_byte_that_is_allowed_is_read_and_the_next_is_an_error() {
        let (near, mut far) = duplex(2 * MOST);
        far.write_all(&vec![7; MOST + 1]).await.unwrap();
        let mut metered = Metered::new(near);
        let mut read = vec![0; MOST];
        metered.read_exact(&mut read).await.unwrap();
        assert!(read.iter().all(|byte| *byte == 7));
        let error = metered.read_u8().await.unwrap_err();
        assert!(error.get_ref().is_some_and(|cause| cause.is::<TooMuch>()), "{error}");
        // Nothing was lost: with the limit lifted, the byte is there.
        metered.lift();
        assert_eq!(metered.read_u8().await.unwrap(), 7);
    }

    #[tokio::test]
    async fn what_comes_after_the_handshake_is_not_counted() {
        let (near, mut far) = duplex(4 * MOST);
        far.write_all(&vec![7; 3 * MOST]).await.unwrap();
        drop(far);
        let mut metered = Metered::new(near);
        metered.lift();
        assert_eq!(metered.read_to_end(&mut Vec::new()).await.unwrap(), 3 * MOST);
    }
}
