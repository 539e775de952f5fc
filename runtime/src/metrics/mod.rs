//! Figures of a process, as Prometheus reads them. Owns the bound on what they may take: label values come from
//! outside, and no family grows beyond [`MOST_SETS`] however many there are.
//!
//! Counting is atomic and takes no lock that a call could wait for; the text is made when somebody asks. Which figures
//! there are is for the process to say: each has one module with its names and labels.

mod counters;
mod durations;
mod process;

pub use counters::{Counters, Label, MOST_SETS, OTHER};
pub use durations::Durations;
pub use process::Process;

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Writes a counter without labels; the text adds `_total` to its name.
pub fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    write(encoder, name, help, &ConstCounter::new(value))
}

/// Writes a gauge without labels.
pub fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    write(encoder, name, help, &ConstGauge::new(value))
}

/// Writes a gauge of which there is one for each value of one label.
pub fn gauges(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: &[(&str, u64)],
) -> fmt::Result {
    let kind = ConstGauge::new(0_u64).metric_type();
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    for (value, figure) in values {
        ConstGauge::new(*figure).encode(family.encode_family(&[(label, *value)])?)?;
    }
    Ok(())
}

/// Seconds since 1970, which is how Prometheus tells a date; a time before it is 0.
pub fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn write(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: &impl EncodeMetric,
) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}
