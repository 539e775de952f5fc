//! Which port of a workload a question about a call is about. In local mode a workload has one; in a cluster it has those
//! that its containers and services declare, and any other that it listens on.

use std::collections::BTreeSet;

use super::named;
use crate::index::{Workload, World};

/// The question has to name the port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WhichPort {
    #[error("{0} is no port; ports are 1 to 65535")]
    None(u32),
    #[error("rules for {workload} depend on the port ({ports}); say which one is called, with --port")]
    Several { workload: String, ports: String },
}

/// The port that was asked about; where none was, the one that there is. 0 where it makes no difference and nobody
/// declared one.
pub(super) fn asked(world: &World, workload: &Workload, asked: u32) -> Result<u16, WhichPort> {
    let asked = u16::try_from(asked).map_err(|_| WhichPort::None(asked))?;
    if asked != 0 {
        return Ok(asked);
    }
    if workload.port != 0 {
        return Ok(workload.port);
    }
    let declared = declared(world, workload);
    match declared.first() {
        Some(only) if declared.len() == 1 => Ok(*only),
        _ if !matters(world, workload) => Ok(0),
        _ => Err(several(workload, &declared)),
    }
}

/// Those that its containers declare a protocol for, and those that services lead to.
fn declared(world: &World, workload: &Workload) -> BTreeSet<u16> {
    let led_to = world.services.by_address.values().flat_map(|service| &service.endpoints);
    let led_to = led_to.filter(|endpoint| endpoint.workload.as_ref() == Some(&workload.id));
    led_to.map(|endpoint| endpoint.address.port()).chain(workload.ports.keys().copied()).collect()
}

/// Whether any rule for the workload is about ports.
fn matters(world: &World, workload: &Workload) -> bool {
    world.policies_of(workload).flat_map(|policy| &policy.rules).any(|rule| rule.ports.is_some())
}

fn several(workload: &Workload, declared: &BTreeSet<u16>) -> WhichPort {
    let ports: Vec<_> = declared.iter().map(ToString::to_string).collect();
    let ports = format!("declared are: {}", named::list(ports.iter().map(String::as_str)));
    WhichPort::Several { workload: workload.name.clone(), ports }
}

#[cfg(test)]
mod tests;
