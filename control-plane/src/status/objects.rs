//! Our objects at the API server, one request at a time. Owns how they are asked for, how their status is replaced, and the
//! events that tell an author what is wrong; and how long each of these may take.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kith_policy::document::API_VERSION;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::index::cluster::Key;
use crate::kubernetes::kinds::OurKind;

use super::document::CONTROLLER;

/// For one request.
const LIMIT: Duration = Duration::from_secs(5);
/// What Kubernetes takes for a note, and for the name of an object.
const MOST_NOTE_BYTES: usize = 1000;
const MOST_NAME_BYTES: usize = 253;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// There is no such object any more.
    #[error("the object is gone")]
    Gone,
    /// Somebody else changed it first.
    #[error("the object was changed meanwhile")]
    Changed,
    #[error("the API server did not answer within {} s", LIMIT.as_secs())]
    Late,
    #[error("{0}")]
    Kube(kube::Error),
}

impl From<kube::Error> for WriteError {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) if status.code == 404 => Self::Gone,
            kube::Error::Api(status) if status.code == 409 => Self::Changed,
            _ => Self::Kube(error),
        }
    }
}

/// All objects of one kind.
#[derive(Clone)]
pub(super) struct Objects {
    client: Client,
    of: OurKind,
}

/// An object, as it is stored now.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) uid: String,
    pub(super) generation: i64,
    pub(super) resource_version: String,
    /// All of it.
    pub(super) object: Value,
}

impl Objects {
    pub(super) fn new(client: Client, of: OurKind) -> Self {
        Self { client, of }
    }

    pub(super) fn kind(&self) -> &'static str {
        self.of.kind
    }

    /// Reads one.
    pub(super) async fn get(&self, key: &Key) -> Result<Stored, WriteError> {
        let object = within(self.api(key).get(&key.name)).await?;
        Ok(Stored::of(self.of, object))
    }

    /// Replaces the status of exactly this version; says which version it is then.
    pub(super) async fn write<S: Serialize>(
        &self,
        key: &Key,
        resource_version: &str,
        status: &S,
    ) -> Result<String, WriteError> {
        let patch = json!({ "metadata": { "resourceVersion": resource_version }, "status": status });
        let (api, patch) = (self.api(key), Patch::Merge(&patch));
        let object = within(api.patch_status(&key.name, &PatchParams::default(), &patch)).await?;
        Ok(object.metadata.resource_version.unwrap_or_default())
    }

    /// Tells of a refusal in an event. Told once for a generation of an object, whoever tells it and however often: the name
    /// of the event is made of it.
    pub(super) async fn tell_refusal(
        &self,
        key: &Key,
        uid: &str,
        generation: i64,
        now: Timestamp,
        note: &str,
    ) -> Result<(), WriteError> {
        let event = event(self.of, key, uid, generation, now, note);
        // Of what has no namespace events are told in this one.
        let namespace = event.metadata.namespace.as_deref().unwrap_or("default");
        let events = Api::<Event>::namespaced(self.client.clone(), namespace);
        match within(events.create(&PostParams::default(), &event)).await {
            Ok(_) | Err(WriteError::Changed) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn api(&self, key: &Key) -> Api<DynamicObject> {
        match key.namespace.as_str() {
            "" => self.of.all(self.client.clone()),
            namespace => Api::namespaced_with(self.client.clone(), namespace, &self.of.resource()),
        }
    }
}

/// What tells of a refusal.
fn event(of: OurKind, key: &Key, uid: &str, generation: i64, now: Timestamp, note: &str) -> Event {
    let namespace = Some(key.namespace.clone()).filter(|namespace| !namespace.is_empty());
    let suffix = format!(".{}.{generation}", uid.chars().take(8).collect::<String>());
    let stem = cut(&key.name, MOST_NAME_BYTES - suffix.len()).trim_end_matches(['.', '-']);
    Event {
        action: Some("Read".to_owned()),
        event_time: Some(MicroTime(now)),
        metadata: ObjectMeta {
            name: Some(format!("{stem}{suffix}")),
            namespace: Some(namespace.clone().unwrap_or_else(|| "default".to_owned())),
            ..ObjectMeta::default()
        },
        note: Some(cut(note, MOST_NOTE_BYTES).to_owned()),
        reason: Some("Invalid".to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some(API_VERSION.to_owned()),
            kind: Some(of.kind.to_owned()),
            name: Some(key.name.clone()),
            namespace,
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        }),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some("kith-control-plane".to_owned()),
        type_: Some("Warning".to_owned()),
        ..Event::default()
    }
}

impl Stored {
    fn of(kind: OurKind, object: DynamicObject) -> Self {
        let metadata = &object.metadata;
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            object: kind.whole(object),
        }
    }
}

async fn within<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, WriteError> {
    timeout(LIMIT, request).await.map_err(|_elapsed| WriteError::Late)?.map_err(WriteError::from)
}

/// As many bytes as fit, in whole characters.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests;
