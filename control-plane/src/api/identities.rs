//! `Identities`: the workloads and their newest svids, as they were issued or, from before this start, presented.

use kith_proto::convert::to_millis;
use kith_proto::v1;

use super::AdminService;
use super::named::{self, NoSuch};
use crate::index::{Workload, World};

/// Those that a name means, or all.
pub(super) fn identities(service: &AdminService, name: &str) -> Result<v1::IdentitiesResponse, NoSuch> {
    let world = service.worlds.now();
    let identities = match name {
        "" => world.workloads().map(|workload| identity(service, &world, workload)).collect(),
        name => {
            let named = named::workloads(&world, name)?;
            named.into_iter().map(|workload| identity(service, &world, workload)).collect()
        }
    };
    Ok(v1::IdentitiesResponse { identities })
}

fn identity(service: &AdminService, world: &World, workload: &Workload) -> v1::Identity {
    let standing = service.acks.standing(&workload.id);
    let issued = service.issued.newest(&workload.id);
    let (serial, not_after_ms) = match &standing.svid {
        Some((serial, not_after)) => (serial.to_string(), to_millis(*not_after)),
        None => (String::new(), 0),
    };
    let mut answer = v1::Identity {
        name: workload.name.clone(),
        identity: workload.identity.to_string(),
        serial,
        not_after_ms,
        issued: issued.as_ref().map_or(0, |svid| svid.issued),
        connected: standing.connected,
        quarantined: world.is_cut_off(workload),
        ..v1::Identity::default()
    };
    // What is known of one svid is not said of another.
    if let Some(svid) = issued.filter(|svid| svid.serial.to_string() == answer.serial) {
        answer.not_before_ms = to_millis(svid.not_before);
        // What is quarantined is not renewed, so that nothing is due.
        if !answer.quarantined {
            answer.renew_from_ms = to_millis(svid.renew_from);
            answer.renew_until_ms = to_millis(svid.renew_until);
        }
        answer.key_sha256 = svid.key_hash.to_string();
    }
    answer
}
