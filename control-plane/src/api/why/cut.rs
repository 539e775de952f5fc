//! Whether the pods of a refused call are cut off now, although their identities are not. Owns which pods they were: a
//! line names identities, and the svids of its session tell pods apart as long as those hold.

use kith_identity::SpiffeId;
use kith_identity::svid::Serial;
use kith_proto::quarantined::Quarantined;

use super::find::Found;
use super::line::Line;
use crate::api::cut_off;
use crate::api::quarantine::target;
use crate::index::{Workload, World};
use crate::quarantine::Target;
use crate::stream::issued::IssuedSvids;

/// What is to be said of somebody who is cut off.
#[derive(Debug)]
pub(super) struct Still {
    pub(super) sentence: String,
    /// Whether it is a pod of this very call, or only may be.
    pub(super) certain: bool,
}

/// `None` when none of them is cut off by itself: then identities and policies decide.
pub(super) fn still(world: &World, issued: &IssuedSvids, found: &Found, line: &Line) -> Option<Still> {
    let certain = |sentence| Still { sentence, certain: true };
    if let Some(sentence) = line.serials().iter().find_map(|serial| holder(world, issued, serial)) {
        return Some(certain(sentence));
    }
    let (serial, identity) = match line.blamed()? {
        Quarantined::Own => (line.own_serial(), Some(&found.reporter)),
        Quarantined::Holder(serial) => (Some(serial), line.other_end().or(found.denial.source.as_ref())),
    };
    let holds =
        |workload: &Workload| serial.as_ref().is_some_and(|serial| issued.holds(&workload.id, serial));
    // Whose it was is known, and that one is not cut off any more.
    if world.workloads().any(holds) {
        return None;
    }
    of_identity(world, identity).map(|sentence| Still { sentence, certain: false })
}

/// Who is cut off and holds this svid.
fn holder(world: &World, issued: &IssuedSvids, serial: &Serial) -> Option<String> {
    let holder = world.cut.workloads.iter().find(|id| issued.holds(id, serial));
    match holder.map(|id| world.workload(id)) {
        Some(Ok(workload)) => Some(format!(
            "quarantined: {}, which no policy outweighs; {}",
            cut_off::told(world, &[workload]),
            cut_off::lift(world, &[workload])
        )),
        None if !world.cut.serials.contains(serial) => None,
        Some(Err(_)) | None => {
            Some(format!("the holder of the svid {serial}, which is gone by now, is quarantined"))
        }
    }
}

/// Whom of an identity somebody meant who wrote no svid, or one that ended since.
fn of_identity(world: &World, identity: Option<&SpiffeId>) -> Option<String> {
    let meant = |workload: &&Workload| identity.is_none_or(|identity| workload.identity == *identity);
    let all: Vec<_> = world.workloads().filter(meant).collect();
    let cut = cut_off::among(world, &all);
    if !cut.is_empty() {
        let (told, lift) = (cut_off::told(world, &cut), cut_off::lift(world, &cut));
        let whose = match all.len() == cut.len() {
            true => "",
            false => ", and whether it was one of these is not known any more",
        };
        return Some(format!("quarantined: {told}{whose}; {lift}"));
    }
    // Of a pod that is gone nobody knows the identity any more.
    let gone = world.cut.workloads.iter().any(|id| world.workload(id).is_err());
    let objects = cut_off::objects(world, |target| match target {
        Target::Pod { .. } => target::workloads(world, target).is_empty(),
        Target::Node(_) | Target::Identity(_) => true,
    });
    (gone && !objects.is_empty()).then(|| {
        let objects = objects.join(" and ");
        format!("a pod that is gone by now is still quarantined, by {objects}; it may have been that one")
    })
}

#[cfg(test)]
mod tests;
