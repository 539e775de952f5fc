//! The injector from outside: a pod in, a pod or a refusal out.

use kith_identity::TrustDomain;
use kith_mtls::KeyExchange;
use kith_proto::pod::{PortRange, Probes};
use serde_json::{Value, json};

use super::patch::tests::apply;
use super::*;

mod documents;
mod members;
mod mounts;
mod probes;
mod properties;
mod refusals;
mod resolvers;
mod twice;
mod workload_api;

fn settings() -> Settings {
    settings_with(json!({"sidecarImage": "registry.example/kith-sidecar:1.0"}))
}

fn settings_with(injector: Value) -> Settings {
    let injector = serde_json::from_value(injector).unwrap();
    let trust_domain = TrustDomain::parse("prod.example").unwrap();
    Settings::new(trust_domain, "kith-control-plane.kith.svc:7450", KeyExchange::RequirePq, injector, "1.0")
        .unwrap()
}

fn namespace(injection: Membership) -> NamespaceFacts {
    let permit = |text| vec![PortRange::parse(text).unwrap()];
    NamespaceFacts {
        name: "shop".to_owned(),
        injection,
        permit_skip_inbound: permit("9000-9100"),
        permit_skip_outbound: permit("3306"),
    }
}

/// As the API server hands it over.
fn pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {
            "serviceAccountName": "web",
            "initContainers": [{"name": "migrate", "image": "m"}],
            "containers": [
                {"name": "app", "image": "a", "ports": [{"name": "http", "containerPort": 8080}]},
                {"name": "log", "image": "l"},
            ],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut pod = pod();
    put(&mut pod, pointer, value);
    pod
}

/// Sets a field; the objects above it are made where they are missing.
fn put(pod: &mut Value, pointer: &str, value: Value) {
    let mut place = pod;
    for part in pointer.split('/').skip(1).map(|part| part.replace("~1", "/")) {
        place = match (part.parse::<usize>(), place) {
            (Ok(index), Value::Array(items)) => &mut items[index],
            (_, place) => &mut place[part],
        };
    }
    *place = value;
}

fn nonce() -> HookNonce {
    HookNonce::known([0xa1; 16])
}

/// What another run would have.
fn another_nonce() -> HookNonce {
    HookNonce::known([0xb2; 16])
}

fn member(pod: &Value) -> Value {
    member_by(pod, &settings())
}

fn member_by(pod: &Value, settings: &Settings) -> Value {
    match inject(pod, &namespace(Membership::Enabled), settings, nonce()).unwrap() {
        Injection::Patch(steps) => {
            let mut member = pod.clone();
            apply(&mut member, &steps);
            member
        }
        nothing @ Injection::Nothing(_) => panic!("{nothing:?}"),
    }
}

fn refused(pod: &Value) -> Refusal {
    inject(pod, &namespace(Membership::Enabled), &settings(), nonce()).unwrap_err()
}

fn asked(member: &Value) -> Probes {
    serde_json::from_str(variable(&member["spec"]["initContainers"][1], "KITH_PROBES")).unwrap()
}

fn variable<'a>(container: &'a Value, name: &str) -> &'a str {
    let mut variables = container["env"].as_array().unwrap().iter();
    variables.find(|variable| variable["name"] == name).unwrap()["value"].as_str().unwrap()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}
