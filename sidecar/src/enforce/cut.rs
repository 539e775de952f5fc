//! The end of one open call or session, decided elsewhere. Owns the signal and the reason that goes with it.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::refusal::Refusal;

/// Shared by both halves of the call, which watch it, and the registry, which uses it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cut(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    because: OnceLock<Refusal>,
    over: CancellationToken,
}

impl Cut {
    /// Ends the call. Only the first reason counts.
    pub(crate) fn cut(&self, because: Refusal) {
        if self.0.because.set(because).is_ok() {
            self.0.over.cancel();
        }
    }

    /// The call has ended by itself: what is left of its request goes nowhere any more.
    pub(super) fn ended(&self) {
        self.0.over.cancel();
    }

    /// Why the call was cut, if it was.
    pub(crate) fn because(&self) -> Option<&Refusal> {
        self.0.because.get()
    }

    /// Ends when the call was cut, with the reason; never when it ends by itself.
    pub(crate) async fn reason(&self) -> Refusal {
        self.0.over.cancelled().await;
        match self.because() {
            Some(because) => because.clone(),
            None => std::future::pending().await,
        }
    }

    /// Whether the call was cut or has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.0.over.is_cancelled()
    }

    /// Ends when the call was cut or has ended.
    pub(crate) fn over(&self) -> WaitForCancellationFutureOwned {
        self.0.over.clone().cancelled_owned()
    }
}
