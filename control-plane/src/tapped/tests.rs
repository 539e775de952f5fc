//! Which lines reach a watcher.

use super::*;
use crate::testing::id;

fn pod() -> WorkloadId {
    WorkloadId::new("uid")
}

fn line(workload: &str, rest: &str) -> String {
    format!(r#"{{"kith.workload":"{}",{rest}}}"#, id(workload))
}

fn next(watcher: &mut Watcher) -> (Option<String>, u64) {
    let (mut text, mut lost) = (None, 0);
    while let Some(tapped) = watcher.try_next() {
        match tapped {
            Tapped::Line(line) => text = Some(line.text.clone()),
            Tapped::Lost(more) => lost += more,
        }
    }
    (text, lost)
}

#[tokio::test]
async fn a_line_that_the_sidecar_cannot_have_written_is_lost_and_not_shown() {
    let hub = TapHub::new();
    let mut watcher = hub.subscribe();
    let call = r#""event":"call""#;
    let wrong = [
        line("payments", call),
        "not json".to_owned(),
        format!("{}\n{}", line("orders", call), line("orders", call)),
        line("orders", &format!(r#"{call},"x":"{}""#, "a".repeat(MAX_LINE))),
    ];
    for text in wrong {
        hub.publish(&id("orders"), &pod(), vec![text.clone()], 0);
        assert_eq!(next(&mut watcher), (None, 1), "{text:.80}");
    }
    hub.publish(&id("orders"), &pod(), vec![line("orders", call)], 0);
    assert_eq!(next(&mut watcher), (Some(line("orders", call)), 0));
}

#[tokio::test]
async fn a_slow_watcher_loses_the_oldest_lines_and_is_told_how_many() {
    let hub = TapHub::new();
    let mut watcher = hub.subscribe();
    let lines = vec![line("orders", r#""event":"call""#); WAITING + 10];
    hub.publish(&id("orders"), &pod(), lines, 0);
    assert!(matches!(watcher.next().await, Some(Tapped::Lost(10))));
    assert!(matches!(watcher.next().await, Some(Tapped::Line(_))));
}

#[test]
fn refusals_are_told_from_the_rest() {
    let table = [
        (r#""event":"call","kith.verdict":"deny""#, true),
        (r#""event":"call","kith.verdict":"allow""#, false),
        (r#""event":"session_refused""#, true),
        (r#""event":"svid_renewed""#, false),
    ];
    for (rest, denied) in table {
        assert_eq!(read(&id("orders"), &pod(), line("orders", rest)).unwrap().denied, denied, "{rest}");
    }
}

#[test]
fn watchers_are_counted_in_and_out() {
    let hub = TapHub::new();
    let count = hub.watchers();
    let (one, two) = (hub.subscribe(), hub.subscribe());
    assert_eq!(*count.borrow(), 2);
    drop((one, two));
    assert_eq!(*count.borrow(), 0);
}
