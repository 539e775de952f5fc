//! Settings of a pod's sidecar: from the environment that the injector wrote. Owns their checks; every value that is
//! wrong is named at once, since each look at a pod that does not start costs a person minutes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::bail;
use clap::Args;
use kith_identity::{SpiffeId, TrustDomain, is_name};
use kith_mtls::KeyExchange;
use kith_proto::pod::{self, HostPort, Probes};

use super::{Outbound, Settings, socket, workers};
use crate::capture::{Applications, Capture, OwnAddresses};
use crate::workload_api::{self, Callers};

/// What the environment says; unset is empty, and refused like anything else that is wrong.
#[derive(Debug, Clone, Default, Args)]
pub struct PodArgs {
    /// The trust domain of the mesh
    #[arg(
        long,
        env = pod::TRUST_DOMAIN_VARIABLE,
        default_value = "",
        hide_default_value = true,
        hide_env_values = true
    )]
    pub trust_domain: String,
    /// Where the control plane is: HOST:PORT
    #[arg(
        long,
        env = pod::CONTROL_PLANE_VARIABLE,
        default_value = "",
        hide_default_value = true,
        hide_env_values = true
    )]
    pub control_plane: String,
    /// The pod's namespace
    #[arg(
        long,
        env = pod::POD_NAMESPACE_VARIABLE,
        default_value = "",
        hide_default_value = true,
        hide_env_values = true
    )]
    pub pod_namespace: String,
    /// The pod's name
    #[arg(
        long,
        env = pod::POD_NAME_VARIABLE,
        default_value = "",
        hide_default_value = true,
        hide_env_values = true
    )]
    pub pod_name: String,
    /// The pod's service account
    #[arg(
        long,
        env = pod::SERVICE_ACCOUNT_VARIABLE,
        default_value = "",
        hide_default_value = true,
        hide_env_values = true
    )]
    pub service_account: String,
    /// The pod's addresses, comma-separated
    #[arg(long, env = pod::POD_IPS_VARIABLE, default_value = "", hide_default_value = true, hide_env_values = true)]
    pub pod_ips: String,
    /// Where the Workload API is served; nowhere when it is empty
    #[arg(long, env = pod::WORKLOAD_API_VARIABLE, default_value = "", hide_default_value = true, hide_env_values = true)]
    pub workload_api: String,
    /// PreferPq: post-quantum key exchange wherever the peer knows it. RequirePq: no session without it
    #[arg(long, env = pod::KEY_EXCHANGE_VARIABLE, default_value = "PreferPq", hide_env_values = true)]
    pub key_exchange: String,
    /// The probes to replay, as JSON
    #[arg(long, env = pod::PROBES_VARIABLE, default_value = "{}", hide_env_values = true)]
    pub probes: String,
}

impl PodArgs {
    /// Validates all of it, and says where the control plane is; the error names everything that is wrong. `resolvers` are
    /// those of the pod.
    pub(crate) fn read(&self, resolvers: Vec<IpAddr>) -> anyhow::Result<(Settings, HostPort)> {
        let mut wrong = Wrong::default();
        let trust_domain = wrong.check(pod::TRUST_DOMAIN_VARIABLE, TrustDomain::parse(&self.trust_domain));
        let control_plane = wrong.check(pod::CONTROL_PLANE_VARIABLE, HostPort::parse(&self.control_plane));
        wrong.check(pod::POD_NAME_VARIABLE, name(&self.pod_name));
        wrong.check(pod::POD_NAMESPACE_VARIABLE, name(&self.pod_namespace));
        wrong.check(pod::SERVICE_ACCOUNT_VARIABLE, name(&self.service_account));
        let pod_ips = wrong.check(pod::POD_IPS_VARIABLE, pod::pod_ips(&self.pod_ips));
        let probes = wrong.check(pod::PROBES_VARIABLE, serde_json::from_str::<Probes>(&self.probes));
        let workload_api = wrong.check(pod::WORKLOAD_API_VARIABLE, workload_api(&self.workload_api));
        let key_exchange = wrong.check(pod::KEY_EXCHANGE_VARIABLE, self.key_exchange.parse::<KeyExchange>());
        let identity = trust_domain.and_then(|domain| {
            // What is wrong with the names was said above.
            SpiffeId::for_service_account(&domain, &self.pod_namespace, &self.service_account).ok()
        });
        if let Some(reserved) = identity.as_ref().filter(|identity| identity.is_reserved()) {
            wrong.0.push(format!(
                "{reserved} is the control plane's own identity: no pod has a sidecar with it"
            ));
        }
        match (identity, control_plane, pod_ips, probes, workload_api.zip(key_exchange)) {
            (
                Some(identity),
                Some(control_plane),
                Some(pod_ips),
                Some(probes),
                Some((workload_api, key_exchange)),
            ) if wrong.0.is_empty() => {
                let settings = settings(identity, Addresses { pod_ips, resolvers }, probes)?;
                Ok((Settings { workload_api, key_exchange, ..settings }, control_plane))
            }
            _ => bail!("{}", wrong.0.join("; ")),
        }
    }
}

/// What the pod has, and whom it asks for names.
struct Addresses {
    pod_ips: Vec<IpAddr>,
    resolvers: Vec<IpAddr>,
}

/// The ports that the redirect leads to. Where the pod has no address of IPv6, the machine may have none at all, and IPv4
/// must do.
fn settings(identity: SpiffeId, addresses: Addresses, probes: Probes) -> anyhow::Result<Settings> {
    let Addresses { pod_ips, resolvers } = addresses;
    let has_v6 = pod_ips.iter().any(IpAddr::is_ipv6);
    let any = if has_v6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    let loopbacks = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let outbound = |ip| Outbound { destination: None, listen: SocketAddr::new(ip, pod::OUTBOUND_PORT) };
    Ok(Settings {
        identity,
        inbound: SocketAddr::new(any, pod::INBOUND_PORT),
        applications: Applications::OriginalDestination,
        capture: Capture::Redirected(OwnAddresses::new(pod_ips.iter().copied()).asking(resolvers)),
        outbounds: loopbacks.into_iter().filter(|ip| ip.is_ipv4() || has_v6).map(outbound).collect(),
        workers: workers(0)?,
        health: SocketAddr::new(any, pod::HEALTH_PORT),
        probes,
        workload_api: None,
        key_exchange: KeyExchange::default(),
    })
}

/// Who may ask is decided by who has the socket: by the pod's mounts.
fn workload_api(path: &str) -> anyhow::Result<Option<workload_api::Settings>> {
    let settings = |socket| workload_api::Settings { socket, callers: Callers::Everyone };
    Ok(if path.is_empty() { None } else { Some(settings(socket(path)?)) })
}

/// All that is wrong, in the order of the settings.
#[derive(Debug, Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn check<T, E: std::fmt::Display>(&mut self, variable: &str, read: Result<T, E>) -> Option<T> {
        read.inspect_err(|error| self.0.push(format!("{variable}: {error}"))).ok()
    }
}

fn name(text: &str) -> Result<(), String> {
    if is_name(text) { Ok(()) } else { Err(format!("{text:?} is not a name of Kubernetes")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> PodArgs {
        PodArgs {
            trust_domain: "demo.local".to_owned(),
            control_plane: "kith-control-plane.kith.svc:7450".to_owned(),
            pod_namespace: "shop".to_owned(),
            pod_name: "web-0".to_owned(),
            service_account: "web".to_owned(),
            pod_ips: "10.1.2.3,fd00::3".to_owned(),
            workload_api: String::new(),
            key_exchange: "RequirePq".to_owned(),
            probes: "{}".to_owned(),
        }
    }

    fn refused(args: &PodArgs) -> String {
        args.read(Vec::new()).unwrap_err().to_string()
    }

    #[test]
    fn a_pods_settings_come_from_its_environment() {
        let resolver: SocketAddr = "10.96.0.10:53".parse().unwrap();
        let (settings, control_plane) = args().read(vec![resolver.ip()]).unwrap();
        assert_eq!(settings.identity.as_str(), "spiffe://demo.local/ns/shop/sa/web");
        assert_eq!(control_plane.host(), "kith-control-plane.kith.svc");
        assert_eq!(settings.inbound, "[::]:7442".parse().unwrap());
        assert_eq!(settings.health, "[::]:7447".parse().unwrap());
        let outbounds: Vec<_> = settings.outbounds.iter().map(|port| port.listen.to_string()).collect();
        assert_eq!(outbounds, ["127.0.0.1:7441", "[::1]:7441"]);
        assert!(settings.outbounds.iter().all(|port| port.destination.is_none()));
        let own = settings.capture.own().unwrap();
        assert!(own.is_resolver(resolver) && !own.contains(resolver.ip()));
        assert!(["10.1.2.3", "fd00::3"].into_iter().all(|ip| own.contains(ip.parse().unwrap())));
        assert_eq!(own.first(), "10.1.2.3".parse().ok());
        assert!(settings.workload_api.is_none());
        assert_eq!(settings.key_exchange, KeyExchange::RequirePq);
    }

    #[test]
    fn the_workload_api_is_for_whoever_has_its_socket_and_is_nowhere_unless_the_injector_says() {
        let socket = pod::WORKLOAD_API_SOCKET.to_owned();
        let (settings, _) = PodArgs { workload_api: socket.clone(), ..args() }.read(Vec::new()).unwrap();
        let api = settings.workload_api.unwrap();
        assert_eq!(api.socket.to_str(), Some(socket.as_str()));
        assert!(matches!(api.callers, Callers::Everyone));
    }

    #[test]
    fn a_pod_without_ipv6_listens_where_there_is_no_ipv6() {
        let (settings, _) = PodArgs { pod_ips: "10.1.2.3".to_owned(), ..args() }.read(Vec::new()).unwrap();
        assert_eq!(settings.inbound, "0.0.0.0:7442".parse().unwrap());
        assert_eq!(settings.outbounds.len(), 1);
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let error = refused(&PodArgs { probes: "{".to_owned(), ..PodArgs::default() });
        for variable in [
            "KITH_TRUST_DOMAIN",
            "KITH_CONTROL_PLANE",
            "KITH_POD_NAMESPACE",
            "KITH_POD_NAME",
            "KITH_SERVICE_ACCOUNT",
            "KITH_POD_IPS",
            "KITH_PROBES",
        ] {
            assert!(error.contains(&format!("{variable}: ")), "{variable} in {error}");
        }
    }

    #[test]
    fn one_wrong_value_is_enough_and_the_others_are_not_named() {
        // K8
        for (spoil, variable) in [
            (
                &(|args: &mut PodArgs| args.service_account = "web/../x".to_owned()) as &dyn Fn(&mut PodArgs),
                "KITH_SERVICE_ACCOUNT",
            ),
            (
                &|args: &mut PodArgs| args.probes = r#"{"web/liveness":{"acton":{}}}"#.to_owned(),
                "KITH_PROBES",
            ),
            (&|args: &mut PodArgs| args.key_exchange = "require-pq".to_owned(), "KITH_KEY_EXCHANGE"),
            (&|args: &mut PodArgs| args.workload_api = "unix:///x".to_owned(), "KITH_WORKLOAD_API"),
            (&|args: &mut PodArgs| args.pod_ips = "127.0.0.1".to_owned(), "KITH_POD_IPS"),
            (&|args: &mut PodArgs| args.trust_domain = "Demo.Local".to_owned(), "KITH_TRUST_DOMAIN"),
        ] {
            let mut args = args();
            spoil(&mut args);
            let error = refused(&args);
            assert!(error.starts_with(variable) && error.matches("KITH_").count() == 1, "{error}");
        }
    }

    #[test]
    fn a_pod_cannot_be_the_control_plane() {
        let (namespace, account) = ("kith".to_owned(), "kith-control-plane".to_owned());
        let error = refused(&PodArgs { pod_namespace: namespace, service_account: account, ..args() });
        assert!(error.contains("control plane's own identity"), "{error}");
    }
}
