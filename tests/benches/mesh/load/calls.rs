//! Many calls on connections that are kept alive. Latency counts from when a call *should* have begun: a call that
//! waits because the one before it is late has been late itself (no coordinated omission).

use std::collections::VecDeque;
use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::ensure;
use tokio::time::Instant;

use super::http::Connection;
use super::latency::Latencies;
use super::wait::readable;
use super::{GRACE, Outcome, Request, SMALL};

/// When calls begin.
struct Schedule {
    begun: Instant,
    until: Instant,
    most: u64,
    /// So many were put on a connection.
    given: u64,
    /// Between two calls; `None`: each follows the answer to the one before.
    interval: Option<Duration>,
}

/// One connection, and the calls that it should have begun already.
struct Lane {
    connection: Connection,
    due: VecDeque<Instant>,
    /// When the open call should have begun.
    open: Option<Instant>,
}

/// Makes calls on so many connections, at a rate or as fast as they are answered.
pub(super) fn run(request: &Request, connections: usize, per_second: Option<u32>) -> anyhow::Result<Outcome> {
    let lane = |_| {
        let connection = Connection::open(request.to, SMALL)?;
        Ok(Lane { connection, due: VecDeque::new(), open: None })
    };
    let mut lanes: Vec<Lane> = (0..connections).map(lane).collect::<anyhow::Result<_>>()?;
    let begun = Instant::now();
    let mut schedule = Schedule {
        begun,
        until: begun + request.limit,
        most: request.most,
        given: 0,
        interval: per_second.map(|rate| Duration::from_secs(1) / rate),
    };
    let mut latencies = Latencies::default();
    schedule.begin(&mut lanes);
    loop {
        let next = schedule.give(&mut lanes, Instant::now());
        for lane in &mut lanes {
            lane.ask()?;
        }
        if next.is_none() && lanes.iter().all(|lane| lane.open.is_none()) {
            return latencies.outcome(begun.elapsed(), SMALL);
        }
        let latest = schedule.until + GRACE;
        ensure!(Instant::now() < latest, "calls were still open {GRACE:?} after the end");
        let wait = next.unwrap_or(latest).saturating_duration_since(Instant::now());
        for ready in readable(lanes.iter().map(|lane| lane.connection.as_fd()), wait)? {
            lanes[ready].read(&mut schedule, &mut latencies)?;
        }
    }
}

impl Schedule {
    /// The first call of each connection, when answers call for the rest.
    fn begin(&mut self, lanes: &mut [Lane]) {
        if self.interval.is_none() {
            for lane in lanes {
                self.follow(lane, self.begun);
            }
        }
    }

    /// Puts every call that is due by now on its connection, in turn. Says when the next one is.
    fn give(&mut self, lanes: &mut [Lane], now: Instant) -> Option<Instant> {
        let interval = self.interval?;
        loop {
            let position = u32::try_from(self.given).ok()?;
            let due = self.begun + interval * position;
            if due >= self.until || self.given >= self.most {
                return None;
            }
            if due > now {
                return Some(due);
            }
            let lane = self.given % lanes.len() as u64;
            lanes[usize::try_from(lane).ok()?].due.push_back(due);
            self.given += 1;
        }
    }

    /// The next call of a connection whose last one was answered, when answers are what is followed.
    fn follow(&mut self, lane: &mut Lane, now: Instant) {
        if self.interval.is_none() && now < self.until && self.given < self.most {
            lane.due.push_back(now);
            self.given += 1;
        }
    }
}

impl Lane {
    fn ask(&mut self) -> anyhow::Result<()> {
        if self.open.is_none()
            && let Some(due) = self.due.pop_front()
        {
            self.connection.ask()?;
            self.open = Some(due);
        }
        Ok(())
    }

    fn read(&mut self, schedule: &mut Schedule, latencies: &mut Latencies) -> anyhow::Result<()> {
        if self.connection.is_answered()? {
            let now = Instant::now();
            let due = self.open.take();
            latencies.add(due.map_or(Duration::ZERO, |due| now.saturating_duration_since(due)));
            schedule.follow(self, now);
            self.ask()?;
        }
        Ok(())
    }
}
