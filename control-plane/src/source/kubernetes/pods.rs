//! Pods: their containers say who is in the mesh.

use kube::{Api, Client};

use super::slim_pod::SlimPod;
use super::watched::Watched;
use crate::index::cluster::{Change, Event, Key, Kind, Pod, Unreadable};

pub(super) struct Pods;

impl Watched for Pods {
    type Object = SlimPod;
    type Kept = Pod;
    const KIND: Kind = Kind::Pods;
    /// 30 MB of text, and little of it is kept while it is read. 10,000 pods are a thousand requests: some seconds.
    const PAGE: u32 = 10;

    fn api(client: Client) -> Api<SlimPod> {
        Api::all(client)
    }

    fn read(&self, pod: SlimPod) -> Result<(Key, Pod), Unreadable> {
        Pod::read(pod.0)
    }

    fn change(event: Event<Pod>) -> Change {
        Change::Pods(event)
    }
}
