//! Policies. Every stored object is taken, also one that nobody can read: that it is there means something.

use kith_identity::TrustDomain;
use kube::api::DynamicObject;
use kube::{Api, Client};

use super::watched::Watched;
use crate::index::cluster::{Change, Event, Key, Kind, PolicyObject, Unreadable};
use crate::kubernetes::kinds::AUTHORIZATION_POLICY;

pub(super) struct Policies {
    trust_domain: TrustDomain,
}

impl Policies {
    pub(super) fn new(trust_domain: TrustDomain) -> Self {
        Self { trust_domain }
    }
}

impl Watched for Policies {
    type Object = DynamicObject;
    type Kept = PolicyObject;
    const KIND: Kind = Kind::AuthorizationPolicies;

    fn api(client: Client) -> Api<DynamicObject> {
        AUTHORIZATION_POLICY.all(client)
    }

    fn read(&self, object: DynamicObject) -> Result<(Key, PolicyObject), Unreadable> {
        let metadata = object.metadata.clone();
        PolicyObject::read(&self.trust_domain, &metadata, &AUTHORIZATION_POLICY.whole(object))
    }

    fn change(event: Event<PolicyObject>) -> Change {
        Change::AuthorizationPolicies(event)
    }
}
