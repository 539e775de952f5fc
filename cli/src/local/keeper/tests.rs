//! With real processes of `/bin/sh`: what is kept is a process, and a fake would prove nothing of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kith_runtime::{Stopper, Tasks};
use nix::sys::signal;
use nix::unistd::Pid;

use super::super::events::Events;
use super::*;

const SOON: Duration = Duration::from_secs(20);

struct Kit {
    kept: Kept,
    events: Events,
    stopper: Stopper,
    tasks: Tasks,
}

fn keep(script: &str) -> Kit {
    keep_command("/bin/sh", &["-c", script])
}

fn keep_program(program: &str) -> Kit {
    keep_command(program, &[])
}

fn keep_command(program: &str, arguments: &[&str]) -> Kit {
    let (stopper, stop) = Stop::new();
    let (events, tasks) = (EventSink::new(), Tasks::new());
    let id = ChildId::App("test".into());
    let kept = Kept::new(id);
    let launch = Launch {
        program: PathBuf::from(program),
        arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        environment: BTreeMap::new(),
        folder: None,
        title: None,
        with_channel: false,
    };
    let reader = events.reader();
    tasks.spawn(Keeper { launch, role: Application, kept: kept.clone(), events, stop }.keep());
    Kit { kept, events: reader, stopper, tasks }
}

impl Kit {
    async fn until<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let search = async {
            loop {
                let event = self.events.next().await.expect("the keeper ended");
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
        };
        timeout(SOON, search).await.expect("in time")
    }
}

fn restarted(event: &Event) -> Option<i32> {
    if let Event::Restarted { pid, .. } = event { Some(*pid) } else { None }
}

fn ended(event: &Event) -> Option<(String, Option<Duration>)> {
    if let Event::ChildExited { status, pause, .. } = event {
        Some((status.to_string(), *pause))
    } else {
        None
    }
}

fn exited(event: &Event) -> Option<String> {
    if let Event::ChildExited { status, .. } = event { Some(status.to_string()) } else { None }
}

fn said(event: &Event) -> Option<(Stream, String)> {
    if let Event::Raw { stream, text, .. } = event { Some((*stream, text.to_string())) } else { None }
}

#[tokio::test]
async fn a_killed_child_is_started_again_and_its_end_is_told() {
    let mut kit = keep("echo up; exec sleep 60");
    assert_eq!(kit.until(said).await, (Stream::Stdout, "up".to_owned()));
    let first = kit.kept.pid().unwrap();
    kit.kept.kill().unwrap();
    let (status, pause) = kit.until(ended).await;
    assert!(status.contains("SIGKILL"));
    assert_eq!(pause, Some(FIRST_PAUSE), "it is said when it comes back");
    assert_ne!(kit.until(restarted).await, first);
    kit.stopper.begin();
    assert_eq!(kit.tasks.finish(SOON).await, 0);
    assert_eq!(kit.kept.pid(), None);
}

#[tokio::test]
async fn a_held_child_stays_down_until_it_is_released() {
    let mut kit = keep("exec sleep 60");
    kit.until(|event| matches!(event, Event::ChildStarted { .. }).then_some(())).await;
    kit.kept.hold(true);
    kit.kept.kill().unwrap();
    kit.until(exited).await;
    kit.kept.until_ended(SOON).await.unwrap();
    // Longer than the first pause: without the hold it would be up again.
    assert!(timeout(FIRST_PAUSE * 5, kit.until(restarted)).await.is_err());
    kit.kept.hold(false);
    kit.until(restarted).await;
    kit.stopper.begin();
    assert_eq!(kit.tasks.finish(SOON).await, 0);
}

#[tokio::test]
async fn a_child_that_ignores_the_request_to_end_is_made_to() {
    let mut kit = keep("trap '' TERM; echo up; while :; do sleep 1; done");
    kit.until(said).await;
    kit.stopper.begin();
    kit.stopper.force();
    assert_eq!(kit.tasks.finish(SOON).await, 0);
    let (status, pause) = kit.until(ended).await;
    assert!(status.contains("SIGKILL"));
    assert_eq!(pause, None, "it does not come back");
}

#[tokio::test]
async fn the_error_of_a_child_that_never_gets_ready_repeats_its_complaint() {
    let mut kit = keep("echo 'no such folder' >&2; exit 3");
    assert_eq!(kit.until(said).await, (Stream::Stderr, "no such folder".to_owned()));
    let error = kit.kept.until_ready(Duration::from_millis(1)).await.unwrap_err().to_string();
    assert!(error.contains("application of test") && error.contains("no such folder"), "{error}");
    kit.stopper.begin();
    assert_eq!(kit.tasks.finish(SOON).await, 0);
}

#[tokio::test]
async fn a_child_that_fails_twice_in_the_same_way_is_not_waited_for_and_complains_once() {
    let kit = keep("echo 'no such folder' >&2; exit 3");
    let error = timeout(SOON / 2, kit.kept.until_ready(SOON)).await.expect("long before the deadline");
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "the application of test does not start (exit status: 3)\n  no such folder");
    kit.stopper.begin();
    assert_eq!(kit.tasks.finish(SOON).await, 0);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_not_waited_for() {
    let kit = keep_program("/nonexistent/kith");
    let error = timeout(SOON / 2, kit.kept.until_ready(SOON)).await.expect("long before the deadline");
    assert!(error.unwrap_err().to_string().contains("cannot start /nonexistent/kith"));
    kit.stopper.begin();
    assert_eq!(kit.tasks.finish(SOON).await, 0);
}

/// A process of a child: `$!` of its shell.
fn another(event: &Event) -> Option<i32> {
    if let Event::Raw { text, .. } = event { text.parse().ok() } else { None }
}

/// Nobody may be there to wait for a process whose parent is gone, so that it stays listed.
fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

async fn until_gone(pid: i32) {
    let gone = async {
        while runs(pid) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON / 2, gone).await.expect("it is still there");
}

#[tokio::test]
async fn what_a_child_started_is_asked_to_end_with_it_and_may_drain() {
    let drains = "trap 'sleep 0.3; echo drained; exit' TERM; echo up; while :; do sleep 0.05; done";
    let mut kit = keep(&format!("({drains}) & wait"));
    kit.until(said).await;
    kit.stopper.begin();
    // The shell itself ends long before.
    kit.until(|event| said(event).filter(|(_, text)| text == "drained")).await;
    assert_eq!(kit.tasks.finish(SOON).await, 0);
}

#[tokio::test]
async fn what_a_child_started_and_does_not_end_when_asked_is_made_to() {
    let mut kit = keep("(trap '' TERM; exec sleep 1000) & echo $!; wait");
    let pid = kit.until(another).await;
    kit.stopper.begin();
    kit.stopper.force();
    assert_eq!(kit.tasks.finish(SOON).await, 0);
    until_gone(pid).await;
}

#[tokio::test]
async fn what_a_crashed_child_had_started_is_gone_when_it_comes_back() {
    let mut kit = keep("sleep 1000 & echo $!; wait");
    let left = kit.until(another).await;
    let leader = Pid::from_raw(kit.kept.pid().unwrap());
    signal::kill(leader, signal::Signal::SIGKILL).unwrap();
    kit.until(restarted).await;
    until_gone(left).await;
    let left = kit.until(another).await;
    kit.kept.kill().unwrap();
    until_gone(left).await;
    kit.stopper.begin();
    assert_eq!(kit.tasks.finish(SOON).await, 0);
}

#[test]
fn a_child_that_was_ready_once_or_fails_in_another_way_is_not_given_up() {
    let (one, other): (Arc<str>, Arc<str>) = ("exit status: 1".into(), "signal: 9 (SIGKILL)".into());
    let mut failures = Failures::default();
    assert!(!failures.is_hopeless(&one, false));
    assert!(!failures.is_hopeless(&other, false));
    assert!(failures.is_hopeless(&other, false));
    let mut failures = Failures::default();
    assert!(!failures.is_hopeless(&one, true));
    assert!(!failures.is_hopeless(&one, false));
    assert!(!failures.is_hopeless(&one, false));
}

#[test]
fn the_pause_doubles_to_its_limit_and_begins_anew_after_a_long_life() {
    let mut pause = Pause::new(FIRST_PAUSE);
    let short = Duration::from_secs(1);
    let pauses: Vec<_> = (0..8).map(|_| pause.after(short).as_millis()).collect();
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    assert_eq!(pause.after(SETTLED).as_millis(), 100);
    // The control plane comes back at once, and then as everybody else.
    let mut pause = Pause::new(Duration::ZERO);
    let pauses: Vec<_> = (0..3).map(|_| pause.after(short).as_millis()).collect();
    assert_eq!(pauses, [0, 100, 200]);
}
