//! A pod while it is read. Owns that what nobody here looks at is passed over in the text: the lists of a pod are the
//! author's to fill, and a variable of ten bytes would be hundreds as a value (attack: a page of such pods).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kith_proto::pod::REDIRECT_VARIABLE;
use kube::Resource;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::index::cluster::MOST_LABELS;

/// A pod with those fields filled that are used.
#[derive(Debug, Clone)]
pub(super) struct SlimPod(pub(super) core::Pod);

impl Resource for SlimPod {
    type DynamicType = ();
    type Scope = <core::Pod as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        core::Pod::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        core::Pod::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        core::Pod::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        core::Pod::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.0.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.0.metadata
    }
}

#[derive(serde::Deserialize)]
struct Text {
    metadata: Metadata,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    #[serde(default, deserialize_with = "labels")]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    node_name: Option<String>,
    service_account_name: Option<String>,
    host_network: Option<bool>,
    init_containers: Option<Vec<Container>>,
    containers: Option<Vec<Container>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    name: String,
    restart_policy: Option<String>,
    ports: Option<Vec<core::ContainerPort>>,
    #[serde(default, deserialize_with = "redirect")]
    env: Option<Vec<core::EnvVar>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    #[serde(rename = "podIPs")]
    pod_ips: Option<Vec<core::PodIP>>,
}

impl<'de> Deserialize<'de> for SlimPod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text { metadata, spec, status } = Text::deserialize(deserializer)?;
        let metadata = ObjectMeta {
            namespace: metadata.namespace,
            name: metadata.name,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            creation_timestamp: metadata.creation_timestamp,
            deletion_timestamp: metadata.deletion_timestamp,
            labels: metadata.labels,
            ..ObjectMeta::default()
        };
        let status = status.map(|status| core::PodStatus {
            phase: status.phase,
            pod_ip: status.pod_ip,
            pod_ips: status.pod_ips,
            ..core::PodStatus::default()
        });
        Ok(Self(core::Pod { metadata, spec: spec.map(Spec::whole), status }))
    }
}

impl Spec {
    fn whole(self) -> core::PodSpec {
        let all = |containers: Vec<Container>| containers.into_iter().map(Container::whole).collect();
        core::PodSpec {
            node_name: self.node_name,
            service_account_name: self.service_account_name,
            host_network: self.host_network,
            init_containers: self.init_containers.map(all),
            containers: self.containers.map(all).unwrap_or_default(),
            ..core::PodSpec::default()
        }
    }
}

impl Container {
    fn whole(self) -> core::Container {
        let Self { name, restart_policy, ports, env } = self;
        core::Container { name, restart_policy, ports, env, ..core::Container::default() }
    }
}

/// One more than a workload may have, so that it is seen that there are too many.
fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    deserializer.deserialize_any(Labels)
}

/// The variable that the redirect step reads.
fn redirect<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<core::EnvVar>>, D::Error> {
    deserializer.deserialize_any(Variables)
}

struct Labels;

impl<'de> Visitor<'de> for Labels {
    type Value = Option<BTreeMap<String, String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut labels = BTreeMap::new();
        while labels.len() <= MOST_LABELS {
            let Some((key, value)) = map.next_entry()? else { return Ok(Some(labels)) };
            labels.insert(key, value);
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Some(labels))
    }
}

struct Variables;

#[derive(serde::Deserialize)]
struct Variable {
    name: String,
    value: Option<String>,
}

impl<'de> Visitor<'de> for Variables {
    type Value = Option<Vec<core::EnvVar>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of variables")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut variables: A) -> Result<Self::Value, A::Error> {
        let mut first = None;
        while let Some(Variable { name, value }) = variables.next_element()? {
            if name == REDIRECT_VARIABLE && first.is_none() {
                first = Some(vec![core::EnvVar { name, value, value_from: None }]);
            }
        }
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::index::cluster::Pod;

    fn pod() -> Value {
        let variable = |value: &str| json!({ "name": "KITH_REDIRECT", "value": value });
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "namespace": "shop", "name": "web", "uid": "1", "resourceVersion": "7",
                "labels": { "app": "web" }, "annotations": { "a": "b" },
                "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-02T00:00:00Z",
            },
            "spec": {
                "nodeName": "node-1", "serviceAccountName": "web", "hostNetwork": false, "volumes": [{ "name": "a" }],
                "initContainers": [
                    { "name": "kith-redirect", "env": [
                        { "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
                        variable(r#"{"skipInbound":["9000-9100"]}"#), variable("{}"),
                    ] },
                    { "name": "kith-sidecar", "restartPolicy": "Always", "env": null },
                ],
                "containers": [{ "name": "app", "ports": [{ "name": "http", "containerPort": 80, "protocol": "TCP" }] }],
            },
            "status": { "phase": "Running", "podIP": "10.0.0.1", "podIPs": [{ "ip": "10.0.0.1" }, { "ip": "fd00::1" }] },
        })
    }

    fn slim(pod: &Value) -> core::Pod {
        serde_json::from_str::<SlimPod>(&pod.to_string()).unwrap().0
    }

    #[test]
    fn what_is_kept_of_a_slim_pod_is_what_is_kept_of_the_whole_one() {
        let without = |path: &str| {
            let mut pod = pod();
            *pod.pointer_mut(path).unwrap() = Value::Null;
            pod
        };
        let parts = ["/spec", "/status", "/metadata/labels", "/spec/initContainers/0/env", "/spec/nodeName"];
        for object in parts.into_iter().map(without).chain([pod()]) {
            let whole: core::Pod = serde_json::from_value(object.clone()).unwrap();
            assert_eq!(Pod::read(slim(&object)), Pod::read(whole), "{object}");
        }
        assert_eq!(slim(&pod()).metadata.resource_version.as_deref(), Some("7"));
    }

    #[test]
    fn what_an_author_fills_a_pod_with_is_passed_over() {
        let mut full = pod();
        full["metadata"]["labels"] = (0..5_000).map(|number| (format!("l{number}"), json!(""))).collect();
        full["spec"]["containers"][0]["env"] = vec![json!({ "name": "a" }); 100_000].into();
        let slim = slim(&full);
        assert_eq!(slim.metadata.labels.map(|labels| labels.len()), Some(MOST_LABELS + 1));
        assert_eq!((slim.metadata.annotations, slim.metadata.managed_fields), (None, None));
        let spec = slim.spec.unwrap();
        assert_eq!((&spec.containers[0].env, spec.volumes), (&None, None));
        assert_eq!(spec.init_containers.unwrap()[0].env.as_ref().map(Vec::len), Some(1));
    }
}
