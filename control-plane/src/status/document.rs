//! The `status` of our objects, as it is stored. Owns its fields and what they mean to whoever reads them; who writes which
//! of them, and when, is not decided here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name that this controller signs its ancestors by (GEP-713).
pub(crate) const CONTROLLER: &str = "kith.dev/control-plane";

/// What became of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PolicyStatus {
    /// In short, what the policy is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub(crate) target: Option<String>,
    /// What became of the policy as a whole: Accepted; Programmed, which is True once every selected workload's sidecar
    /// confirmed that it has the policy in force; and ResolvedRefs, which is False while it means somebody who is not there.
    #[schemars(length(max = 8))]
    pub(crate) conditions: Vec<Condition>,
    /// The same for each thing that the policy selects workloads by.
    #[schemars(length(max = 32))]
    pub(crate) ancestors: Vec<Ancestor>,
}

/// What became of a policy with regard to one thing that it selects workloads by (GEP-713).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ancestor {
    /// The thing that workloads are selected by.
    pub(crate) ancestor_ref: AncestorRef,
    /// Who wrote this entry: kith.dev/control-plane.
    #[schemars(length(min = 1, max = 253))]
    pub(crate) controller_name: String,
    /// What became of the policy there.
    #[schemars(length(max = 8))]
    pub(crate) conditions: Vec<Condition>,
}

/// A thing that workloads are selected by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AncestorRef {
    /// The API group of its kind; empty for the core group.
    #[schemars(length(max = 253))]
    pub(crate) group: String,
    /// Its kind: Pod, ServiceAccount or Namespace.
    #[schemars(length(min = 1, max = 63))]
    pub(crate) kind: String,
    /// Its namespace; none for a Namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub(crate) namespace: Option<String>,
    /// Its name; of Pods, the labels that select them.
    #[schemars(length(min = 1, max = 1024))]
    pub(crate) name: String,
}

/// What became of a quarantine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct QuarantineStatus {
    /// In short, who is cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub(crate) target: Option<String>,
    /// What became of the quarantine: Accepted, which is True when all of it could be read; Programmed, which is True once
    /// every sidecar confirmed it; and ResolvedRefs, which is False while there is nobody to cut off.
    #[schemars(length(max = 8))]
    pub(crate) conditions: Vec<Condition>,
}

/// One statement about an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Condition {
    /// What is stated, such as Accepted.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub(crate) kind: String,
    /// Whether it is so: True, False or Unknown.
    #[schemars(extend("enum" = ["True", "False", "Unknown"]))]
    pub(crate) status: String,
    /// Which generation of the object the statement is about.
    #[schemars(range(min = 0))]
    pub(crate) observed_generation: i64,
    /// When status changed last.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) last_transition_time: String,
    /// Why, in one word for programs.
    #[schemars(length(min = 1, max = 1024))]
    pub(crate) reason: String,
    /// Why, in a sentence for people.
    #[schemars(length(max = 32768))]
    pub(crate) message: String,
}

/// Whether an object could be read.
pub(crate) const ACCEPTED: &str = "Accepted";
/// Whether it is in force.
pub(crate) const PROGRAMMED: &str = "Programmed";

/// Whether everybody whom it means is there.
pub(crate) const RESOLVED_REFS: &str = "ResolvedRefs";

/// What is stated, before it is known since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) kind: &'static str,
    pub(crate) holds: bool,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Statement {
    /// That it could be read; `what` it is.
    pub(crate) fn accepted(what: &str) -> Self {
        Self { kind: ACCEPTED, holds: true, reason: ACCEPTED, message: format!("the {what} is valid") }
    }

    /// Whether everybody whom it means is there: not, for these reasons. What is written is no mistake by that.
    pub(crate) fn resolved(unmatched: &[String]) -> Self {
        let (holds, reason, message) = match unmatched {
            [] => (true, RESOLVED_REFS, "everybody whom it means is there".to_owned()),
            sentences => (false, "NotFound", sentences.join("; ")),
        };
        Self { kind: RESOLVED_REFS, holds, reason, message }
    }

    /// As of a generation of the object, and a time.
    pub(crate) fn at(self, generation: i64, now: &str) -> Condition {
        Condition {
            kind: self.kind.to_owned(),
            status: if self.holds { "True" } else { "False" }.to_owned(),
            observed_generation: generation,
            last_transition_time: now.to_owned(),
            reason: self.reason.to_owned(),
            message: self.message,
        }
    }
}

/// The condition of a kind.
pub(crate) fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}

impl Condition {
    /// Whether it is so.
    pub(crate) fn holds(&self) -> bool {
        self.status == "True"
    }
}
