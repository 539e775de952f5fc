//! Pods, with everything in them: their containers say who is in the mesh.

use k8s_openapi::api::core::v1::Pod as Object;
use kube::{Api, Client};

use super::watched::Watched;
use crate::index::cluster::{Change, Event, Key, Kind, Pod, Unreadable};

pub(super) struct Pods;

impl Watched for Pods {
    type Object = Object;
    type Kept = Pod;
    const KIND: Kind = Kind::Pods;

    fn api(client: Client) -> Api<Object> {
        Api::all(client)
    }

    fn read(&self, pod: Object) -> Result<(Key, Pod), Unreadable> {
        Pod::read(pod)
    }

    fn change(event: Event<Pod>) -> Change {
        Change::Pods(event)
    }
}
