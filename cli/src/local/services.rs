//! What a mesh in local mode consists of, as its owner declares it. Checked once, here; everything after may rely
//! on it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;

use kith_identity::{SpiffeId, SpiffeIdError, TrustDomain};
use kith_mtls::KeyExchange;

use super::kept_state::SealKey;

/// Shortest lifetime of an svid that local mode offers.
pub(crate) const MIN_SVID_SECONDS: u32 = 20;
/// Longest lifetime of an svid.
pub(crate) const MAX_SVID_SECONDS: u32 = 24 * 60 * 60;
/// The variable with the port that an application is to listen on.
pub(crate) const PORT_VARIABLE: &str = "PORT";
/// The variable with the name of an application's service.
pub(crate) const NAME_VARIABLE: &str = "KITH_SERVICE";

/// A mesh.
#[derive(Debug, Clone)]
pub struct MeshSpec {
    /// Names the mesh; its admin socket is `NAME.sock`.
    pub name: String,
    /// The trust domain of every identity in it.
    pub trust_domain: TrustDomain,
    /// The services.
    pub services: Vec<ServiceSpec>,
    /// The folder of policies.
    pub policies_dir: PathBuf,
    /// Whether the control plane follows edits in it; else it reads the folder once, at its start.
    pub watch_policies: bool,
    /// Lifetime of an svid.
    pub svid_seconds: u32,
    /// Where the control plane keeps its sealed state; a temporary folder when `None`.
    pub state_dir: Option<PathBuf>,
    /// The key of a state that outlives the mesh, and is found again by the next one. `None`: the key lives in memory,
    /// and the state is removed at the end.
    pub seal_key: Option<SealKey>,
    /// Where the admin socket lies; in the state folder when `None`.
    pub socket_dir: Option<PathBuf>,
    /// The control plane's port when it is free; 0 lets the supervisor choose.
    pub control_plane_port: u16,
    /// The executable that `run-control-plane` and `run-sidecar` are verbs of.
    pub kith_binary: PathBuf,
    /// Which key exchanges sidecars and control plane agree to.
    pub key_exchange: KeyExchange,
    /// Worker threads of each sidecar; 0: one for each core.
    pub sidecar_workers: u32,
    /// What the control plane and the sidecars report on their stderr, such as `warn` or `debug`.
    pub log_level: String,
}

impl MeshSpec {
    /// A mesh with svids of one minute and temporary state; every field may be changed afterwards.
    pub fn new(
        name: impl Into<String>,
        trust_domain: TrustDomain,
        policies_dir: impl Into<PathBuf>,
        kith_binary: impl Into<PathBuf>,
        services: Vec<ServiceSpec>,
    ) -> Self {
        Self {
            name: name.into(),
            trust_domain,
            services,
            policies_dir: policies_dir.into(),
            watch_policies: true,
            svid_seconds: 60,
            state_dir: None,
            seal_key: None,
            socket_dir: None,
            control_plane_port: 0,
            kith_binary: kith_binary.into(),
            key_exchange: KeyExchange::default(),
            sidecar_workers: 1,
            log_level: "warn".to_owned(),
        }
    }

    /// Refuses what could not work, before any process is started.
    pub(crate) fn check(&self) -> Result<(), SpecError> {
        check_mesh_name(&self.name)?;
        if !(MIN_SVID_SECONDS..=MAX_SVID_SECONDS).contains(&self.svid_seconds) {
            return Err(SpecError::SvidSeconds { seconds: self.svid_seconds });
        }
        let mut names = BTreeSet::new();
        for service in &self.services {
            check_service_name(&service.name)?;
            service.identity(&self.trust_domain)?;
            if !names.insert(service.name.as_str()) {
                return Err(SpecError::Twice { name: service.name.clone() });
            }
        }
        for service in &self.services {
            if let Some(unknown) = service.calls.iter().find(|name| !names.contains(name.as_str())) {
                return Err(SpecError::UnknownCall { service: service.name.clone(), call: unknown.clone() });
            }
            if matches!(&service.app, App::Process(process) if process.argv.is_empty()) {
                return Err(SpecError::NoCommand { service: service.name.clone() });
            }
        }
        Ok(())
    }
}

/// A service: one workload, its application and its sidecar.
#[derive(Debug, Clone)]
pub struct ServiceSpec {
    /// What other services call it.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its service account; with the namespace it makes the identity.
    pub service_account: String,
    /// What policies select it by.
    pub labels: BTreeMap<String, String>,
    /// The application.
    pub app: App,
    /// Names of the services that it calls.
    pub calls: Vec<String>,
    /// The loopback port of the application; 0 lets the supervisor choose. Unused when the application is external.
    pub port: u16,
    /// What the application speaks.
    pub protocol: Protocol,
    /// Whether the application may get svids for itself, from its sidecar's Workload API. When the supervisor keeps it,
    /// only it and what it starts may; when it is external, every process of this user.
    pub workload_api: bool,
}

/// What an application speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// Whatever its first bytes say.
    #[default]
    Detect,
    /// HTTP/1.1 or HTTP/2, and nothing else.
    Http,
    /// Bytes that are not looked into; needed where the server speaks first.
    Tcp,
}

impl ServiceSpec {
    /// The identity of the workload.
    pub fn identity(&self, trust_domain: &TrustDomain) -> Result<SpiffeId, SpecError> {
        let identity = SpiffeId::for_service_account(trust_domain, &self.namespace, &self.service_account);
        identity.map_err(|source| SpecError::Identity { service: self.name.clone(), source })
    }
}

/// The application behind a sidecar.
#[derive(Debug, Clone)]
pub enum App {
    /// Started, restarted and stopped by the supervisor.
    Process(Process),
    /// Somebody else's: it listens already.
    External {
        /// Where.
        address: SocketAddr,
    },
}

/// An application that the supervisor keeps. It listens on `127.0.0.1:$PORT`, and where it finds what it calls is in
/// `NAME_URL` (for a service that speaks TCP in `NAME_ADDRESS` as well), where their sidecars accept sessions in
/// `NAME_INBOUND`. `KITH_SERVICE` names its own service, and `SPIFFE_ENDPOINT_SOCKET` the socket of its Workload API.
#[derive(Debug, Clone, Default)]
pub struct Process {
    /// The command.
    pub argv: Vec<String>,
    /// Its environment, apart from the variables above; nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// The folder it runs in; the supervisor's own when `None`.
    pub cwd: Option<PathBuf>,
    /// Whether it is ready only once it listens.
    pub listens: bool,
}

/// The variable in which an application finds the URL of what it calls.
pub(crate) fn url_variable(call: &str) -> String {
    format!("{}_URL", variable(call))
}

/// The variable in which it finds the same address without a scheme.
pub(crate) fn address_variable(call: &str) -> String {
    format!("{}_ADDRESS", variable(call))
}

/// The variable in which it finds the other sidecar, past its own: a call to it is refused, and can be seen to be.
pub(crate) fn inbound_variable(call: &str) -> String {
    format!("{}_INBOUND", variable(call))
}

fn variable(call: &str) -> String {
    call.to_ascii_uppercase().replace('-', "_")
}

/// Why a mesh cannot be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A name that would not do as a file name or as part of a variable's name.
    #[error("the {what} name {name:?} is not 1 to 40 of [a-z0-9-] starting with a letter")]
    Name {
        /// What it names.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Two services of one name.
    #[error("the service {name:?} is declared twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// A lifetime out of range.
    #[error("svids of {seconds} s are not offered; choose 20 s to 24 h")]
    SvidSeconds {
        /// The lifetime.
        seconds: u32,
    },
    /// A service calls one that does not exist.
    #[error("the service {service:?} calls {call:?}, which is not a service of this mesh")]
    UnknownCall {
        /// The service.
        service: String,
        /// What it calls.
        call: String,
    },
    /// No command to start.
    #[error("the service {service:?} has an empty command")]
    NoCommand {
        /// The service.
        service: String,
    },
    /// Namespace or service account are no names.
    #[error("the service {service:?} cannot have an identity")]
    Identity {
        /// The service.
        service: String,
        /// Why.
        source: SpiffeIdError,
    },
}

/// Refuses what cannot name a mesh.
pub(crate) fn check_mesh_name(name: &str) -> Result<(), SpecError> {
    check_label("mesh", name)
}

/// Refuses what cannot name a service.
pub(crate) fn check_service_name(name: &str) -> Result<(), SpecError> {
    check_label("service", name)
}

fn check_label(what: &'static str, name: &str) -> Result<(), SpecError> {
    let letters = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if letters && name.len() <= 40 && name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Ok(());
    }
    Err(SpecError::Name { what, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, calls: &[&str]) -> ServiceSpec {
        ServiceSpec {
            name: name.to_owned(),
            namespace: "demo".to_owned(),
            service_account: name.to_owned(),
            labels: BTreeMap::new(),
            app: App::External { address: ([127, 0, 0, 1], 1).into() },
            calls: calls.iter().map(|&call| call.to_owned()).collect(),
            port: 0,
            protocol: Protocol::Detect,
            workload_api: true,
        }
    }

    fn mesh(name: &str, services: Vec<ServiceSpec>) -> MeshSpec {
        let trust_domain = TrustDomain::parse("demo.local").unwrap();
        MeshSpec::new(name, trust_domain, "policies", "kith", services)
    }

    #[test]
    fn a_mesh_whose_calls_are_services_is_accepted() {
        assert_eq!(mesh("demo", vec![service("a", &["b"]), service("b", &[])]).check(), Ok(()));
    }

    #[test]
    fn what_could_not_work_is_refused_before_anything_starts() {
        let twice = mesh("demo", vec![service("a", &[]), service("a", &[])]);
        assert_eq!(twice.check(), Err(SpecError::Twice { name: "a".into() }));
        let unknown = mesh("demo", vec![service("a", &["b"])]);
        assert_eq!(unknown.check(), Err(SpecError::UnknownCall { service: "a".into(), call: "b".into() }));
        let mut short = mesh("demo", vec![]);
        short.svid_seconds = 19;
        assert_eq!(short.check(), Err(SpecError::SvidSeconds { seconds: 19 }));
        let mut empty = service("a", &[]);
        empty.app = App::Process(Process::default());
        assert_eq!(mesh("demo", vec![empty]).check(), Err(SpecError::NoCommand { service: "a".into() }));
    }

    #[test]
    fn a_name_that_could_leave_its_folder_is_refused() {
        for name in ["", "../x", "a/b", "A", "1a", "a b", "a\n", &"a".repeat(41)] {
            assert!(matches!(mesh(name, vec![]).check(), Err(SpecError::Name { .. })), "{name:?}");
            let services = vec![service(name, &[])];
            assert!(matches!(mesh("demo", services).check(), Err(SpecError::Name { .. })), "{name:?}");
        }
    }

    #[test]
    fn a_service_account_that_is_no_name_gives_no_identity() {
        let mut spec = service("a", &[]);
        spec.service_account = "a/../b".to_owned();
        assert!(matches!(mesh("demo", vec![spec]).check(), Err(SpecError::Identity { .. })));
    }
}
