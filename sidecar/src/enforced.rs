//! What the sidecar enforces: one immutable value, made whole from one snapshot and swapped whole.

use std::collections::BTreeMap;

use kith_identity::{BundleSet, SpiffeId, TrustDomain};
use kith_policy::{PolicySet, Revision};
use kith_proto::convert::{bundle_from_wire, identity_from_wire, policy_from_wire};
use kith_proto::{POLICY_LANGUAGE, v1};

use crate::session::SessionTarget;

/// The policies of the workload and the destinations that it declared.
#[derive(Debug)]
pub(crate) struct Enforced {
    pub(crate) policies: PolicySet,
    destinations: BTreeMap<String, Vec<SessionTarget>>,
}

/// Why a snapshot is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("the snapshot has no revision")]
    NoRevision,
    #[error("revision {new} goes back behind {current}")]
    GoesBack { new: Revision, current: Revision },
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
}

impl Enforced {
    /// Where every sidecar starts: everything is refused.
    pub(crate) fn nothing() -> Self {
        let policies = PolicySet::refuse_all("no snapshot from the control plane yet");
        Self { policies, destinations: BTreeMap::new() }
    }

    /// The endpoints of a destination.
    pub(crate) fn destination(&self, name: &str) -> Option<&[SessionTarget]> {
        self.destinations.get(name).map(Vec::as_slice)
    }

    /// The revision in force, once there is one.
    pub(crate) fn revision(&self) -> Option<Revision> {
        self.policies.revision()
    }
}

/// Reads a snapshot; one unreadable part refuses all of it (P41).
pub(crate) fn read(
    snapshot: &v1::Snapshot,
    own: &SpiffeId,
    current: Option<Revision>,
) -> Result<(Enforced, BundleSet), SnapshotError> {
    let revision: Revision = snapshot.revision.ok_or(SnapshotError::NoRevision)?.into();
    if let Some(current) = current.filter(|current| revision < *current) {
        return Err(SnapshotError::GoesBack { new: revision, current }); // R5
    }
    if snapshot.policy_language != POLICY_LANGUAGE {
        return Err(SnapshotError::Language { found: snapshot.policy_language });
    }
    let found = identity_from_wire("identity", &snapshot.identity)?;
    if found != *own {
        return Err(SnapshotError::Foreign { found, own: own.clone() });
    }
    let bundles = snapshot
        .bundles
        .iter()
        .map(|bundle| bundle_from_wire("bundles", Some(bundle)))
        .collect::<Result<_, _>>()?;
    let policies = policies(snapshot, own.trust_domain(), revision)?;
    let destinations = snapshot.destinations.iter().map(destination).collect::<Result<_, _>>()?;
    Ok((Enforced { policies, destinations }, bundles))
}

fn policies(
    snapshot: &v1::Snapshot,
    trust_domain: &TrustDomain,
    revision: Revision,
) -> Result<PolicySet, SnapshotError> {
    let policies = snapshot.policies.iter().map(policy_from_wire);
    let policies = policies.collect::<Result<Vec<_>, _>>()?;
    Ok(PolicySet::compile(trust_domain, &policies, revision)?)
}

fn destination(destination: &v1::Destination) -> Result<(String, Vec<SessionTarget>), SnapshotError> {
    let name = destination.name.clone();
    let endpoints = destination.endpoints.iter().map(|endpoint| {
        let address = endpoint
            .address
            .parse()
            .map_err(|_| SnapshotError::Address { name: name.clone(), address: endpoint.address.clone() })?;
        let identity = identity_from_wire("destinations.endpoints.identity", &endpoint.identity)?;
        Ok(SessionTarget { address, identity })
    });
    let endpoints = endpoints.collect::<Result<_, SnapshotError>>()?;
    Ok((name, endpoints))
}

#[cfg(test)]
mod tests;
