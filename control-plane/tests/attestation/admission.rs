//! The API server asks the webhook: it trusts its certificate, and does what it answers.

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::ground::Ground;
use crate::objects::Shop;

/// A labelled namespace, when the API server asks about it and is answered.
async fn labelled(ground: &Ground, label: &str) -> Shop {
    let shop = Shop::open(&ground.client, json!({ "kith.dev/inject": label })).await;
    shop.account("default").await;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let pods = shop.all::<Pod>();
    let answered = async || pods.create(&dry_run, &pod(json!({}), json!({}))).await.ok();
    ground.until("answer to the API server", answered).await;
    shop
}

fn pod(labels: Value, security: Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "generateName": "web-", "labels": labels },
        "spec": { "containers": [{ "name": "app", "image": "app", "securityContext": security }] },
    }))
    .unwrap()
}

/// What the API server says when it stores nothing.
async fn refused(shop: &Shop, pod: &Pod) -> String {
    shop.all::<Pod>().create(&PostParams::default(), pod).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_pod_of_a_labelled_namespace_becomes_a_member_and_one_that_cannot_is_refused() {
    let ground = Ground::start().await;
    let shop = labelled(&ground, "enabled").await;
    let made = shop.all::<Pod>().create(&PostParams::default(), &pod(json!({}), json!({}))).await.unwrap();
    let init: Vec<_> = made.spec.unwrap().init_containers.unwrap().into_iter().map(|it| it.name).collect();
    assert_eq!(init, ["kith-redirect", "kith-sidecar"]);

    // K5
    let error = refused(&shop, &pod(json!({}), json!({ "runAsUser": 7440 }))).await;
    assert!(error.contains("7440") && error.contains("kith.dev"), "{error}");
    // K1
    let out = json!({ "kith.dev/inject": "disabled" });
    shop.all::<Pod>().create(&PostParams::default(), &pod(out.clone(), json!({}))).await.unwrap();
    let strict = labelled(&ground, "required").await;
    let error = refused(&strict, &pod(out, json!({}))).await;
    assert!(error.contains("requires every pod"), "{error}");
}

// K26
#[tokio::test]
async fn a_policy_with_a_field_that_nobody_knows_is_not_stored() {
    let ground = Ground::start().await;
    let shop = labelled(&ground, "enabled").await;
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("kith.dev", "v1alpha1", "AuthorizationPolicy"));
    let policies: Api<DynamicObject> = Api::namespaced_with(ground.client.clone(), &shop.namespace, &kind);
    let policy = |spec: Value| {
        let metadata = json!({ "name": "callers", "namespace": shop.namespace });
        serde_json::from_value(json!({
            "apiVersion": "kith.dev/v1alpha1", "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec,
        }))
        .unwrap()
    };
    let account = json!({ "namespace": "web", "name": "web" });
    let rules = json!([{ "sources": [{ "type": "ServiceAccount", "serviceAccount": account }] }]);
    let wrong = policy(json!({ "action": "ALLOW", "rulez": rules }));
    let error = policies.create(&PostParams::default(), &wrong).await.unwrap_err().to_string();
    assert!(error.contains("rulez"), "{error}");
    policies
        .create(&PostParams::default(), &policy(json!({ "action": "ALLOW", "rules": rules })))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_ca_bundle_that_somebody_changes_is_put_right() {
    let ground = Ground::start().await;
    labelled(&ground, "enabled").await;
    let injectors: Api<MutatingWebhookConfiguration> = Api::all(ground.client.clone());
    let validators: Api<ValidatingWebhookConfiguration> = Api::all(ground.client.clone());
    let bundles = async || {
        let injector = injectors.get("kith-injector").await.unwrap().webhooks.unwrap();
        let validator = validators.get("kith-validator").await.unwrap().webhooks.unwrap();
        let injector = injector.into_iter().map(|it| it.client_config.ca_bundle.unwrap_or_default().0);
        let validator = validator.into_iter().map(|it| it.client_config.ca_bundle.unwrap_or_default().0);
        injector.chain(validator).collect::<Vec<_>>()
    };
    let right = bundles().await;
    assert_eq!(right.len(), 6);
    assert!(right.iter().all(|bundle| bundle == &right[0] && bundle.starts_with(b"-----BEGIN")));

    let other = json!({ "webhooks": [{ "name": "pods.kith.dev", "clientConfig": { "caBundle": null } }] });
    validators.patch("kith-validator", &PatchParams::default(), &Patch::Strategic(other)).await.unwrap();
    ground.until("bundle that was put right", async || (bundles().await == right).then_some(())).await;
}
