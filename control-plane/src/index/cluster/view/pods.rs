//! Pods, found by their uid and by their address.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::index::cluster::Key;
use crate::index::cluster::endpoint_slice::Endpoint;
use crate::index::cluster::pod::Pod;
use crate::index::cluster::table::Table;
use crate::index::{PodAddress, WorkloadId};

/// A pod and its name.
pub(super) type Named<'a> = (&'a Key, &'a Pod);

/// All pods of a cluster.
pub(in crate::index::cluster) struct Pods<'a> {
    all: Vec<Named<'a>>,
    by_uid: HashMap<&'a str, Named<'a>>,
    by_address: BTreeMap<IpAddr, Named<'a>>,
}

/// Who an endpoint is.
pub(super) enum Who<'a> {
    Pod(Named<'a>),
    /// Nobody that the cluster runs.
    Stranger,
    /// A pod that is not known: gone, or not known yet. Its address may be somebody else's by now.
    Unknown,
}

impl<'a> Pods<'a> {
    pub(in crate::index::cluster) fn of(table: &'a Table<Pod>) -> Self {
        let all: Vec<_> = table.iter().collect();
        let by_uid = all.iter().map(|(key, pod)| (pod.id().as_str(), (*key, *pod))).collect();
        let mut by_address = BTreeMap::<IpAddr, Named<'a>>::new();
        for (key, pod) in all.iter().copied().filter(|(_, pod)| pod.has_own_address()) {
            for ip in &pod.ips {
                let known = by_address.get(ip).is_some_and(|(_, other)| !pod.prevails_over(other));
                if !known {
                    by_address.insert(*ip, (key, pod));
                }
            }
        }
        Self { all, by_uid, by_address }
    }

    /// In the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = Named<'a>> {
        self.all.iter().copied()
    }

    pub(super) fn has_address(&self, address: IpAddr) -> bool {
        self.by_address.contains_key(&address)
    }

    /// Who an endpoint of a slice in this namespace is: the pod that it names, or else the one that has its address.
    pub(super) fn behind(&self, namespace: &str, endpoint: &Endpoint) -> Who<'a> {
        let at_address = self.by_address.get(&endpoint.address);
        let Some(uid) = &endpoint.pod else {
            return at_address.map_or(Who::Stranger, |named| Who::Pod(*named));
        };
        let named = self.by_uid.get(uid.as_str()).filter(|(key, _)| key.namespace == namespace);
        match (named, at_address) {
            // The slice is from before the address was given to somebody else.
            (Some((_, pod)), Some((_, other))) if pod.id() != other.id() => Who::Unknown,
            (Some(named), _) => Who::Pod(*named),
            (None, _) => Who::Unknown,
        }
    }

    /// Every pod by its address; not those that share their node's.
    pub(super) fn addresses(&self) -> BTreeMap<IpAddr, PodAddress> {
        let entry = |(ip, (key, pod)): (&IpAddr, &Named<'a>)| {
            (*ip, PodAddress { pod: key.to_string(), workload: workload(pod) })
        };
        self.by_address.iter().map(entry).collect()
    }
}

/// What a pod is to others. One that has a sidecar is named also where it is no workload that may be called: what is
/// behind that name is then nobody, and never a pod without a sidecar.
pub(super) fn workload(pod: &Pod) -> Option<WorkloadId> {
    pod.is_in_mesh().then(|| pod.id().clone())
}
