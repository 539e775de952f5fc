//! Services.

use k8s_openapi::api::core::v1::Service as Object;
use kube::{Api, Client};

use super::watched::Watched;
use crate::index::cluster::{Change, Event, Key, Kind, Service, Unreadable};

pub(super) struct Services;

impl Watched for Services {
    type Object = Object;
    type Kept = Service;
    const KIND: Kind = Kind::Services;

    fn api(client: Client) -> Api<Object> {
        Api::all(client)
    }

    fn read(&self, service: Object) -> Result<(Key, Service), Unreadable> {
        Service::read(service)
    }

    fn change(event: Event<Service>) -> Change {
        Change::Services(event)
    }
}
