//! What a cluster says, kind by kind, and the one view of it that the world is made of. Owns what is kept of each object
//! (a file per kind: only what is used), and how kinds are put together (`view`). Does no I/O, looks at no clock, and
//! never panics, whatever the objects hold.
//!
//! ```text
//! Change ──► Cluster::take ──► a table per kind ──► Cluster::view ──► World::replace_cluster
//!                                    └─────────────► facts: what admission, attestation and status ask
//! ```
//!
//! The order in which objects of different kinds become known makes no difference to the view.

mod address;
mod endpoint_slice;
mod facts;
mod key;
mod namespace;
mod pod;
mod policy;
mod protocol;
mod quarantine;
mod reach;
mod service;
mod service_account;
mod table;
mod view;
pub(crate) mod vocabulary;

use std::collections::BTreeSet;

use kith_identity::TrustDomain;

pub(crate) use endpoint_slice::{EndpointSlice, SERVICE_LABEL};
pub(crate) use facts::{Facts, ObjectFacts};
pub(crate) use key::{Key, Unreadable};
pub(crate) use namespace::NamespaceObject;
pub(crate) use pod::{MOST_LABELS, Pod, labels_too_large};
pub(crate) use policy::{PolicyObject, policy_too_large};
pub(crate) use quarantine::QuarantineObject;
pub(crate) use reach::Present;
pub(crate) use service::Service;
pub(crate) use service_account::ServiceAccount;
pub(crate) use table::Event;

use self::table::Table;
use super::ClusterView;

/// One kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Namespaces,
    Pods,
    Services,
    EndpointSlices,
    ServiceAccounts,
    AuthorizationPolicies,
    Quarantines,
}

impl Kind {
    /// All of them: what has to be known before anything is said of the cluster.
    pub(crate) const ALL: [Self; 7] = [
        Self::Namespaces,
        Self::Pods,
        Self::Services,
        Self::EndpointSlices,
        Self::ServiceAccounts,
        Self::AuthorizationPolicies,
        Self::Quarantines,
    ];

    /// As Kubernetes names the resource.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Pods => "pods",
            Self::Services => "services",
            Self::EndpointSlices => "endpointslices",
            Self::ServiceAccounts => "serviceaccounts",
            Self::AuthorizationPolicies => "authorizationpolicies",
            Self::Quarantines => "quarantines",
        }
    }
}

/// Something that happened to objects of one kind.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Namespaces(Event<NamespaceObject>),
    Pods(Event<Pod>),
    Services(Event<Service>),
    EndpointSlices(Event<EndpointSlice>),
    ServiceAccounts(Event<ServiceAccount>),
    AuthorizationPolicies(Event<PolicyObject>),
    Quarantines(Event<QuarantineObject>),
}

impl Change {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Namespaces(_) => Kind::Namespaces,
            Self::Pods(_) => Kind::Pods,
            Self::Services(_) => Kind::Services,
            Self::EndpointSlices(_) => Kind::EndpointSlices,
            Self::ServiceAccounts(_) => Kind::ServiceAccounts,
            Self::AuthorizationPolicies(_) => Kind::AuthorizationPolicies,
            Self::Quarantines(_) => Kind::Quarantines,
        }
    }

    /// Whether it is the whole list of its kind.
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Self::Namespaces(event) => event.is_whole(),
            Self::Pods(event) => event.is_whole(),
            Self::Services(event) => event.is_whole(),
            Self::EndpointSlices(event) => event.is_whole(),
            Self::ServiceAccounts(event) => event.is_whole(),
            Self::AuthorizationPolicies(event) => event.is_whole(),
            Self::Quarantines(event) => event.is_whole(),
        }
    }
}

/// Everything that is known of a cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    trust_domain: TrustDomain,
    namespaces: Table<NamespaceObject>,
    pods: Table<Pod>,
    services: Table<Service>,
    endpoint_slices: Table<EndpointSlice>,
    service_accounts: Table<ServiceAccount>,
    policies: Table<PolicyObject>,
    quarantines: Table<QuarantineObject>,
}

impl Cluster {
    /// Nothing is known yet.
    pub(crate) fn new(trust_domain: TrustDomain) -> Self {
        Self {
            trust_domain,
            namespaces: Table::default(),
            pods: Table::default(),
            services: Table::default(),
            endpoint_slices: Table::default(),
            service_accounts: Table::default(),
            policies: Table::default(),
            quarantines: Table::default(),
        }
    }

    /// Takes in what happened; whether anything that is kept differs from before. Most of what is told of a pod is
    /// about what is not kept of it.
    pub(crate) fn take(&mut self, change: Change) -> bool {
        match change {
            Change::Namespaces(event) => self.namespaces.take(event),
            Change::Pods(Event::Apply(key, pod)) => {
                self.quarantines.values_mut().for_each(|quarantine| quarantine.see(&key, &pod));
                self.pods.take(Event::Apply(key, pod))
            }
            Change::Pods(event) => {
                let differs = self.pods.take(event);
                self.remember_who_is_cut();
                differs
            }
            Change::Services(event) => self.services.take(event),
            Change::EndpointSlices(event) => self.endpoint_slices.take(event),
            Change::ServiceAccounts(event) => self.service_accounts.take(event),
            Change::AuthorizationPolicies(event) => self.policies.take(event),
            Change::Quarantines(event) => {
                let differs = self.quarantines.take(event);
                self.remember_who_is_cut();
                differs
            }
        }
    }

    /// All of it as the world takes it.
    pub(crate) fn view(&self) -> ClusterView {
        let pods = view::Pods::of(&self.pods);
        let declared = view::declared_ports(&self.endpoint_slices, &pods);
        let (quarantines, cut) = view::cut_off(&self.quarantines);
        ClusterView {
            policies: self.policies.iter().filter_map(|(_, policy)| policy.in_force().cloned()).collect(),
            workloads: view::workloads(&self.trust_domain, &pods, &self.service_accounts, &declared),
            services: view::services(&self.services, &self.endpoint_slices, &pods),
            namespaces: view::namespaces(&self.namespaces, &self.policies),
            quarantines,
            cut,
            quarantine_objects: view::quarantine_objects(&self.quarantines),
        }
    }

    /// A pod that is gone may still hold an svid: whoever was meant by a quarantine once is meant until it ends. So this
    /// happens at every change, and not only when somebody looks.
    fn remember_who_is_cut(&mut self) {
        let pods = &self.pods;
        let live = || pods.iter().map(|(_, pod)| pod.id().clone()).collect::<BTreeSet<_>>();
        for quarantine in self.quarantines.values_mut() {
            if quarantine.means_pods() {
                pods.iter().for_each(|(key, pod)| quarantine.see(key, pod));
                quarantine.forget_the_oldest(live);
            }
        }
    }
}

#[cfg(test)]
mod tests;
