//! What the control plane may do, held against what it needs: neither less, or it stops working, nor more, or whoever takes
//! it over has more. Owns the list, which a test compares with the chart's.

use kith_policy::document::GROUP;
use kith_proto::pod::TRUST_CONFIG_MAP;

use super::facts::Rule;
use crate::webhook::{INJECTOR, VALIDATOR};

/// One right: API group, resource, verbs, and the names that it is limited to.
type Need = (&'static str, &'static str, &'static [&'static str], Option<&'static str>);

const WATCH: &[&str] = &["list", "watch"];
const READ: &[&str] = &["get", "list", "watch"];
const KEEP: &[&str] = &["list", "watch", "patch"];
const KEEP_OR_REPLACE: &[&str] = &["get", "list", "watch", "patch", "delete"];

/// All that is needed.
pub(super) const NEEDED: &[Need] = &[
    ("", "pods", READ, None),
    ("", "services", WATCH, None),
    ("", "namespaces", WATCH, None),
    ("", "serviceaccounts", WATCH, None),
    ("discovery.k8s.io", "endpointslices", WATCH, None),
    (GROUP, "authorizationpolicies", READ, None),
    (GROUP, "quarantines", READ, None),
    (GROUP, "authorizationpolicies/status", &["patch"], None),
    (GROUP, "quarantines/status", &["patch"], None),
    ("events.k8s.io", "events", &["create"], None),
    ("authentication.k8s.io", "tokenreviews", &["create"], None),
    ("", "configmaps", &["create"], None),
    ("", "configmaps", KEEP_OR_REPLACE, Some(TRUST_CONFIG_MAP)),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", KEEP, Some(INJECTOR)),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", KEEP, Some(VALIDATOR)),
];

/// One sentence for each right that is missing, and for each that is not needed.
pub(super) fn differences(rules: &[Rule]) -> Vec<String> {
    let mut causes = Vec::new();
    for (group, resource, verbs, name) in NEEDED {
        let missing =
            verbs.iter().filter(|verb| !rules.iter().any(|rule| allows(rule, group, resource, verb, *name)));
        causes.extend(missing.map(|verb| format!("it may not {verb} {}", qualified(group, resource))));
    }
    causes.extend(rules.iter().flat_map(excess));
    causes
}

pub(super) fn allows(rule: &Rule, group: &str, resource: &str, verb: &str, name: Option<&str>) -> bool {
    let has = |all: &[String], one: &str| all.iter().any(|it| it == one || it == "*");
    let named = rule.names.is_empty() || name.is_some_and(|name| rule.names.iter().any(|it| it == name));
    has(&rule.groups, group) && has(&rule.resources, resource) && has(&rule.verbs, verb) && named
}

fn excess(rule: &Rule) -> Vec<String> {
    let mut causes = Vec::new();
    for group in &rule.groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                if !is_needed(rule, group, resource, verb) {
                    let what = qualified(group, resource);
                    causes.push(format!("it may {verb} {what}{}, which it does not need", limited(rule)));
                }
            }
        }
    }
    causes
}

fn is_needed(rule: &Rule, group: &str, resource: &str, verb: &str) -> bool {
    let mut needs = NEEDED
        .iter()
        .filter(|(of_group, of, verbs, _)| *of_group == group && *of == resource && verbs.contains(&verb));
    needs.any(|(_, _, _, name)| match name {
        None => true,
        Some(name) => !rule.names.is_empty() && rule.names.iter().all(|it| it == name),
    })
}

fn qualified(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

fn limited(rule: &Rule) -> String {
    if rule.names.is_empty() { String::new() } else { format!(" named {}", rule.names.join(", ")) }
}

#[cfg(test)]
pub(super) mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    #[derive(Default)]
    struct Written {
        api_groups: Vec<String>,
        resources: Vec<String>,
        verbs: Vec<String>,
        resource_names: Vec<String>,
    }

    /// As the chart says it; of its templates only the rules are plain YAML.
    fn of_the_chart() -> Vec<Rule> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/kith/templates/rbac.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        read(text.split_once("\nrules:\n").unwrap().1.split_once("\n---").unwrap().0)
    }

    /// Rules as YAML.
    pub(in super::super) fn read(rules: &str) -> Vec<Rule> {
        let rules: Vec<Written> = serde_saphyr::from_str(rules).unwrap();
        let rule = |it: Written| Rule {
            groups: it.api_groups,
            resources: it.resources,
            verbs: it.verbs,
            names: it.resource_names,
        };
        rules.into_iter().map(rule).collect()
    }

    #[test]
    fn the_chart_gives_what_is_needed_and_no_more() {
        assert_eq!(differences(&of_the_chart()), [""; 0]);
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_told() {
        let mut rules = of_the_chart();
        rules[0].verbs.retain(|verb| verb != "watch");
        rules.push(Rule {
            groups: vec![String::new()],
            resources: vec!["secrets".into()],
            verbs: vec!["list".into()],
            names: vec![],
        });
        let told = differences(&rules);
        assert!(told.contains(&"it may not watch pods".to_owned()), "{told:?}");
        assert!(told.contains(&"it may list secrets, which it does not need".to_owned()), "{told:?}");
        let any = vec!["*".to_owned()];
        let all = Rule { groups: any.clone(), resources: any.clone(), verbs: any, names: vec![] };
        assert_eq!(differences(&[all]), ["it may * *.*, which it does not need"]);
    }

    #[test]
    fn a_right_to_one_object_does_not_need_to_be_one_to_all() {
        let mut rules = of_the_chart();
        rules.iter_mut().for_each(|rule| rule.names.clear());
        let told = differences(&rules);
        assert!(
            told.iter().any(|cause| cause == "it may patch configmaps, which it does not need"),
            "{told:?}"
        );
    }
}
