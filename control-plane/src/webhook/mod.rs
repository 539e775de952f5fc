//! What the API server asks before it stores an object: pods on their way into the mesh, our own policies, and what
//! namespaces say of the mesh. Owns the HTTPS server, its certificate, and that the API server trusts it; what is done to
//! a pod is `inject`'s, what a policy may say is `kith-policy`'s, what a label means the index's.
//!
//! ```text
//! API server ─► server (limits) ─► review (pure: question in, answer out) ─► inject, crd, namespaces
//! certificates ─► tls, live ─┐
//!        └─► trusted ─► registration ─► caBundle of kith-injector and kith-validator
//!                            └─► published (a new authority signs only then), owner of what the control plane makes
//! ```
//!
//! The API server proves no identity here, and anybody in the cluster may ask the same (K21): an answer changes nothing
//! but what whoever asked then stores, and says nothing that the object and its namespace do not.
//!
//! Both configurations have to select the namespaces that are labelled `kith.dev/inject`: a question about a pod of
//! another one is refused, because it means that the label has not been heard of yet.

mod certificates;
mod guests;
mod namespaces;
mod registration;
mod review;
mod server;
#[cfg(test)]
mod testing;

pub(crate) use certificates::Certificates;
pub(crate) use registration::{INJECTOR, Owner, Registration, VALIDATOR};
pub(crate) use server::{Installed, Webhook};
