//! What whoever checks, installs or asks needs, in the words of roles. Owns the lists; Kubernetes is asked about each.

use super::Stage;

/// One right of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) verb: &'static str,
    pub(super) group: &'static str,
    pub(super) resource: &'static str,
    pub(super) subresource: &'static str,
    /// Whether in the installation's namespace alone.
    pub(super) own_namespace: bool,
}

impl Wanted {
    const fn everywhere(verb: &'static str, group: &'static str, resource: &'static str) -> Self {
        Self { verb, group, resource, subresource: "", own_namespace: false }
    }

    const fn here(verb: &'static str, group: &'static str, resource: &'static str) -> Self {
        Self { verb, group, resource, subresource: "", own_namespace: true }
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

/// To ask the control plane, and to see what these checks are about.
const TO_ASK: &[Wanted] = &[
    Wanted { subresource: "portforward", ..Wanted::here("create", "", "pods") },
    Wanted::everywhere("list", "", "pods"),
    Wanted::everywhere("list", "", "namespaces"),
    Wanted::everywhere("create", "kith.dev", "quarantines"),
    Wanted::everywhere("delete", "kith.dev", "quarantines"),
];

/// What is wanted at a stage.
pub(super) fn wanted(stage: Stage) -> &'static [Wanted] {
    match stage {
        Stage::Before => TO_INSTALL,
        Stage::After => TO_ASK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_told_as_a_role_would_name_it() {
        let told: Vec<_> = TO_ASK.iter().map(|wanted| wanted.told("kith")).collect();
        assert_eq!(told[0], "create pods/portforward in the namespace kith");
        assert_eq!(told[3], "create quarantines.kith.dev");
    }
}
