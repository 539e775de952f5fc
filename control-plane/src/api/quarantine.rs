//! `AddQuarantine`, `RemoveQuarantine`, `ListQuarantines`. Owns what a person is told about a change: what is hit, where
//! it is in force, and until when somebody may not have heard of it. The change itself is `quarantine`'s.

pub(super) mod target;

use std::time::{Duration, SystemTime};

use kith_identity::SpiffeId;
use kith_proto::convert::to_millis;
use kith_proto::v1;
use kith_proto::v1::quarantine_target::Of;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use self::target::NoTarget;
use super::edges::edges_of;
use super::named;
use super::{AdminService, PoliciesFrom};
use crate::index::cluster::{Facts, Present};
use crate::index::{WorkloadId, World};
use crate::quarantine::{Change, ChangeError, Target};
use crate::stream::acks::Laggard;

/// How long a person waits for the acknowledgements of connected sidecars, which take milliseconds.
const WAIT: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotChanged {
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error("{text:?} is not quarantined{meant}; quarantined are: {names}")]
    NotQuarantined { text: String, meant: String, names: String },
}

impl From<NotChanged> for Status {
    fn from(error: NotChanged) -> Self {
        let text = error.to_string();
        match error {
            NotChanged::NoTarget(error) => error.into(),
            NotChanged::NotQuarantined { .. } => Self::not_found(text),
            NotChanged::Change(error) => match error {
                ChangeError::Reserved(_)
                | ChangeError::Foreign { .. }
                | ChangeError::NoPath(_)
                | ChangeError::LongReason(_)
                | ChangeError::OnlyInCluster(_)
                | ChangeError::ControlCharacter => Self::invalid_argument(text),
                ChangeError::NotQuarantined(_) => Self::not_found(text),
                ChangeError::NoObject(_) | ChangeError::ObjectLeft(_) => Self::failed_precondition(text),
                ChangeError::Full(_) => Self::resource_exhausted(text),
                ChangeError::Store(_) | ChangeError::Unsettled(_) | ChangeError::Task(_) => {
                    Self::internal(text)
                }
            },
        }
    }
}

pub(super) fn list(world: &World) -> v1::ListQuarantinesResponse {
    let written: Vec<_> = world
        .quarantine_objects
        .iter()
        .map(|(name, object)| (name.as_str(), object.target.clone(), object.since, &object.reason))
        .collect();
    let ours = world.quarantines.iter().map(|(identity, quarantine)| {
        ("", Target::Identity(identity.clone()), quarantine.since, &quarantine.reason)
    });
    // In a cluster what is in force is what is written there, and each object is one of them.
    let all = if written.is_empty() { ours.collect() } else { written };
    let quarantines = all.into_iter().map(|(object, target, since, reason)| v1::Quarantine {
        identity: target.identity().map(ToString::to_string).unwrap_or_default(),
        since_ms: to_millis(since),
        reason: reason.to_string(),
        revision: since_revision(world, &target).map(Into::into),
        target: target.identity().map_or_else(|| target.to_string(), |_| String::new()),
        object: object.to_owned(),
        workloads: target::workloads(world, &target).into_iter().map(|it| it.name.clone()).collect(),
    });
    v1::ListQuarantinesResponse { quarantines: quarantines.collect() }
}

/// Of single workloads it is not kept: they come and go.
fn since_revision(world: &World, target: &Target) -> Option<kith_policy::Revision> {
    world.quarantines.get(target.identity()?).map(|quarantine| quarantine.revision)
}

pub(super) async fn add(
    service: &AdminService,
    request: v1::AddQuarantineRequest,
) -> Result<v1::QuarantineResponse, NotChanged> {
    let begin = Instant::now();
    let world = service.worlds.now();
    let target = target::named(&world, request.target)?;
    // Also of a dry run: what it shows is what would happen.
    service.quarantining.check(&world, &target, &request.reason)?;
    let mut answer = what_is_hit(service, &world, &target);
    if let PoliciesFrom::Objects(facts) = &service.policies_from {
        answer.unmatched = unmatched(&facts.borrow().clone(), &world, &target).unwrap_or_default();
    }
    if request.dry_run {
        answer.unchanged = is_in_force(&world, &target);
        answer.revision = since_revision(&world, &target).map(Into::into);
        return Ok(answer);
    }
    let quarantining = &service.quarantining;
    let change = quarantining.quarantine(target.clone(), request.reason, service.clock.now()).await?;
    wait_until_in_force(service, &target, &change, begin, &mut answer).await;
    Ok(answer)
}

pub(super) async fn remove(
    service: &AdminService,
    request: v1::RemoveQuarantineRequest,
) -> Result<v1::QuarantineResponse, NotChanged> {
    let begin = Instant::now();
    let world = service.worlds.now();
    let text = request.target.as_ref().map(text_of).unwrap_or_default();
    // Who asks to let somebody in again in a cluster has deleted the objects before.
    let target = match target::named(&world, request.target) {
        Ok(target) if service.quarantining.is_by_objects() && !request.dry_run => target,
        Ok(target) if is_in_force(&world, &target) => target,
        Ok(_) | Err(NoTarget::NoSuch(_)) => return Err(not_quarantined(&world, text)),
        Err(error) => return Err(error.into()),
    };
    let mut answer = what_is_hit(service, &world, &target);
    if request.dry_run {
        answer.revision = since_revision(&world, &target).map(Into::into);
        return Ok(answer);
    }
    let change = service.quarantining.lift(target.clone()).await?;
    wait_until_in_force(service, &target, &change, begin, &mut answer).await;
    Ok(answer)
}

fn is_in_force(world: &World, target: &Target) -> bool {
    target.identity().is_some_and(|identity| world.is_quarantined(identity))
        || !objects(world, target).is_empty()
}

/// The objects that mean the same.
fn objects(world: &World, target: &Target) -> Vec<String> {
    let same = world.quarantine_objects.iter().filter(|(_, object)| object.target == *target);
    same.map(|(name, _)| name.clone()).collect()
}

/// What was asked, for an error.
fn text_of(target: &v1::QuarantineTarget) -> String {
    match &target.of {
        Some(Of::Workload(text)) => text.clone(),
        Some(Of::ServiceAccount(account)) => format!("{}/{}", account.namespace, account.name),
        Some(Of::Pod(pod)) => format!("pod {}/{}", pod.namespace, pod.name),
        Some(Of::Node(name)) => format!("node {name}"),
        None => String::new(),
    }
}

fn not_quarantined(world: &World, text: String) -> NotChanged {
    // As it was given, and not as one of the pods that it means.
    let shown = |target: &Target| match target.identity().and_then(SpiffeId::service_account) {
        Some(account) => format!("{}/{}", account.namespace, account.name),
        None => target.to_string(),
    };
    let names: Vec<_> = match world.quarantine_objects.is_empty() {
        true => world.quarantines.keys().map(|identity| named::name_of(world, identity)).collect(),
        false => world.quarantine_objects.values().map(|object| shown(&object.target)).collect(),
    };
    let names = || names.iter().map(String::as_str);
    let meant = named::meant(&text, names());
    NotChanged::NotQuarantined { text, meant, names: named::list(names()) }
}

/// Why nobody is meant now, in the words of admission: only in a cluster is it known what there is.
fn unmatched(facts: &Facts, world: &World, target: &Target) -> Option<String> {
    let present =
        Present { trust_domain: &world.trust_domain, facts, workloads: world.workloads.as_deref()? };
    present.unmatched_quarantine(&target::as_written(target)?)
}

fn what_is_hit(service: &AdminService, world: &World, target: &Target) -> v1::QuarantineResponse {
    let hit = target::workloads(world, target).into_iter().map(|workload| target::hit(service, workload));
    let workloads: Vec<_> = hit.collect();
    v1::QuarantineResponse {
        identity: target.identity().map(ToString::to_string).unwrap_or_default(),
        edges: target.identity().map(|identity| edges_of(&service.observed, identity)).unwrap_or_default(),
        known: !workloads.is_empty(),
        connected: workloads.iter().any(|workload| workload.connected),
        target: target.to_string(),
        workloads,
        objects: objects(world, target),
        ..v1::QuarantineResponse::default()
    }
}

/// Until every sidecar that is connected answered, but not for ever: one that hangs must not hide the others.
async fn wait_until_in_force(
    service: &AdminService,
    target: &Target,
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
    let name = |id: &WorkloadId| world.workload(id).map_or_else(|_| id.to_string(), |it| it.name.clone());
    let laggard = |Laggard { workload, refusal }: &Laggard| match refusal {
        Some(reason) => format!("{} (refused: {reason})", name(workload)),
        None => name(workload),
    };
    answer.unchanged = change.unchanged;
    answer.revision = Some(change.revision.into());
    answer.in_force_at = roll.in_force_at.iter().map(name).collect();
    answer.waiting_for = roll.waiting_for.iter().map(laggard).collect();
    answer.took_ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
    answer.others_until_ms = others_until(service, &world, target).map_or(0, to_millis);
}

/// When the last svid ends of the sidecars that cannot have heard of it. Those that are cut off are not among them: it is
/// the others that let them in.
fn others_until(service: &AdminService, world: &World, target: &Target) -> Option<SystemTime> {
    let (now, earlier) = (service.clock.now(), service.earlier_svids_until);
    let own: Vec<_> = target::workloads(world, target).into_iter().map(|workload| &workload.id).collect();
    let others = world.workloads().filter(|workload| !own.contains(&&workload.id));
    let silent = others.filter_map(|workload| {
        let standing = service.acks.standing(&workload.id);
        let until = standing.svid.map(|(_, not_after)| not_after).or(earlier);
        until.filter(|_| !standing.connected)
    });
    // Before the list of workloads has come, nobody is connected and anybody may be there.
    let unlisted = earlier.filter(|_| world.workloads.is_none());
    silent.chain(unlisted).filter(|until| *until > now).max()
}

#[cfg(test)]
mod tests;
