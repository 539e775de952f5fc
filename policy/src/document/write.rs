//! A typed policy as YAML: the way back from `parse`. Owns which fields are written: those that the policy has, and
//! every one that would otherwise depend on where the text is put. Comments and places are not part of a policy.

use super::header::API_VERSION;
use super::node::Node;
use super::operation::{GrpcOperation, HttpOperation, Operation};
use super::policy::{AuthorizationPolicy, KIND};
use super::rule::{Rule, RuleName};
use super::source::{ANY, SERVICE_ACCOUNT, SPIFFE, Source};
use super::target::{Target, Targets};

impl AuthorizationPolicy {
    /// The policy as one document. Reading it gives an equal policy, but for the places where it was written.
    pub fn to_yaml(&self) -> String {
        let mut spec = Vec::new();
        if let Some(targets) = target_refs(&self.targets) {
            spec.push(("targetRefs", targets));
        }
        spec.push(("action", Node::Text(self.action.as_str())));
        let rules = self.rules.iter().enumerate().map(|(index, rule)| self::rule(rule, index + 1));
        spec.push(("rules", Node::List(rules.collect())));
        let metadata = vec![("name", Node::Text(&self.name)), ("namespace", Node::Text(&self.namespace))];
        Node::Map(vec![
            ("apiVersion", Node::Text(API_VERSION)),
            ("kind", Node::Text(KIND)),
            ("metadata", Node::Map(metadata)),
            ("spec", Node::Map(spec)),
        ])
        .to_document()
    }
}

fn target_refs<'a>(targets: &'a Targets) -> Option<Node<'a>> {
    let target = |target: &'a Target| match target {
        Target::Labels(labels) => {
            let labels = labels.iter().map(|(key, value)| (key.as_str(), Node::Text(value)));
            let selector = Node::Map(vec![("matchLabels", Node::Map(labels.collect()))]);
            Node::Map(vec![("kind", Node::Text("Pod")), ("selector", selector)])
        }
        Target::ServiceAccount(name) => {
            Node::Map(vec![("kind", Node::Text("ServiceAccount")), ("name", Node::Text(name))])
        }
    };
    Some(Node::List(targets.any_of.as_ref()?.iter().map(target).collect()))
}

/// `number` is counted from 1.
fn rule(rule: &Rule, number: usize) -> Node<'_> {
    let mut fields = Vec::new();
    if rule.name != RuleName::numbered(number) {
        fields.push(("name", Node::Text(rule.name.as_str())));
    }
    if let Some(sources) = &rule.sources {
        fields.push(("sources", Node::List(sources.iter().map(source).collect())));
    }
    if let Some(ports) = &rule.ports {
        let ports = Node::List(ports.iter().copied().map(Node::Number).collect());
        fields.push(("networkAttributes", Node::Map(vec![("ports", ports)])));
    }
    if let Some(operations) = &rule.operations {
        fields.push(("operations", Node::List(operations.iter().map(operation).collect())));
    }
    Node::Map(fields)
}

fn source(source: &Source) -> Node<'_> {
    // With its namespace always, so that the text means the same in another policy.
    let service_account = |namespace, name| {
        let fields = vec![("namespace", Node::Text(namespace)), ("name", Node::Text(name))];
        Node::Map(vec![("type", Node::Text(SERVICE_ACCOUNT)), ("serviceAccount", Node::Map(fields))])
    };
    match source {
        Source::ServiceAccount { namespace, name } => service_account(namespace, name),
        Source::AnyServiceAccount { namespace } => service_account(namespace, ANY),
        Source::Spiffe(identity) => {
            Node::Map(vec![("type", Node::Text(SPIFFE)), ("spiffe", Node::Text(identity.as_str()))])
        }
    }
}

fn operation(operation: &Operation) -> Node<'_> {
    let mut fields = Vec::new();
    let kind = match operation {
        Operation::Http(HttpOperation { methods, paths }) => {
            fields.extend(
                methods.as_ref().map(|methods| ("methods", texts(methods, |method| method.as_str()))),
            );
            fields.extend(paths.as_ref().map(|paths| ("paths", texts(paths, |path| path.as_str()))));
            "http"
        }
        Operation::Grpc(GrpcOperation { service, methods }) => {
            fields.push(("service", Node::Text(service.as_str())));
            fields.extend(
                methods.as_ref().map(|methods| ("methods", texts(methods, |method| method.as_str()))),
            );
            "grpc"
        }
    };
    Node::Map(vec![(kind, Node::Map(fields))])
}

fn texts<T>(values: &[T], text: impl Fn(&T) -> &str) -> Node<'_> {
    Node::List(values.iter().map(|value| Node::Text(text(value))).collect())
}

#[cfg(test)]
mod tests;
