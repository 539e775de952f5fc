//! `AddQuarantine`, `RemoveQuarantine`, `ListQuarantines`. Owns what a person is told about a change: what is hit, where
//! it is in force, and until when somebody may not have heard of it. The change itself is the ledger's.

use std::time::{Duration, SystemTime};

use kith_identity::SpiffeId;
use kith_proto::convert::to_millis;
use kith_proto::v1;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use super::AdminService;
use super::edges::edges_of;
use super::named::{self, NoSuch};
use crate::index::World;
use crate::quarantine::{Change, ChangeError};
use crate::stream::acks::Laggard;

/// How long a person waits for the acknowledgements of connected sidecars, which take milliseconds.
const WAIT: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotChanged {
    #[error(transparent)]
    NoSuch(#[from] NoSuch),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error("{text:?} is not quarantined{meant}; quarantined are: {names}")]
    NotQuarantined { text: String, meant: String, names: String },
}

impl From<NotChanged> for Status {
    fn from(error: NotChanged) -> Self {
        let text = error.to_string();
        match error {
            NotChanged::NoSuch(error) => error.into(),
            NotChanged::NotQuarantined { .. } => Self::not_found(text),
            NotChanged::Change(error) => match error {
                ChangeError::Reserved(_)
                | ChangeError::Foreign { .. }
                | ChangeError::NoPath(_)
                | ChangeError::LongReason(_)
                | ChangeError::ControlCharacter => Self::invalid_argument(text),
                ChangeError::NotQuarantined(_) => Self::not_found(text),
                ChangeError::Full(_) => Self::resource_exhausted(text),
                ChangeError::Store(_) | ChangeError::Unsettled(_) | ChangeError::Task(_) => {
                    Self::internal(text)
                }
            },
        }
    }
}

pub(super) fn list(world: &World) -> v1::ListQuarantinesResponse {
    let quarantines = world.quarantines.iter().map(|(identity, quarantine)| v1::Quarantine {
        identity: identity.to_string(),
        since_ms: to_millis(quarantine.since),
        reason: quarantine.reason.to_string(),
        revision: Some(quarantine.revision.into()),
    });
    v1::ListQuarantinesResponse { quarantines: quarantines.collect() }
}

pub(super) async fn add(
    service: &AdminService,
    request: v1::AddQuarantineRequest,
) -> Result<v1::QuarantineResponse, NotChanged> {
    let begin = Instant::now();
    let world = service.worlds.now();
    let identity = named::identity(&world, &request.workload)?;
    // Also of a dry run: what it shows is what would happen.
    service.ledger.check(&identity, &request.reason)?;
    let mut answer = what_is_hit(service, &world, &identity);
    if request.dry_run {
        let already = world.quarantines.get(&identity);
        answer.unchanged = already.is_some();
        answer.revision = already.map(|quarantine| quarantine.revision.into());
        return Ok(answer);
    }
    let change = service.ledger.quarantine(identity.clone(), request.reason, service.clock.now()).await?;
    wait_until_in_force(service, &identity, &change, begin, &mut answer).await;
    Ok(answer)
}

pub(super) async fn remove(service: &AdminService, text: &str) -> Result<v1::QuarantineResponse, NotChanged> {
    let begin = Instant::now();
    let world = service.worlds.now();
    let identity = quarantined(&world, text)?;
    let mut answer = what_is_hit(service, &world, &identity);
    let change = service.ledger.lift(identity.clone()).await?;
    wait_until_in_force(service, &identity, &change, begin, &mut answer).await;
    Ok(answer)
}

/// The quarantined identity that a person means.
fn quarantined(world: &World, text: &str) -> Result<SpiffeId, NotChanged> {
    let meant = named::find(world, text).map_or(text, |workload| workload.identity.as_str());
    let found = world.quarantines.keys().find(|identity| identity.as_str() == meant);
    found.cloned().ok_or_else(|| {
        let names: Vec<_> =
            world.quarantines.keys().map(|identity| named::name_of(world, identity)).collect();
        let names = || names.iter().map(String::as_str);
        NotChanged::NotQuarantined {
            text: text.to_owned(),
            meant: named::meant(text, names()),
            names: named::list(names()),
        }
    })
}

fn what_is_hit(service: &AdminService, world: &World, identity: &SpiffeId) -> v1::QuarantineResponse {
    v1::QuarantineResponse {
        identity: identity.to_string(),
        edges: edges_of(&service.observed, identity),
        known: world.workload(identity).is_ok(),
        connected: service.acks.standing(identity).connected,
        ..v1::QuarantineResponse::default()
    }
}

/// Until every sidecar that is connected answered, but not for ever: one that hangs must not hide the others.
async fn wait_until_in_force(
    service: &AdminService,
    identity: &SpiffeId,
    change: &Change,
    begin: Instant,
    answer: &mut v1::QuarantineResponse,
) {
    let mut acks = service.acks.watch();
    let mut roll = service.acks.quarantines_at(change.revision);
    let mut took = begin.elapsed();
    let all = acks.wait_for(|()| {
        let next = service.acks.quarantines_at(change.revision);
        if next.in_force_at != roll.in_force_at {
            took = begin.elapsed();
        }
        roll = next;
        roll.waiting_for.iter().all(|laggard| laggard.refusal.is_some())
    });
    // When it is over, the roll says who is missing.
    drop(timeout_at(begin + WAIT, all).await);
    let world = service.worlds.now();
    let name = |identity: &SpiffeId| named::name_of(&world, identity);
    let laggard = |Laggard { identity, refusal }: &Laggard| match refusal {
        Some(reason) => format!("{} (refused: {reason})", name(identity)),
        None => name(identity),
    };
    answer.unchanged = change.unchanged;
    answer.revision = Some(change.revision.into());
    answer.in_force_at = roll.in_force_at.iter().map(name).collect();
    answer.waiting_for = roll.waiting_for.iter().map(laggard).collect();
    answer.took_ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
    answer.others_until_ms = others_until(service, &world, identity).map_or(0, to_millis);
}

/// When the last svid ends of the sidecars that cannot have heard of it. The identity's own is not among them: it is
/// the others that let it in.
fn others_until(service: &AdminService, world: &World, identity: &SpiffeId) -> Option<SystemTime> {
    let (now, earlier) = (service.clock.now(), service.earlier_svids_until);
    let silent = world.workloads().filter(|workload| workload.identity != *identity).filter_map(|workload| {
        let standing = service.acks.standing(&workload.identity);
        let until = standing.svid.map(|(_, not_after)| not_after).or(earlier);
        until.filter(|_| !standing.connected)
    });
    // Before the list of workloads has come, nobody is connected and anybody may be there.
    let unlisted = earlier.filter(|_| world.workloads.is_none());
    silent.chain(unlisted).filter(|until| *until > now).max()
}

#[cfg(test)]
mod tests;
