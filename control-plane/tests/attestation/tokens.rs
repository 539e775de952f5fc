//! Tokens that the API server really signed, and those that only look like it.

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::PostParams;
use serde_json::json;
use tonic::Code;

use crate::caller::Caller;
use crate::ground::Ground;
use crate::objects::{OTHER_ADDRESS, Shop, WEB_ADDRESS};

/// A pod of the account `web` in a namespace of its own, and somebody at its address.
async fn web(ground: &Ground) -> (Shop, Pod, Caller) {
    let shop = Shop::open(&ground.client, json!({})).await;
    shop.account("web").await;
    let pod = shop.pod("web", "web", WEB_ADDRESS, true).await;
    (shop, pod, Caller::at(ground, WEB_ADDRESS).await)
}

/// Refused with this code and a sentence that has these words; never for a reason that passes by itself.
async fn refused(caller: &Caller, token: &str, code: Code, words: &str) {
    let status = caller.issue(token, None).await.expect_err(words);
    assert_eq!(status.code(), code, "{status}");
    assert!(status.message().contains(words), "{status} does not say {words:?}");
}

#[tokio::test]
async fn a_pod_gets_an_svid_of_its_service_account_by_its_projected_token() {
    let ground = Ground::start().await;
    let (shop, pod, caller) = web(&ground).await;
    let token = shop.projected("web", &pod).await;
    let svid = caller.issue(&token, None).await.unwrap();
    assert_eq!(svid.identity().as_str(), format!("spiffe://demo.local/ns/{}/sa/web", shop.namespace));
    // Renewal shows both.
    let renewed = caller.issue(&token, Some(&svid)).await.unwrap();
    assert_ne!(renewed.serial(), svid.serial());

    // U9: not even at the most talkative level.
    let signature = token.rsplit('.').next().unwrap();
    assert!(!ground.log().contains(signature));
    assert!(ground.log().contains("Svid issued"));
}

// U1, U4
#[tokio::test]
async fn a_token_that_is_not_for_us_or_not_a_pods_is_refused() {
    let ground = Ground::start().await;
    let (shop, pod, caller) = web(&ground).await;
    let for_others = shop.token("web", &[], Some(&pod)).await;
    refused(&caller, &for_others, Code::PermissionDenied, "kith.dev/ca").await;
    let for_vault = shop.token("web", &["vault"], Some(&pod)).await;
    refused(&caller, &for_vault, Code::PermissionDenied, "kith.dev/ca").await;
    let unbound = shop.token("web", &["kith.dev/ca"], None).await;
    refused(&caller, &unbound, Code::PermissionDenied, "not bound to a pod").await;

    let secrets = shop.all::<Secret>();
    let secret: Secret = serde_json::from_value(json!({
        "metadata": { "name": "legacy", "annotations": { "kubernetes.io/service-account.name": "web" } },
        "type": "kubernetes.io/service-account-token",
    }))
    .unwrap();
    secrets.create(&PostParams::default(), &secret).await.unwrap();
    let filled = async || secrets.get("legacy").await.unwrap().data?.remove("token");
    let legacy = ground.until("token in the secret", filled).await;
    let legacy = String::from_utf8(legacy.0).unwrap();
    refused(&caller, &legacy, Code::PermissionDenied, "kith.dev/ca").await;
}

// U8, U10
#[tokio::test]
async fn a_forged_token_is_refused_and_a_flood_of_them_hardly_reaches_the_api_server() {
    let ground = Ground::start().await;
    let (shop, pod, caller) = web(&ground).await;
    let good = shop.projected("web", &pod).await;
    let (signed, _) = good.rsplit_once('.').unwrap();
    refused(&caller, &format!("{signed}.Zm9yZ2Vk"), Code::PermissionDenied, "does not accept").await;
    refused(&caller, &format!("{good}\n"), Code::InvalidArgument, "base64url").await;

    for number in 0..30 {
        caller.issue(&format!("{signed}.Zm9yZ2Vk{number:04}"), None).await.unwrap_err();
    }
    let asked = ground.figure("kith_token_reviews_total{outcome=\"refused\"}").await;
    assert!((1..=10).contains(&asked), "{asked}");
}

// C15, U6, K30
#[tokio::test]
async fn a_token_dies_with_its_pod_and_with_its_service_account() {
    let ground = Ground::start().await;
    let (shop, pod, caller) = web(&ground).await;
    let token = shop.projected("web", &pod).await;
    let svid = caller.issue(&token, None).await.unwrap();
    shop.delete_pod("web").await;
    // Within the minute for which the token is remembered as good.
    let gone = async || caller.issue(&token, Some(&svid)).await.is_err().then_some(());
    ground.until("refusal of a deleted pod", gone).await;
    // Another pod of the same name and account.
    let next = shop.pod("web", "web", WEB_ADDRESS, true).await;
    let status = caller.issue(&token, None).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");

    let token = shop.projected("web", &next).await;
    caller.issue(&token, None).await.unwrap();
    shop.delete_account("web").await;
    shop.account("web").await;
    let other = async || caller.issue(&token, None).await.is_err().then_some(());
    ground.until("refusal of an account that was made anew", other).await;
}

// U5, U11
#[tokio::test]
async fn a_stolen_token_is_of_no_use_at_another_address() {
    let ground = Ground::start().await;
    let (shop, pod, caller) = web(&ground).await;
    let token = shop.projected("web", &pod).await;
    caller.issue(&token, None).await.unwrap();
    refused(&caller.moved(OTHER_ADDRESS), &token, Code::PermissionDenied, OTHER_ADDRESS).await;
    assert_eq!(ground.figure("kith_pod_tokens_from_elsewhere_total").await, 1);
}

#[tokio::test]
async fn a_pod_without_a_sidecar_is_outside_the_mesh() {
    let ground = Ground::start().await;
    let shop = Shop::open(&ground.client, json!({})).await;
    shop.account("web").await;
    let pod = shop.pod("web", "web", WEB_ADDRESS, false).await;
    let caller = Caller::at(&ground, WEB_ADDRESS).await;
    let token = shop.projected("web", &pod).await;
    refused(&caller, &token, Code::PermissionDenied, "no sidecar").await;
}

#[tokio::test]
async fn the_control_planes_own_identity_is_not_granted_to_a_genuine_token_of_its_account() {
    let ground = Ground::start().await;
    let kith = Shop::of(&ground.client, "kith");
    let name = "impostor";
    let pod = kith.pod(name, "kith-control-plane", OTHER_ADDRESS, true).await;
    let caller = Caller::at(&ground, OTHER_ADDRESS).await;
    let token = kith.projected("kith-control-plane", &pod).await;
    let status = caller.issue(&token, None).await.unwrap_err();
    kith.delete_pod(name).await;
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("reserved for the control plane"), "{status}");
}
