//! Which workloads a tapped line is about. Owns how they are made out: the line names identities, and in a cluster many
//! pods have one. The end whose sidecar wrote the line is the one whose stream brought it; the other one is the holder
//! of the svid that it proved itself with, or, where nobody proved anything, the pod that has its address.

use std::net::SocketAddr;

use kith_identity::SpiffeId;
use kith_identity::svid::Serial;
use kith_proto::v1;
use serde::Deserialize;

use crate::index::World;
use crate::stream::issued::IssuedSvids;
use crate::tapped::TapLine;

/// The fields of a line that say who is at its ends.
#[derive(Debug, Default, Deserialize)]
struct Read {
    #[serde(rename = "kith.direction", default)]
    direction: String,
    #[serde(rename = "kith.source.identity", default)]
    source: String,
    #[serde(rename = "kith.destination.identity", default)]
    destination: String,
    #[serde(rename = "kith.peer.serial", default)]
    peer_serial: String,
    #[serde(rename = "client.address", default)]
    client_address: String,
    #[serde(rename = "server.address", default)]
    server_address: String,
    event: String,
}

/// The names of the workloads at both ends, as far as they are known.
pub(super) fn of(world: &World, issued: &IssuedSvids, line: &TapLine) -> v1::LineEnds {
    let own = world.workload(&line.reporter).map(|workload| workload.name.clone()).unwrap_or_default();
    // The hub has read it before.
    let read = serde_json::from_str::<Read>(&line.text).unwrap_or_default();
    match (read.event.as_str(), read.direction.as_str()) {
        ("call" | "session_refused", "outbound") => {
            // The address of a call's client is that of the own application.
            let address = if read.event == "call" { &read.server_address } else { &read.client_address };
            let destination = other(world, issued, &read, &read.destination, address);
            v1::LineEnds { source: own, destination }
        }
        ("call" | "session_refused", _) => {
            let source = other(world, issued, &read, &read.source, &read.client_address);
            v1::LineEnds { source, destination: own }
        }
        // Somebody is cut off there.
        ("quarantine", _) => v1::LineEnds { destination: own, ..v1::LineEnds::default() },
        _ => v1::LineEnds { source: own, ..v1::LineEnds::default() },
    }
}

fn other(world: &World, issued: &IssuedSvids, read: &Read, identity: &str, address: &str) -> String {
    let identity = SpiffeId::parse(identity).ok();
    let holder = identity.as_ref().and_then(|identity| {
        let serial = Serial::parse(&read.peer_serial)?;
        let mut same = world.workloads.iter().flat_map(|workloads| workloads.of_identity(identity));
        same.find(|workload| issued.holds(&workload.id, &serial))
    });
    match holder {
        Some(workload) => workload.name.clone(),
        None => at(world, identity.as_ref(), address).unwrap_or_default(),
    }
}

/// The pod at an address, unless it is one of another identity: then the address was somebody else's before.
fn at(world: &World, identity: Option<&SpiffeId>, address: &str) -> Option<String> {
    let address = address.parse::<SocketAddr>().ok()?.ip().to_canonical();
    let there = world.services.pods.get(&address)?;
    let own = there.workload.as_ref().and_then(|id| world.workload(id).ok()).map(|it| &it.identity);
    (identity.is_none() || own == identity).then(|| there.pod.clone())
}

#[cfg(test)]
mod tests;
