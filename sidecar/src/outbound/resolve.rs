//! Whom a call is for: the endpoint, and the identity that it must prove.

use kith_identity::SpiffeId;

use crate::enforced::Enforced;
use crate::refusal::Refusal;
use crate::session::SessionTarget;

/// The endpoint of a declared destination, unless one of the two is cut off. The expected identity is the endpoint's own.
pub(super) fn resolve(
    enforced: &Enforced,
    own: &SpiffeId,
    destination: &str,
) -> Result<SessionTarget, Refusal> {
    if enforced.revision().is_none() {
        return Err(Refusal::unavailable("not_ready", "no snapshot from the control plane yet"));
    }
    // One endpoint for each destination in explicit-port mode; choosing among several comes with balancing.
    match enforced.destination(destination).map(|known| known.endpoints.first()) {
        Some(Some(target)) => {
            enforced.check_pair(own, &target.identity)?;
            Ok(target.clone())
        }
        Some(None) => {
            Err(Refusal::unavailable("no_endpoint", format!("destination {destination} has no endpoint")))
        }
        None => Err(Refusal::unavailable(
            "unknown_destination",
            format!("destination {destination} is not in the snapshot; is it declared under calls?"),
        )),
    }
}
