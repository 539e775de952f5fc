//! Whom a call is for: the endpoint, and the identity that it must prove; or an address outside the mesh, as far as the
//! namespace's `egress` lets calls go there.

use std::net::SocketAddr;
use std::sync::Arc;

use kith_identity::SpiffeId;

use super::Balance;
use super::balance::below;
use super::outgoing::Outgoing;
use crate::enforce::Subject;
use crate::enforced::{Destination, Egress, Endpoint, Enforced};
use crate::refusal::Refusal;
use crate::session::{Carrier, Pool, SessionTarget};
use crate::worker::{Shared, Worker};

/// The reason of a call on a connection that began in the mesh, and would go in the clear if it began now.
pub(super) const LEFT_THE_MESH: &str = "left_the_mesh";

/// How a connection goes on.
#[derive(Debug)]
pub(super) enum Way {
    /// To sidecars: each of its calls takes one.
    Meshed,
    /// In the clear, as a whole.
    Plain(Plain),
}

/// Where a connection goes that leaves the mesh.
#[derive(Debug)]
pub(super) struct Plain {
    /// To one of these; there is one at least.
    pub(super) addresses: Vec<SocketAddr>,
    /// What the connection is judged by for as long as it is open.
    pub(super) subject: Subject,
    /// What `egress: Deny` would have said, where that is only observed.
    pub(super) would_deny: Option<Refusal>,
}

/// The endpoint that a call takes, and those that it might take instead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice<'a> {
    pub(super) target: &'a SessionTarget,
    all: &'a [Endpoint],
    pub(super) balance: &'a Balance,
}

/// Decides how a connection goes on. Where only some of the endpoints have a sidecar yet, and `egress` lets calls go to
/// the others, those get their share: all of the load on the few would be an outage.
pub(super) fn way(shared: &Shared, enforced: &Enforced, outgoing: &Outgoing) -> Result<Way, Refusal> {
    let destination = destination(shared, enforced, outgoing)?;
    let addresses: Vec<_> = match outgoing.address {
        Some(address) if destination.outside => vec![address],
        _ => destination.endpoints.iter().filter_map(plain).collect(),
    };
    let meshed = destination.endpoints.iter().filter_map(meshed).count();
    if addresses.is_empty() {
        return Ok(Way::Meshed);
    }
    let to: Arc<str> = destined(destination, outgoing).into();
    let would_deny = match egress(shared, enforced, outgoing) {
        Egress::Deny if meshed == 0 => return Err(Refusal::egress_denied(&to)),
        Egress::Deny => return Ok(Way::Meshed),
        Egress::Observe => Some(Refusal::egress_denied(&to)),
        Egress::Allow => None,
    };
    if below(meshed + addresses.len()).is_some_and(|drawn| drawn < meshed) {
        return Ok(Way::Meshed);
    }
    let subject = if asks_names(shared, outgoing) { Subject::Names } else { Subject::Egress(to) };
    Ok(Way::Plain(Plain { addresses, subject, would_deny }))
}

/// The endpoint that a call takes. The expected identity is the endpoint's own. Whether it may be called is asked after
/// this, so that a refusal can name it.
pub(super) fn choose<'a, C: Carrier>(
    worker: &'a Worker,
    pool: &Pool<C>,
    enforced: &'a Enforced,
    outgoing: &Outgoing,
) -> Result<Choice<'a>, Refusal> {
    let known = destination(&worker.shared, enforced, outgoing)?;
    let (all, balance) = (known.endpoints.as_slice(), &worker.balance);
    if let [Endpoint::Meshed(target)] = all {
        return Ok(Choice { target, all, balance });
    }
    let targets: Vec<_> = all.iter().filter_map(meshed).collect();
    let picked = balance.pick(&targets, |target| target.address, |target| pool.open_calls(target));
    match picked {
        Some(target) => Ok(Choice { target, all, balance }),
        None if all.is_empty() && !known.outside => {
            let detail = format!("destination {} has no endpoint", destined(known, outgoing));
            Err(Refusal::unavailable("no_endpoint", detail))
        }
        None if egress(&worker.shared, enforced, outgoing) == Egress::Deny => {
            Err(Refusal::egress_denied(&destined(known, outgoing)))
        }
        None => Err(Refusal::unavailable(
            LEFT_THE_MESH,
            format!("{} has no sidecar any more; a new connection gets there", destined(known, outgoing)),
        )),
    }
}

/// The same endpoint, unless one of the two is cut off.
pub(super) fn permitted<'a>(
    enforced: &Enforced,
    own: &SpiffeId,
    choice: Choice<'a>,
) -> Result<Choice<'a>, Refusal> {
    enforced.check_pair(own, &choice.target.identity)?;
    Ok(choice)
}

impl<'a> Choice<'a> {
    /// Another endpoint, of the same identity: what was decided and logged about the call holds there too.
    pub(super) fn other(&self) -> Option<&'a SessionTarget> {
        let others =
            self.all.iter().filter_map(meshed).filter(|other| {
                other.identity == self.target.identity && other.address != self.target.address
            });
        let others: Vec<_> = others.collect();
        self.balance.pick(&others, |other| other.address, |_| 0)
    }
}

fn destination<'a>(
    shared: &Shared,
    enforced: &'a Enforced,
    outgoing: &Outgoing,
) -> Result<&'a Destination, Refusal> {
    outgoing.check()?;
    enforced.check_self()?;
    if enforced.revision().is_none() {
        return Err(Refusal::unavailable("not_ready", "no snapshot from the control plane yet"));
    }
    let name = &outgoing.name;
    enforced.destination(name).ok_or_else(|| {
        let detail = match (outgoing.address, shared.subscriptions.is_connected()) {
            (None, _) => format!("destination {name} is not in the snapshot; is it declared under calls?"),
            (_, true) => {
                format!("the control plane is connected, and has not said in time what is at {name}")
            }
            (_, false) => format!("nobody says what is at {name}: the control plane is not connected"),
        };
        Refusal::unavailable("unknown_destination", detail)
    })
}

/// What the namespace says of calls out of the mesh. Without its names a pod is broken, and over UDP they pass by: long
/// answers are not egress.
fn egress(shared: &Shared, enforced: &Enforced, outgoing: &Outgoing) -> Egress {
    if asks_names(shared, outgoing) { Egress::Allow } else { enforced.egress(shared.clock.now()) }
}

fn asks_names(shared: &Shared, outgoing: &Outgoing) -> bool {
    outgoing.address.zip(shared.capture.own()).is_some_and(|(address, own)| own.is_resolver(address))
}

fn meshed(endpoint: &Endpoint) -> Option<&SessionTarget> {
    match endpoint {
        Endpoint::Meshed(target) => Some(target),
        Endpoint::Plain(_) => None,
    }
}

fn plain(endpoint: &Endpoint) -> Option<SocketAddr> {
    match endpoint {
        Endpoint::Meshed(_) => None,
        Endpoint::Plain(address) => Some(*address),
    }
}

/// The destination as people know it.
fn destined(destination: &Destination, outgoing: &Outgoing) -> String {
    match &destination.service {
        Some(service) => format!("{service} ({})", outgoing.name),
        None => outgoing.name.to_string(),
    }
}
