//! Whether the cluster is heard: which kinds were listed, and which are silent for a reason. Owns what readiness and the
//! status say of it; a kind that fails changes nothing of what is known.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::SystemTime;

use kith_runtime::Clock;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::index::cluster::Kind;

/// A kind of which nothing new is heard. What is known of it may be old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failing {
    /// Such as `kubernetes/pods`.
    pub(crate) what: String,
    pub(crate) since: SystemTime,
    /// The newest reason.
    pub(crate) reason: Arc<str>,
}

/// What is heard of every kind. Clones are one.
#[derive(Debug, Clone)]
pub(super) struct Hearing {
    state: Arc<watch::Sender<State>>,
    clock: Clock,
}

#[derive(Debug)]
struct State {
    unlisted: Vec<Kind>,
    in_the_world: bool,
    failing: BTreeMap<Kind, (SystemTime, Arc<str>)>,
}

impl Hearing {
    pub(super) fn new(clock: Clock) -> Self {
        let state = State { unlisted: Kind::ALL.to_vec(), in_the_world: false, failing: BTreeMap::new() };
        Self { state: Arc::new(watch::Sender::new(state)), clock }
    }

    /// The whole list of this kind has come.
    pub(super) fn listed(&self, kind: Kind) {
        self.state.send_modify(|state| state.unlisted.retain(|unlisted| *unlisted != kind));
    }

    /// Whether there is one of every kind.
    pub(super) fn is_whole(&self) -> bool {
        self.state.borrow().unlisted.is_empty()
    }

    /// Whether the first world is out.
    pub(super) fn is_in_the_world(&self) -> bool {
        self.state.borrow().in_the_world
    }

    /// All of it is in the world; whether that is news.
    pub(super) fn in_the_world(&self) -> bool {
        self.state.send_if_modified(|state| !std::mem::replace(&mut state.in_the_world, true))
    }

    /// Something new of this kind, whatever it is.
    pub(super) fn heard(&self, kind: Kind) {
        let again = self.state.send_if_modified(|state| state.failing.remove(&kind).is_some());
        if again {
            info!(kind = kind.name(), "Heard of again");
        }
    }

    /// Nothing can be heard of this kind, for now.
    pub(super) fn failed(&self, kind: Kind, reason: &str) {
        let now = self.clock.now();
        let mut new = false;
        self.state.send_modify(|state| match state.failing.entry(kind) {
            Entry::Occupied(mut known) => {
                new = *known.get().1 != *reason;
                known.get_mut().1 = reason.into();
            }
            Entry::Vacant(place) => {
                new = true;
                place.insert((now, reason.into()));
            }
        });
        if new {
            warn!(kind = kind.name(), reason, "Nothing is heard; what is known holds");
        }
    }

    /// Ends when all of it is in the world.
    pub(super) async fn first_world(&self) {
        let mut state = self.state.subscribe();
        // The sender lives in `self`, so the only answer is that the condition holds.
        let _state = state.wait_for(|state| state.in_the_world).await;
    }

    pub(super) fn waiting_for(&self) -> Vec<String> {
        self.state.borrow().unlisted.iter().map(|kind| what(*kind)).collect()
    }

    pub(super) fn failing(&self) -> Vec<Failing> {
        let state = self.state.borrow();
        let failing = state.failing.iter();
        failing
            .map(|(kind, (since, reason))| Failing {
                what: what(*kind),
                since: *since,
                reason: reason.clone(),
            })
            .collect()
    }
}

fn what(kind: Kind) -> String {
    format!("kubernetes/{}", kind.name())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_kind_fails_since_its_first_failure_until_something_is_heard_of_it() {
        let (clock, hand) = Clock::manual(UNIX_EPOCH);
        let hearing = Hearing::new(clock);
        hearing.failed(Kind::Pods, "refused");
        hand.advance(Duration::from_secs(5));
        hearing.failed(Kind::Pods, "no route");
        let failing =
            Failing { what: "kubernetes/pods".to_owned(), since: UNIX_EPOCH, reason: "no route".into() };
        assert_eq!(hearing.failing(), [failing]);
        hearing.heard(Kind::Services);
        assert_eq!(hearing.failing().len(), 1);
        hearing.heard(Kind::Pods);
        assert!(hearing.failing().is_empty());
    }

    #[test]
    fn what_was_never_listed_is_named_whatever_else_was_heard_of_it() {
        let hearing = Hearing::new(Clock::system());
        Kind::ALL.into_iter().filter(|kind| *kind != Kind::Pods).for_each(|kind| hearing.listed(kind));
        hearing.heard(Kind::Pods);
        assert_eq!(hearing.waiting_for(), ["kubernetes/pods"]);
        hearing.listed(Kind::Pods);
        assert!(hearing.is_whole() && hearing.waiting_for().is_empty());
        assert!(hearing.in_the_world());
        assert!(!hearing.in_the_world(), "that is no news");
    }
}
