//! How much is measured: every count and every time of a run stands here, so that all of them have an end.

use std::time::Duration;

/// The core of the proxies. Both of a pair share it: what counts is what they cost together.
pub(crate) const PROXIES: usize = 0;
/// The core of the load, the backend and whatever only watches.
pub(crate) const OTHERS: usize = 1;

/// Connections of the closed-loop cells.
pub(crate) const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// Connections of the open-loop cell.
pub(crate) const PACED_CONNECTIONS: usize = 64;
/// Opaque connections that are open at once.
pub(crate) const STREAMS_AT_ONCE: usize = 32;
/// Policies that select the application; one of them lets the caller in.
pub(crate) const POLICIES: usize = 100;

/// The counts of one run.
#[derive(Debug, Clone)]
pub(crate) struct Effort {
    /// It only shows that everything runs.
    pub(crate) quick: bool,
    /// How often every cell is measured.
    pub(crate) rounds: u32,
    /// How long a cell is warmed up.
    pub(crate) warm_up: Duration,
    /// How long a cell is measured at most.
    pub(crate) measured: Duration,
    /// Calls of a closed-loop cell at most.
    pub(crate) most_calls: u64,
    /// Calls a second of the open-loop cell.
    pub(crate) paced_rate: u32,
    /// New opaque connections of a cell at most.
    pub(crate) most_streams: u64,
    /// Bytes of a bulk transfer.
    pub(crate) bulk_bytes: u64,
    /// Workloads that ask for svids.
    pub(crate) workloads: usize,
    /// Renewals of each: fewer than one identity may ask for at once.
    pub(crate) renewals: usize,
}

impl Effort {
    pub(crate) fn of(quick: bool, rounds: Option<u32>) -> Self {
        let effort = if quick { Self::quick() } else { Self::full() };
        Self { rounds: rounds.unwrap_or(effort.rounds), ..effort }
    }

    fn full() -> Self {
        Self {
            quick: false,
            rounds: 5,
            warm_up: Duration::from_millis(300),
            measured: Duration::from_secs(3),
            most_calls: 1_000_000,
            paced_rate: 2_000,
            most_streams: 10_000,
            bulk_bytes: 1_000_000_000,
            workloads: 1_000,
            renewals: 5,
        }
    }

    fn quick() -> Self {
        Self {
            quick: true,
            rounds: 1,
            warm_up: Duration::from_millis(50),
            measured: Duration::from_millis(300),
            most_calls: 500,
            paced_rate: 500,
            most_streams: 64,
            bulk_bytes: 4_000_000,
            workloads: 10,
            renewals: 3,
        }
    }
}
