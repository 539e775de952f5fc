//! What the platform says of a namespace. Owns the defaults, which are the strictest: a namespace that nothing is said
//! of is enforced, and reaches nothing outside the mesh.

use std::collections::BTreeMap;
use std::time::SystemTime;

/// Namespaces by name.
pub(crate) type Namespaces = BTreeMap<String, Namespace>;

/// One namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Namespace {
    pub(crate) posture: Posture,
    pub(crate) egress: Egress,
    /// Why nothing may be decided there: a policy of it, or what is said of it, cannot be read.
    pub(crate) refuse_all: Option<String>,
}

/// How strictly calls to its workloads are judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Posture {
    /// Would-be denials are logged, until then.
    Observe { until: SystemTime },
    /// mTLS is required; default denials are logged.
    Encrypt,
    #[default]
    Enforce,
}

/// What becomes of calls to destinations outside the mesh.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Egress {
    /// Nothing was said: Observe as long as the posture is Observe, else Deny.
    #[default]
    ByPosture,
    Deny,
    Observe,
    Allow,
}
