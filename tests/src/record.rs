//! What the sidecars logged, kept in order, with ways to wait for a line rather than for a time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{anyhow, bail};
use kith::local::{Event, Events};
use kith_runtime::Tasks;
use kith_sidecar::identity_log::{Call, Direction, Event as Logged, Line, SessionOpened, Verdict};
use tokio::sync::watch;
use tokio::time::timeout;

/// Everything that happened in a mesh so far.
#[derive(Debug)]
pub struct Record {
    events: Arc<Mutex<Vec<Event>>>,
    grown: watch::Receiver<usize>,
    _tasks: Tasks,
}

impl Record {
    /// Reads `events` from now on.
    pub fn of(mut events: Events) -> Self {
        let (kept, tasks) = (Arc::new(Mutex::new(Vec::new())), Tasks::new());
        let (grow, grown) = watch::channel(0);
        let into: Arc<Mutex<Vec<Event>>> = Arc::clone(&kept);
        tasks.spawn(async move {
            while let Some(event) = events.next().await {
                let Ok(mut kept) = into.lock() else { return };
                kept.push(event);
                grow.send_replace(kept.len());
            }
        });
        Self { events: kept, grown, _tasks: tasks }
    }

    /// All events so far. A reader that was too slow makes every figure worthless, so that is an error.
    pub fn events(&self) -> anyhow::Result<Vec<Event>> {
        let events = self.events.lock().map_err(|_| anyhow!("the recorder panicked"))?.clone();
        if let Some(Event::Lost { count }) = events.iter().find(|event| matches!(event, Event::Lost { .. })) {
            bail!("{count} events were lost");
        }
        Ok(events)
    }

    /// All lines of one service's sidecar so far.
    pub fn lines(&self, service: &str) -> anyhow::Result<Vec<Arc<Line>>> {
        let lines = self.events()?.into_iter().filter_map(|event| match event {
            Event::Line { service: of, line } if *of == *service => Some(line),
            _ => None,
        });
        Ok(lines.collect())
    }

    /// All calls that one service's sidecar logged so far.
    pub fn calls(&self, service: &str) -> anyhow::Result<Vec<Call>> {
        let calls = self.lines(service)?.into_iter().filter_map(|line| match &line.event {
            Logged::Call(call) => Some((**call).clone()),
            _ => None,
        });
        Ok(calls.collect())
    }

    /// The denial ids of the calls that one service's sidecar refused itself.
    pub fn refusals(&self, service: &str) -> anyhow::Result<Vec<Call>> {
        let own = |call: &Call| {
            call.verdict == Verdict::Deny && call.denial_reason.as_deref() != Some("refused_by_peer")
        };
        Ok(self.calls(service)?.into_iter().filter(own).collect())
    }

    /// The sessions that one service's sidecar opened or accepted so far.
    pub fn sessions(&self, service: &str, direction: Direction) -> anyhow::Result<Vec<SessionOpened>> {
        let sessions = self.lines(service)?.into_iter().filter_map(|line| match &line.event {
            Logged::SessionOpened(opened) if opened.direction == direction => Some(opened.clone()),
            _ => None,
        });
        Ok(sessions.collect())
    }

    /// Waits until `found` finds something in what happened so far.
    pub async fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        mut found: impl FnMut(&Self) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let mut grown = self.grown.clone();
        let search = async {
            loop {
                grown.mark_unchanged();
                if let Some(value) = found(self)? {
                    return Ok(value);
                }
                if grown.changed().await.is_err() {
                    bail!("the mesh ended before {what}");
                }
            }
        };
        timeout(limit, search).await.map_err(|_| anyhow!("{what}: not within {limit:?}"))?
    }

    /// Waits for a line of one service's sidecar.
    pub async fn until_line<T>(
        &self,
        service: &str,
        what: &str,
        limit: Duration,
        mut found: impl FnMut(&Line) -> Option<T>,
    ) -> anyhow::Result<T> {
        let find = |record: &Self| Ok(record.lines(service)?.iter().find_map(|line| found(line)));
        self.until(what, limit, find).await
    }
}

/// Rotations as both ends saw them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rotations {
    /// How many there were.
    pub count: usize,
}

impl Rotations {
    /// Counts sessions in which both serials are new against the session counted before, among those that both
    /// ends logged.
    pub fn between(record: &Record, client: &str, server: &str) -> anyhow::Result<Self> {
        let accepted = record.sessions(server, Direction::Inbound)?;
        let both = |opened: &SessionOpened| {
            accepted.iter().any(|accepted| {
                accepted.facts.peer_serial == opened.facts.own_serial
                    && accepted.facts.own_serial == opened.facts.peer_serial
            })
        };
        let mut last: Option<SessionOpened> = None;
        let mut count = 0;
        for opened in record.sessions(client, Direction::Outbound)?.into_iter().filter(both) {
            let new = last.as_ref().is_some_and(|last| {
                last.facts.own_serial != opened.facts.own_serial
                    && last.facts.peer_serial != opened.facts.peer_serial
            });
            if last.is_none() || new {
                count += usize::from(new);
                last = Some(opened);
            }
        }
        Ok(Self { count })
    }
}
