//! How does a process live? Everything that Kith's processes share and that knows nothing of a mesh.
//!
//! Owns the clock, the tasks and who waits for them, the accept loop, drain, readiness, health and metrics, signals,
//! diagnostics and the packet socket between a supervisor and its children. Names no identity, policy or certificate: it depends on
//! no other crate of Kith.
//!
//! ```text
//! signal ──► Stopper::begin ──► serve stops accepting ──► open connections finish ──► Tasks::finish
//!               Stopper::force (deadline, or a second signal) ──────────────────────► what is left is cut
//!                                                                                     HealthPort::close, last
//! ```

mod backoff;
mod clock;
mod drain;
mod file_limit;
mod health;
pub mod metrics;
mod newest;
pub mod packet_socket;
mod parent;
mod readiness;
mod serve;
pub mod signals;
mod tasks;
pub mod telemetry;

pub use backoff::Backoff;
pub use clock::{Clock, ManualClock};
pub use drain::{Stop, Stopper, drain};
pub use file_limit::raise_file_limit;
pub use health::{Health, HealthPort, Page};
pub use newest::Newest;
pub use packet_socket::{Packet, PacketSocket};
pub use parent::{die_with, die_with_parent};
pub use readiness::{Guard, Readiness};
pub use serve::{Limits, serve, serve_unix};
pub use tasks::Tasks;
