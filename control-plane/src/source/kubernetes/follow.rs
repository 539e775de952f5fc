//! Follows one kind of object. Owns when a list is believed and when it is asked for again.
//!
//! * After every failure the whole list is asked for again, and the watch goes on from there. A watch that is resumed
//!   where it broke would, after the store was restored from a backup, wait silently for a revision that is years away.
//! * A list that is empty although something was known is believed when it comes three times in a row, with pauses (K33):
//!   a store that is just being restored, or a cache that is just being filled, is not an order to forget.
//! * Until a list is believed, what was known holds (K32).

use std::pin::pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use kube::runtime::watcher;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::health::Hearing;
use super::watched::Heard;
use crate::index::cluster::{Change, Event, Key, Kind};

/// How often an empty list has to come.
const EMPTY_LISTS: u32 = 3;
/// Between two of them.
const EMPTY_PAUSE: Duration = Duration::from_secs(2);
/// After a failure; doubled with each that follows. One process asks for seven lists: there is no crowd to spread.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Whoever was heard for so long begins with the first pause again.
const SETTLED: Duration = Duration::from_secs(30);

/// Tells every change to `changes`; ends when nobody takes them any more. `open` asks for everything anew.
pub(super) async fn follow<T, S>(
    kind: Kind,
    open: impl Fn() -> S,
    change: impl Fn(Event<T>) -> Change,
    changes: &mpsc::Sender<Change>,
    hearing: &Hearing,
) where
    S: Stream<Item = Result<Heard<T>, watcher::Error>>,
{
    let mut follower = Follower { kind, change, changes, hearing, something_known: false, empty_lists: 0 };
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        match follower.listen(open()).await {
            Over::NobodyListens => return,
            Over::Empty => {
                info!(kind = kind.name(), "The list is empty; asking again before that is believed");
                sleep(EMPTY_PAUSE).await;
            }
            Over::Failed(reason) => {
                if began.elapsed() >= SETTLED {
                    pause = FIRST_PAUSE;
                }
                hearing.failed(kind, &reason);
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Why there is nothing more to be heard on a watch.
enum Over {
    /// The process ends.
    NobodyListens,
    /// The list was empty, and that is not believed yet.
    Empty,
    Failed(String),
}

struct Follower<'a, C> {
    kind: Kind,
    change: C,
    changes: &'a mpsc::Sender<Change>,
    hearing: &'a Hearing,
    something_known: bool,
    empty_lists: u32,
}

impl<C> Follower<'_, C> {
    async fn listen<T>(&mut self, events: impl Stream<Item = Result<Heard<T>, watcher::Error>>) -> Over
    where
        C: Fn(Event<T>) -> Change,
    {
        let mut events = pin!(events);
        let mut list = Vec::new();
        while let Some(heard) = events.next().await {
            let event = match heard {
                Ok(Heard::ListBegins) => {
                    list.clear();
                    continue;
                }
                Ok(Heard::Listed(key, kept)) => {
                    list.push((key, kept));
                    continue;
                }
                Ok(Heard::ListEnds) if !self.believes(&list) => return Over::Empty,
                Ok(Heard::ListEnds) => Event::All(std::mem::take(&mut list)),
                Ok(Heard::Applied(key, kept)) => {
                    self.something_known = true;
                    Event::Apply(key, kept)
                }
                Ok(Heard::Deleted(key)) => Event::Delete(key),
                Err(error) => return Over::Failed(error.to_string()),
            };
            self.hearing.heard(self.kind);
            if self.changes.send((self.change)(event)).await.is_err() {
                return Over::NobodyListens;
            }
        }
        Over::Failed("the watch ended".to_owned())
    }

    fn believes<T>(&mut self, list: &[(Key, T)]) -> bool {
        let (kind, count) = (self.kind.name(), list.len());
        if list.is_empty() && self.something_known {
            self.empty_lists += 1;
            if self.empty_lists < EMPTY_LISTS {
                return false;
            }
            warn!(kind, "The list stays empty; what was known is forgotten");
        }
        (self.empty_lists, self.something_known) = (0, !list.is_empty());
        debug!(kind, count, "Listed");
        true
    }
}

#[cfg(test)]
mod tests;
