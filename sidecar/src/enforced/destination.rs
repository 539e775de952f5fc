//! Where calls of the workload may go, and what is spoken there. Owns the reading of destinations; which of their endpoints
//! a call takes is `outbound`'s.

use std::net::SocketAddr;

use kith_proto::convert::identity_from_wire;
use kith_proto::v1;

use super::read::SnapshotError;
use crate::session::SessionTarget;

/// What the workload may reach under a name that it declared, or at an address that it subscribed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    /// None: known, and not reachable now.
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) protocol: Protocol,
    /// The service behind an address, `namespace/name`.
    pub(crate) service: Option<String>,
    /// Nothing of the mesh is there: `egress` decides, and the call goes to the address itself.
    pub(crate) outside: bool,
}

/// One place where a destination is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// Behind a sidecar, which must prove who it is.
    Meshed(SessionTarget),
    /// Without a sidecar: `egress` decides.
    Plain(SocketAddr),
}

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Told from the first bytes.
    Detected,
    /// Declared to be HTTP.
    Http,
    /// Declared to be bytes that are not looked into.
    Opaque,
    /// The same, and declared to be TLS of the application's own.
    Tls,
}

/// One destination and its name.
pub(super) fn destination(wire: &v1::Destination) -> Result<(String, Destination), SnapshotError> {
    let name = wire.name.clone();
    if wire.outside && !wire.endpoints.is_empty() {
        return Err(SnapshotError::OutsideWithEndpoints { name });
    }
    let endpoints = wire.endpoints.iter().map(|wire| endpoint(&name, wire));
    let endpoints = endpoints.collect::<Result<_, SnapshotError>>()?;
    let protocol = protocol(wire.protocol, || format!("destination {name}"))?;
    let service = Some(wire.service.clone()).filter(|service| !service.is_empty());
    Ok((name, Destination { endpoints, protocol, service, outside: wire.outside }))
}

fn endpoint(destination: &str, wire: &v1::Endpoint) -> Result<Endpoint, SnapshotError> {
    let address = wire.address.parse().map_err(|_| SnapshotError::Address {
        name: destination.to_owned(),
        address: wire.address.clone(),
    })?;
    if wire.identity.is_empty() {
        return Ok(Endpoint::Plain(address));
    }
    let identity = identity_from_wire("destinations.endpoints.identity", &wire.identity)?;
    Ok(Endpoint::Meshed(SessionTarget { address, identity }))
}

/// `of` names what speaks it, for an error.
pub(super) fn protocol(number: i32, of: impl FnOnce() -> String) -> Result<Protocol, SnapshotError> {
    match v1::Protocol::try_from(number) {
        Ok(v1::Protocol::Unspecified) => Ok(Protocol::Detected),
        Ok(v1::Protocol::Http) => Ok(Protocol::Http),
        Ok(v1::Protocol::Tcp) => Ok(Protocol::Opaque),
        Ok(v1::Protocol::Tls) => Ok(Protocol::Tls),
        Err(_) => Err(SnapshotError::Protocol { of: of(), number }),
    }
}
