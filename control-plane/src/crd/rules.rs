//! What the API server itself refuses although each field is right alone, in CEL. Owns the rules, their sentences, and the
//! place of each in a schema. The reader refuses all of it too, and more: these are for whoever writes while it is away, and
//! are kept to what the API server can bound the cost of.

use serde_json::{Value, json};

use super::DefinitionError;

/// One rule.
pub(super) struct Rule {
    /// The field below `spec` that is `self`; `[]` is each entry of a list.
    pub(super) at: &'static str,
    rule: &'static str,
    message: &'static str,
    /// CEL too, where the sentence shows the value.
    expression: Option<&'static str>,
}

const fn rule(at: &'static str, rule: &'static str, message: &'static str) -> Rule {
    Rule { at, rule, message, expression: None }
}

const fn showing(
    at: &'static str,
    rule: &'static str,
    message: &'static str,
    expression: &'static str,
) -> Rule {
    Rule { at, rule, message, expression: Some(expression) }
}

pub(super) const AUTHORIZATION_POLICY: &[Rule] = &[
    rule(
        "",
        "!has(self.action) || self.action != 'DENY' || (has(self.rules) && self.rules.size() > 0)",
        "a DENY policy without rules denies nothing; write a rule, or delete it",
    ),
    rule(
        "",
        "!has(self.action) || self.action != 'DENY' || !has(self.rules) || \
         self.rules.all(r, !has(r.sources) || r.sources.size() > 0)",
        "sources is empty, so that the DENY rule denies nothing; leave it out to match anybody",
    ),
    rule(
        "rules",
        "self.all(r, !has(r.name) || self.exists_one(other, has(other.name) && other.name == r.name))",
        "two rules have the same name; name one of them otherwise",
    ),
    showing(
        "targetRefs[].group",
        "self == ''",
        "this group is not supported; leave it out",
        "'the group \"' + self + '\" is not supported; leave it out'",
    ),
    rule(
        "targetRefs[]",
        "self.kind != 'Pod' || (has(self.selector) && !has(self.name))",
        "kind Pod is selected by a selector, and by nothing else",
    ),
    rule(
        "targetRefs[]",
        "self.kind != 'ServiceAccount' || (has(self.name) && !has(self.selector))",
        "kind ServiceAccount is selected by a name, and by nothing else",
    ),
    rule(
        "rules[].sources[]",
        "self.type != 'ServiceAccount' || (has(self.serviceAccount) && !has(self.spiffe))",
        "type ServiceAccount wants serviceAccount, and nothing else",
    ),
    rule(
        "rules[].sources[]",
        "self.type != 'SPIFFE' || (has(self.spiffe) && !has(self.serviceAccount))",
        "type SPIFFE wants spiffe, and nothing else",
    ),
    showing(
        "rules[].sources[].spiffe",
        "self.startsWith('spiffe://')",
        "a SPIFFE ID starts with \"spiffe://\"",
        "'\"' + self + '\" is no SPIFFE ID: it starts with \"spiffe://\"'",
    ),
    rule(
        "rules[].operations[]",
        "has(self.http) != has(self.grpc)",
        "an operation is either http or grpc; write one of them, or two entries for both",
    ),
    showing(
        "rules[].operations[].http.methods[]",
        "self == self.upperAscii()",
        "methods are upper case and compared exactly",
        "'\"' + self + '\" is not upper case, and methods are compared exactly; write ' + self.upperAscii()",
    ),
    showing(
        "rules[].operations[].http.paths[]",
        "self.startsWith('/')",
        "a path template starts with '/', such as \"/charges/{id}\" or \"/app/**\"; there are no regular expressions",
        "'\"' + self + '\" does not start with \"/\"; write a path template such as \"/charges/{id}\" or \"/app/**\"'",
    ),
];

pub(super) const QUARANTINE: &[Rule] = &[
    rule(
        "",
        "[has(self.identity), has(self.serviceAccount), has(self.pod), has(self.node)].filter(x, x).size() == 1",
        "a quarantine has exactly one of identity, serviceAccount, pod, node",
    ),
    showing(
        "identity",
        "self.startsWith('spiffe://')",
        "a SPIFFE ID starts with \"spiffe://\"",
        "'\"' + self + '\" is no SPIFFE ID: it starts with \"spiffe://\"'",
    ),
    rule(
        "identity",
        "!self.endsWith('/ns/kith/sa/kith-control-plane')",
        "this is the control plane's own identity; without it nobody hears of any quarantine",
    ),
    rule(
        "serviceAccount",
        "self.namespace != 'kith' || self.name != 'kith-control-plane'",
        "this is the control plane's own identity; without it nobody hears of any quarantine",
    ),
    rule(
        "reason",
        "!self.matches('[\\\\x00-\\\\x1f\\\\x7f]')",
        "the reason has a control character in it; say it in one line of text",
    ),
];

/// Puts rules where they belong. A place that the schema does not have is a rule that never holds: the error names it.
pub(super) fn add(schema: &mut Value, rules: &[Rule]) -> Result<(), DefinitionError> {
    for rule in rules {
        let mut place = Some(&mut *schema);
        for step in rule.at.split('.').filter(|step| !step.is_empty()) {
            let (field, entry) = match step.strip_suffix("[]") {
                Some(field) => (field, true),
                None => (step, false),
            };
            place = place.and_then(|schema| schema.get_mut("properties")?.get_mut(field));
            if entry {
                place = place.and_then(|schema| schema.get_mut("items"));
            }
        }
        let place = place.and_then(Value::as_object_mut).ok_or(DefinitionError::NoSuchField(rule.at))?;
        let written = match rule.expression {
            None => json!({ "rule": rule.rule, "message": rule.message }),
            Some(shown) => json!({ "rule": rule.rule, "message": rule.message, "messageExpression": shown }),
        };
        let list = place.entry("x-kubernetes-validations").or_insert_with(|| json!([]));
        list.as_array_mut().ok_or(DefinitionError::NoSuchField(rule.at))?.push(written);
    }
    Ok(())
}
