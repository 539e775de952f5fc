//! Quantiles of a few samples, in milliseconds.

use std::time::Duration;

/// The smallest sample that as many as `of` of all (0 to 1) do not exceed; 0 of none.
pub(crate) fn quantile(samples: &[Duration], of: f64) -> f64 {
    let mut sorted: Vec<f64> = samples.iter().map(|sample| sample.as_secs_f64() * 1000.0).collect();
    sorted.sort_by(f64::total_cmp);
    let mut enough =
        sorted.iter().enumerate().filter(|(index, _)| (index + 1) as f64 >= of * sorted.len() as f64);
    enough.next().map(|(_, sample)| *sample).unwrap_or_default()
}

/// A line of the table.
pub(crate) fn line(what: &str, samples: &[Duration]) -> String {
    let [middle, most] = [0.5, 0.99].map(|of| quantile(samples, of));
    format!("{what:<58} p50 {middle:>8.0} ms   p99 {most:>8.0} ms   ({} samples)", samples.len())
}
