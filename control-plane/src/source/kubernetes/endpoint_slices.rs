//! Endpoint slices.

use k8s_openapi::api::discovery::v1::EndpointSlice as Object;
use kube::{Api, Client};

use super::watched::Watched;
use crate::index::cluster::{Change, EndpointSlice, Event, Key, Kind, Unreadable};

pub(super) struct EndpointSlices;

impl Watched for EndpointSlices {
    type Object = Object;
    type Kept = EndpointSlice;
    const KIND: Kind = Kind::EndpointSlices;

    fn api(client: Client) -> Api<Object> {
        Api::all(client)
    }

    fn read(&self, slice: Object) -> Result<(Key, EndpointSlice), Unreadable> {
        EndpointSlice::read(slice)
    }

    fn change(event: Event<EndpointSlice>) -> Change {
        Change::EndpointSlices(event)
    }
}
