//! Does the whole work? What the end-to-end tests share: a mesh of real processes, an application that counts what
//! reaches it, and load that never retries.
//!
//! ```text
//! Load ──► sidecar of `caller` ──► sidecar of `backend` ──► Backend          Record ◄── identity logs of both
//! ```
//! Every attempt has a number, and every number ends in exactly one place: a receipt of the backend or a refusal
//! in the log.

mod backend;
mod binary;
mod client;
pub mod cluster;
mod load;
mod mesh;
pub mod page;
mod record;

pub use backend::Backend;
pub use binary::{binary, kith_binary, repository};
pub use client::{Answer, AnyBody, Connection, Version, read};
pub use load::{Attempt, Load, Outcome};
pub use mesh::{ALLOW_CALLER, Mesh, policy, policy_for};
pub use record::{Record, Rotations};
