//! What the API server said of tokens a moment ago, by their digests. Owns the bound: at most so many, for so long, and
//! the oldest go first. A token itself is never kept.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::token::Digest;

/// How long an answer is remembered: a token of a deleted pod is good for no longer, and one that was refused by
/// mistake is asked about again.
pub(super) const MEMORY: Duration = Duration::from_secs(60);
/// A few hundred kilobytes. More tokens in a minute cost questions, not memory.
pub(super) const MOST: usize = 4096;

/// Tokens of which one thing is known.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    until: HashMap<Digest, Instant>,
    /// In the order in which they are forgotten.
    order: VecDeque<Digest>,
}

impl Memory {
    pub(super) fn contains(&self, digest: &Digest, now: Instant) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.until.get(digest).is_some_and(|until| *until > now)
    }

    pub(super) fn remember(&self, digest: Digest, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.forget(now);
        if known.until.insert(digest, now + MEMORY).is_some() {
            // Said again: its turn to be forgotten is the last.
            known.order.retain(|other| *other != digest);
        }
        known.order.push_back(digest);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap().until.len()
    }
}

impl Known {
    /// Makes room for one more.
    fn forget(&mut self, now: Instant) {
        while let Some(oldest) = self.order.front() {
            let ended = self.until.get(oldest).is_none_or(|until| *until <= now);
            if !ended && self.until.len() < MOST {
                return;
            }
            self.until.remove(oldest);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> Digest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_remembered_for_a_minute() {
        let memory = Memory::default();
        memory.remember(digest(1), Instant::now());
        assert!(memory.contains(&digest(1), Instant::now()) && !memory.contains(&digest(2), Instant::now()));
        tokio::time::advance(MEMORY).await;
        assert!(!memory.contains(&digest(1), Instant::now()));
    }

    // U10
    #[tokio::test(start_paused = true)]
    async fn a_flood_pushes_out_the_oldest_and_takes_no_more_memory() {
        let memory = Memory::default();
        for number in 0..3 * MOST {
            memory.remember(digest(number), Instant::now());
        }
        assert_eq!(memory.len(), MOST);
        let now = Instant::now();
        assert!(memory.contains(&digest(3 * MOST - 1), now) && !memory.contains(&digest(0), now));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_said_again_is_remembered_from_then_on_and_what_has_ended_makes_room() {
        let memory = Memory::default();
        memory.remember(digest(1), Instant::now());
        memory.remember(digest(2), Instant::now());
        tokio::time::advance(MEMORY / 2).await;
        memory.remember(digest(1), Instant::now());
        tokio::time::advance(MEMORY / 2).await;
        assert!(memory.contains(&digest(1), Instant::now()) && !memory.contains(&digest(2), Instant::now()));
        memory.remember(digest(3), Instant::now());
        assert_eq!(memory.len(), 2);
    }
}
