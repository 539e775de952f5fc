//! The ConfigMap with the roots, in every namespace that needs one.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::ground::Ground;
use crate::objects::Shop;

async fn label(ground: &Ground, shop: &Shop, value: Value) {
    let namespaces: Api<Namespace> = Api::all(ground.client.clone());
    let patch = Patch::Merge(json!({ "metadata": { "labels": { "kith.dev/inject": value } } }));
    namespaces.patch(&shop.namespace, &PatchParams::default(), &patch).await.unwrap();
}

async fn there(ground: &Ground, shop: &Shop) -> ConfigMap {
    let maps = shop.all::<ConfigMap>();
    let found = async || maps.get_opt("kith-trust").await.unwrap().filter(|map| roots(map).is_some());
    ground.until("ConfigMap kith-trust", found).await
}

fn roots(map: &ConfigMap) -> Option<&str> {
    map.data.as_ref()?.get("roots.pem").map(String::as_str)
}

#[tokio::test]
async fn a_namespace_gets_the_roots_with_its_label_and_keeps_them_without_it() {
    let ground = Ground::start().await;
    let shop = Shop::open(&ground.client, json!({})).await;
    label(&ground, &shop, json!("required")).await;
    let map = there(&ground, &shop).await;
    assert!(roots(&map).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    let owner = &map.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!((owner.kind.as_str(), owner.name.as_str()), ("MutatingWebhookConfiguration", "kith-injector"));

    label(&ground, &shop, Value::Null).await;
    // Something that happens later, and is answered.
    let next = Shop::open(&ground.client, json!({ "kith.dev/inject": "enabled" })).await;
    there(&ground, &next).await;
    let kept = shop.all::<ConfigMap>().get("kith-trust").await.unwrap();
    assert_eq!(kept.metadata.resource_version, map.metadata.resource_version, "and nothing was written");
}

#[tokio::test]
async fn what_somebody_changes_or_deletes_is_put_right() {
    let ground = Ground::start().await;
    let shop = Shop::open(&ground.client, json!({ "kith.dev/inject": "enabled" })).await;
    let maps = shop.all::<ConfigMap>();
    let right = there(&ground, &shop).await;
    let put_right = async || {
        let found = maps.get_opt("kith-trust").await.unwrap();
        found.filter(|map| roots(map) == roots(&right) && map.metadata.owner_references.is_some())
    };
    for change in [
        json!({ "data": { "roots.pem": "an attacker's" } }),
        json!({ "data": { "roots.pem": null } }),
        json!({ "metadata": { "ownerReferences": null } }),
    ] {
        let changed = maps.patch("kith-trust", &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
        let found = ground.until("ConfigMap that was put right", put_right).await;
        assert_ne!(found.metadata.resource_version, changed.metadata.resource_version);
    }
    maps.delete("kith-trust", &DeleteParams::default()).await.unwrap();
    ground.until("ConfigMap that came back", put_right).await;
}

#[tokio::test]
async fn the_roots_go_away_with_the_installation_and_do_not_come_back_without_it() {
    let ground = Ground::start().await;
    let shop = Shop::open(&ground.client, json!({ "kith.dev/inject": "enabled" })).await;
    there(&ground, &shop).await;
    crate::ground::run("kubectl delete mutatingwebhookconfiguration kith-injector");
    let maps = shop.all::<ConfigMap>();
    let gone = async || maps.get_opt("kith-trust").await.unwrap().is_none().then_some(());
    ground.until("ConfigMap that went away", gone).await;

    crate::ground::install();
    there(&ground, &shop).await;
}
