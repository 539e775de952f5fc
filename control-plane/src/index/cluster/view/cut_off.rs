//! Who is cut off, by all quarantines together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use kith_identity::SpiffeId;

use crate::index::WorkloadId;
use crate::index::cluster::quarantine::QuarantineObject;
use crate::index::cluster::table::Table;
use crate::quarantine::QuarantineObjects;

type Identities = BTreeMap<SpiffeId, (SystemTime, Arc<str>)>;

/// Identities, each since the first quarantine that means it, and with that one's reason; and single workloads.
pub(in crate::index::cluster) fn cut_off(
    quarantines: &Table<QuarantineObject>,
) -> (Identities, BTreeSet<WorkloadId>) {
    let mut identities = Identities::new();
    for (_, quarantine) in quarantines.iter() {
        let Some((identity, reason)) = quarantine.identity() else { continue };
        let known = identities.get(identity).is_some_and(|(since, _)| *since <= quarantine.since);
        if !known {
            identities.insert(identity.clone(), (quarantine.since, reason.clone()));
        }
    }
    let workloads = quarantines.iter().flat_map(|(_, quarantine)| quarantine.workloads()).cloned();
    (identities, workloads.collect())
}

/// The objects that cut somebody off, as far as they are in force.
pub(in crate::index::cluster) fn quarantine_objects(
    quarantines: &Table<QuarantineObject>,
) -> QuarantineObjects {
    quarantines
        .iter()
        .filter_map(|(key, quarantine)| Some((key.name.clone(), quarantine.cut_off()?)))
        .collect()
}
