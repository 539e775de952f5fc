//! What finishes, what is cut, and how long it takes. Time is paused: it moves only when everybody waits.

use std::future::{pending, ready};

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::*;

const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn without_open_work_a_drain_ends_at_once() {
    let (stopper, stop) = Stop::new();
    let start = Instant::now();
    assert_eq!(drain(&stopper, &Tasks::new(), DEADLINE, pending::<()>()).await, 0);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(stop.is_stopping());
}

#[tokio::test(start_paused = true)]
async fn work_that_is_open_when_the_drain_begins_finishes() {
    let (stopper, stop) = Stop::new();
    let tasks = Tasks::new();
    let (done, finished) = oneshot::channel();
    tasks.spawn(async move {
        stop.graceful().await;
        sleep(Duration::from_secs(20)).await;
        done.send(stop.is_stopping()).unwrap();
    });
    let start = Instant::now();
    assert_eq!(drain(&stopper, &tasks, DEADLINE, pending::<()>()).await, 0);
    assert_eq!(start.elapsed(), Duration::from_secs(20));
    assert_eq!(finished.await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_cuts_what_is_left_and_counts_it() {
    let (stopper, stop) = Stop::new();
    let tasks = Tasks::new();
    tasks.spawn(sleep(Duration::from_secs(29)));
    let (held, dropped) = oneshot::channel::<()>();
    tasks.spawn(async move {
        pending::<()>().await;
        drop(held);
    });
    tasks.spawn(pending());
    let start = Instant::now();
    assert_eq!(drain(&stopper, &tasks, DEADLINE, pending::<()>()).await, 2);
    assert_eq!(start.elapsed(), DEADLINE);
    assert_eq!(tasks.open(), 0);
    // What a cut task held is released.
    assert!(dropped.await.is_err());
    stop.forced().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_ends_the_wait_before_the_deadline() {
    let (stopper, stop) = Stop::new();
    let tasks = Tasks::new();
    tasks.spawn(pending());
    let start = Instant::now();
    assert_eq!(drain(&stopper, &tasks, DEADLINE, sleep(Duration::from_secs(3))).await, 1);
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    stop.forced().await;
}

#[tokio::test(start_paused = true)]
async fn finish_by_itself_waits_until_the_deadline_and_counts_what_it_cut() {
    let tasks = Tasks::new();
    tasks.spawn(sleep(Duration::from_secs(1)));
    tasks.spawn(pending());
    let start = Instant::now();
    assert_eq!(tasks.finish(Duration::from_secs(2)).await, 1);
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

#[tokio::test]
async fn a_task_that_is_spawned_after_the_cut_does_not_take_its_first_step() {
    let tasks = Tasks::new();
    tasks.cut();
    let (ran, outcome) = oneshot::channel();
    tasks.spawn(async move { ran.send(()).unwrap() });
    tasks.ended().await;
    assert!(outcome.await.is_err());
    assert_eq!(tasks.finish(Duration::ZERO).await, 1);
}

#[tokio::test]
async fn the_second_step_contains_the_first_and_who_looks_late_sees_both() {
    let (stopper, stop) = Stop::new();
    assert!(!stop.is_stopping());
    stopper.force();
    let late = stop.clone();
    assert!(late.is_stopping());
    late.graceful().await;
    late.forced().await;
}

#[tokio::test]
async fn the_first_step_does_not_force() {
    let (stopper, stop) = Stop::new();
    stopper.begin();
    stop.graceful().await;
    tokio::select! {
        biased;
        () = stop.forced() => panic!("forced by the first step"),
        () = ready(()) => {}
    }
}
