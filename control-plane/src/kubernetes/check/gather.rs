//! The facts, from the API server. Owns the questions, each with a limit; what cannot be asked is not known, and never
//! taken for something else. Writes nothing: the one object that it has made is a dry run.

mod events;
mod key;
mod leftovers;
mod pods;
mod reach;
mod refused;
mod waiting;
mod webhooks;

use std::time::SystemTime;

use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{ClusterResourceScope, Metadata, NamespaceResourceScope};
use kith_policy::document::VERSION;
use kith_proto::v1;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Stage;
use super::facts::{ApiVersion, Deployment, Facts, Known, Namespace, Quarantine, Right, Rule};
use super::rights::{Wanted, wanted};
use crate::index::cluster::SERVICE_LABEL;
use crate::kubernetes::error::{Access, ClusterError, answer};
use crate::kubernetes::installation::{CONTROL_PLANE, Installation};
use crate::webhook::{INJECTOR, VALIDATOR};

const DEFINITIONS: [&str; 2] = ["authorizationpolicies.kith.dev", "quarantines.kith.dev"];
const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
const CLUSTER_ROLE_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";
/// Objects in one page of an answer.
const PAGE: u32 = 500;
/// Pages of one list: who has more pods is told that they were not all seen.
const MOST_PAGES: usize = 100;

impl Installation {
    /// Everything that the checks of a stage are about. What the control plane says of itself is the caller's to ask; the
    /// Secret that is to have the key may be named before there is an installation that names it.
    pub async fn facts(
        &self,
        stage: Stage,
        now: SystemTime,
        version: &str,
        status: Known<v1::StatusResponse>,
        key_secret: Option<&str>,
    ) -> Facts {
        let api = self.api_version().await;
        let mut facts = Facts::unknown(now, version, &self.namespace, api, status);
        if facts.api.is_err() {
            return facts;
        }
        facts.rights = self.rights(stage).await;
        facts.namespaces = self.namespaces().await;
        match stage {
            Stage::Before => {
                facts.leftovers = self.leftovers().await;
                facts.key = Ok(Some(self.key_to_come(key_secret).await));
            }
            Stage::After => self.installed(&mut facts).await,
            Stage::Leaving => {
                facts.deployment = self.counted(self.deployment().await).await;
                let listed = self.all_pods().await;
                facts.pods = pods::of_interest(&listed, facts.namespaces.as_deref().unwrap_or_default());
            }
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
            Ok(None) => Ok(None),
            Err(reason) => Err(reason.clone()),
        };
        facts.deployment = self.counted(deployment).await;
        facts.endpoints = self.endpoints().await;
        facts.webhooks = vec![
            (format!("MutatingWebhookConfiguration {INJECTOR}"), self.injector().await),
            (format!("ValidatingWebhookConfiguration {VALIDATOR}"), self.validator().await),
        ];
        facts.webhook_answers = self.webhook_answers().await;
        facts.role = self.role().await;
        self.of_the_mesh(facts).await;
    }

    /// What is in the namespaces of the mesh.
    async fn of_the_mesh(&self, facts: &mut Facts) {
        let listed = self.all_pods().await;
        let namespaces = facts.namespaces.as_deref().unwrap_or_default();
        facts.pods = pods::of_interest(&listed, namespaces);
        facts.quarantines = told(self.stored_quarantines().await).map(|stored| {
            stored.into_iter().map(|it| Quarantine { name: it.name, target: it.target }).collect()
        });
        facts.refused = self.refused(namespaces).await;
        facts.unmatched = self.unmatched(facts, listed).await;
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
            let (what, allowed) = (wanted.told(&self.namespace), self.may(wanted).await);
            rights.push(Right { what, allowed, role: wanted.role });
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

    /// The schema of the version that is ours, as it is stored.
    async fn definition(&self, name: &str) -> Known<Option<Value>> {
        let gvk = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &ApiResource::from_gvk(&gvk));
        let access = Access::everywhere("get", "customresourcedefinitions.apiextensions.k8s.io");
        let Some(stored) = told(answer(&access, api.get_opt(name)).await)? else { return Ok(None) };
        let versions = stored.data["spec"]["versions"].as_array().cloned().unwrap_or_default();
        let ours = versions.into_iter().find(|version| version["name"] == VERSION);
        Ok(ours.map(|mut version| version["schema"]["openAPIV3Schema"].take()))
    }

    async fn deployment(&self) -> Known<Option<apps::Deployment>> {
        self.own(CONTROL_PLANE, "deployments.apps").await
    }

    async fn counted(&self, deployment: Known<Option<apps::Deployment>>) -> Known<Option<Deployment>> {
        match deployment? {
            Some(deployment) => Ok(Some(self.replicas(&deployment).await)),
            None => Ok(None),
        }
    }

    async fn endpoints(&self) -> Known<Option<usize>> {
        let service: Option<core::Service> = self.own(CONTROL_PLANE, "services").await?;
        if service.is_none() {
            return Ok(None);
        }
        let slices: Api<EndpointSlice> = Api::namespaced(self.client.clone(), &self.namespace);
        let access = Access::within(&self.namespace, "list", "endpointslices.discovery.k8s.io");
        let of_service = ListParams::default().labels(&format!("{SERVICE_LABEL}={CONTROL_PLANE}"));
        let slices = told(answer(&access, slices.list(&of_service)).await)?;
        let endpoints = slices.items.iter().flat_map(|slice| slice.endpoints.iter().flatten());
        let ready = endpoints.filter(|it| it.conditions.as_ref().and_then(|it| it.ready).unwrap_or(true));
        Ok(Some(ready.count()))
    }

    async fn role(&self) -> Known<Option<Vec<Rule>>> {
        let stored: Option<ClusterRole> = self.cluster_wide(CONTROL_PLANE, CLUSTER_ROLES).await?;
        let rule = |it: k8s_openapi::api::rbac::v1::PolicyRule| Rule {
            groups: it.api_groups.unwrap_or_default(),
            resources: it.resources.unwrap_or_default(),
            verbs: it.verbs,
            names: it.resource_names.unwrap_or_default(),
        };
        Ok(stored.map(|role| role.rules.into_iter().flatten().map(rule).collect()))
    }

    /// An object that belongs to no namespace.
    async fn cluster_wide<K>(&self, name: &str, resource: &'static str) -> Known<Option<K>>
    where
        K: k8s_openapi::Resource<Scope = ClusterResourceScope>
            + Metadata<Ty = ObjectMeta>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let api: Api<K> = Api::all(self.client.clone());
        told(answer(&Access::everywhere("get", resource), api.get_opt(name)).await)
    }

    /// One of the installation's namespace.
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
            refused: not_asked(),
            quarantines: not_asked(),
            unmatched: not_asked(),
        }
    }
}

/// For people.
fn told<T>(answer: Result<T, ClusterError>) -> Known<T> {
    answer.map_err(|error| error.to_string())
}

/// A whole list.
async fn all<K>(api: &Api<K>, access: &Access) -> Known<Vec<K>>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    all_of(api, access, ListParams::default().limit(PAGE)).await
}

/// What is wanted of a list, page by page.
async fn all_of<K>(api: &Api<K>, access: &Access, wanted: ListParams) -> Known<Vec<K>>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let (mut objects, mut page) = (Vec::new(), wanted);
    for _ in 0..MOST_PAGES {
        let listed = told(answer(access, api.list(&page)).await)?;
        objects.extend(listed.items);
        match listed.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(objects),
        }
    }
    Err(format!("there are more than {MOST_PAGES} pages of them"))
}

#[cfg(test)]
mod tests;
