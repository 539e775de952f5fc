//! A kind that is watched, and its events in the words of the index. Owns how the API server is asked; what is kept of
//! an object is the index' to say.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tracing::warn;

use crate::index::cluster::{Change, Event, Key, Kind, Unreadable};

/// The API server ends a watch after so many seconds, and a new one goes on where it was. A connection that is silently
/// dead is noticed five seconds later.
const WATCH_SECONDS: u32 = 60;

/// What there is to know of a kind in order to follow it.
pub(super) trait Watched: Send + Sync + 'static {
    /// As the API server sends it.
    type Object: Resource + Clone + Debug + DeserializeOwned + Send + 'static;
    /// As the index keeps it.
    type Kept: Send + 'static;
    const KIND: Kind;
    /// Objects in one answer to a list. Whoever may write in one namespace may make each as large as the API server takes:
    /// 3 MB of text, of which the smallest pieces are ten times as large once they are read; also where metadata alone is
    /// asked for, labels and who manages them come along. A page is 15 MB of text, and may be 100 MB while it is read;
    /// several kinds are listed at once. It costs a request for every five objects, one after another and only when all
    /// are listed anew: 200 for a thousand services.
    const PAGE: u32 = 5;
    fn api(client: Client) -> Api<Self::Object>;
    fn read(&self, object: Self::Object) -> Result<(Key, Self::Kept), Unreadable>;
    fn change(event: Event<Self::Kept>) -> Change;

    fn key(object: &Self::Object) -> Result<Key, Unreadable> {
        Key::of(object.meta())
    }
}

/// What a watch says, in the order in which it says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard<T> {
    /// A list of all objects begins.
    ListBegins,
    /// One of them.
    Listed(Key, T),
    /// That was all.
    ListEnds,
    /// New, or changed.
    Applied(Key, T),
    Deleted(Key),
}

/// Everything that is said of a kind, from a whole list on. Lists are read from the majority of the store: what an API
/// server remembers may be older than what we know.
pub(super) fn events<W: Watched>(
    watched: &Arc<W>,
    client: Client,
) -> BoxStream<'static, Result<Heard<W::Kept>, watcher::Error>> {
    let config = watcher::Config::default().timeout(WATCH_SECONDS).page_size(W::PAGE);
    let events = watcher(W::api(client), config);
    in_our_words(watched.clone(), events).boxed()
}

fn in_our_words<W: Watched>(
    watched: Arc<W>,
    events: impl Stream<Item = Result<watcher::Event<W::Object>, watcher::Error>> + Send,
) -> impl Stream<Item = Result<Heard<W::Kept>, watcher::Error>> + Send {
    events.filter_map(move |event| {
        let heard = event.map(|event| heard(&*watched, event)).transpose();
        std::future::ready(heard)
    })
}

/// `None`: an object that counts for nothing.
fn heard<W: Watched>(watched: &W, event: watcher::Event<W::Object>) -> Option<Heard<W::Kept>> {
    let read = |object| {
        let logged = |error: &Unreadable| warn!(kind = W::KIND.name(), %error, "Object passed over");
        watched.read(object).inspect_err(logged).ok()
    };
    match event {
        watcher::Event::Init => Some(Heard::ListBegins),
        watcher::Event::InitApply(object) => read(object).map(|(key, kept)| Heard::Listed(key, kept)),
        watcher::Event::InitDone => Some(Heard::ListEnds),
        watcher::Event::Apply(object) => read(object).map(|(key, kept)| Heard::Applied(key, kept)),
        watcher::Event::Delete(object) => W::key(&object).ok().map(Heard::Deleted),
    }
}
