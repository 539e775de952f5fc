//! What an earlier installation may have left that is the cluster's.

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};

use super::super::facts::Known;
use super::webhooks::{MUTATING, VALIDATING};
use super::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES};
use crate::kubernetes::installation::{CONTROL_PLANE, Installation};
use crate::webhook::{INJECTOR, VALIDATOR};

impl Installation {
    pub(super) async fn leftovers(&self) -> Known<Vec<String>> {
        let role: Option<ClusterRole> = self.cluster_wide(CONTROL_PLANE, CLUSTER_ROLES).await?;
        let binding: Option<ClusterRoleBinding> =
            self.cluster_wide(CONTROL_PLANE, CLUSTER_ROLE_BINDINGS).await?;
        let injector: Option<MutatingWebhookConfiguration> = self.cluster_wide(INJECTOR, MUTATING).await?;
        let validator: Option<ValidatingWebhookConfiguration> =
            self.cluster_wide(VALIDATOR, VALIDATING).await?;
        let there = [
            role.map(|_| format!("ClusterRole {CONTROL_PLANE}")),
            binding.map(|_| format!("ClusterRoleBinding {CONTROL_PLANE}")),
            injector.map(|_| format!("MutatingWebhookConfiguration {INJECTOR}")),
            validator.map(|_| format!("ValidatingWebhookConfiguration {VALIDATOR}")),
        ];
        Ok(there.into_iter().flatten().collect())
    }
}
