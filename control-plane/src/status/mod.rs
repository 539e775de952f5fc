//! What becomes of our objects, told on the objects themselves. Owns the conditions of policies and quarantines and who
//! writes them; what the conditions are about is decided elsewhere.
//!
//! ```text
//! World ─► since ─┐
//! Acks ───────────┴─► laggards ─┐
//! Facts, World ─► reach ────────┴─► policy, quarantine ─► desk (merge, pace) ─► objects ─► the API server
//! ```
//!
//! What the control plane's service account needs for this, and no more:
//!
//! | API group | resources | verbs |
//! | --- | --- | --- |
//! | `kith.dev` | `authorizationpolicies`, `quarantines` | `get` |
//! | `kith.dev` | `authorizationpolicies/status`, `quarantines/status` | `patch` |
//! | `events.k8s.io` | `events` | `create` |

mod desk;
pub(crate) mod document;
mod laggards;
mod merge;
mod objects;
mod policy;
mod quarantine;
mod since;
#[cfg(test)]
mod testing;
mod writer;

pub(crate) use writer::StatusWriter;
