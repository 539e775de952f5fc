//! Namespaces, and of these the metadata only: labels and annotations are what the platform says by them.

use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::{Api, Client};

use super::watched::Watched;
use crate::index::cluster::{Change, Event, Key, Kind, NamespaceObject, Unreadable};

pub(super) struct Namespaces;

impl Watched for Namespaces {
    type Object = PartialObjectMeta<Namespace>;
    type Kept = NamespaceObject;
    const KIND: Kind = Kind::Namespaces;

    fn api(client: Client) -> Api<Self::Object> {
        Api::all(client)
    }

    fn read(&self, namespace: Self::Object) -> Result<(Key, NamespaceObject), Unreadable> {
        NamespaceObject::read(namespace.metadata)
    }

    fn change(event: Event<NamespaceObject>) -> Change {
        Change::Namespaces(event)
    }
}
