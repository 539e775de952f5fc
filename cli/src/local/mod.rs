//! Local mode: a whole mesh on one machine, for one user, without root. Owns the processes, their addresses, and
//! what lies on disk for them; what a workload may do is decided elsewhere.
//!
//! ```text
//! supervisor ──┬─ control plane    (channel on its stdin, identity proven by the channel)
//!              ├─ sidecar, one for each service   (channel; its stdout is the identity log)
//!              └─ application, one for each service
//! ```
//! What there is to run is a [`MeshSpec`]; `mesh_file` reads one from what people write.
//! ```text
//! kith.yaml ──► mesh_file ──► MeshSpec ──► supervisor
//! ```

mod address;
pub mod admin;
mod attestation;
pub mod banner;
mod channel;
pub mod check;
mod child;
mod claim;
mod control_plane;
pub mod demo_app;
pub mod demo_mesh;
mod endpoints;
mod events;
mod group;
mod http_call;
mod keeper;
mod kept_state;
pub mod layout;
mod leftovers;
mod lock;
pub mod mesh_file;
mod plan;
mod policies;
mod services;
mod sidecar;
pub mod story;
mod supervisor;
mod tier;

pub use child::Life;
pub use claim::Claim;
pub use control_plane::{ControlPlane, ControlPlaneFacts};
pub use endpoints::Endpoints;
pub use events::{ChildId, Event, Events, Stream};
pub use http_call::{Answer, call};
pub use keeper::Kept;
pub use kept_state::{KeptState, KeptStateError, NoRandomness, SealKey};
pub use leftovers::sweep;
pub use policies::{PolicyState, UnusablePolicies};
pub(crate) use services::check_mesh_name;
pub use services::{App, MeshSpec, Process, Protocol, ServiceSpec, SpecError};
pub use supervisor::Supervisor;
