//! Whom policies and quarantines mean, of what is there now. Owns what is read for it; the reading of each object and the
//! sentences are the control plane's own.

use k8s_openapi::api::core::v1 as core;
use kith_identity::TrustDomain;
use kith_policy::document::{object, quarantine};
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;

use super::super::facts::{Facts, Known};
use super::super::installed::read_config;
use super::{all_of, told};
use crate::index::cluster::{
    self, Change, Cluster, Event, Key, Kind, NamespaceObject, Present, ServiceAccount,
};
use crate::kubernetes::error::{Access, answer};
use crate::kubernetes::installation::Installation;
use crate::kubernetes::kinds::{AUTHORIZATION_POLICY, OurKind, QUARANTINE};

/// Our own objects in one page: each may be as large as its author likes.
const PAGE: u32 = 50;

impl Installation {
    pub(super) async fn unmatched(&self, facts: &Facts, pods: Known<Vec<core::Pod>>) -> Known<Vec<String>> {
        let trust_domain = read_config(facts)?.trust_domain;
        let trust_domain = TrustDomain::parse(&trust_domain).map_err(|error| error.to_string())?;
        let mut cluster = Cluster::new(trust_domain.clone());
        cluster.take(Change::Pods(Event::All(
            pods?.into_iter().filter_map(|it| cluster::Pod::read(it).ok()).collect(),
        )));
        let accounts = self.service_accounts().await?;
        cluster.take(Change::ServiceAccounts(Event::All(accounts)));
        let namespaces = facts.namespaces.as_ref().map_err(Clone::clone)?.iter().map(|it| {
            let (labels, annotations) = (it.labels.clone(), it.annotations.clone());
            (Key::new("", &it.name), NamespaceObject { labels, annotations })
        });
        cluster.take(Change::Namespaces(Event::All(namespaces.collect())));
        let policies = self.ours(AUTHORIZATION_POLICY, "authorizationpolicies.kith.dev").await?;
        let quarantines = self.ours(QUARANTINE, "quarantines.kith.dev").await?;
        Ok(sentences(&trust_domain, &cluster, &policies, &quarantines))
    }

    async fn service_accounts(&self) -> Known<Vec<(Key, ServiceAccount)>> {
        let api: Api<core::ServiceAccount> = Api::all(self.client.clone());
        let listed = told(
            answer(&Access::everywhere("list", "serviceaccounts"), api.list_metadata(&ListParams::default()))
                .await,
        )?;
        Ok(listed.items.iter().filter_map(|it| ServiceAccount::read(&it.metadata).ok()).collect())
    }

    async fn ours(&self, kind: OurKind, resource: &'static str) -> Known<Vec<Value>> {
        let api: Api<DynamicObject> = kind.all(self.client.clone());
        let page = ListParams::default().limit(PAGE);
        let listed = all_of(&api, &Access::everywhere("list", resource), page).await?;
        Ok(listed.into_iter().map(|object| kind.whole(object)).collect())
    }
}

/// One for each thing that is meant and not there. Of an object that cannot be read another check speaks.
fn sentences(
    trust_domain: &TrustDomain,
    cluster: &Cluster,
    policies: &[Value],
    quarantines: &[Value],
) -> Vec<String> {
    let (mut facts, view) = (cluster::Facts::default(), cluster.view());
    for kind in [Kind::Namespaces, Kind::ServiceAccounts] {
        facts.refresh(cluster, kind);
    }
    let present = Present { trust_domain, facts: &facts, workloads: &view.workloads };
    let mut sentences = Vec::new();
    for policy in policies.iter().filter_map(|it| object::parse(it).ok()) {
        let said = present.unmatched(&policy);
        sentences.extend(
            said.iter().map(|said| format!("the policy {}/{}: {said}", policy.namespace, policy.name)),
        );
    }
    for quarantine in quarantines.iter().filter_map(|it| quarantine::parse(trust_domain, it).ok()) {
        let said = present.unmatched_quarantine(&quarantine.target);
        sentences.extend(said.map(|said| format!("the quarantine {}: {said}", quarantine.name)));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_meant_and_not_there_is_told_with_the_object_that_means_it() {
        let trust_domain = TrustDomain::parse("mesh.example").unwrap();
        let mut cluster = Cluster::new(trust_domain.clone());
        cluster
            .take(Change::Namespaces(Event::All(vec![(Key::new("", "shop"), NamespaceObject::default())])));
        let policy = json!({
            "apiVersion": "kith.dev/v1alpha1", "kind": "AuthorizationPolicy",
            "metadata": { "name": "callers", "namespace": "shop" },
            "spec": { "targetRefs": [{ "kind": "Pod", "selector": { "matchLabels": { "app": "ordrs" } } }], "action": "ALLOW" },
        });
        let quarantine = json!({
            "apiVersion": "kith.dev/v1alpha1", "kind": "Quarantine", "metadata": { "name": "leak" },
            "spec": { "serviceAccount": { "namespace": "shop", "name": "web" } },
        });
        let said = sentences(&trust_domain, &cluster, &[policy, json!({ "kind": "x" })], &[quarantine]);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[0].starts_with("the policy shop/callers: ") && said[0].contains("app=ordrs"),
            "{said:?}"
        );
        assert!(said[1].starts_with("the quarantine leak: ") && said[1].contains("shop/web"), "{said:?}");
    }
}
