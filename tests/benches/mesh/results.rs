//! What was measured: one value for each row, target and round.

use std::collections::BTreeMap;

use crate::effort::Effort;

/// Who carried the load, in the order of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// Nobody: the backend itself.
    Direct,
    /// The pair of HAProxy.
    Haproxy,
    /// The pair of sidecars.
    Kith,
}

/// A row of the table; they are printed in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Row {
    /// Calls a second, on so many connections.
    CallRate(usize),
    /// CPU of the pair for one call, on so many connections.
    CallCpu(usize),
    /// Half of the paced calls took no longer.
    PacedP50,
    /// 99 of a hundred paced calls took no longer.
    PacedP99,
    /// How much of the first the pair added.
    AddedP50,
    /// How much of the second the pair added.
    AddedP99,
    /// New opaque connections a second.
    StreamRate,
    /// CPU of the pair for one opaque connection.
    StreamCpu,
    /// CPU of the pair for a GB in one opaque stream.
    BulkStream,
    /// CPU of the pair for a GB in one body.
    BulkBody,
    /// Memory of the caller's proxy before any load.
    IdleCaller,
    /// Memory of the application's proxy before any load.
    IdleCallee,
}

impl Row {
    /// What it says in the table.
    pub(crate) fn title(self, effort: &Effort) -> String {
        let rate = effort.paced_rate;
        match self {
            Self::CallRate(connections) => format!("calls/s, connections: {connections}"),
            Self::CallCpu(connections) => format!("CPU us per call, connections: {connections}"),
            Self::PacedP50 => format!("p50 us at {rate} calls/s"),
            Self::PacedP99 => format!("p99 us at {rate} calls/s"),
            Self::AddedP50 => format!("added p50 us at {rate} calls/s"),
            Self::AddedP99 => format!("added p99 us at {rate} calls/s"),
            Self::StreamRate => "new opaque connections/s".to_owned(),
            Self::StreamCpu => "CPU us per opaque connection".to_owned(),
            Self::BulkStream => "CPU s per GB, one opaque stream".to_owned(),
            Self::BulkBody => "CPU s per GB, one body".to_owned(),
            Self::IdleCaller => "idle RSS MB, caller's proxy".to_owned(),
            Self::IdleCallee => "idle RSS MB, application's proxy".to_owned(),
        }
    }

    /// Whether the best value is the largest.
    pub(crate) fn more_is_better(self) -> bool {
        matches!(self, Self::CallRate(_) | Self::StreamRate)
    }

    /// Whether it is CPU time of proxies.
    pub(crate) fn is_cpu(self) -> bool {
        matches!(self, Self::CallCpu(_) | Self::StreamCpu | Self::BulkStream | Self::BulkBody)
    }

    /// Digits behind the point.
    pub(crate) fn digits(self) -> usize {
        match self {
            Self::BulkStream | Self::BulkBody => 2,
            Self::CallCpu(_) | Self::IdleCaller | Self::IdleCallee => 1,
            _ => 0,
        }
    }
}

/// All values so far, by round.
#[derive(Debug, Default)]
pub(crate) struct Results(BTreeMap<Row, BTreeMap<Who, Vec<f64>>>);

impl Results {
    /// Adds the value of the next round.
    pub(crate) fn add(&mut self, row: Row, who: Who, value: f64) {
        self.0.entry(row).or_default().entry(who).or_default().push(value);
    }

    /// Fills in what a pair added to what the backend alone took, round by round.
    pub(crate) fn subtract_direct(&mut self) {
        for (whole, added) in [(Row::PacedP50, Row::AddedP50), (Row::PacedP99, Row::AddedP99)] {
            for who in [Who::Haproxy, Who::Kith] {
                let pairs = self.values(whole, who).iter().zip(self.values(whole, Who::Direct));
                let differences: Vec<f64> = pairs.map(|(with, without)| with - without).collect();
                for difference in differences {
                    self.add(added, who, difference);
                }
            }
        }
    }

    /// The rows that have values, in order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> {
        self.0.keys().copied()
    }

    /// The values of one cell; empty when it has none.
    pub(crate) fn values(&self, row: Row, who: Who) -> &[f64] {
        self.0.get(&row).and_then(|row| row.get(&who)).map_or(&[], Vec::as_slice)
    }

    /// The middle one, or the mean of the two in the middle.
    pub(crate) fn median(&self, row: Row, who: Who) -> Option<f64> {
        let mut sorted = self.values(row, who).to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => None,
            odd if odd % 2 == 1 => Some(sorted[middle]),
            _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        }
    }

    /// The best one.
    pub(crate) fn best(&self, row: Row, who: Who) -> Option<f64> {
        let better = if row.more_is_better() { f64::max } else { f64::min };
        self.values(row, who).iter().copied().reduce(better)
    }
}
