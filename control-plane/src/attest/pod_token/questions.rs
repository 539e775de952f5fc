//! How the API server is asked. Owns that no question waits for long, that not too many are asked at once, and that one
//! without an answer is not followed by others at once (U3); what is asked is `platform`'s.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::TokenReviewStatus;
use k8s_openapi::api::core::v1::Pod;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::platform::{Away, Platform};
use super::token::Token;

/// What one question may take, with the wait for its turn.
pub(super) const ASK_TIME: Duration = Duration::from_secs(3);
/// Questions at once; the API server has others to answer.
const ASK_AT_ONCE: usize = 32;
/// After a question without an answer the next is not asked at once, however many wait to ask it.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// Asks a platform.
pub(super) struct Questions {
    platform: Box<dyn Platform>,
    turns: Semaphore,
    paused_until: Mutex<Option<Instant>>,
}

impl Questions {
    pub(super) fn new(platform: Box<dyn Platform>) -> Self {
        Self { platform, turns: Semaphore::new(ASK_AT_ONCE), paused_until: Mutex::new(None) }
    }

    pub(super) async fn review(&self, token: &Token) -> Result<TokenReviewStatus, Away> {
        self.ask(self.platform.review(token)).await
    }

    pub(super) async fn pod(&self, namespace: &str, name: &str) -> Result<Option<Pod>, Away> {
        self.ask(self.platform.pod(namespace, name)).await
    }

    async fn ask<T>(&self, question: impl Future<Output = Result<T, Away>>) -> Result<T, Away> {
        if self.is_paused() {
            return Err(Away);
        }
        let in_turn = async {
            // The semaphore is never closed.
            let _turn = self.turns.acquire().await.map_err(|_| Away)?;
            if self.is_paused() { Err(Away) } else { question.await }
        };
        let answer = timeout(ASK_TIME, in_turn).await.unwrap_or(Err(Away));
        if answer.is_err() && !self.is_paused() {
            *self.paused_until() = Some(Instant::now() + PAUSE);
        }
        answer
    }

    fn is_paused(&self) -> bool {
        self.paused_until().is_some_and(|until| until > Instant::now())
    }

    fn paused_until(&self) -> MutexGuard<'_, Option<Instant>> {
        // A time is whole at every moment, so a panic elsewhere cannot have left half of one.
        self.paused_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
