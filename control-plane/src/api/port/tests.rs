//! Which port is meant where none was said.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use kith_identity::BundleSet;
use kith_policy::document;
use kith_proto::v1;

use super::*;
use crate::index::{ServiceEndpoint, ServicePort, Services, WorkloadId, workloads_from_wire};
use crate::testing::{ALLOW_ORDERS, demo_workloads, trust_domain};

const ON_8443: &str = "\
apiVersion: kith.dev/v1alpha1
kind: AuthorizationPolicy
metadata: { name: on-8443, namespace: demo }
spec:
  action: ALLOW
  rules:
  - sources: [{ type: ServiceAccount, serviceAccount: { name: orders } }]
    networkAttributes: { ports: [8443] }
";

fn pod(declared: &[u16]) -> Workload {
    let list = workloads_from_wire(&trust_domain(), demo_workloads()).unwrap();
    let ports: BTreeMap<_, _> = declared.iter().map(|port| (*port, v1::Protocol::Http)).collect();
    let payments = list.iter().find(|workload| workload.name == "payments").unwrap().clone();
    Workload { id: WorkloadId::new("uid"), name: "demo/payments-0".into(), port: 0, ports, ..payments }
}

fn world(policy: &str) -> World {
    let world = World::new(1, trust_domain(), BundleSet::default());
    world.replace_policies(document::parse("p.yaml", policy).unwrap()).unwrap()
}

#[test]
fn the_only_declared_port_is_meant_and_of_several_the_question_has_to_name_one() {
    let depends = world(ON_8443);
    assert_eq!(asked(&depends, &pod(&[8080]), 0), Ok(8080));
    assert_eq!(asked(&depends, &pod(&[8080]), 8443), Ok(8443), "one that was named needs no declaration");
    let error = asked(&depends, &pod(&[8080, 9090]), 0).unwrap_err().to_string();
    assert!(
        error.contains("demo/payments-0") && error.contains("8080, 9090") && error.contains("--port"),
        "{error}"
    );
    assert!(asked(&depends, &pod(&[]), 0).unwrap_err().to_string().contains("none"));
    assert_eq!(asked(&depends, &pod(&[]), 65_536), Err(WhichPort::None(65_536)));
}

#[test]
fn where_no_rule_is_about_ports_none_has_to_be_named() {
    let any = world(ALLOW_ORDERS);
    assert_eq!(asked(&any, &pod(&[8080, 9090]), 0), Ok(0));
    assert_eq!(asked(&any, &pod(&[]), 0), Ok(0));
    let local = Workload { port: 3000, ..pod(&[]) };
    assert_eq!(asked(&world(ON_8443), &local, 0), Ok(3000), "on one machine there is one");
}

#[test]
fn a_port_that_a_service_leads_to_is_declared() {
    let endpoint = |id: &str, address: &str| ServiceEndpoint {
        address: address.parse().unwrap(),
        workload: Some(WorkloadId::new(id)),
    };
    let endpoints = vec![endpoint("uid", "10.0.0.1:8443"), endpoint("other", "10.0.0.2:9000")];
    let port =
        ServicePort { service: "demo/payments".into(), protocol: v1::Protocol::Unspecified, endpoints };
    let address: SocketAddr = "10.96.0.1:80".parse().unwrap();
    let services = Services { by_address: [(address, port)].into(), ..Services::default() };
    let world = World { services: Arc::new(services), ..world(ON_8443) };
    assert_eq!(asked(&world, &pod(&[]), 0), Ok(8443));
}
