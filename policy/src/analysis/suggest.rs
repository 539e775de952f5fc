//! The narrowest policy that allows a call which none allows. Owns what "exactly this call" is in the language of
//! policies, and when the language cannot say it: then there is no suggestion, never a wider one.

use std::collections::BTreeSet;

use kith_identity::SpiffeId;

use super::describe::shortened;
use crate::call::{Call, Request};
use crate::canonical::AmbiguousPath;
use crate::compile::PathTemplate;
use crate::document::{
    Action, AuthorizationPolicy, GrpcMethod, GrpcOperation, GrpcService, HttpOperation, Method, Name,
    OneOrMore, Operation, Rule, RuleName, Source, Targets,
};
use crate::matching::{Seen, grpc_name};

/// Of each of the two names in a policy's name; with a number behind them they stay below the 253 bytes that a name
/// may have.
const MAX_PART_CHARS: usize = 110;

/// Why no policy allows exactly this call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSuggestion {
    /// No policy can target it.
    #[error("no policy can target {destination}, which is not the identity of a service account")]
    Destination {
        /// The workload that is called.
        destination: SpiffeId,
    },
    /// No rule can name it.
    #[error("no rule can name the port {port}; ports are 1 to 65535")]
    Port {
        /// The port.
        port: u16,
    },
    /// No rule can name it.
    #[error(
        "no rule can name the method {method:?}; those in rules are upper case, of at most 64 characters"
    )]
    Method {
        /// The method, shortened.
        method: String,
    },
    /// A rule for it has nothing but its source, and that is wider.
    #[error(
        "a rule for unread bytes would allow every call of {call_of}; declare protocol: tcp for {destination} if it \
         takes nothing else"
    )]
    Unread {
        /// Who called.
        call_of: SpiffeId,
        /// The workload that is called.
        destination: SpiffeId,
    },
    /// A rule with paths refuses it.
    #[error("the path can be read in more than one way, and no rule with paths allows it: {reason}")]
    AmbiguousPath {
        /// What is wrong with it.
        reason: AmbiguousPath,
    },
    /// A template with it matches more, or nothing.
    #[error(
        "no path template matches {path:?} and nothing else; a brace, '*', a quote, '|' and the like cannot be \
         written in one"
    )]
    Path {
        /// The path, shortened.
        path: String,
    },
}

/// What is known of the place that a suggestion is for.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Whether the rule has to name the port.
    pub port: Port,
    /// What the port carries.
    pub carries: Carries,
    /// Names that the policy must not have: those of the policies of the destination's namespace.
    pub taken: &'a BTreeSet<&'a str>,
}

/// Whether a rule has to name the port to allow no more than the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// The workload may have others.
    Named,
    /// The workload has no other: its number says nothing, and may be another one tomorrow.
    Only,
}

/// Whether calls beside opaque connections come to the port: a rule can say nothing of opaque bytes, so that one for
/// them allows those calls too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    /// Whatever can be made out.
    Anything,
    /// It was declared that nobody looks into it.
    OpaqueOnly,
}

/// A policy that allows this call at the workload that is called: from this source only, to this port only, and to
/// this method and path only. An opaque connection has neither; the policy then allows every connection of the source
/// to the port, and there is none where they may carry calls that can be told apart.
///
/// The destination is a workload of the mesh's own trust domain. A DENY policy, an ambiguous path or a quarantine
/// is stronger than any ALLOW: ask for suggestions about default denials alone.
pub fn allow(call: &Call<'_>, place: &Place<'_>) -> Result<AuthorizationPolicy, NoSuggestion> {
    let no_target = || NoSuggestion::Destination { destination: call.destination.clone() };
    let (namespace, service_account) = service_account(call.destination).ok_or_else(no_target)?;
    if matches!(call.request, Request::Opaque) && place.carries == Carries::Anything {
        let (call_of, destination) = (call.source.clone(), call.destination.clone());
        return Err(NoSuggestion::Unread { call_of, destination });
    }
    let ports = match place.port {
        Port::Named if call.port == 0 => return Err(NoSuggestion::Port { port: call.port }),
        Port::Named => OneOrMore::new(vec![call.port]),
        Port::Only => None,
    };
    let rule = Rule {
        name: RuleName::numbered(1),
        sources: Some(vec![source(call)]),
        ports,
        operations: operation(&call.request)?.and_then(|operation| OneOrMore::new(vec![operation])),
        origin: None,
    };
    Ok(AuthorizationPolicy {
        name: policy_name(call.source, &service_account, place.taken),
        targets: Targets::service_account(namespace.clone(), service_account),
        namespace,
        action: Action::Allow,
        rules: vec![rule],
        origin: None,
    })
}

fn service_account(identity: &SpiffeId) -> Option<(Name, Name)> {
    let account = identity.service_account()?;
    Some((Name::parse(account.namespace).ok()?, Name::parse(account.name).ok()?))
}

fn source(call: &Call<'_>) -> Source {
    let is_own = call.source.trust_domain() == call.destination.trust_domain();
    match service_account(call.source).filter(|_| is_own) {
        Some((namespace, name)) => Source::ServiceAccount { namespace, name },
        None => Source::Spiffe(call.source.clone()),
    }
}

/// None for an opaque connection, of which no rule can say more than its port.
fn operation(request: &Request<'_>) -> Result<Option<Operation>, NoSuggestion> {
    let seen = Seen::with_path(request).map_err(|reason| NoSuggestion::AmbiguousPath { reason })?;
    let (method, path, grpc) = match &seen {
        Seen::Opaque => return Ok(None),
        Seen::Http { method, path, grpc } => (*method, path.as_deref().unwrap_or_default(), *grpc),
    };
    if let Some(operation) = grpc_operation(method, path).filter(|_| grpc) {
        return Ok(Some(Operation::Grpc(operation)));
    }
    let method = Method::parse(method).map_err(|_| NoSuggestion::Method { method: shortened(method) })?;
    let path = PathTemplate::exactly(path).ok_or_else(|| NoSuggestion::Path { path: shortened(path) })?;
    let (methods, paths) = (OneOrMore::new(vec![method]), OneOrMore::new(vec![path]));
    Ok(Some(Operation::Http(HttpOperation { methods, paths })))
}

/// None for what a gRPC rule does not match; the method and path of HTTP do.
fn grpc_operation(method: &str, path: &str) -> Option<GrpcOperation> {
    let (service, grpc_method) = grpc_name(path).filter(|_| method == "POST")?;
    let methods = OneOrMore::new(vec![GrpcMethod::parse(grpc_method).ok()?]);
    Some(GrpcOperation { service: GrpcService::parse(service).ok()?, methods })
}

/// `allow-web-to-payments`: the service accounts, or what a foreign identity ends in. Where that is taken, the first
/// number that makes it free stands behind it.
fn policy_name(source: &SpiffeId, destination: &Name, taken: &BTreeSet<&str>) -> Name {
    let last = source.path().rsplit('/').next().filter(|segment| !segment.is_empty());
    let source = last.unwrap_or(source.trust_domain().as_str());
    let plain = format!("allow-{}-to-{}", part(source), part(destination));
    let plain = plain.trim_end_matches('-');
    let mut name = plain.to_owned();
    for number in 2_usize.. {
        if !taken.contains(name.as_str()) {
            break;
        }
        name = format!("{plain}-{number}");
    }
    Name::parse(&name).expect("a letter, and then letters, digits and dashes only")
}

fn part(text: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    text.chars().take(MAX_PART_CHARS).map(letter).collect()
}

#[cfg(test)]
mod tests;
