//! `kith.yaml`: a mesh as its owner writes it down. Owns the language of that file and its errors, each with file,
//! line, column and the line itself; what a mesh may be at all is `services`' business.
//!
//! ```text
//! text ──► raw (fields, each with its place) ──► service, ttl (typed, valid) ──► MeshSpec, on the ground of one machine
//! ```

mod ground;
mod raw;
mod service;
#[cfg(test)]
mod tests;
mod ttl;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kith_identity::TrustDomain;
use kith_mtls::KeyExchange;
use kith_policy::Origin;
use kith_policy::document::DocumentError;
use kith_policy::document::yaml::{Field, Place, Text};

pub use self::ground::Ground;
use self::raw::{RawCertificates, RawFile};
use self::service::{Declared, Defaults};
use super::services::{MeshSpec, check_mesh_name};

/// Where the control plane listens when that is free.
pub const CONTROL_PLANE_PORT: u16 = 7450;
/// The namespace of services that name none, as in Kubernetes.
const DEFAULT_NAMESPACE: &str = "default";
/// Short on purpose: one can watch rotation.
const DEFAULT_TTL_SECONDS: u32 = 60;

/// Why a file describes no mesh.
#[derive(Debug, thiserror::Error)]
pub enum MeshFileError {
    /// It is not there.
    #[error("there is no {}; write one with: kith dev init", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error(transparent)]
    Document(#[from] DocumentError),
}

/// A mesh as it was written down; valid, but not yet looked for on this machine.
#[derive(Debug)]
pub struct MeshFile {
    /// The name of the mesh, when the file gives it one.
    pub name: Option<String>,
    trust_domain: TrustDomain,
    svid_seconds: u32,
    key_exchange: KeyExchange,
    policies: (String, Origin),
    services: Vec<Declared>,
}

impl MeshFile {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, MeshFileError> {
        let text = fs::read_to_string(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => MeshFileError::Missing { path: path.to_owned() },
            _ => MeshFileError::Read { path: path.to_owned(), source },
        })?;
        Ok(Self::parse(&path.display().to_string(), &text)?)
    }

    /// Reads a text that stands in a file of this name. One thing wrong anywhere, and all of it is refused.
    pub fn parse(file: &str, text: &str) -> Result<Self, DocumentError> {
        let text = Text::new(file, text);
        let mut documents = text.read::<RawFile>()?.into_iter();
        let document = documents.next().unwrap_or_default();
        if let Some(second) = documents.next() {
            return Err(text.error(second.place(), "a second document; a file describes one mesh"));
        }
        let Field::Present(raw, place) = document else {
            return Err(
                text.error(Place::START, "the file is empty; kith dev init FOLDER writes one to begin with")
            );
        };
        Self::from_raw(raw, place, &text)
    }

    fn from_raw(raw: RawFile, place: Place, text: &Text<'_>) -> Result<Self, DocumentError> {
        let name = raw.name.optional("name", text)?;
        let name = name.map(|(name, at)| checked(check_mesh_name(&name), at, text).map(|()| name));
        let (trust_domain, at) = raw.trust_domain.required("trustDomain", place, text)?;
        let trust_domain = checked(TrustDomain::parse(&trust_domain), at, text)?;
        let svid_seconds = match raw.certificates.optional("certificates", text)? {
            None => DEFAULT_TTL_SECONDS,
            Some((RawCertificates { ttl }, at)) => {
                let (ttl, at) = ttl.required("certificates.ttl", at, text)?;
                checked(ttl::seconds(&ttl), at, text)?
            }
        };
        let key_exchange = match raw.key_exchange.optional("keyExchange", text)? {
            None => KeyExchange::default(),
            Some((chosen, at)) => checked(chosen.parse(), at, text)?,
        };
        let namespace = raw.namespace.optional("namespace", text)?;
        let defaults = Defaults {
            trust_domain: &trust_domain,
            namespace: namespace.map_or_else(|| DEFAULT_NAMESPACE.to_owned(), |(namespace, _)| namespace),
        };
        let (policies, at) = raw.policies.required("policies", place, text)?;
        let policies = (policies, text.origin(at));
        let (services, at) = raw.services.required("services", place, text)?;
        if services.0.is_empty() {
            return Err(text.error(at, "a mesh has at least one service"));
        }
        let services = service::all(services, &defaults, text)?;
        Ok(Self { name: name.transpose()?, trust_domain, svid_seconds, key_exchange, policies, services })
    }

    /// The mesh on this machine: every command and folder of it is there.
    pub fn on(&self, ground: &Ground<'_>, name: &str) -> Result<MeshSpec, DocumentError> {
        let policies = ground.existing_folder(&self.policies.0, &self.policies.1, "policies")?;
        let services = self.services.iter().map(|service| service.on(ground)).collect::<Result<_, _>>()?;
        let trust_domain = self.trust_domain.clone();
        let mut spec = MeshSpec::new(name, trust_domain, policies, ground.kith, services);
        spec.svid_seconds = self.svid_seconds;
        spec.key_exchange = self.key_exchange;
        spec.control_plane_port = CONTROL_PLANE_PORT;
        Ok(spec)
    }

    /// The services that people are meant to open, each with the port that it wants.
    pub fn fronts(&self) -> BTreeMap<String, u16> {
        let front = |service: &Declared| Some((service.name().to_owned(), service.front?));
        self.services.iter().filter_map(front).collect()
    }
}

/// The error of a check, where the value stands.
fn checked<T, E: std::error::Error>(
    result: Result<T, E>,
    place: Place,
    text: &Text<'_>,
) -> Result<T, DocumentError> {
    result.map_err(|error| text.error(place, causes(&error)))
}

/// An error and what caused it, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", causes(source)),
        None => error.to_string(),
    }
}
