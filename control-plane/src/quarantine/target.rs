//! Whom a quarantine means. Owns the words for it; who that is at a moment is the index's to know.

use std::fmt;

use kith_identity::SpiffeId;

/// Somebody who is cut off.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// Whoever has this identity.
    Identity(SpiffeId),
    /// One pod.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Whatever runs on this node.
    Node(String),
}

impl Target {
    /// The identity that is cut off; `None` where single workloads are.
    pub(crate) fn identity(&self) -> Option<&SpiffeId> {
        match self {
            Self::Identity(identity) => Some(identity),
            Self::Pod { .. } | Self::Node(_) => None,
        }
    }
}

/// As people are told: an identity, `pod shop/web-0`, `node worker-1`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(identity) => write!(f, "{identity}"),
            Self::Pod { namespace, name } => write!(f, "pod {namespace}/{name}"),
            Self::Node(name) => write!(f, "node {name}"),
        }
    }
}
