//! What a cluster's users and its kubelets would make: namespaces, pods with addresses, and tokens.

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

pub(crate) const WEB_ADDRESS: &str = "10.244.77.7";
pub(crate) const OTHER_ADDRESS: &str = "10.244.77.8";

/// A namespace of the test's own.
pub(crate) struct Shop {
    client: Client,
    pub(crate) namespace: String,
}

impl Shop {
    pub(crate) async fn open(client: &Client, labels: Value) -> Self {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let made: Namespace =
            serde_json::from_value(json!({ "metadata": { "generateName": "shop-", "labels": labels } }))
                .unwrap();
        let made = namespaces.create(&PostParams::default(), &made).await.unwrap();
        Self::of(client, &made.metadata.name.unwrap())
    }

    /// One that is there already.
    pub(crate) fn of(client: &Client, namespace: &str) -> Self {
        Self { client: client.clone(), namespace: namespace.to_owned() }
    }

    pub(crate) fn all<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) async fn account(&self, name: &str) {
        let account: ServiceAccount =
            serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        match self.all::<ServiceAccount>().create(&PostParams::default(), &account).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            made => drop(made.unwrap()),
        }
    }

    /// A pod that runs, as far as the API server knows.
    pub(crate) async fn pod(&self, name: &str, account: &str, address: &str, sidecar: bool) -> Pod {
        let init = if sidecar { json!([container("kith-redirect"), sidecar_container()]) } else { json!([]) };
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": name },
            "spec": {
                "nodeName": "node-a",
                "serviceAccountName": account,
                "initContainers": init,
                "containers": [container("app")],
            },
        }))
        .unwrap();
        let pods = self.all::<Pod>();
        pods.create(&PostParams::default(), &pod).await.unwrap();
        let status =
            json!({ "status": { "phase": "Running", "podIP": address, "podIPs": [{ "ip": address }] } });
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap()
    }

    /// Gone at once, as after its grace.
    pub(crate) async fn delete_pod(&self, name: &str) {
        self.all::<Pod>().delete(name, &DeleteParams::default().grace_period(0)).await.unwrap();
    }

    pub(crate) async fn delete_account(&self, name: &str) {
        self.all::<ServiceAccount>().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// As the kubelet projects it.
    pub(crate) async fn projected(&self, account: &str, pod: &Pod) -> String {
        self.token(account, &["kith.dev/ca"], Some(pod)).await
    }

    /// Whatever the API server signs.
    pub(crate) async fn token(&self, account: &str, audiences: &[&str], pod: Option<&Pod>) -> String {
        let bound_object_ref = pod.map(|pod| BoundObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Pod".into()),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
        });
        let spec = TokenRequestSpec {
            audiences: Some(audiences.iter().map(|audience| (*audience).to_owned()).collect()),
            bound_object_ref,
            expiration_seconds: Some(600),
            ..TokenRequestSpec::default()
        };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let accounts = self.all::<ServiceAccount>();
        let made = accounts.create_token_request(account, &PostParams::default(), &request).await.unwrap();
        made.status.unwrap().token.unwrap()
    }
}

fn container(name: &str) -> Value {
    json!({ "name": name, "image": "none" })
}

fn sidecar_container() -> Value {
    json!({ "name": "kith-sidecar", "image": "none", "restartPolicy": "Always" })
}
