//! One cell: a load on one target, and what its proxies spent meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use crate::backend::Addresses;
use crate::child::Child;
use crate::cpu;
use crate::effort::{CONNECTIONS, Effort, OTHERS, PACED_CONNECTIONS, STREAMS_AT_ONCE};
use crate::load::{Kind, Outcome, Request};
use crate::results::{Results, Row, Who};

/// Beyond its own limit, a load may take so long to start and to end.
const MARGIN: Duration = Duration::from_secs(30);
const GIGABYTE: f64 = 1e9;

/// Somebody who carries the load.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) who: Who,
    pub(crate) at: Addresses,
    /// Who carries HTTP: the caller's proxy, then the application's. Empty when there is no proxy.
    pub(crate) http_pids: Vec<i32>,
    /// The same for opaque connections.
    pub(crate) opaque_pids: Vec<i32>,
}

/// What is measured of a target.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell {
    Closed(usize),
    Paced,
    Streams,
    BulkStream,
    BulkBody,
}

impl Cell {
    /// All of them, in the order in which they are measured.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let closed = CONNECTIONS.into_iter().map(Self::Closed);
        closed.chain([Self::Paced, Self::Streams, Self::BulkStream, Self::BulkBody])
    }

    fn kind(self, effort: &Effort) -> Kind {
        match self {
            Self::Closed(connections) => Kind::Closed { connections },
            Self::Paced => Kind::Paced { connections: PACED_CONNECTIONS, per_second: effort.paced_rate },
            Self::Streams => Kind::Streams { at_once: STREAMS_AT_ONCE },
            Self::BulkStream => Kind::BulkStream { bytes: effort.bulk_bytes },
            Self::BulkBody => Kind::BulkBody { bytes: effort.bulk_bytes },
        }
    }

    fn most(self, effort: &Effort) -> u64 {
        if matches!(self, Self::Streams) { effort.most_streams } else { effort.most_calls }
    }

    fn is_opaque(self) -> bool {
        matches!(self, Self::Streams | Self::BulkStream)
    }

    fn is_bulk(self) -> bool {
        matches!(self, Self::BulkStream | Self::BulkBody)
    }
}

/// Measures one cell once. Says how many calls and connections that took, the warm-up included.
pub(crate) async fn measure(
    cell: Cell,
    target: &Target,
    effort: &Effort,
    results: &mut Results,
) -> anyhow::Result<u64> {
    let (to, pids) = match cell.is_opaque() {
        true => (target.at.opaque, &target.opaque_pids),
        false => (target.at.http, &target.http_pids),
    };
    let mut carried = 0;
    if !cell.is_bulk() {
        carried += load(cell, to, effort.warm_up, effort).await?.done;
    }
    let before = cpu::spent(pids)?;
    let outcome = load(cell, to, effort.measured, effort).await?;
    let spent = cpu::spent(pids)?.saturating_sub(before);
    for (row, value) in rows(cell, &outcome, spent) {
        // Without a proxy there is nobody whose CPU would count.
        if !(pids.is_empty() && row.is_cpu()) {
            results.add(row, target.who, value);
        }
    }
    Ok(carried + outcome.done)
}

/// What each proxy of a pair holds before anybody called.
pub(crate) fn idle_memory(target: &Target, results: &mut Results) -> anyhow::Result<()> {
    for (&pid, row) in target.http_pids.iter().zip([Row::IdleCaller, Row::IdleCallee]) {
        results.add(row, target.who, cpu::resident_mb(pid)?);
    }
    Ok(())
}

async fn load(cell: Cell, to: SocketAddr, limit: Duration, effort: &Effort) -> anyhow::Result<Outcome> {
    let request = Request { to, kind: cell.kind(effort), limit, most: cell.most(effort) };
    let mut child = Child::working(OTHERS, "load", &request)?;
    let outcome = child.answer(limit + MARGIN).await?;
    child.ended().await?;
    Ok(outcome)
}

fn rows(cell: Cell, outcome: &Outcome, spent: Duration) -> Vec<(Row, f64)> {
    let rate = outcome.done as f64 / outcome.seconds;
    let each_us = spent.as_secs_f64() * 1e6 / outcome.done as f64;
    let per_gigabyte = spent.as_secs_f64() * GIGABYTE / outcome.bytes as f64;
    match cell {
        Cell::Closed(connections) => {
            vec![(Row::CallRate(connections), rate), (Row::CallCpu(connections), each_us)]
        }
        Cell::Paced => vec![(Row::PacedP50, outcome.p50_us), (Row::PacedP99, outcome.p99_us)],
        Cell::Streams => vec![(Row::StreamRate, rate), (Row::StreamCpu, each_us)],
        Cell::BulkStream => vec![(Row::BulkStream, per_gigabyte)],
        Cell::BulkBody => vec![(Row::BulkBody, per_gigabyte)],
    }
}
