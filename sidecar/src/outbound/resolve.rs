//! Whom a call is for: the endpoint, and the identity that it must prove.

use kith_identity::SpiffeId;

use crate::enforced::Enforced;
use crate::refusal::Refusal;
use crate::session::SessionTarget;

/// The endpoint of a declared destination. The expected identity is the endpoint's own. Whether it may be called is asked
/// after this, so that a refusal can name it.
pub(super) fn resolve(enforced: &Enforced, destination: &str) -> Result<SessionTarget, Refusal> {
    if enforced.revision().is_none() {
        return Err(Refusal::unavailable("not_ready", "no snapshot from the control plane yet"));
    }
    // One endpoint for each destination in explicit-port mode; choosing among several comes with balancing.
    match enforced.destination(destination).map(|known| known.endpoints.first()) {
        Some(Some(target)) => Ok(target.clone()),
        Some(None) => {
            Err(Refusal::unavailable("no_endpoint", format!("destination {destination} has no endpoint")))
        }
        None => Err(Refusal::unavailable(
            "unknown_destination",
            format!("destination {destination} is not in the snapshot; is it declared under calls?"),
        )),
    }
}

/// The same endpoint, unless one of the two is cut off.
pub(super) fn permitted(
    enforced: &Enforced,
    own: &SpiffeId,
    target: SessionTarget,
) -> Result<SessionTarget, Refusal> {
    enforced.check_pair(own, &target.identity)?;
    Ok(target)
}
