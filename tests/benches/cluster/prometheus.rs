//! Metrics of the API server and of the control plane, as far as they are needed here.

use std::collections::BTreeMap;

use anyhow::Context as _;
use kith_tests::cluster::kubectl;

/// Every series with its value.
#[derive(Debug)]
pub(crate) struct Page(BTreeMap<String, f64>);

impl Page {
    /// Of the API server, or of what lies behind this path of it.
    pub(crate) fn at(path: &str) -> anyhow::Result<Self> {
        let text = kubectl(&["get", "--raw", path])?;
        let series = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Ok(Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(series).collect()))
    }

    /// The series of this name whose labels hold each of these.
    pub(crate) fn of<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [&'a str],
    ) -> impl Iterator<Item = (&'a str, f64)> + 'a {
        let all = self.0.iter().filter(move |(series, _)| series.split('{').next() == Some(name));
        all.filter(move |(series, _)| labels.iter().all(|label| series.contains(label)))
            .map(|(series, value)| (series.as_str(), *value))
    }

    /// Of one series; 0 where there is none.
    pub(crate) fn value(&self, series: &str) -> f64 {
        self.0.get(series).copied().unwrap_or_default()
    }

    /// Their sum.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        self.of(name, labels).map(|(_, value)| value).sum()
    }

    /// The upper end of the bucket of a histogram that `share` (0 to 1) of all do not exceed.
    pub(crate) fn bucket(&self, name: &str, labels: &[&str], share: f64) -> anyhow::Result<f64> {
        let mut buckets: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
        for (series, count) in self.of(name, labels) {
            let end = label(series, "le").with_context(|| format!("no end: {series}"))?;
            let end: f64 = end.replace("+Inf", "inf").parse()?;
            // Not negative, so their bits are in their order.
            buckets.entry(end.to_bits()).or_insert((end, 0.0)).1 += count;
        }
        let all = buckets.values().next_back().with_context(|| format!("no {name}"))?.1;
        let mut within = buckets.values().filter(|(_, count)| *count >= share * all);
        Ok(within.next().with_context(|| format!("an empty {name}"))?.0)
    }
}

/// The value of a label.
pub(crate) fn label<'a>(series: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = series.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}
