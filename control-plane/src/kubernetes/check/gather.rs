//! The facts, from the API server. Owns the questions, each with a limit; what cannot be asked is not known, and never
//! taken for something else. Writes nothing: the one object that it has made is a dry run.

mod key;
mod webhooks;

use std::collections::BTreeMap;
use std::time::SystemTime;

use k8s_openapi::Metadata;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kith_proto::pod::SIDECAR_CONTAINER;
use kith_proto::v1;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Stage;
use super::facts::{ApiVersion, Deployment, Facts, Known, Namespace, Pod, Right, Rule};
use super::rights::{Wanted, wanted};
use crate::inject::INJECT_LABEL;
use crate::kubernetes::error::{Access, ClusterError, answer};
use crate::kubernetes::installation::{CONTROL_PLANE, Installation, SELECTOR, is_ready, state};

const DEFINITIONS: [&str; 2] = ["authorizationpolicies.kith.dev", "quarantines.kith.dev"];
const INJECTOR: &str = "kith-injector";
const VALIDATOR: &str = "kith-validator";
const INJECTED: &str = "config.kith.dev/injected";
/// Objects in one page of an answer.
const PAGE: u32 = 500;
/// Pages of one list: who has more pods is told that they were not all seen.
const MOST_PAGES: usize = 100;

impl Installation {
    /// Everything that the checks of a stage are about. What the control plane says of itself is the caller's to ask.
    pub async fn facts(
        &self,
        stage: Stage,
        now: SystemTime,
        version: &str,
        status: Known<v1::StatusResponse>,
    ) -> Facts {
        let api = self.api_version().await;
        let mut facts = Facts::unknown(now, version, &self.namespace, api, status);
        if facts.api.is_err() {
            return facts;
        }
        facts.rights = self.rights(stage).await;
        facts.namespaces = self.namespaces().await;
        match stage {
            Stage::Before => facts.leftovers = self.leftovers().await,
            Stage::After => self.installed(&mut facts).await,
        }
        facts
    }

    async fn installed(&self, facts: &mut Facts) {
        for name in DEFINITIONS {
            facts.definitions.push((name.to_owned(), self.definition(name).await));
        }
        facts.config = told(self.configuration().await);
        let deployment = self.deployment().await;
        facts.key = match &deployment {
            Ok(Some(deployment)) => self.key(deployment).await,
            Ok(None) => Err("there is no Deployment that names it".to_owned()),
            Err(reason) => Err(reason.clone()),
        };
        facts.deployment = match deployment {
            Ok(Some(deployment)) => Ok(Some(self.replicas(&deployment).await)),
            Ok(None) => Ok(None),
            Err(reason) => Err(reason),
        };
        facts.endpoints = self.endpoints().await;
        facts.webhooks = vec![
            (format!("MutatingWebhookConfiguration {INJECTOR}"), self.injector().await),
            (format!("ValidatingWebhookConfiguration {VALIDATOR}"), self.validator().await),
        ];
        facts.webhook_answers = self.webhook_answers().await;
        facts.role = self.role().await;
        facts.pods = self.pods(facts.namespaces.as_deref().unwrap_or_default()).await;
    }

    async fn api_version(&self) -> Known<ApiVersion> {
        let access = Access::everywhere("get", "/version");
        let info = told(answer(&access, self.client.apiserver_version()).await)?;
        // Some clouds write `31+`.
        let number =
            |text: &str| text.trim_end_matches('+').parse().map_err(|_| format!("{text:?} is no version"));
        Ok(ApiVersion { major: number(&info.major)?, minor: number(&info.minor)?, text: info.git_version })
    }

    async fn rights(&self, stage: Stage) -> Vec<Right> {
        let mut rights = Vec::new();
        for wanted in wanted(stage) {
            rights.push(Right { what: wanted.told(&self.namespace), allowed: self.may(wanted).await });
        }
        rights
    }

    async fn may(&self, wanted: &Wanted) -> Known<bool> {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let attributes = ResourceAttributes {
            verb: some(wanted.verb),
            group: some(wanted.group),
            resource: some(wanted.resource),
            subresource: some(wanted.subresource),
            namespace: wanted.own_namespace.then(|| self.namespace.clone()),
            ..ResourceAttributes::default()
        };
        let spec =
            SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        let reviews: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        let access = Access::everywhere("create", "selfsubjectaccessreviews.authorization.k8s.io");
        let answered = told(answer(&access, reviews.create(&PostParams::default(), &review)).await)?;
        Ok(answered.status.is_some_and(|status| status.allowed))
    }

    async fn namespaces(&self) -> Known<Vec<Namespace>> {
        let api: Api<core::Namespace> = Api::all(self.client.clone());
        let listed = all(&api, &Access::everywhere("list", "namespaces")).await?;
        let namespace = |it: core::Namespace| Namespace {
            name: it.name_any(),
            labels: it.metadata.labels.unwrap_or_default(),
            annotations: it.metadata.annotations.unwrap_or_default(),
        };
        Ok(listed.into_iter().map(namespace).collect())
    }

    async fn leftovers(&self) -> Known<Vec<String>> {
        let there = [
            (
                "ClusterRole",
                CONTROL_PLANE,
                self.is_there::<ClusterRole>(CONTROL_PLANE, "clusterroles").await?,
            ),
            (
                "ClusterRoleBinding",
                CONTROL_PLANE,
                self.is_there::<ClusterRoleBinding>(CONTROL_PLANE, "clusterrolebindings").await?,
            ),
            (
                "MutatingWebhookConfiguration",
                INJECTOR,
                self.is_there::<MutatingWebhookConfiguration>(INJECTOR, "mutatingwebhookconfigurations")
                    .await?,
            ),
            (
                "ValidatingWebhookConfiguration",
                VALIDATOR,
                self.is_there::<ValidatingWebhookConfiguration>(VALIDATOR, "validatingwebhookconfigurations")
                    .await?,
            ),
        ];
        Ok(there
            .iter()
            .filter(|(_, _, there)| *there)
            .map(|(kind, name, _)| format!("{kind} {name}"))
            .collect())
    }

    async fn is_there<K>(&self, name: &str, resource: &'static str) -> Known<bool>
    where
        K: k8s_openapi::Resource<Scope = k8s_openapi::ClusterResourceScope>
            + Metadata<Ty = ObjectMeta>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let api: Api<K> = Api::all(self.client.clone());
        Ok(told(answer(&Access::everywhere("get", resource), api.get_opt(name)).await)?.is_some())
    }

    /// The schema of the version that is ours, as it is stored.
    async fn definition(&self, name: &str) -> Known<Option<Value>> {
        let gvk = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &ApiResource::from_gvk(&gvk));
        let access = Access::everywhere("get", "customresourcedefinitions.apiextensions.k8s.io");
        let Some(stored) = told(answer(&access, api.get_opt(name)).await)? else { return Ok(None) };
        let versions = stored.data["spec"]["versions"].as_array().cloned().unwrap_or_default();
        let ours = versions.into_iter().find(|version| version["name"] == "v1alpha1");
        Ok(ours.map(|mut version| version["schema"]["openAPIV3Schema"].take()))
    }

    async fn deployment(&self) -> Known<Option<apps::Deployment>> {
        self.own(CONTROL_PLANE, "deployments.apps").await
    }

    async fn replicas(&self, deployment: &apps::Deployment) -> Deployment {
        let status = deployment.status.clone().unwrap_or_default();
        let seen = status.observed_generation >= deployment.metadata.generation;
        let updated = status.updated_replicas.unwrap_or_default();
        let ready = if seen { status.ready_replicas.unwrap_or_default().min(updated) } else { 0 };
        let wanted = deployment.spec.replicas.unwrap_or(1);
        let waiting = if ready >= wanted { Vec::new() } else { self.waiting().await };
        Deployment { wanted, ready, waiting }
    }

    /// What the control plane's pods wait for.
    async fn waiting(&self) -> Vec<String> {
        let pods: Api<core::Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let access = Access::within(&self.namespace, "list", "pods");
        match answer(&access, pods.list(&ListParams::default().labels(SELECTOR))).await {
            Ok(pods) => {
                let unready = pods.items.iter().filter(|pod| !is_ready(pod));
                unready.map(|pod| format!("the pod {} is {}", pod.name_any(), state(pod))).collect()
            }
            Err(error) => vec![format!("what its pods wait for is not known: {error}")],
        }
    }

    async fn endpoints(&self) -> Known<Option<usize>> {
        let service: Option<core::Service> = self.own(CONTROL_PLANE, "services").await?;
        if service.is_none() {
            return Ok(None);
        }
        let slices: Api<EndpointSlice> = Api::namespaced(self.client.clone(), &self.namespace);
        let access = Access::within(&self.namespace, "list", "endpointslices.discovery.k8s.io");
        let of_service = ListParams::default().labels(&format!("kubernetes.io/service-name={CONTROL_PLANE}"));
        let slices = told(answer(&access, slices.list(&of_service)).await)?;
        let endpoints = slices.items.iter().flat_map(|slice| slice.endpoints.iter().flatten());
        let ready = endpoints.filter(|it| it.conditions.as_ref().and_then(|it| it.ready).unwrap_or(true));
        Ok(Some(ready.count()))
    }

    async fn role(&self) -> Known<Option<Vec<Rule>>> {
        let api: Api<ClusterRole> = Api::all(self.client.clone());
        let access = Access::everywhere("get", "clusterroles.rbac.authorization.k8s.io");
        let stored = told(answer(&access, api.get_opt(CONTROL_PLANE)).await)?;
        let rule = |it: k8s_openapi::api::rbac::v1::PolicyRule| Rule {
            groups: it.api_groups.unwrap_or_default(),
            resources: it.resources.unwrap_or_default(),
            verbs: it.verbs,
            names: it.resource_names.unwrap_or_default(),
        };
        Ok(stored.map(|role| role.rules.into_iter().flatten().map(rule).collect()))
    }

    async fn pods(&self, namespaces: &[Namespace]) -> Known<Vec<Pod>> {
        let api: Api<core::Pod> = Api::all(self.client.clone());
        let listed = all(&api, &Access::everywhere("list", "pods")).await?;
        let labelled =
            |name: &str| namespaces.iter().any(|it| it.name == name && it.labels.contains_key(INJECT_LABEL));
        let pods = listed.into_iter().map(pod);
        Ok(pods.filter(|pod| pod.in_mesh || labelled(&pod.namespace)).collect())
    }

    async fn own<K>(&self, name: &str, resource: &'static str) -> Known<Option<K>>
    where
        K: k8s_openapi::Resource<Scope = NamespaceResourceScope>
            + Metadata<Ty = ObjectMeta>
            + Clone
            + DeserializeOwned
            + Serialize
            + std::fmt::Debug,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.namespace);
        told(answer(&Access::within(&self.namespace, "get", resource), api.get_opt(name)).await)
    }
}

impl Facts {
    /// Nothing was asked yet.
    pub(super) fn unknown(
        now: SystemTime,
        version: &str,
        namespace: &str,
        api: Known<ApiVersion>,
        status: Known<v1::StatusResponse>,
    ) -> Self {
        fn not_asked<T>() -> Known<T> {
            Err("it was not asked".to_owned())
        }
        Self {
            now,
            version: version.to_owned(),
            namespace: namespace.to_owned(),
            api,
            rights: Vec::new(),
            leftovers: not_asked(),
            namespaces: not_asked(),
            definitions: Vec::new(),
            config: not_asked(),
            deployment: not_asked(),
            endpoints: not_asked(),
            webhooks: Vec::new(),
            webhook_answers: not_asked(),
            role: not_asked(),
            key: not_asked(),
            status,
            pods: not_asked(),
        }
    }
}

/// For people.
fn told<T>(answer: Result<T, ClusterError>) -> Known<T> {
    answer.map_err(|error| error.to_string())
}

/// A whole list, page by page.
async fn all<K>(api: &Api<K>, access: &Access) -> Known<Vec<K>>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let (mut objects, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
    for _ in 0..MOST_PAGES {
        let listed = told(answer(access, api.list(&page)).await)?;
        objects.extend(listed.items);
        match listed.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(objects),
        }
    }
    Err(format!("there are more than {} of them", MOST_PAGES as u64 * u64::from(PAGE)))
}

fn pod(pod: core::Pod) -> Pod {
    let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
    let has = |map: Option<&BTreeMap<String, String>>, key: &str| map.and_then(|map| map.get(key)).cloned();
    let (spec, status) = (pod.spec.unwrap_or_default(), pod.status.unwrap_or_default());
    let mut sidecars = status.init_container_statuses.iter().flatten();
    Pod {
        in_mesh: spec.init_containers.iter().flatten().any(|container| container.name == SIDECAR_CONTAINER),
        opted_out: has(pod.metadata.labels.as_ref(), INJECT_LABEL).as_deref() == Some("disabled"),
        host_network: spec.host_network == Some(true),
        ending: pod.metadata.deletion_timestamp.is_some(),
        created: pod.metadata.creation_timestamp.map(|time| SystemTime::from(time.0)),
        over: matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")),
        sidecar_ready: sidecars.any(|container| container.name == SIDECAR_CONTAINER && container.ready),
        injected: has(pod.metadata.annotations.as_ref(), INJECTED),
        namespace,
        name,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;

    use super::*;

    fn read(metadata: &Value) -> Pod {
        let spec = json!({ "containers": [], "initContainers": [{ "name": SIDECAR_CONTAINER }] });
        pod(serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).unwrap())
    }

    #[test]
    fn a_pod_is_read_with_its_age_and_whether_it_is_being_deleted() {
        let made = "2026-01-01T00:00:00Z";
        let new = read(&json!({ "name": "web-0", "namespace": "shop", "creationTimestamp": made }));
        assert!(new.in_mesh && new.goes_on());
        assert_eq!(new.created, Some(UNIX_EPOCH + Duration::from_secs(1_767_225_600)));
        let ending = read(&json!({ "name": "web-0", "creationTimestamp": made, "deletionTimestamp": made }));
        assert!(!ending.goes_on());
    }
}
