//! `Tap`: identity-log lines as they come. Owns the filters and the batches; a watcher that is too slow is told how
//! many lines it missed.

use futures_util::Stream;
use futures_util::stream::unfold;
use kith_identity::SpiffeId;
use kith_proto::v1;
use kith_runtime::Stop;
use tonic::Status;

use super::named::{self, NoSuch};
use crate::index::World;
use crate::tapped::{TapLine, Tapped, Watcher};

/// Lines in one message.
const BATCH: usize = 64;

/// Which lines are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    denied_only: bool,
    /// `None`: every workload's.
    workload: Option<SpiffeId>,
}

impl Filter {
    pub(super) fn new(world: &World, request: &v1::TapRequest) -> Result<Self, NoSuch> {
        let workload = match request.workload.as_str() {
            "" => None,
            name => Some(named::any(world, name)?.identity.clone()),
        };
        Ok(Self { denied_only: request.denied_only, workload })
    }

    fn wants(&self, line: &TapLine) -> bool {
        (line.denied || !self.denied_only)
            && self.workload.as_ref().is_none_or(|workload| *workload == line.workload)
    }
}

/// Everything from now on that the filter wants, until the caller goes or the process stops.
pub(super) fn follow(
    watcher: Watcher,
    filter: Filter,
    stop: Stop,
) -> impl Stream<Item = Result<v1::TapLines, Status>> + Send {
    unfold((watcher, filter, stop), async |(mut watcher, filter, stop)| {
        loop {
            let first = tokio::select! {
                first = watcher.next() => first?,
                () = stop.graceful() => return None,
            };
            let batch = batch(first, &mut watcher, &filter);
            if !batch.lines.is_empty() || batch.lost > 0 {
                return Some((Ok(batch), (watcher, filter, stop)));
            }
        }
    })
}

/// What is there already goes out together.
fn batch(first: Tapped, watcher: &mut Watcher, filter: &Filter) -> v1::TapLines {
    let mut batch = v1::TapLines::default();
    let mut next = Some(first);
    while let Some(tapped) = next {
        match tapped {
            Tapped::Line(line) if filter.wants(&line) => batch.lines.push(line.text.clone()),
            Tapped::Line(_) => {}
            // Nobody looked at them, so the filter may not have wanted all.
            Tapped::Lost(lost) => batch.lost = batch.lost.saturating_add(lost),
        }
        next = if batch.lines.len() < BATCH { watcher.try_next() } else { None };
    }
    batch
}
