//! What an earlier installation may have left that is the cluster's.

use k8s_openapi::Metadata;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use serde::de::DeserializeOwned;

use super::super::facts::Known;
use super::{INJECTOR, VALIDATOR, told};
use crate::kubernetes::error::{Access, answer};
use crate::kubernetes::installation::{CONTROL_PLANE, Installation};

impl Installation {
    pub(super) async fn leftovers(&self) -> Known<Vec<String>> {
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
}
