//! How long things took, in few buckets. Owns where they lie: from a call that stays on one machine to one that hangs.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, MetricEncoder, NoLabelSet};

/// Upper ends of the buckets in microseconds. The last bucket has none.
const ENDS_US: [u64; 9] = [500, 1_000, 2_500, 10_000, 50_000, 250_000, 1_000_000, 5_000_000, 30_000_000];
const MICROS: f64 = 1_000_000.0;

/// A histogram.
#[derive(Debug, Default)]
pub struct Durations {
    buckets: [AtomicU64; ENDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Durations {
    /// Counts one.
    pub fn observe(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = ENDS_US.partition_point(|end| *end < took);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(took, Ordering::Relaxed);
    }

    /// Writes it as one of a family.
    pub fn encode(&self, family: &mut MetricEncoder<'_>, labels: &impl EncodeLabelSet) -> fmt::Result {
        let ends = ENDS_US.iter().map(|end| seconds(*end)).chain([f64::INFINITY]);
        let counts = self.buckets.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = ends.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = seconds(self.sum_us.load(Ordering::Relaxed));
        family.encode_family(labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a sum of 2^53 microseconds is 285 years")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / MICROS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_falls_into_the_bucket_that_ends_at_or_after_it() {
        let durations = Durations::default();
        for micros in [0, 500, 501, 30_000_000, 30_000_001, u64::MAX / 4] {
            durations.observe(Duration::from_micros(micros));
        }
        let counts: Vec<u64> = durations.buckets.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        assert_eq!(counts, [2, 1, 0, 0, 0, 0, 0, 0, 1, 2]);
    }
}
