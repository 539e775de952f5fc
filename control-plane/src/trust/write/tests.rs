//! What becomes of a map that is there already, at a real API server. Run as the tests of `source::kubernetes` are.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::*;
use crate::source::kubernetes::tests::ground::{Ground, within};

/// A namespace of its own: the tests share a cluster, and may be run again in it.
struct Shop {
    ground: Ground,
    namespace: String,
}

impl Shop {
    async fn new(name: &str) -> Self {
        let (ground, namespace) = (Ground::new().await, format!("{name}-{}", std::process::id()));
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        ground.apply(&object).await;
        Self { ground, namespace }
    }

    fn maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.ground.client.clone(), &self.namespace)
    }

    /// Somebody makes a map of that name, with this in it.
    async fn theirs(&self, finalizers: &[&str], content: Value) -> ConfigMap {
        let mut map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": TRUST_CONFIG_MAP, "namespace": self.namespace, "finalizers": finalizers },
        });
        map.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        self.ground.apply(&map).await;
        self.there().await
    }

    async fn there(&self) -> ConfigMap {
        self.maps().get(TRUST_CONFIG_MAP).await.unwrap()
    }

    /// What `write` makes of what is there, as it is stored.
    async fn written_over(&self) -> ConfigMap {
        let data = Some([("roots.pem".to_owned(), "ours".to_owned())].into());
        let metadata = ObjectMeta { name: Some(TRUST_CONFIG_MAP.to_owned()), ..ObjectMeta::default() };
        let ours = ConfigMap { data, metadata, ..ConfigMap::default() };
        let writing = write(self.ground.client.clone(), &self.namespace, &ours);
        let written = within("the map to be written", writing).await.unwrap();
        let there = self.there().await;
        assert_eq!(there.metadata.uid, written.metadata.uid);
        assert_eq!(there.data.as_ref().unwrap()["roots.pem"], "ours");
        there
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_real_api_server_keeps_a_map_that_takes_what_we_write() {
    let shop = Shop::new("takes").await;
    let new = shop.written_over().await;
    assert_eq!(shop.written_over().await.metadata.uid, new.metadata.uid);
    let theirs = shop.theirs(&[], json!({ "data": { "roots.pem": "theirs", "more": "theirs" } })).await;
    assert_eq!(theirs.data.as_ref().unwrap()["roots.pem"], "theirs");
    let written = shop.written_over().await;
    assert_eq!(written.metadata.uid, new.metadata.uid, "it was not deleted");
    assert_eq!(written.data.unwrap()["more"], "theirs");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_real_api_server_has_a_map_anew_that_refuses_what_we_write_whatever_holds_it() {
    let shop = Shop::new("refuses").await;
    for refusing in [
        json!({ "immutable": true, "data": { "roots.pem": "theirs" } }),
        json!({ "binaryData": { "roots.pem": "dGhlaXJz" } }),
    ] {
        for finalizers in [&[][..], &["theirs.example/stays"]] {
            let theirs = shop.theirs(finalizers, refusing.clone()).await;
            let written = shop.written_over().await;
            assert_ne!(written.metadata.uid, theirs.metadata.uid, "{refusing} {finalizers:?}");
            assert_eq!((written.immutable, written.binary_data), (None, None));
            assert_eq!(written.metadata.finalizers, None);
            shop.maps().delete(TRUST_CONFIG_MAP, &DeleteParams::default()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_real_api_server_keeps_what_was_put_in_the_place_of_a_map_meanwhile() {
    let shop = Shop::new("replaced").await;
    let first = shop.theirs(&[], json!({ "immutable": true })).await;
    shop.maps().delete(TRUST_CONFIG_MAP, &DeleteParams::default()).await.unwrap();
    let second = shop.theirs(&[], json!({ "immutable": true })).await;
    let refused = delete(&shop.maps(), &first).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 409), "{refused}");
    assert_eq!(shop.there().await.metadata.uid, second.metadata.uid);
}

#[test]
fn only_what_is_invalid_is_written_anew() {
    let invalid = |code| {
        let status = kube::core::Status::failure("said", "Reason").with_code(code);
        is_invalid(&kube::Error::Api(Box::new(status)))
    };
    assert!(invalid(422));
    for code in [400, 401, 403, 404, 409, 413, 429, 500, 503] {
        assert!(!invalid(code), "{code}");
    }
    assert!(!is_invalid(&kube::Error::LinesCodecMaxLineLengthExceeded));
}
