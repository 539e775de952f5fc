//! How long things took: all of them are kept, so that a percentile is a measured value.

use std::time::Duration;

use super::Outcome;

/// Latencies of one load.
#[derive(Debug, Default)]
pub(super) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(super) fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// Sums up a load that took so long and carried so many bytes in each answer.
    pub(super) fn outcome(mut self, took: Duration, bytes_each: u64) -> anyhow::Result<Outcome> {
        anyhow::ensure!(!self.0.is_empty(), "nothing was measured");
        self.0.sort_unstable();
        Ok(Outcome {
            done: self.count(),
            bytes: self.count() * bytes_each,
            seconds: took.as_secs_f64(),
            p50_us: self.percentile_us(50),
            p99_us: self.percentile_us(99),
        })
    }

    /// The smallest that so many percent did not exceed.
    fn percentile_us(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0[rank - 1].as_secs_f64() * 1e6
    }
}
