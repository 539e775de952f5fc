//! `kith check`: what is looked at in a cluster, and what is wrong. Owns the order of causes: what follows from something
//! that was found before is said to, and not held against anybody again. `list` has the checks; [`facts`] is what they
//! are about, as plain values, `gather` how those come from the API server, and each category has a file that judges.
//!
//! ```text
//! API server ─► gather ─► Facts ─► CHECKS (pure) ─► Finding
//! ```
//!
//! A fact that cannot be had is a warning with the reason: nothing is called good that was not seen.

mod authority;
mod data_plane;
mod excused;
pub mod facts;
mod gather;
mod installed;
mod key;
mod kubernetes;
mod leaving;
mod list;
mod namespaces;
mod pods;
mod rights;
mod role;

use self::facts::Facts;
pub use self::list::CHECKS;

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
    /// What would be without its control plane.
    Leaving,
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
            Self::Leaving => "before-uninstall",
        }
    }

    /// Whether it is looked at before an installation, after one, or before its end.
    fn belongs(self, stage: Stage) -> bool {
        match self {
            Self::Kubernetes => true,
            Self::Namespaces => stage != Stage::Leaving,
            Self::Before => stage == Stage::Before,
            Self::Installed | Self::Authority | Self::DataPlane => stage == Stage::After,
            Self::Leaving => stage == Stage::Leaving,
        }
    }
}

/// Whether Kith is to be installed, is, or is to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is to be.
    Before,
    /// It is.
    After,
    /// It is, and is to be removed.
    Leaving,
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
    /// What is wrong with one of these may be all that is wrong here.
    after: &'static [&'static str],
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It is as it ought to be.
    Ok,
    /// Nothing is said of it: it is not as it ought to be, or not known, and something that was found before may be why.
    Skipped,
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
    /// What was found where all is well, such as a version; or why nothing is said.
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

    fn skipped(because: impl Into<String>) -> Self {
        Self { outcome: Outcome::Skipped, detail: Some(because.into()), causes: Vec::new(), hint: None }
    }

    /// It cannot be told.
    fn unknown(reason: &str) -> Self {
        Self::warning(
            format!("not checked: {reason}"),
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

/// Looks at everything that belongs to the stage. Where the API server does not answer, that is all there is to say; where
/// nothing is installed, nothing is said of what would run.
pub fn judge(facts: &Facts, stage: Stage) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_absent = matches!(facts.deployment, Ok(None));
    let stands = |check: &&Check| !matches!(check.category, Category::Authority | Category::DataPlane);
    let of_stage = CHECKS.iter().filter(|check| check.category.belongs(stage));
    for check in of_stage.filter(|check| !is_absent || stands(check)) {
        let mut judgement = (check.judge)(facts);
        if judgement.outcome != Outcome::Ok
            && let Some(cause) = cause_of(check, &findings)
        {
            judgement = Judgement::skipped(match cause.judgement.outcome {
                Outcome::Error => format!("because of the error in {}", cause.check.id),
                _ => format!("because {} was not checked", cause.check.id),
            });
        }
        findings.push(Finding { check: *check, judgement });
        if facts.api.is_err() {
            break;
        }
    }
    findings
}

/// What was found by the first check of those that this one comes after, and of those that they come after, that is wrong.
fn cause_of<'a>(check: &Check, findings: &'a [Finding]) -> Option<&'a Finding> {
    let found = |id: &&str| findings.iter().find(|finding| finding.check.id == *id);
    check.after.iter().filter_map(found).find_map(|finding| match finding.judgement.outcome {
        Outcome::Error => Some(finding),
        Outcome::Skipped => Some(cause_of(&finding.check, findings).unwrap_or(finding)),
        Outcome::Ok | Outcome::Warning => None,
    })
}

#[cfg(test)]
mod tests;
