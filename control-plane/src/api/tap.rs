//! `Tap`: identity-log lines as they come. Owns the filters and the batches; a watcher that is too slow is told how
//! many lines it missed. Whom a line is about is `ends`' to say.

mod ends;

use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::unfold;
use kith_identity::SpiffeId;
use kith_proto::v1;
use kith_runtime::Stop;
use tonic::Status;

use super::AdminService;
use super::named::{self, NoSuch};
use crate::index::{WorkloadId, World, Worlds};
use crate::stream::issued::IssuedSvids;
use crate::tapped::{TapLine, Tapped, Watcher};

/// Lines in one message.
const BATCH: usize = 64;

/// Which lines are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    denied_only: bool,
    whose: Whose,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Whose {
    Everybody,
    /// Also those that come later.
    Identity(SpiffeId),
    Workload(WorkloadId),
}

impl Filter {
    pub(super) fn new(world: &World, request: &v1::TapRequest) -> Result<Self, NoSuch> {
        let whose = match request.workload.as_str() {
            "" => Whose::Everybody,
            name => match named::workloads(world, name)?.as_slice() {
                [only] if named::is_called(only, name) => Whose::Workload(only.id.clone()),
                several => Whose::Identity(several[0].identity.clone()),
            },
        };
        Ok(Self { denied_only: request.denied_only, whose })
    }

    fn wants(&self, line: &TapLine) -> bool {
        let theirs = match &self.whose {
            Whose::Everybody => true,
            Whose::Identity(identity) => *identity == line.workload,
            Whose::Workload(id) => *id == line.reporter,
        };
        theirs && (line.denied || !self.denied_only)
    }
}

/// What one watcher is told from.
struct Following {
    watcher: Watcher,
    filter: Filter,
    worlds: Arc<Worlds>,
    issued: IssuedSvids,
    stop: Stop,
}

/// Everything from now on that the filter wants, until the caller goes or the process stops.
pub(super) fn follow(
    service: &AdminService,
    filter: Filter,
) -> impl Stream<Item = Result<v1::TappedLines, Status>> + Send + use<> {
    let following = Following {
        watcher: service.tap.subscribe(),
        filter,
        worlds: service.worlds.clone(),
        issued: service.issued.clone(),
        stop: service.stop.clone(),
    };
    unfold(following, async |mut following| {
        let batch = following.next().await?;
        Some((Ok(batch), following))
    })
}

impl Following {
    async fn next(&mut self) -> Option<v1::TappedLines> {
        loop {
            let first = tokio::select! {
                first = self.watcher.next() => first?,
                () = self.stop.graceful() => return None,
            };
            let batch = self.batch(first);
            if !batch.lines.is_empty() || batch.lost > 0 {
                return Some(batch);
            }
        }
    }

    /// What is there already goes out together.
    fn batch(&mut self, first: Tapped) -> v1::TappedLines {
        let world = self.worlds.now();
        let mut batch = v1::TappedLines::default();
        let mut next = Some(first);
        while let Some(tapped) = next {
            match tapped {
                Tapped::Line(line) if self.filter.wants(&line) => {
                    batch.ends.push(ends::of(&world, &self.issued, &line));
                    batch.lines.push(line.text.clone());
                }
                Tapped::Line(_) => {}
                // Nobody looked at them, so the filter may not have wanted all.
                Tapped::Lost(lost) => batch.lost = batch.lost.saturating_add(lost),
            }
            next = if batch.lines.len() < BATCH { self.watcher.try_next() } else { None };
        }
        batch
    }
}
