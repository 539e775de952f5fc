//! The webhook configurations, and whether the API server gets an answer through them.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kith_policy::document::API_VERSION;
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use super::super::facts::{Known, Webhooks};
use crate::kubernetes::error::{Access, ClusterError, answer};
use crate::kubernetes::installation::Installation;
use crate::kubernetes::kinds::AUTHORIZATION_POLICY;
use crate::webhook::{INJECTOR, VALIDATOR};

pub(super) const MUTATING: &str = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
pub(super) const VALIDATING: &str = "validatingwebhookconfigurations.admissionregistration.k8s.io";

impl Installation {
    pub(super) async fn injector(&self) -> Known<Option<Webhooks>> {
        let stored = self.cluster_wide(INJECTOR, MUTATING).await?;
        let each = |it: MutatingWebhookConfiguration| {
            webhooks(it.webhooks.into_iter().flatten().map(|webhook| (webhook.name, webhook.client_config)))
        };
        Ok(stored.map(each))
    }

    pub(super) async fn validator(&self) -> Known<Option<Webhooks>> {
        let stored = self.cluster_wide(VALIDATOR, VALIDATING).await?;
        let each = |it: ValidatingWebhookConfiguration| {
            webhooks(it.webhooks.into_iter().flatten().map(|webhook| (webhook.name, webhook.client_config)))
        };
        Ok(stored.map(each))
    }

    /// A policy that is right, as a dry run: the API server asks the webhook about it over TLS, and stores nothing.
    pub(super) async fn webhook_answers(&self) -> Known<Result<(), String>> {
        let resource = AUTHORIZATION_POLICY.resource();
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let policy = serde_json::from_value(probe()).map_err(|error| error.to_string())?;
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        let access = Access::within(&self.namespace, "create", "authorizationpolicies.kith.dev");
        match answer(&access, api.create(&dry_run, &policy)).await {
            Ok(_) => Ok(Ok(())),
            Err(error @ (ClusterError::Refused { .. } | ClusterError::Failed { .. })) => {
                Ok(Err(error.to_string()))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

fn webhooks(each: impl Iterator<Item = (String, WebhookClientConfig)>) -> Webhooks {
    let bundle = |config: WebhookClientConfig| config.ca_bundle.map(|bytes| bytes.0).unwrap_or_default();
    Webhooks { ca_bundles: each.map(|(name, config)| (name, bundle(config))).collect::<BTreeMap<_, _>>() }
}

/// A policy that changes nothing, and is never stored.
fn probe() -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": AUTHORIZATION_POLICY.kind,
        "metadata": { "name": "kith-check" },
        "spec": {
            "action": "ALLOW",
            "rules": [{ "sources": [{ "type": "ServiceAccount", "serviceAccount": { "name": "kith-check" } }] }],
        },
    })
}
