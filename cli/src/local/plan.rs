//! Where everything will be, decided before anything is started: so that everybody can be told at once, and every
//! child finds its place again after a restart.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use kith_proto::pod::ENDPOINT_SOCKET_VARIABLE;
use kith_proto::v1::workload_api::Callers;
use kith_proto::v1::{self, Outbound, SidecarStart, Workload, WorkloadApi};

use super::address::Reserved;
use super::endpoints::Endpoints;
use super::services::{
    App, MeshSpec, NAME_VARIABLE, PORT_VARIABLE, Protocol, ServiceSpec, SpecError, address_variable,
    inbound_variable, url_variable,
};

/// The addresses of a mesh.
pub(crate) struct Plan {
    /// The control plane's.
    pub(crate) control_plane: SocketAddr,
    /// Where the control plane answers for health and metrics.
    pub(crate) control_plane_health: SocketAddr,
    /// Those of every service.
    pub(crate) services: BTreeMap<String, Endpoints>,
    // Held until the end, never read.
    _reserved: Vec<Reserved>,
}

impl Plan {
    /// Reserves every address of a mesh whose specification was checked; `sockets` are those of the Workload API.
    pub(crate) fn make(spec: &MeshSpec, mut sockets: BTreeMap<String, PathBuf>) -> io::Result<Self> {
        let mut reserved = Vec::new();
        let mut take = |port| -> io::Result<SocketAddr> {
            let address = Reserved::prefer(port)?;
            reserved.push(address);
            Ok(reserved[reserved.len() - 1].address())
        };
        let control_plane = take(spec.control_plane_port)?;
        let control_plane_health = take(0)?;
        let mut services = BTreeMap::new();
        for service in &spec.services {
            let app = match &service.app {
                App::Process(_) => take(service.port)?,
                App::External { address } => *address,
            };
            let (inbound, health) = (take(0)?, take(0)?);
            let outbounds = service.calls.iter().map(|call| Ok((call.clone(), take(0)?)));
            let outbounds = outbounds.collect::<io::Result<_>>()?;
            let workload_api = sockets.remove(&service.name);
            services
                .insert(service.name.clone(), Endpoints { inbound, outbounds, app, health, workload_api });
        }
        Ok(Self { control_plane, control_plane_health, services, _reserved: reserved })
    }

    /// What a service's sidecar is told.
    pub(crate) fn sidecar_start(
        &self,
        spec: &MeshSpec,
        service: &ServiceSpec,
    ) -> Result<SidecarStart, SpecError> {
        let endpoints = &self.services[&service.name];
        let outbound = |(name, address): (&String, &SocketAddr)| Outbound {
            destination: name.clone(),
            listen: address.to_string(),
        };
        Ok(SidecarStart {
            trust_domain: spec.trust_domain.to_string(),
            name: service.name.clone(),
            identity: service.identity(&spec.trust_domain)?.to_string(),
            inbound_listen: endpoints.inbound.to_string(),
            application: endpoints.app.to_string(),
            outbounds: endpoints.outbounds.iter().map(outbound).collect(),
            workers: spec.sidecar_workers,
            health_listen: endpoints.health.to_string(),
            key_exchange: spec.key_exchange.to_string(),
            workload_api: endpoints.workload_api.as_deref().map(|socket| workload_api(socket, &service.app)),
        })
    }

    /// What the control plane is told of a service.
    pub(crate) fn workload(&self, service: &ServiceSpec) -> Workload {
        let endpoints = &self.services[&service.name];
        Workload {
            name: service.name.clone(),
            namespace: service.namespace.clone(),
            service_account: service.service_account.clone(),
            labels: service.labels.clone().into_iter().collect(),
            inbound_address: endpoints.inbound.to_string(),
            port: u32::from(endpoints.app.port()),
            calls: service.calls.clone(),
            protocol: protocol(service.protocol).into(),
        }
    }

    /// The environment of a service's application: its name and port, and where it finds what it calls.
    pub(crate) fn environment(&self, spec: &MeshSpec, service: &ServiceSpec) -> BTreeMap<String, String> {
        let endpoints = &self.services[&service.name];
        let mut environment = match &service.app {
            App::Process(process) => process.env.clone(),
            App::External { .. } => BTreeMap::new(),
        };
        environment.insert(PORT_VARIABLE.to_owned(), endpoints.app.port().to_string());
        environment.insert(NAME_VARIABLE.to_owned(), service.name.clone());
        if let Some(socket) = &endpoints.workload_api {
            environment.insert(ENDPOINT_SOCKET_VARIABLE.to_owned(), endpoint(socket));
        }
        for (name, address) in &endpoints.outbounds {
            environment.insert(url_variable(name), format!("http://{address}"));
            environment.insert(inbound_variable(name), self.services[name].inbound.to_string());
            let tcp = |called: &ServiceSpec| called.name == *name && called.protocol == Protocol::Tcp;
            if spec.services.iter().any(tcp) {
                environment.insert(address_variable(name), address.to_string());
            }
        }
        environment
    }
}

/// The address of a socket, as SPIFFE wants it: what no path of a URI has is written by its number.
fn endpoint(socket: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let written =
        |&byte: &u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    format!("unix://{}", socket.as_os_str().as_bytes().iter().map(written).collect::<String>())
}

fn workload_api(socket: &Path, app: &App) -> WorkloadApi {
    let callers = match app {
        App::Process(_) => Callers::Application,
        App::External { .. } => Callers::User,
    };
    WorkloadApi { socket: socket.display().to_string(), callers: callers.into() }
}

fn protocol(protocol: Protocol) -> v1::Protocol {
    match protocol {
        Protocol::Detect => v1::Protocol::Unspecified,
        Protocol::Http => v1::Protocol::Http,
        Protocol::Tcp => v1::Protocol::Tcp,
    }
}

/// Services in the order in which their applications start: each after those it calls, as far as that goes.
pub(crate) fn start_order(services: &[ServiceSpec]) -> Vec<&ServiceSpec> {
    let mut waiting: Vec<&ServiceSpec> = services.iter().collect();
    let mut order: Vec<&ServiceSpec> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let started = |name: &String| order.iter().any(|service| service.name == *name);
        // In a circle of calls somebody has to be first.
        let next = waiting.iter().position(|service| service.calls.iter().all(started)).unwrap_or(0);
        order.push(waiting.remove(next));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::demo_mesh;

    fn spec() -> MeshSpec {
        let folder = tempfile::tempdir().unwrap();
        demo_mesh::write_policies(&folder.path().join("policies")).unwrap();
        demo_mesh::spec(folder.path(), Path::new("/bin/kith"), "demo").unwrap()
    }

    #[test]
    fn every_address_is_held_and_none_is_given_twice() {
        let spec = spec();
        let plan = Plan::make(&spec, BTreeMap::new()).unwrap();
        let mut all = vec![plan.control_plane, plan.control_plane_health];
        for endpoints in plan.services.values() {
            all.extend([endpoints.inbound, endpoints.app, endpoints.health]);
            all.extend(endpoints.outbounds.values());
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), plan._reserved.len());
    }

    #[test]
    fn an_application_finds_itself_and_what_it_calls_in_its_environment() {
        let mut spec = spec();
        let plan = Plan::make(&spec, BTreeMap::new()).unwrap();
        let of_orders = |spec: &MeshSpec| {
            let orders = spec.services.iter().find(|service| service.name == "orders").unwrap();
            plan.environment(spec, orders)
        };
        let endpoints = &plan.services["orders"];
        let environment = of_orders(&spec);
        assert_eq!(environment["PORT"], endpoints.app.port().to_string());
        assert_eq!(environment["KITH_SERVICE"], "orders");
        assert_eq!(environment["PAYMENTS_URL"], format!("http://{}", endpoints.outbounds["payments"]));
        assert_eq!(environment["PAYMENTS_INBOUND"], plan.services["payments"].inbound.to_string());
        assert!(!environment.contains_key("PAYMENTS_ADDRESS"), "a URL says more");
        spec.services.iter_mut().find(|service| service.name == "payments").unwrap().protocol = Protocol::Tcp;
        assert_eq!(of_orders(&spec)["PAYMENTS_ADDRESS"], endpoints.outbounds["payments"].to_string());
    }

    #[test]
    fn an_application_is_told_of_its_own_socket_and_its_sidecar_of_whom_to_answer() {
        let mut spec = spec();
        let sockets = BTreeMap::from([("web".to_owned(), PathBuf::from("/run/kith/demo/web.sock"))]);
        let plan = Plan::make(&spec, sockets).unwrap();
        let told = |spec: &MeshSpec, name: &str| {
            let service = spec.services.iter().find(|service| service.name == name).unwrap();
            let environment = plan.environment(spec, service);
            let start = plan.sidecar_start(spec, service).unwrap();
            (environment.get("SPIFFE_ENDPOINT_SOCKET").cloned(), start.workload_api)
        };
        let (variable, api) = told(&spec, "web");
        assert_eq!(variable.as_deref(), Some("unix:///run/kith/demo/web.sock"));
        let api = api.unwrap();
        assert_eq!((api.socket.as_str(), api.callers()), ("/run/kith/demo/web.sock", Callers::Application));
        assert_eq!(told(&spec, "orders"), (None, None));
        assert_eq!(
            endpoint(Path::new("/my folder/50%?#é.sock")),
            "unix:///my%20folder/50%25%3F%23%C3%A9.sock"
        );
        spec.services[0].app = App::External { address: ([127, 0, 0, 1], 1).into() };
        assert_eq!(told(&spec, "web").1.unwrap().callers(), Callers::User, "nobody here started it");
    }

    #[test]
    fn what_an_application_speaks_is_told_to_the_control_plane() {
        let mut service = spec().services.remove(0);
        let plan = Plan::make(&spec(), BTreeMap::new()).unwrap();
        for (declared, told) in [
            (Protocol::Detect, v1::Protocol::Unspecified),
            (Protocol::Http, v1::Protocol::Http),
            (Protocol::Tcp, v1::Protocol::Tcp),
        ] {
            service.protocol = declared;
            assert_eq!(plan.workload(&service).protocol(), told);
        }
    }

    #[test]
    fn applications_start_after_those_they_call_and_a_circle_is_no_obstacle() {
        let mut services = spec().services;
        let order: Vec<_> = start_order(&services).iter().map(|service| service.name.as_str()).collect();
        assert_eq!(order, ["payments", "orders", "web", "intruder"]);
        services.iter_mut().find(|service| service.name == "payments").unwrap().calls.push("web".to_owned());
        assert_eq!(start_order(&services).len(), services.len());
    }
}
