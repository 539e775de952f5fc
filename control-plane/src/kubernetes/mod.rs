//! How the API server is reached: by the control plane in its pod, and by a person with a kubeconfig, who finds an
//! installation, asks its control plane through the API server, writes quarantines with rights of their own, and checks
//! it. What is read there for the mesh is `source::kubernetes`'; who may be somebody there, `attest`'s.

pub mod check;
pub(crate) mod client;
mod error;
mod installation;
pub(crate) mod kinds;
mod port_forward;
mod quarantines;

pub use self::client::ClientError;
pub(crate) use self::error::unless_gone;
pub use self::error::{Access, ClusterError, innermost};
pub use self::installation::Installation;
pub use self::port_forward::Forwarded;
pub use self::quarantines::{StoredQuarantine, Written};

/// Who wrote a field of an object: the API server keeps it, and lets each writer change its own.
pub(crate) const FIELD_MANAGER: &str = "kith-control-plane";
