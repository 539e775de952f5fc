//! Calls from web at a steady rate, whatever becomes of the ones before: no retry, every attempt counted, a late
//! answer as a failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use kith_runtime::Tasks;
use tokio::time::{MissedTickBehavior, interval};

use super::journal::Begun;
use super::stage::Stage;
use super::{ALLOWED, LIMIT};
use crate::local::check::is_late;
use crate::local::http_call::call;

const EVERY: Duration = Duration::from_millis(20);

/// What became of the calls.
#[derive(Debug, Default)]
struct Counts {
    made: AtomicU64,
    good: AtomicU64,
    slowest_us: AtomicU64,
}

/// What became of the calls, at the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Total {
    pub(super) made: u64,
    pub(super) failed: u64,
    pub(super) slowest: Duration,
}

impl Total {
    pub(super) fn sentence(self) -> String {
        let slowest = self.slowest.as_secs_f64() * 1e3;
        format!(
            "{} calls of web at 50 a second, {} failed, the slowest took {slowest:.1} ms",
            self.made, self.failed
        )
    }
}

/// Orders for as long as `meanwhile` takes; its result, and what became of the calls.
pub(super) async fn during<T>(
    stage: &Stage<'_>,
    meanwhile: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(T, Total)> {
    let base = stage.outbound("web", "orders")?;
    let (tasks, counts) = (Tasks::new(), Arc::new(Counts::default()));
    let calls = async {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            ticks.tick().await;
            counts.made.fetch_add(1, Ordering::Relaxed);
            let begun = stage.journal.begin("web", "orders", "orders", true);
            tasks.spawn(attempt(format!("{base}{}", begun.path()), begun, counts.clone()));
        }
    };
    let result = tokio::select! {
        result = meanwhile => result,
        never = calls => never,
    };
    // Calls that do not end count as failed: they are not among the good ones.
    tasks.finish(LIMIT).await;
    let made = counts.made.load(Ordering::Relaxed);
    let failed = made - counts.good.load(Ordering::Relaxed);
    let slowest = Duration::from_micros(counts.slowest_us.load(Ordering::Relaxed));
    Ok((result?, Total { made, failed, slowest }))
}

async fn attempt(url: String, begun: Begun, counts: Arc<Counts>) {
    let answer = call(Method::GET, url, LIMIT).await;
    let took = begun.ended(&answer);
    counts.slowest_us.fetch_max(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    if answer.is_ok_and(|answer| answer.status == ALLOWED) && !is_late(took) {
        counts.good.fetch_add(1, Ordering::Relaxed);
    }
}
