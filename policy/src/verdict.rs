//! What was decided, and why. Owns verdicts, the stable codes of denials and their sentences; decides nothing.

use std::fmt;
use std::sync::Arc;

use kith_identity::SpiffeId;

use crate::canonical::AmbiguousPath;
use crate::origin::Origin;

/// The decision about one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Let it through.
    Allow {
        /// The rule that allows it.
        by: RuleRef,
    },
    /// Refuse it.
    Deny {
        /// Why.
        because: Denial,
    },
}

impl Verdict {
    /// Whether the call may pass.
    pub fn is_allow(&self) -> bool {
        matches!(self, Self::Allow { .. })
    }
}

/// Names one rule of one policy. Cloning it copies no text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RuleRef {
    policy: Arc<str>,
    rule: Arc<str>,
}

impl RuleRef {
    pub(crate) fn new(policy: Arc<str>, rule: Arc<str>) -> Self {
        Self { policy, rule }
    }

    /// `namespace/name` of the policy.
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// The rule's name within the policy.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    pub(crate) fn shared_policy(&self) -> Arc<str> {
        self.policy.clone()
    }

    pub(crate) fn shared_rule(&self) -> Arc<str> {
        self.rule.clone()
    }
}

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rule {}", self.policy, self.rule)
    }
}

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// Source or destination is cut off; no policy was asked.
    Quarantined {
        /// The one of the two that is cut off.
        identity: SpiffeId,
    },
    /// There are no policies to decide by.
    NotReady {
        /// Why not.
        reason: Arc<str>,
    },
    /// A DENY rule matched, or could not be ruled out.
    Rule {
        /// The rule.
        by: RuleRef,
    },
    /// The port has path rules, and the path has no single reading.
    AmbiguousPath {
        /// Why not.
        reason: AmbiguousPath,
    },
    /// No ALLOW rule matched.
    Default {
        /// How many ALLOW policies target the workload.
        policies: usize,
        /// Who called.
        source: SpiffeId,
        /// The rule that came closest; none when no rule has this source.
        nearest: Option<Box<NearestMiss>>,
    },
}

impl Denial {
    /// A stable code for logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Quarantined { .. } => "quarantined",
            Self::NotReady { .. } => "not_ready",
            Self::Rule { .. } => "policy_deny",
            Self::AmbiguousPath { .. } => "ambiguous_path",
            Self::Default { .. } => "default_deny",
        }
    }

    /// Whether it is for want of a rule, which is all that a posture less than Enforce forgives: a rule, a quarantine, a path
    /// with two readings and policies that are missing are enforced in each.
    pub fn is_for_want_of_a_rule(&self) -> bool {
        match self {
            Self::Default { .. } => true,
            Self::Quarantined { .. }
            | Self::NotReady { .. }
            | Self::Rule { .. }
            | Self::AmbiguousPath { .. } => false,
        }
    }

    /// `namespace/name` of the policy that denies; none when no policy did.
    pub fn policy(&self) -> Option<&str> {
        self.by().map(RuleRef::policy)
    }

    /// The rule that denies; none when no rule did.
    pub fn rule(&self) -> Option<&str> {
        self.by().map(RuleRef::rule)
    }

    fn by(&self) -> Option<&RuleRef> {
        match self {
            Self::Rule { by } => Some(by),
            Self::Quarantined { .. }
            | Self::NotReady { .. }
            | Self::AmbiguousPath { .. }
            | Self::Default { .. } => None,
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quarantined { identity } => write!(f, "{identity} is quarantined"),
            Self::NotReady { reason } => write!(f, "no policies are in force yet: {reason}"),
            Self::Rule { by } => write!(f, "{by} denies it"),
            Self::AmbiguousPath { reason } => {
                write!(f, "the path can be read in more than one way: {reason}")
            }
            Self::Default { nearest: Some(nearest), .. } => nearest.fmt(f),
            Self::Default { policies: 0, .. } => f.write_str("no ALLOW policy targets this workload"),
            Self::Default { policies: 1, source, .. } => {
                write!(f, "no rule for source {source} (1 ALLOW policy applies)")
            }
            Self::Default { policies, source, .. } => {
                write!(f, "no rule for source {source} ({policies} ALLOW policies apply)")
            }
        }
    }
}

/// The ALLOW rule that came closest to matching, and the first of its fields that did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearestMiss {
    /// The rule.
    pub by: RuleRef,
    /// The field that failed first.
    pub field: Field,
    /// What the call has there.
    pub got: String,
    /// What the rule wants there.
    pub wants: String,
    /// Where the rule was written.
    pub origin: Option<Origin>,
}

impl fmt::Display for NearestMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, field, got, wants, .. } = self;
        write!(f, "{by} failed on {field}: got {got}, wants {wants}")
    }
}

/// What a rule can ask of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// Who calls.
    Source,
    /// The workload's port.
    Port,
    /// The HTTP method.
    Method,
    /// The HTTP path.
    Path,
    /// The gRPC service.
    GrpcService,
    /// The gRPC method.
    GrpcMethod,
}

impl Field {
    /// Its name in logs and explanations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Port => "port",
            Self::Method => "method",
            Self::Path => "path",
            Self::GrpcService => "grpc.service",
            Self::GrpcMethod => "grpc.method",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
