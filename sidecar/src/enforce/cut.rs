//! The end of one open call, decided elsewhere. Owns the signal and the reason that goes with it.

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use crate::refusal::Refusal;

/// Shared by the call, which watches it, and the registry, which may use it once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cut(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    because: OnceLock<Refusal>,
    /// Of the one task that drives the call at a time.
    waker: AtomicWaker,
}

impl Cut {
    /// Ends the call. Only the first reason counts.
    pub(crate) fn cut(&self, because: Refusal) {
        if self.0.because.set(because).is_ok() {
            self.0.waker.wake();
        }
    }

    /// Why the call is over, if it is; otherwise the task is woken when it is.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Refusal> {
        // Registered before the look, so that a cut in between is not missed.
        self.0.waker.register(cx.waker());
        match self.0.because.get() {
            Some(because) => Poll::Ready(because.clone()),
            None => Poll::Pending,
        }
    }

    /// Waits until the call is over.
    pub(crate) async fn over(&self) -> Refusal {
        poll_fn(|cx| self.poll(cx)).await
    }
}
