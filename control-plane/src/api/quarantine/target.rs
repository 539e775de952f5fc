//! Whom a person means by a quarantine, and who that is now. Owns the reading of what was asked, and the list of what is
//! hit.

use kith_identity::{SpiffeId, SpiffeIdError};
use kith_policy::document::quarantine::QuarantineTarget;
use kith_policy::document::{Name, NameError};
use kith_proto::v1;
use kith_proto::v1::quarantine_target::Of;
use tonic::Status;

use crate::api::AdminService;
use crate::api::named::{self, NoSuch};
use crate::index::{Workload, World};
use crate::quarantine::Target;

/// Why nobody is meant.
#[derive(Debug, thiserror::Error)]
pub(in crate::api) enum NoTarget {
    #[error("nobody is named; name a workload, a service account, a pod or a node")]
    Nobody,
    #[error(transparent)]
    NoSuch(#[from] NoSuch),
    #[error("the service account {namespace}/{name} has no identity: {error}")]
    Account { namespace: String, name: String, error: SpiffeIdError },
    #[error(transparent)]
    Name(#[from] NameError),
}

impl From<NoTarget> for Status {
    fn from(error: NoTarget) -> Self {
        match error {
            NoTarget::NoSuch(error) => error.into(),
            other => Self::invalid_argument(other.to_string()),
        }
    }
}

/// Whom somebody means who wants them cut off: also an identity, a pod or a node that there is not, or not yet.
pub(super) fn named(world: &World, asked: Option<v1::QuarantineTarget>) -> Result<Target, NoTarget> {
    Ok(match asked.and_then(|asked| asked.of).ok_or(NoTarget::Nobody)? {
        Of::Workload(text) => Target::Identity(named::identity(world, &text)?),
        Of::ServiceAccount(v1::NamespacedName { namespace, name }) => {
            let identity = SpiffeId::for_service_account(&world.trust_domain, &namespace, &name);
            Target::Identity(identity.map_err(|error| NoTarget::Account { namespace, name, error })?)
        }
        Of::Pod(v1::NamespacedName { namespace, name }) => Target::Pod {
            namespace: Name::parse(&namespace)?.to_string(),
            name: Name::parse(&name)?.to_string(),
        },
        Of::Node(name) => Target::Node(Name::parse(&name)?.to_string()),
    })
}

/// The same as an object of a cluster names it; `None` where no object could.
pub(super) fn as_written(target: &Target) -> Option<QuarantineTarget> {
    let name = |text: &str| Name::parse(text).ok();
    Some(match target {
        Target::Identity(identity) => QuarantineTarget::Identity(identity.clone()),
        Target::Pod { namespace, name: pod } => {
            QuarantineTarget::Pod { namespace: name(namespace)?, name: name(pod)? }
        }
        Target::Node(node) => QuarantineTarget::Node(name(node)?),
    })
}

/// The workloads that it means and that run now.
pub(in crate::api) fn workloads<'a>(world: &'a World, target: &Target) -> Vec<&'a Workload> {
    world.workloads().filter(|workload| means(target, workload)).collect()
}

/// Whether it means this workload.
pub(in crate::api) fn means(target: &Target, workload: &Workload) -> bool {
    match target {
        Target::Identity(identity) => workload.identity == *identity,
        Target::Pod { namespace, name } => workload.namespace == *namespace && workload.pod() == Some(name),
        Target::Node(node) => workload.node.as_ref() == Some(node),
    }
}

/// For the wire.
pub(super) fn hit(service: &AdminService, workload: &Workload) -> v1::HitWorkload {
    v1::HitWorkload {
        name: workload.name.clone(),
        identity: workload.identity.to_string(),
        connected: service.acks.standing(&workload.id).connected,
    }
}
