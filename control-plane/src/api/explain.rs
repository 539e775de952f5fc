//! `Explain`: what would become of a call, and why. Owns how people name a call; the decision is made by the engine
//! of the sidecars, over the very policies that they were sent.

use std::time::SystemTime;

use kith_identity::SpiffeId;
use kith_policy::explain::explain as explain_call;
use kith_policy::{Call, Request, Verdict, evaluate};
use kith_proto::convert::considered_to_wire;
use kith_proto::v1;
use tonic::Status;

use super::cut_off;
use super::in_force::{Uncompilable, are_alike, policies_of, quarantines};
use super::named::{self, NoSuch};
use super::port::{self, WhichPort};
use super::posture;
use crate::index::{Posture, Workload, World};

/// What is wrong with a question.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadQuestion {
    #[error("there is no workload {name:?} to call{meant}; there are: {names}")]
    Destination { name: String, meant: String, names: String },
    #[error("not the same policies are for all of {name:?}; name one of them: {names}")]
    Differing { name: String, names: String },
    #[error(transparent)]
    Named(#[from] NoSuch),
    #[error(transparent)]
    Port(#[from] WhichPort),
    #[error("a path needs a method: name one, such as GET")]
    PathWithoutMethod,
    #[error("the path {0:?} does not begin with \"/\"")]
    Path(String),
    #[error(transparent)]
    Uncompilable(#[from] Uncompilable),
}

impl From<BadQuestion> for Status {
    fn from(error: BadQuestion) -> Self {
        let text = error.to_string();
        match error {
            BadQuestion::Destination { .. } => Self::not_found(text),
            BadQuestion::Named(error) => error.into(),
            BadQuestion::PathWithoutMethod
            | BadQuestion::Path(_)
            | BadQuestion::Port(_)
            | BadQuestion::Differing { .. } => Self::invalid_argument(text),
            BadQuestion::Uncompilable(error) => error.into(),
        }
    }
}

pub(super) fn explain(
    world: &World,
    question: &v1::ExplainRequest,
    now: SystemTime,
) -> Result<v1::ExplainResponse, BadQuestion> {
    let (source, callers) = source(world, &question.source)?;
    let called = destination(world, &question.destination)?;
    let destination = called[0];
    let port = port::asked(world, destination, question.port)?;
    let (set, quarantines) = (policies_of(world, destination)?, quarantines(world));
    let call =
        Call { source: &source, destination: &destination.identity, port, request: request(question)? };
    let explanation = explain_call(&set, &quarantines, &call);
    let namespace = world.namespace(&destination.namespace);
    let posture = namespace.map(|namespace| posture::at(namespace, now));
    let judged = judged(evaluate(&set, &quarantines, &call, now), posture.unwrap_or_default());
    let Judged { allowed, would_deny, because, policy, rule } =
        with_cut_off(world, [&callers, &called], judged);
    let (posture, observe_until_ms) = posture.map(posture::told).unwrap_or_default();
    Ok(v1::ExplainResponse {
        source: source.to_string(),
        destination: destination.identity.to_string(),
        allowed,
        because,
        policy,
        rule,
        revision: Some(world.revision.into()),
        considered: explanation.considered.iter().map(considered_to_wire).collect(),
        port: port.into(),
        would_deny,
        posture: posture.to_owned(),
        observe_until_ms,
    })
}

/// Whether it is allowed, or let through all the same, why, and the policy and the rule that decided.
struct Judged {
    allowed: bool,
    would_deny: bool,
    because: String,
    policy: String,
    rule: String,
}

/// What sidecars in this posture make of a verdict.
fn judged(verdict: Verdict, posture: Posture) -> Judged {
    match verdict {
        Verdict::Allow { by } => Judged {
            allowed: true,
            would_deny: false,
            because: format!("{by} allows it"),
            policy: by.policy().to_owned(),
            rule: by.rule().to_owned(),
        },
        Verdict::Deny { because } => Judged {
            allowed: false,
            would_deny: posture != Posture::Enforce && because.is_for_want_of_a_rule(),
            because: because.to_string(),
            policy: because.policy().unwrap_or_default().to_owned(),
            rule: because.rule().unwrap_or_default().to_owned(),
        },
    }
}

/// What was decided about identities, for workloads some of which are cut off by themselves: where that are all who were
/// meant at one end nobody is let in, whatever policies and posture say.
fn with_cut_off(world: &World, ends: [&[&Workload]; 2], mut judged: Judged) -> Judged {
    let cut = ends.map(|end| cut_off::among(world, end));
    let whole = (0..ends.len()).find(|end| !cut[*end].is_empty() && cut[*end].len() == ends[*end].len());
    if let Some(end) = whole {
        let because = format!("quarantined: {}", cut_off::told(world, &cut[end]));
        let (policy, rule) = (String::new(), String::new());
        return Judged { allowed: false, would_deny: false, because, policy, rule };
    }
    let some = cut.concat();
    if !some.is_empty() {
        let told = cut_off::told(world, &some);
        judged.because.push_str(&format!("; but some of them are quarantined: {told}"));
    }
    judged
}

/// A policy may select by labels, so that workloads of one identity may differ in what they allow.
fn destination<'a>(world: &'a World, name: &str) -> Result<Vec<&'a Workload>, BadQuestion> {
    let Some(found) = named::find(world, name)? else {
        let (meant, names) = (named::meant_by(world, name), named::names(world));
        return Err(BadQuestion::Destination { name: name.to_owned(), meant, names });
    };
    if are_alike(world, &found) {
        return Ok(found);
    }
    let names = named::list(found.iter().map(|workload| workload.name.as_str()));
    Err(BadQuestion::Differing { name: name.to_owned(), names })
}

/// A source need not run, nor even be of this mesh: an identity is enough.
fn source<'a>(world: &'a World, name: &str) -> Result<(SpiffeId, Vec<&'a Workload>), BadQuestion> {
    if let Some(found) = named::find(world, name)? {
        return Ok((found[0].identity.clone(), found));
    }
    let identity = SpiffeId::parse(name).map_err(|_not_one| named::no_workload(world, name))?;
    Ok((identity, Vec::new()))
}

fn request(question: &v1::ExplainRequest) -> Result<Request<'_>, BadQuestion> {
    // The query is no part of the path (P20).
    let path = question.path.split('?').next().unwrap_or_default();
    match (question.method.as_str(), path) {
        ("", "") => Ok(Request::Opaque),
        ("", _) => Err(BadQuestion::PathWithoutMethod),
        (method, "") => Ok(Request::Http { method, path: "/", grpc: false }),
        ("OPTIONS", "*") => Ok(Request::Http { method: "OPTIONS", path, grpc: false }),
        (_, path) if !path.starts_with('/') => Err(BadQuestion::Path(path.to_owned())),
        (method, path) => Ok(Request::Http { method, path, grpc: looks_like_grpc(method, path) }),
    }
}

/// Nobody who asks names a content type: a gRPC call is known by its path,
/// `/package.Service/Method`.
fn looks_like_grpc(method: &str, path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    let (service, name, rest) = (segments.next(), segments.next(), segments.next());
    method == "POST"
        && service.is_some_and(|service| service.contains('.'))
        && name.is_some_and(|name| !name.is_empty())
        && rest.is_none()
}

#[cfg(test)]
mod tests;
