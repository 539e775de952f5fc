//! A connection to the API that answers people, through the API server: the permission is `get` and `create` of
//! `pods/portforward`, and
//! what arrives in the pod is a connection on its loopback. Owns what the end of such a connection says.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::error::{Access, ClusterError, answer};
use super::installation::Installation;

/// Where the control plane answers people, on its pod's loopback (design §8).
const API_PORT: u16 = 7452;

/// A connection that goes on until either side ends it.
pub struct Forwarded {
    stream: DuplexStream,
    /// What the kubelet says when it cannot carry it; there is at most one.
    failed: Option<BoxFuture<'static, Option<String>>>,
}

impl Installation {
    /// A new connection to the control plane's API for people.
    pub async fn connect(&self) -> Result<Forwarded, ClusterError> {
        let pod = self.ready_pod().await?.name_any();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        // Before Kubernetes 1.35 the API server asks for `get`, as this is a websocket; from then on for `create` too.
        let access = Access::within(&self.namespace, "get and create", "pods/portforward");
        let mut forwarder = answer(&access, pods.portforward(&pod, &[API_PORT])).await?;
        let failed = forwarder.take_error(API_PORT).map(|failed| failed.boxed());
        let not_carried =
            || ClusterError::Unreachable { reason: format!("port {API_PORT} was not forwarded") };
        let stream = forwarder.take_stream(API_PORT).ok_or_else(not_carried)?;
        Ok(Forwarded { stream, failed })
    }
}

impl Forwarded {
    /// Why it ended, if anybody said so. Asked at its end, when there is nothing else to wait for.
    fn poll_reason(&mut self, context: &mut Context<'_>) -> Poll<Option<String>> {
        let Some(failed) = &mut self.failed else { return Poll::Ready(None) };
        let reason = ready!(failed.poll_unpin(context));
        self.failed = None;
        Poll::Ready(reason)
    }
}

impl AsyncRead for Forwarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before || buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        match ready!(self.poll_reason(context)) {
            Some(reason) => Poll::Ready(Err(io::Error::other(reason))),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Forwarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn forwarded(failed: impl Future<Output = Option<String>> + Send + 'static) -> (Forwarded, DuplexStream) {
        let (stream, other) = tokio::io::duplex(64);
        (Forwarded { stream, failed: Some(failed.boxed()) }, other)
    }

    #[tokio::test]
    async fn what_was_sent_before_the_end_arrives_and_then_why_it_ended() {
        let (mut stream, mut other) = forwarded(future::ready(Some("connection refused".to_owned())));
        other.write_all(b"last words").await.unwrap();
        drop(other);
        let mut read = Vec::new();
        let error = stream.read_to_end(&mut read).await.unwrap_err();
        assert_eq!((read.as_slice(), error.to_string().as_str()), (&b"last words"[..], "connection refused"));
    }

    #[tokio::test]
    async fn an_end_that_nobody_explains_is_an_end() {
        let (mut stream, other) = forwarded(future::ready(None));
        drop(other);
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    }
}
