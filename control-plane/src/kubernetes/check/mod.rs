//! `kith check`: what is looked at in a cluster, and what is wrong. Owns the list of checks; [`facts`] is what they are
//! about, as plain values, `gather` how those come from the API server, and each category has a file that judges.
//!
//! ```text
//! API server ─► gather ─► Facts ─► CHECKS (pure) ─► Finding
//! ```
//!
//! A fact that cannot be had is a warning with the reason: nothing is called good that was not seen.

mod authority;
mod data_plane;
pub mod facts;
mod gather;
mod installed;
mod kubernetes;
mod namespaces;
mod rights;
mod role;

use self::facts::Facts;

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// The cluster itself.
    Kubernetes,
    /// What must not be there before Kith is installed.
    Before,
    /// What an installation consists of.
    Installed,
    /// Keys and certificates.
    Authority,
    /// What the platform says of namespaces.
    Namespaces,
    /// Pods and their sidecars.
    DataPlane,
}

impl Category {
    /// Its name, in the output as in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Before => "before-install",
            Self::Installed => "installed",
            Self::Authority => "authority",
            Self::Namespaces => "namespaces",
            Self::DataPlane => "data-plane",
        }
    }

    /// Whether it is looked at before an installation, or after one.
    fn belongs(self, stage: Stage) -> bool {
        match self {
            Self::Kubernetes | Self::Namespaces => true,
            Self::Before => stage == Stage::Before,
            Self::Installed | Self::Authority | Self::DataPlane => stage == Stage::After,
        }
    }
}

/// Whether Kith is to be installed, or is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is to be.
    Before,
    /// It is.
    After,
}

/// One thing that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Its name, which is also the anchor of its section in `docs/checks.md`.
    pub id: &'static str,
    /// What it is about.
    pub category: Category,
    /// What ought to be so.
    pub title: &'static str,
    judge: fn(&Facts) -> Judgement,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It is as it ought to be.
    Ok,
    /// It works, and somebody should look.
    Warning,
    /// It does not work, or not as it is meant to.
    Error,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// How bad it is.
    pub outcome: Outcome,
    /// What was found where all is well, such as a version.
    pub detail: Option<String>,
    /// What is wrong, one sentence each.
    pub causes: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Judgement {
    fn ok() -> Self {
        Self { outcome: Outcome::Ok, detail: None, causes: Vec::new(), hint: None }
    }

    fn ok_with(detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::ok() }
    }

    /// Good when there is no cause.
    fn from_causes(outcome: Outcome, causes: Vec<String>, hint: &str) -> Self {
        if causes.is_empty() {
            return Self::ok();
        }
        Self { outcome, detail: None, causes, hint: Some(hint.to_owned()) }
    }

    fn error(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { outcome: Outcome::Error, detail: None, causes: vec![cause.into()], hint: Some(hint.into()) }
    }

    fn warning(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { outcome: Outcome::Warning, ..Self::error(cause, hint) }
    }

    /// It cannot be told.
    fn unknown(reason: &str) -> Self {
        Self::warning(
            format!("it cannot be told: {reason}"),
            "ask somebody who may look, or mend what the reason names",
        )
    }
}

/// A check, and what came of it.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// What came of it.
    pub judgement: Judgement,
}

/// Every check, in the order in which they are made.
pub const CHECKS: &[Check] = &[
    check("api-reachable", Category::Kubernetes, "the API server answers", kubernetes::reachable),
    check("api-version", Category::Kubernetes, "Kubernetes is 1.31 or newer", kubernetes::version),
    check("your-rights", Category::Kubernetes, "you may do what this needs", kubernetes::rights),
    check("no-leftovers", Category::Before, "nothing is left of another installation", kubernetes::leftovers),
    check(
        "own-namespace",
        Category::Before,
        "the control plane may run in its namespace",
        kubernetes::own_namespace,
    ),
    check(
        "definitions",
        Category::Installed,
        "the resource definitions are those of this version",
        installed::definitions,
    ),
    check(
        "configuration",
        Category::Installed,
        "the configuration is there and readable",
        installed::configuration,
    ),
    check("deployment", Category::Installed, "the control plane is ready", installed::deployment),
    check("service", Category::Installed, "its service leads to it", installed::service),
    check(
        "webhooks",
        Category::Installed,
        "the webhooks are there, with one certificate",
        installed::webhooks,
    ),
    check(
        "webhook-answers",
        Category::Installed,
        "the API server reaches the webhooks",
        installed::webhook_answers,
    ),
    check(
        "own-rights",
        Category::Installed,
        "the control plane may do what it needs, and no more",
        installed::own_rights,
    ),
    check(
        "control-plane-answers",
        Category::Authority,
        "the control plane answers people",
        authority::answers,
    ),
    check("root", Category::Authority, "the root certificate holds for long enough", authority::root),
    check("issuing", Category::Authority, "the issuing authority is renewed in time", authority::issuing),
    check(
        "key-secret",
        Category::Authority,
        "the key of the authority's file is kept",
        authority::key_secret,
    ),
    check("trial", Category::Authority, "this is no trial installation", authority::trial),
    check(
        "namespace-labels",
        Category::Namespaces,
        "labels of namespaces mean something",
        namespaces::labels,
    ),
    check(
        "pod-security",
        Category::Namespaces,
        "Pod Security lets pods redirect their traffic",
        namespaces::pod_security,
    ),
    check("observe-end", Category::Namespaces, "posture Observe has not ended", namespaces::observe_end),
    check(
        "pods-injected",
        Category::DataPlane,
        "pods of labelled namespaces have a sidecar",
        data_plane::injected,
    ),
    check("sidecars-ready", Category::DataPlane, "sidecars are ready", data_plane::ready),
    check(
        "sidecars-connected",
        Category::DataPlane,
        "sidecars are connected to the control plane",
        data_plane::connected,
    ),
    check("sidecars-current", Category::DataPlane, "sidecars have the newest policies", data_plane::current),
    check("policies", Category::DataPlane, "every stored policy is in force", data_plane::policies),
    check("versions", Category::DataPlane, "all parts have one version", data_plane::versions),
];

const fn check(
    id: &'static str,
    category: Category,
    title: &'static str,
    judge: fn(&Facts) -> Judgement,
) -> Check {
    Check { id, category, title, judge }
}

/// Looks at everything that belongs to the stage. Where the API server does not answer, that is all there is to say; where
/// nothing is installed, nothing is said of what would run.
pub fn judge(facts: &Facts, stage: Stage) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_absent = matches!(facts.deployment, Ok(None));
    let stands = |check: &&Check| !matches!(check.category, Category::Authority | Category::DataPlane);
    let of_stage = CHECKS.iter().filter(|check| check.category.belongs(stage));
    for check in of_stage.filter(|check| !is_absent || stands(check)) {
        let finding = Finding { check: *check, judgement: (check.judge)(facts) };
        findings.push(finding);
        if facts.api.is_err() {
            break;
        }
    }
    findings
}

#[cfg(test)]
mod tests;
