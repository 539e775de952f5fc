//! What the sidecar enforces: one immutable value, made whole from what the control plane sent and swapped whole.
//!
//! Two messages make it: a snapshot, which is taken whole or refused whole, and the quarantines, which hold also when a
//! snapshot cannot be read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;
use kith_identity::{BundleSet, SpiffeId, TrustDomain};
use kith_policy::{Call, Denial, PolicySet, Quarantines, Revision, RuleRef, Verdict, evaluate};
use kith_proto::convert::{bundle_from_wire, identity_from_wire, policy_from_wire};
use kith_proto::{POLICY_LANGUAGE, v1};

use crate::refusal::Refusal;
use crate::session::SessionTarget;

/// Everything that decides about a call.
#[derive(Debug, Clone)]
pub(crate) struct Enforced {
    policies: Arc<PolicySet>,
    quarantines: Arc<Quarantines>,
    /// `None` until the control plane said who is quarantined, which may be nobody.
    quarantined_at: Option<Revision>,
    destinations: Arc<BTreeMap<String, Destination>>,
    /// What the workload itself speaks.
    protocol: Protocol,
    /// Grows with each change: what workers acknowledge.
    generation: u64,
}

/// A service that the workload declared to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) endpoints: Vec<SessionTarget>,
    pub(crate) protocol: Protocol,
}

/// What a destination speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Told from the first bytes.
    Detected,
    /// Declared to be HTTP.
    Http,
    /// Declared to be bytes that are not looked into.
    Opaque,
}

/// A snapshot that was read.
#[derive(Debug)]
pub(crate) struct Read {
    policies: PolicySet,
    destinations: BTreeMap<String, Destination>,
    protocol: Protocol,
    pub(crate) bundles: BundleSet,
}

/// Quarantines that were read. What could not be read is told upward; what could is in force.
#[derive(Debug)]
pub(crate) struct ReadQuarantines {
    quarantines: Quarantines,
    pub(crate) revision: Revision,
    pub(crate) unreadable: Option<String>,
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
    #[error("{of}: this sidecar does not know protocol {number}")]
    Protocol { of: String, number: i32 },
}

impl Enforced {
    /// Where every sidecar starts: everything is refused.
    pub(crate) fn nothing() -> Self {
        Self {
            policies: Arc::new(PolicySet::refuse_all("no snapshot from the control plane yet")),
            quarantines: Arc::default(),
            quarantined_at: None,
            destinations: Arc::default(),
            protocol: Protocol::Detected,
            generation: 0,
        }
    }

    /// What tests put in force.
    #[cfg(test)]
    pub(crate) fn of(policies: PolicySet, quarantines: Quarantines) -> Self {
        Self {
            policies: Arc::new(policies),
            quarantines: Arc::new(quarantines),
            generation: 1,
            ..Self::nothing()
        }
    }

    /// The same with another snapshot.
    pub(crate) fn with_snapshot(&self, read: Read) -> Self {
        Self {
            policies: Arc::new(read.policies),
            destinations: Arc::new(read.destinations),
            protocol: read.protocol,
            generation: self.generation + 1,
            ..self.clone()
        }
    }

    /// The same with other quarantines.
    pub(crate) fn with_quarantines(&self, read: ReadQuarantines) -> Self {
        Self {
            quarantines: Arc::new(read.quarantines),
            quarantined_at: Some(read.revision),
            generation: self.generation + 1,
            ..self.clone()
        }
    }

    /// Decides about a call to the workload.
    pub(crate) fn decide(&self, call: &Call<'_>, now: SystemTime) -> Result<RuleRef, Refusal> {
        match evaluate(&self.policies, &self.quarantines, call, now) {
            Verdict::Allow { by } => Ok(by),
            Verdict::Deny { because } => Err(refusal(&because)),
        }
    }

    /// Whether these two may have anything to do with each other; the policies of a call are its destination's.
    pub(crate) fn check_pair(&self, source: &SpiffeId, destination: &SpiffeId) -> Result<(), Refusal> {
        self.quarantines.denial(source, destination).map_or(Ok(()), |because| Err(refusal(&because)))
    }

    /// What the workload itself speaks.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// A destination that the workload declared.
    pub(crate) fn destination(&self, name: &str) -> Option<&Destination> {
        self.destinations.get(name)
    }

    /// The revision of the snapshot in force, once there is one.
    pub(crate) fn revision(&self) -> Option<Revision> {
        self.policies.revision()
    }

    /// Who is cut off.
    pub(crate) fn quarantines(&self) -> &Quarantines {
        &self.quarantines
    }

    /// Grows with each change.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }
}

fn refusal(because: &Denial) -> Refusal {
    let status = match because {
        Denial::AmbiguousPath { .. } => StatusCode::BAD_REQUEST,
        Denial::NotReady { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Denial::Quarantined { .. } | Denial::Rule { .. } | Denial::Default { .. } => StatusCode::FORBIDDEN,
    };
    let mut refusal = Refusal::new(status, because.code(), because.to_string());
    refusal.policy = because.policy().map(str::to_owned);
    refusal.rule = because.rule().map(str::to_owned);
    refusal
}

/// Reads who is quarantined.
pub(crate) fn read_quarantines(
    message: &v1::Quarantines,
    current: &Enforced,
) -> Result<ReadQuarantines, SnapshotError> {
    let revision = newer(message.revision, current.quarantined_at)?;
    let mut unreadable = None;
    let identities = message.identities.iter().filter_map(|text| {
        let identity = identity_from_wire("quarantines", text);
        identity.inspect_err(|error| unreadable = Some(error.to_string())).ok()
    });
    let mut quarantines: Quarantines = identities.collect();
    if unreadable.is_some() {
        // One of them may be the one that cannot be read: nobody is let go by a list like this.
        quarantines = current.quarantines.iter().chain(quarantines.iter()).cloned().collect();
    }
    Ok(ReadQuarantines { quarantines, revision, unreadable })
}

/// Reads a snapshot; one unreadable part refuses all of it (P41).
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
    let bundles = bundles.collect::<Result<_, _>>()?;
    let policies = policies(snapshot, own.trust_domain(), revision)?;
    let destinations = snapshot.destinations.iter().map(destination).collect::<Result<_, _>>()?;
    let protocol = protocol(snapshot.protocol, "the workload itself")?;
    Ok(Read { policies, destinations, protocol, bundles })
}

/// A revision never goes back (R5).
fn newer(revision: Option<v1::Revision>, current: Option<Revision>) -> Result<Revision, SnapshotError> {
    let new: Revision = revision.ok_or(SnapshotError::NoRevision)?.into();
    match current.filter(|current| new < *current) {
        Some(current) => Err(SnapshotError::GoesBack { new, current }),
        None => Ok(new),
    }
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

fn destination(wire: &v1::Destination) -> Result<(String, Destination), SnapshotError> {
    let name = wire.name.clone();
    let endpoints = wire.endpoints.iter().map(|endpoint| {
        let address = endpoint
            .address
            .parse()
            .map_err(|_| SnapshotError::Address { name: name.clone(), address: endpoint.address.clone() })?;
        let identity = identity_from_wire("destinations.endpoints.identity", &endpoint.identity)?;
        Ok(SessionTarget { address, identity })
    });
    let endpoints = endpoints.collect::<Result<_, SnapshotError>>()?;
    let protocol = protocol(wire.protocol, &format!("destination {name}"))?;
    Ok((name, Destination { endpoints, protocol }))
}

fn protocol(wire: i32, of: &str) -> Result<Protocol, SnapshotError> {
    match v1::Protocol::try_from(wire) {
        Ok(v1::Protocol::Unspecified) => Ok(Protocol::Detected),
        Ok(v1::Protocol::Http) => Ok(Protocol::Http),
        Ok(v1::Protocol::Tcp) => Ok(Protocol::Opaque),
        Err(_) => Err(SnapshotError::Protocol { of: of.to_owned(), number: wire }),
    }
}

#[cfg(test)]
mod tests;
