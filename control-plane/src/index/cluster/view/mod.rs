//! The kinds put together: one file for each part of the world that a cluster says.

mod cut_off;
mod namespaces;
mod pods;
mod services;
mod workloads;

pub(super) use cut_off::{cut_off, quarantine_objects};
pub(super) use namespaces::namespaces;
pub(super) use pods::Pods;
pub(super) use services::services;
pub(super) use workloads::{declared_ports, workloads};
