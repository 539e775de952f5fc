//! What whoever checks, installs or asks needs, in the words of roles. Owns the lists; Kubernetes is asked about each.

use kith_policy::document::GROUP;

use super::Stage;
use super::facts::Facts;

/// One right of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) verb: &'static str,
    pub(super) group: &'static str,
    pub(super) resource: &'static str,
    pub(super) subresource: &'static str,
    /// Whether in the installation's namespace alone.
    pub(super) own_namespace: bool,
    /// The role of the chart that has it; none has what only an installation needs.
    pub(super) role: Option<&'static str>,
}

impl Wanted {
    const fn everywhere(verb: &'static str, group: &'static str, resource: &'static str) -> Self {
        Self { verb, group, resource, subresource: "", own_namespace: false, role: None }
    }

    const fn here(verb: &'static str, group: &'static str, resource: &'static str) -> Self {
        Self { verb, group, resource, subresource: "", own_namespace: true, role: None }
    }

    const fn of(self, role: &'static str) -> Self {
        Self { role: Some(role), ..self }
    }

    /// In words.
    pub(super) fn told(&self, namespace: &str) -> String {
        let mut told = format!("{} {}", self.verb, self.resource);
        for (separator, part) in [("/", self.subresource), (".", self.group)] {
            if !part.is_empty() {
                told.push_str(separator);
                told.push_str(part);
            }
        }
        if self.own_namespace { format!("{told} in the namespace {namespace}") } else { told }
    }
}

/// The roles of the chart for people; to ask the control plane is a right in its namespace.
const VIEWER: &str = "ClusterRole kith-viewer";
const ASKER: &str = "Role kith-viewer";
pub(super) const OPERATOR: &str = "ClusterRole kith-operator";

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

/// To install.
const TO_INSTALL: &[Wanted] = &[
    Wanted::everywhere("create", "apiextensions.k8s.io", "customresourcedefinitions"),
    Wanted::everywhere("create", RBAC, "clusterroles"),
    Wanted::everywhere("create", RBAC, "clusterrolebindings"),
    Wanted::everywhere("create", ADMISSION, "mutatingwebhookconfigurations"),
    Wanted::everywhere("create", ADMISSION, "validatingwebhookconfigurations"),
    Wanted::here("create", "apps", "deployments"),
    Wanted::here("create", "", "services"),
    Wanted::here("create", "", "serviceaccounts"),
    Wanted::here("create", "", "configmaps"),
    Wanted::here("create", "", "persistentvolumeclaims"),
];

/// A port-forward: before Kubernetes 1.35 the API server asks for `get`, from then on for `create` too.
const ASK: [Wanted; 2] = [forward("get"), forward("create")];

const fn forward(verb: &'static str) -> Wanted {
    Wanted { subresource: "portforward", ..Wanted::here(verb, "", "pods") }.of(ASKER)
}

/// To ask the control plane, to see what these checks are about, and to cut somebody off.
const TO_ASK: &[Wanted] = &[
    forward("get"),
    forward("create"),
    Wanted::everywhere("list", "", "pods").of(VIEWER),
    Wanted::everywhere("list", "", "namespaces").of(VIEWER),
    Wanted::everywhere("list", "", "serviceaccounts").of(VIEWER),
    Wanted::everywhere("list", "", "events").of(VIEWER),
    Wanted::everywhere("list", GROUP, "authorizationpolicies").of(VIEWER),
    Wanted::everywhere("list", GROUP, "quarantines").of(VIEWER),
    Wanted::everywhere("create", GROUP, "quarantines").of(OPERATOR),
    Wanted::everywhere("delete", GROUP, "quarantines").of(OPERATOR),
];

/// To see who would lose the control plane.
const TO_LEAVE: &[Wanted] = &[
    Wanted::everywhere("list", "", "pods").of(VIEWER),
    Wanted::everywhere("list", "", "namespaces").of(VIEWER),
];

/// What is wanted at a stage.
pub(super) fn wanted(stage: Stage) -> &'static [Wanted] {
    match stage {
        Stage::Before => TO_INSTALL,
        Stage::After => TO_ASK,
        Stage::Leaving => TO_LEAVE,
    }
}

/// Whether it is known that whoever checks may not ask the control plane.
pub(super) fn may_not_ask(facts: &Facts) -> bool {
    let asked = ASK.map(|wanted| wanted.told(&facts.namespace));
    facts.rights.iter().any(|right| asked.contains(&right.what) && right.allowed == Ok(false))
}

#[cfg(test)]
mod tests {
    use super::super::facts::Rule;
    use super::super::role::allows;
    use super::super::role::tests::read;
    use super::*;

    #[test]
    fn a_right_is_told_as_a_role_would_name_it() {
        let told: Vec<_> = TO_ASK.iter().map(|wanted| wanted.told("kith")).collect();
        assert_eq!(told[0], "get pods/portforward in the namespace kith");
        assert!(told.contains(&"create quarantines.kith.dev".to_owned()), "{told:?}");
    }

    fn chart(file: &str) -> String {
        let path = format!("{}/../charts/kith/templates/{file}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    }

    /// The rules of one role as the chart says them, without those that it includes.
    fn of_role(role: &str) -> Vec<Rule> {
        let (kind, name) = role.split_once(' ').unwrap();
        let (helpers, roles) = (chart("_helpers.tpl"), chart("roles.yaml"));
        let included = helpers.split_once("{{- define \"kith.viewerRules\" -}}\n").unwrap().1;
        let mut rules = match kind {
            "ClusterRole" => read(included.split_once("{{- end }}").unwrap().0),
            _ => Vec::new(),
        };
        let begins = format!("kind: {kind}\nmetadata:\n  name: {name}\n");
        let own = roles.split_once(&begins).unwrap().1.split_once("\nrules:\n").unwrap().1;
        let own = own.split("---").next().unwrap();
        let plain: Vec<_> = own.lines().filter(|line| !line.contains("{{")).collect();
        if plain.iter().any(|line| !line.trim().is_empty()) {
            rules.extend(read(&plain.join("\n")));
        }
        rules
    }

    #[test]
    fn each_role_that_is_named_grants_what_it_is_named_for() {
        for wanted in TO_ASK.iter().chain(TO_LEAVE) {
            let role = wanted.role.unwrap();
            let resource = match wanted.subresource {
                "" => wanted.resource.to_owned(),
                below => format!("{}/{below}", wanted.resource),
            };
            let granted =
                of_role(role).iter().any(|rule| allows(rule, wanted.group, &resource, wanted.verb, None));
            assert!(granted, "{role} does not grant to {}", wanted.told("kith"));
        }
    }
}
