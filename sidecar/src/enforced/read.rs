//! A snapshot from the wire, whole or not at all: one part that cannot be read, or that contradicts another, refuses all of
//! it (P41).

use std::collections::BTreeMap;

use kith_identity::{BundleSet, SpiffeId, TrustDomain};
use kith_policy::{PolicySet, Revision};
use kith_proto::convert::{bundle_from_wire, identity_from_wire, policy_from_wire};
use kith_proto::{POLICY_LANGUAGE, v1};

use super::Enforced;
use super::destination::{Destination, Protocol, destination, protocol};
use super::posture::{Egress, Posture, egress, posture};

/// A snapshot that was read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(super) policies: PolicySet,
    pub(super) revision: Revision,
    pub(super) destinations: BTreeMap<String, Destination>,
    pub(super) protocol: Protocol,
    pub(super) ports: BTreeMap<u16, Protocol>,
    pub(super) posture: Posture,
    pub(super) egress: Option<Egress>,
    pub(crate) bundles: BundleSet,
}

/// Why a snapshot, or a list of quarantines, is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("it has no revision")]
    NoRevision,
    #[error("revision {new} goes back behind {current}")]
    GoesBack { new: Revision, current: Revision },
    #[error("the snapshot came before it was said who is quarantined")]
    BeforeQuarantines,
    #[error("the snapshot is for {found}, this is {own}")]
    Foreign { found: SpiffeId, own: SpiffeId },
    #[error("the policies are written in language {found}, this sidecar reads {POLICY_LANGUAGE}")]
    Language { found: u32 },
    #[error("{0}")]
    Wire(#[from] kith_proto::convert::WireError),
    #[error("{0}")]
    Compile(#[from] kith_policy::CompileError),
    #[error("destination {name}: {address:?} is not a socket address")]
    Address { name: String, address: String },
    #[error("destination {name} is outside the mesh, and has endpoints")]
    OutsideWithEndpoints { name: String },
    #[error("{of}: this sidecar does not know protocol {number}")]
    Protocol { of: String, number: i32 },
    #[error("ports: {0} is not a port, 1 to 65535")]
    Port(u32),
    #[error("this sidecar does not know posture {number}")]
    Posture { number: i32 },
    #[error("this sidecar does not know egress {number}")]
    Egress { number: i32 },
    #[error("posture Observe needs an end, and {until_ms} ms since 1970 is none")]
    EndlessObserve { until_ms: i64 },
    #[error("posture {posture} with an end of Observe, {until_ms} ms since 1970")]
    EndOfNothing { posture: &'static str, until_ms: i64 },
}

/// Reads a snapshot.
pub(crate) fn read(
    snapshot: &v1::Snapshot,
    own: &SpiffeId,
    current: &Enforced,
) -> Result<Read, SnapshotError> {
    let revision = newer(snapshot.revision, current.revision())?;
    if current.quarantined_at.is_none() {
        return Err(SnapshotError::BeforeQuarantines);
    }
    if snapshot.policy_language != POLICY_LANGUAGE {
        return Err(SnapshotError::Language { found: snapshot.policy_language });
    }
    let found = identity_from_wire("identity", &snapshot.identity)?;
    if found != *own {
        return Err(SnapshotError::Foreign { found, own: own.clone() });
    }
    let bundles = snapshot.bundles.iter().map(|bundle| bundle_from_wire("bundles", Some(bundle)));
    Ok(Read {
        policies: policies(snapshot, own.trust_domain(), revision)?,
        revision,
        destinations: snapshot.destinations.iter().map(destination).collect::<Result<_, _>>()?,
        protocol: protocol(snapshot.protocol, || "the workload itself".to_owned())?,
        ports: snapshot.ports.iter().map(port).collect::<Result<_, _>>()?,
        posture: posture(snapshot.posture, snapshot.observe_until_ms)?,
        egress: egress(snapshot.egress)?,
        bundles: bundles.collect::<Result<_, _>>()?,
    })
}

/// A revision never goes back (R5).
pub(super) fn newer(
    revision: Option<v1::Revision>,
    current: Option<Revision>,
) -> Result<Revision, SnapshotError> {
    let new: Revision = revision.ok_or(SnapshotError::NoRevision)?.into();
    match current.filter(|current| new < *current) {
        Some(current) => Err(SnapshotError::GoesBack { new, current }),
        None => Ok(new),
    }
}

/// The policies are read also where nothing may be decided by them: what cannot be read is never passed over.
fn policies(
    snapshot: &v1::Snapshot,
    trust_domain: &TrustDomain,
    revision: Revision,
) -> Result<PolicySet, SnapshotError> {
    let policies = snapshot.policies.iter().map(policy_from_wire);
    let policies = policies.collect::<Result<Vec<_>, _>>()?;
    let compiled = PolicySet::compile(trust_domain, &policies, revision)?;
    Ok(match snapshot.refuse_all.as_str() {
        "" => compiled,
        reason => PolicySet::refuse_all(reason),
    })
}

fn port((port, number): (&u32, &i32)) -> Result<(u16, Protocol), SnapshotError> {
    let port = u16::try_from(*port).ok().filter(|port| *port > 0).ok_or(SnapshotError::Port(*port))?;
    Ok((port, protocol(*number, || format!("port {port}"))?))
}
