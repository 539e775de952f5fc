//! That the API server trusts the webhook: keeps `caBundle` in its two configurations equal to what signs the webhook's
//! certificate. Owns nothing else of them: which objects are asked about is the chart's.
//!
//! Needs `list`, `watch` and `patch` on `mutatingwebhookconfigurations` and `validatingwebhookconfigurations` of
//! `admissionregistration.k8s.io`, each by the one name. With several replicas each would write its own: there is one.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{Stream, StreamExt as _};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch_objects};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use crate::kubernetes::FIELD_MANAGER;

/// The configuration of the injector, which also owns what the control plane makes for it.
pub(crate) const INJECTOR: &str = "kith-injector";
pub(crate) const VALIDATOR: &str = "kith-validator";
/// Before a patch that failed is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// The object that owns what the control plane makes in namespaces, so that it goes away with the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) name: &'static str,
    pub(crate) uid: String,
}

/// One configuration, as far as it is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Configuration {
    uid: String,
    /// Their names, and whom they trust.
    webhooks: Vec<(String, Vec<u8>)>,
}

/// Keeps both.
pub(crate) struct Registration {
    client: Client,
    trusted: watch::Receiver<Arc<str>>,
    published: watch::Sender<Option<Arc<str>>>,
    owner: watch::Sender<Option<Owner>>,
    injector: Option<Configuration>,
    validator: Option<Configuration>,
    /// What comes in of a list that is not whole yet.
    listed: [Option<Configuration>; 2],
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Injector,
    Validator,
}

impl Registration {
    /// `trusted` is from [`Certificates`](super::Certificates).
    pub(crate) fn new(client: Client, trusted: watch::Receiver<Arc<str>>) -> Self {
        Self {
            client,
            trusted,
            published: watch::Sender::new(None),
            owner: watch::Sender::new(None),
            injector: None,
            validator: None,
            listed: [None, None],
        }
    }

    /// What both configurations trust; `None` while one of them is missing, or trusts something else.
    pub(crate) fn published(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.published.subscribe()
    }

    /// The injector's configuration, when there is one.
    pub(crate) fn owner(&self) -> watch::Receiver<Option<Owner>> {
        self.owner.subscribe()
    }

    /// Ends only by being dropped. Configurations that are not there (yet) are waited for.
    pub(crate) async fn keep(mut self) {
        let mut injector =
            std::pin::pin!(configurations::<MutatingWebhookConfiguration>(&self.client, INJECTOR));
        let mut validator =
            std::pin::pin!(configurations::<ValidatingWebhookConfiguration>(&self.client, VALIDATOR));
        let mut again = None;
        loop {
            let retry = async {
                match again {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(event) = injector.next() => self.heard(Which::Injector, event),
                Some(event) = validator.next() => self.heard(Which::Validator, event),
                changed = self.trusted.changed() => if changed.is_err() {
                    // Nobody signs any more: the process ends.
                    return;
                },
                () = retry => {}
            }
            again = match self.publish().await {
                Ok(()) => None,
                Err(error) => {
                    warn!(%error, "Webhook not registered; trying again");
                    Some(Instant::now() + AGAIN)
                }
            };
        }
    }

    fn heard(&mut self, which: Which, event: Result<Event<Configuration>, watcher::Error>) {
        let (known, listed) = match which {
            Which::Injector => (&mut self.injector, &mut self.listed[0]),
            Which::Validator => (&mut self.validator, &mut self.listed[1]),
        };
        match event {
            Ok(Event::Init) => *listed = None,
            Ok(Event::InitApply(configuration)) => *listed = Some(configuration),
            Ok(Event::InitDone) => *known = listed.take(),
            Ok(Event::Apply(configuration)) => *known = Some(configuration),
            Ok(Event::Delete(_)) => *known = None,
            // What is known holds: the watch goes on by itself.
            Err(error) => warn!(%error, "Configurations of the webhook cannot be watched"),
        }
        if which == Which::Injector {
            let owner = self.injector.as_ref().map(|found| Owner { name: INJECTOR, uid: found.uid.clone() });
            self.owner.send_if_modified(|known| std::mem::replace(known, owner.clone()) != owner);
        }
    }

    async fn publish(&mut self) -> kube::Result<()> {
        let trusted = self.trusted.borrow_and_update().clone();
        if let Some(patch) = self.injector.as_ref().and_then(|it| it.patch(trusted.as_bytes())) {
            let api: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
            let patched = api.patch(INJECTOR, &patch_params(), &Patch::Strategic(patch)).await?;
            self.injector = Some(patched.into());
            info!(name = INJECTOR, "Authority of the webhook published");
        }
        if let Some(patch) = self.validator.as_ref().and_then(|it| it.patch(trusted.as_bytes())) {
            let api: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
            let patched = api.patch(VALIDATOR, &patch_params(), &Patch::Strategic(patch)).await?;
            self.validator = Some(patched.into());
            info!(name = VALIDATOR, "Authority of the webhook published");
        }
        let trusts = |known: &Option<Configuration>| {
            known.as_ref().is_some_and(|it| it.patch(trusted.as_bytes()).is_none())
        };
        let published = (trusts(&self.injector) && trusts(&self.validator)).then_some(trusted);
        self.published.send_if_modified(|known| std::mem::replace(known, published.clone()) != published);
        Ok(())
    }
}

impl Configuration {
    fn of(metadata: ObjectMeta, webhooks: impl Iterator<Item = (String, WebhookClientConfig)>) -> Self {
        let trusts =
            |config: WebhookClientConfig| config.ca_bundle.map(|bundle| bundle.0).unwrap_or_default();
        Self {
            uid: metadata.uid.unwrap_or_default(),
            webhooks: webhooks.map(|(name, config)| (name, trusts(config))).collect(),
        }
    }

    /// What has to change so that all of them trust `wanted`. A strategic merge: webhooks are told apart by their names,
    /// and nothing else of them is touched.
    fn patch(&self, wanted: &[u8]) -> Option<Value> {
        let others = self.webhooks.iter().filter(|(_, trusted)| trusted != wanted);
        let patches: Vec<_> = others
            .map(|(name, _)| json!({ "name": name, "clientConfig": { "caBundle": STANDARD.encode(wanted) } }))
            .collect();
        (!patches.is_empty()).then(|| json!({ "webhooks": patches }))
    }
}

impl From<MutatingWebhookConfiguration> for Configuration {
    fn from(object: MutatingWebhookConfiguration) -> Self {
        let webhooks = object.webhooks.into_iter().flatten();
        Self::of(object.metadata, webhooks.map(|webhook| (webhook.name, webhook.client_config)))
    }
}

impl From<ValidatingWebhookConfiguration> for Configuration {
    fn from(object: ValidatingWebhookConfiguration) -> Self {
        let webhooks = object.webhooks.into_iter().flatten();
        Self::of(object.metadata, webhooks.map(|webhook| (webhook.name, webhook.client_config)))
    }
}

fn configurations<K>(
    client: &Client,
    name: &str,
) -> impl Stream<Item = Result<Event<Configuration>, watcher::Error>> + use<K>
where
    K: kube::Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Send
        + serde::de::DeserializeOwned
        + 'static,
    Configuration: From<K>,
{
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let events = watch_objects(Api::<K>::all(client.clone()), config).default_backoff();
    events.map(|event| {
        Ok(match event? {
            Event::Apply(object) => Event::Apply(object.into()),
            Event::Delete(object) => Event::Delete(object.into()),
            Event::Init => Event::Init,
            Event::InitApply(object) => Event::InitApply(object.into()),
            Event::InitDone => Event::InitDone,
        })
    })
}

fn patch_params() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(webhooks: &[(&str, &str)]) -> Configuration {
        let webhooks = webhooks.iter().map(|(name, trusts)| ((*name).to_owned(), trusts.as_bytes().to_vec()));
        Configuration { uid: "uid".into(), webhooks: webhooks.collect() }
    }

    #[test]
    fn only_what_trusts_something_else_is_changed() {
        let found =
            configuration(&[("policies.kith.dev", "new"), ("pods.kith.dev", "old"), ("x.kith.dev", "")]);
        let wanted = json!({ "webhooks": [
            { "name": "pods.kith.dev", "clientConfig": { "caBundle": "bmV3" } },
            { "name": "x.kith.dev", "clientConfig": { "caBundle": "bmV3" } },
        ]});
        assert_eq!(found.patch(b"new"), Some(wanted));
        assert_eq!(configuration(&[("a", "new")]).patch(b"new"), None);
        assert_eq!(configuration(&[]).patch(b"new"), None);
    }

    #[test]
    fn a_configuration_is_read_as_the_chart_writes_it() {
        let object: MutatingWebhookConfiguration = serde_json::from_value(json!({
            "metadata": { "name": INJECTOR, "uid": "u" },
            "webhooks": [{
                "name": "inject.kith.dev",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": { "service": { "name": "kith-control-plane", "namespace": "kith" } },
            }],
        }))
        .unwrap();
        let found = Configuration::from(object);
        assert_eq!(
            found,
            Configuration { uid: "u".into(), webhooks: vec![("inject.kith.dev".into(), vec![])] }
        );
    }
}
