//! Policies, as a sidecar receives them. Owns both directions; what comes from the wire is checked as strictly as
//! what a person writes, because an empty or unknown part could widen a rule.
//!
//! Targets do not travel: a sidecar is sent what selects its workload, and nothing else.

use kith_policy::document::{
    Action, AuthorizationPolicy, GrpcMethod, GrpcOperation, GrpcService, HttpOperation, Method, Name,
    OneOrMore, Operation, Rule, RuleName, Source, Targets,
};
use kith_policy::{At, Origin, PathTemplate};

use super::WireError;
use super::common::identity_from_wire;
use crate::v1;

/// A policy for the wire, without its targets.
pub fn policy_to_wire(policy: &AuthorizationPolicy) -> v1::Policy {
    let action = match policy.action {
        Action::Allow => v1::Action::Allow,
        Action::Deny => v1::Action::Deny,
    };
    v1::Policy {
        namespace: policy.namespace.to_string(),
        name: policy.name.to_string(),
        action: action.into(),
        rules: policy.rules.iter().map(rule_to_wire).collect(),
        origin: policy.origin.as_ref().map(origin_to_wire),
    }
}

/// Reads a policy that applies to the receiver: it selects its whole namespace.
pub fn policy_from_wire(policy: &v1::Policy) -> Result<AuthorizationPolicy, WireError> {
    let field = format!("policies[{}/{}]", policy.namespace, policy.name);
    let namespace = name_from_wire(&format!("{field}.namespace"), &policy.namespace)?;
    let action = match v1::Action::try_from(policy.action) {
        Ok(v1::Action::Allow) => Action::Allow,
        Ok(v1::Action::Deny) => Action::Deny,
        Ok(v1::Action::Unspecified) | Err(_) => {
            return Err(WireError::new(format!("{field}.action"), format!("is unknown: {}", policy.action)));
        }
    };
    Ok(AuthorizationPolicy {
        targets: Targets::namespace(namespace.clone()),
        namespace,
        name: name_from_wire(&format!("{field}.name"), &policy.name)?,
        action,
        rules: each(&format!("{field}.rules"), &policy.rules, rule_from_wire)?,
        origin: policy.origin.as_ref().map(origin_from_wire),
    })
}

/// A place for the wire.
pub fn origin_to_wire(origin: &Origin) -> v1::Origin {
    let (line, column, text) = match &origin.at {
        At::Line { line, column, text } => (*line, *column, text),
        At::Field(field) => (0, 0, field),
    };
    v1::Origin { file: origin.file.to_string(), line, column, text: text.to_string() }
}

/// A place; it is only ever shown, so that any is as good as another.
pub fn origin_from_wire(origin: &v1::Origin) -> Origin {
    let text = origin.text.as_str().into();
    let at = match origin.line {
        0 => At::Field(text),
        line => At::Line { line, column: origin.column, text },
    };
    Origin { file: origin.file.as_str().into(), at }
}

fn rule_to_wire(rule: &Rule) -> v1::Rule {
    v1::Rule {
        name: rule.name.to_string(),
        sources: rule
            .sources
            .as_ref()
            .map(|sources| v1::Sources { any_of: sources.iter().map(source_to_wire).collect() }),
        ports: rule
            .ports
            .as_ref()
            .map(|ports| v1::Ports { any_of: ports.iter().copied().map(u32::from).collect() }),
        operations: rule
            .operations
            .as_ref()
            .map(|operations| v1::Operations { any_of: operations.iter().map(operation_to_wire).collect() }),
        origin: rule.origin.as_ref().map(origin_to_wire),
    }
}

fn rule_from_wire(field: &str, rule: &v1::Rule) -> Result<Rule, WireError> {
    let sources = rule.sources.as_ref().map(|sources| {
        // May be empty, and then matches nobody.
        each(&format!("{field}.sources"), &sources.any_of, source_from_wire)
    });
    let ports = rule.ports.as_ref().map(|ports| {
        one_or_more(&format!("{field}.ports"), &ports.any_of, |field, port| {
            let port = u16::try_from(*port).ok().filter(|port| *port != 0);
            port.ok_or_else(|| WireError::new(field, "is not a port number"))
        })
    });
    let operations = rule.operations.as_ref().map(|operations| {
        one_or_more(&format!("{field}.operations"), &operations.any_of, operation_from_wire)
    });
    Ok(Rule {
        name: parsed(&format!("{field}.name"), RuleName::parse(&rule.name))?,
        sources: sources.transpose()?,
        ports: ports.transpose()?,
        operations: operations.transpose()?,
        origin: rule.origin.as_ref().map(origin_from_wire),
    })
}

/// How "any service account of this namespace" is written, here as in documents.
const ANY: &str = "*";

fn source_to_wire(source: &Source) -> v1::Source {
    use v1::source::Kind;
    let service_account = |namespace: &Name, name: &str| {
        Kind::ServiceAccount(v1::ServiceAccountSource {
            namespace: namespace.to_string(),
            name: name.to_owned(),
        })
    };
    let kind = match source {
        Source::ServiceAccount { namespace, name } => service_account(namespace, name),
        Source::AnyServiceAccount { namespace } => service_account(namespace, ANY),
        Source::Spiffe(identity) => Kind::Spiffe(identity.to_string()),
    };
    v1::Source { kind: Some(kind) }
}

fn source_from_wire(field: &str, source: &v1::Source) -> Result<Source, WireError> {
    use v1::source::Kind;
    match &source.kind {
        Some(Kind::ServiceAccount(v1::ServiceAccountSource { namespace, name })) => {
            let namespace = name_from_wire(&format!("{field}.namespace"), namespace)?;
            if name == ANY {
                return Ok(Source::AnyServiceAccount { namespace });
            }
            Ok(Source::ServiceAccount { namespace, name: name_from_wire(&format!("{field}.name"), name)? })
        }
        Some(Kind::Spiffe(identity)) => identity_from_wire(field, identity).map(Source::Spiffe),
        None => Err(WireError::new(field, "is of a kind that is not known here")),
    }
}

fn operation_to_wire(operation: &Operation) -> v1::Operation {
    use v1::operation::Kind;
    let kind = match operation {
        Operation::Http(HttpOperation { methods, paths }) => Kind::Http(v1::HttpOperation {
            methods: methods.as_deref().map(strings_to_wire),
            paths: paths.as_deref().map(strings_to_wire),
        }),
        Operation::Grpc(GrpcOperation { service, methods }) => Kind::Grpc(v1::GrpcOperation {
            service: service.to_string(),
            methods: methods.as_deref().map(strings_to_wire),
        }),
    };
    v1::Operation { kind: Some(kind) }
}

fn operation_from_wire(field: &str, operation: &v1::Operation) -> Result<Operation, WireError> {
    use v1::operation::Kind;
    let (methods_field, paths_field) = (format!("{field}.methods"), format!("{field}.paths"));
    match &operation.kind {
        Some(Kind::Http(http)) => Ok(Operation::Http(HttpOperation {
            methods: strings_from_wire(&methods_field, http.methods.as_ref(), Method::parse)?,
            paths: strings_from_wire(&paths_field, http.paths.as_ref(), PathTemplate::parse)?,
        })),
        Some(Kind::Grpc(grpc)) => Ok(Operation::Grpc(GrpcOperation {
            service: parsed(&format!("{field}.service"), GrpcService::parse(&grpc.service))?,
            methods: strings_from_wire(&methods_field, grpc.methods.as_ref(), GrpcMethod::parse)?,
        })),
        None => Err(WireError::new(field, "is of a kind that is not known here")),
    }
}

fn strings_to_wire<T: ToString>(values: &[T]) -> v1::Strings {
    v1::Strings { any_of: values.iter().map(ToString::to_string).collect() }
}

fn strings_from_wire<T, E: ToString>(
    field: &str,
    strings: Option<&v1::Strings>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<OneOrMore<T>>, WireError> {
    let read = |strings: &v1::Strings| {
        one_or_more(field, &strings.any_of, |field, text: &String| parsed(field, parse(text)))
    };
    strings.map(read).transpose()
}

fn name_from_wire(field: &str, text: &str) -> Result<Name, WireError> {
    parsed(field, Name::parse(text))
}

fn parsed<T, E: ToString>(field: &str, result: Result<T, E>) -> Result<T, WireError> {
    result.map_err(|error| WireError::new(field, error.to_string()))
}

fn one_or_more<W, T>(
    field: &str,
    list: &[W],
    convert: impl Fn(&str, &W) -> Result<T, WireError>,
) -> Result<OneOrMore<T>, WireError> {
    OneOrMore::new(each(field, list, convert)?).ok_or_else(|| WireError::new(field, "is present and empty"))
}

/// Converts every entry, or says which could not be.
fn each<W, T>(
    field: &str,
    list: &[W],
    convert: impl Fn(&str, &W) -> Result<T, WireError>,
) -> Result<Vec<T>, WireError> {
    list.iter().enumerate().map(|(index, entry)| convert(&format!("{field}[{index}]"), entry)).collect()
}

#[cfg(test)]
mod tests;
