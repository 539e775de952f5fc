//! How a list is believed, told by made-up watches: none of them sleeps, and all of time is paused.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use futures_util::stream::{self, BoxStream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kith_runtime::Clock;

use super::*;
use crate::index::cluster::ServiceAccount;

type Said = Result<Heard<ServiceAccount>, watcher::Error>;

fn account(name: &str) -> (Key, ServiceAccount) {
    let metadata =
        ObjectMeta { name: Some(name.to_owned()), uid: Some(name.to_owned()), ..ObjectMeta::default() };
    ServiceAccount::read(&metadata).unwrap()
}

/// A whole list of these.
fn list(names: &[&str]) -> Vec<Said> {
    let listed = names.iter().map(|name| {
        let (key, account) = account(name);
        Ok(Heard::Listed(key, account))
    });
    [Ok(Heard::ListBegins)].into_iter().chain(listed).chain([Ok(Heard::ListEnds)]).collect()
}

fn failure() -> Said {
    Err(watcher::Error::NoResourceVersion)
}

/// The API server: what it says each time that it is asked, and then nothing more.
#[derive(Clone)]
struct Server {
    answers: Rc<Mutex<VecDeque<Vec<Said>>>>,
    asked: Rc<Cell<u32>>,
}

impl Server {
    fn new(answers: impl IntoIterator<Item = Vec<Said>>) -> Self {
        Self { answers: Rc::new(Mutex::new(answers.into_iter().collect())), asked: Rc::default() }
    }

    fn open(&self) -> BoxStream<'static, Said> {
        self.asked.set(self.asked.get() + 1);
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or_default();
        stream::iter(answer).chain(stream::pending()).boxed()
    }
}

struct Told {
    changes: Vec<(Duration, Event<ServiceAccount>)>,
    hearing: Hearing,
}

impl Told {
    fn names(&self) -> Vec<String> {
        let shown = |(_, event): &(Duration, Event<ServiceAccount>)| match event {
            Event::All(all) => {
                format!("all {}", all.iter().map(|(key, _)| key.to_string()).collect::<String>())
            }
            Event::Apply(key, _) => format!("apply {key}"),
            Event::Delete(key) => format!("delete {key}"),
        };
        self.changes.iter().map(shown).collect()
    }
}

/// Follows for a minute.
async fn minute(server: &Server) -> Told {
    let hearing = Hearing::new(Clock::system());
    let (changes, mut told) = mpsc::channel(100);
    let began = Instant::now();
    let mut heard = Vec::new();
    let follower =
        follow(Kind::ServiceAccounts, || server.open(), Change::ServiceAccounts, &changes, &hearing);
    let listener = async {
        while let Some(change) = told.recv().await {
            let Change::ServiceAccounts(event) = change else { panic!("of another kind") };
            heard.push((began.elapsed(), event));
        }
    };
    tokio::select! {
        () = follower => panic!("somebody listens"),
        () = listener => panic!("nobody tells"),
        () = sleep(Duration::from_secs(60)) => {}
    }
    Told { changes: heard, hearing }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_told_whole_and_then_every_change() {
    let (key, changed) = account("c");
    let answer = list(&["a", "b"])
        .into_iter()
        .chain([Ok(Heard::Applied(key.clone(), changed)), Ok(Heard::Deleted(key))]);
    let told = minute(&Server::new([answer.collect()])).await;
    assert_eq!(told.names(), ["all ab", "apply c", "delete c"]);
}

// K32
#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_off_says_nothing_and_the_next_one_is_whole() {
    let mut broken = list(&["a"]);
    broken.truncate(2);
    broken.push(failure());
    let server = Server::new([broken, list(&["a", "b"])]);
    let told = minute(&server).await;
    assert_eq!(told.names(), ["all ab"]);
    assert!(told.hearing.failing().is_empty());
    assert_eq!(server.asked.get(), 2);
}

// K32
#[tokio::test(start_paused = true)]
async fn a_watch_that_breaks_removes_nothing_and_everything_is_listed_anew() {
    let broken = list(&["a"]).into_iter().chain([failure()]).collect();
    let told = minute(&Server::new([broken, list(&["b"])])).await;
    assert_eq!(told.names(), ["all a", "all b"]);
    assert_eq!(told.changes[1].0, FIRST_PAUSE);
}

// K33
#[tokio::test(start_paused = true)]
async fn an_empty_list_after_something_was_known_is_believed_the_third_time_only() {
    let broken = || list(&["a"]).into_iter().chain([failure()]).collect();
    let server = Server::new([broken(), list(&[]), list(&[]), list(&[])]);
    let told = minute(&server).await;
    assert_eq!(told.names(), ["all a", "all "]);
    assert_eq!(told.changes[1].0, FIRST_PAUSE + 2 * EMPTY_PAUSE);
    // What is known to be nothing may stay nothing.
    let server = Server::new([list(&[]).into_iter().chain([failure()]).collect(), list(&[])]);
    assert_eq!(minute(&server).await.names(), ["all ", "all "]);
}

// K33
#[tokio::test(start_paused = true)]
async fn a_list_that_is_not_empty_in_between_begins_the_count_again() {
    let broken = |names: &[&str]| list(names).into_iter().chain([failure()]).collect::<Vec<_>>();
    let server = Server::new([
        broken(&["a"]),
        list(&[]),
        list(&[]),
        broken(&["b"]),
        list(&[]),
        list(&[]),
        list(&["c"]),
    ]);
    assert_eq!(minute(&server).await.names(), ["all a", "all b", "all c"]);
}

// K33
#[tokio::test(start_paused = true)]
async fn what_came_after_an_empty_list_counts_as_known() {
    let (key, kept) = account("a");
    let first = list(&[]).into_iter().chain([Ok(Heard::Applied(key, kept)), failure()]).collect();
    let server = Server::new([first, list(&[]), list(&[]), list(&["a"])]);
    assert_eq!(minute(&server).await.names(), ["all ", "apply a", "all a"]);
}

// K32
#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_is_asked_again_and_again_with_growing_pauses_and_that_is_told() {
    let server = Server::new(std::iter::repeat_with(|| vec![failure()]).take(1000));
    let told = minute(&server).await;
    assert!(told.names().is_empty());
    // After 0, 0.1, 0.3, ... and 6.3 s, then every 5 s.
    assert_eq!(server.asked.get(), 7 + 10);
    let failing = told.hearing.failing();
    assert_eq!(failing.len(), 1);
    assert_eq!(failing[0].what, "kubernetes/serviceaccounts");
    assert!(failing[0].reason.contains("resourceVersion"), "{failing:?}");
}

#[tokio::test(start_paused = true)]
async fn an_end_of_the_stream_is_a_failure() {
    let hearing = Hearing::new(Clock::system());
    let (changes, _told) = mpsc::channel(100);
    let asked = Arc::new(Mutex::new(0));
    let open = || {
        *asked.lock().unwrap() += 1;
        stream::iter(list(&["a"]))
    };
    let follower = follow(Kind::ServiceAccounts, open, Change::ServiceAccounts, &changes, &hearing);
    tokio::select! {
        () = follower => panic!("somebody listens"),
        () = sleep(Duration::from_secs(1)) => {}
    }
    assert!(*asked.lock().unwrap() > 1);
    assert_eq!(hearing.failing().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn following_ends_when_nobody_listens() {
    let hearing = Hearing::new(Clock::system());
    let (changes, told) = mpsc::channel(1);
    drop(told);
    let server = Server::new([list(&["a"])]);
    follow(Kind::ServiceAccounts, || server.open(), Change::ServiceAccounts, &changes, &hearing).await;
}
