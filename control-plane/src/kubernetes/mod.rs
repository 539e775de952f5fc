//! How the API server is reached: by the control plane in its pod, and by a person with a kubeconfig, who finds an
//! installation, asks its control plane through the API server, writes quarantines with rights of their own, and checks
//! it. What is read there for the mesh is `source::kubernetes`'; who may be somebody there, `attest`'s.

pub mod check;
pub(crate) mod client;
mod error;
mod installation;
mod port_forward;
mod quarantines;

pub use self::client::ClientError;
pub use self::error::{Access, ClusterError};
pub use self::installation::Installation;
pub use self::port_forward::Forwarded;
pub use self::quarantines::Written;
pub use crate::quarantine::Target as QuarantineTarget;

/// Who wrote a field of an object: the API server keeps it, and lets each writer change its own.
pub(crate) const FIELD_MANAGER: &str = "kith-control-plane";
