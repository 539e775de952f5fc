//! Quarantines. Every stored object is taken, also one that nobody can read: whoever it means is to be cut off.

use kith_identity::TrustDomain;
use kube::api::DynamicObject;
use kube::{Api, Client};

use super::watched::Watched;
use crate::index::cluster::{Change, Event, Key, Kind, QuarantineObject, Unreadable};
use crate::kubernetes::kinds::QUARANTINE;

pub(super) struct Quarantines {
    trust_domain: TrustDomain,
}

impl Quarantines {
    pub(super) fn new(trust_domain: TrustDomain) -> Self {
        Self { trust_domain }
    }
}

impl Watched for Quarantines {
    type Object = DynamicObject;
    type Kept = QuarantineObject;
    const KIND: Kind = Kind::Quarantines;

    fn api(client: Client) -> Api<DynamicObject> {
        QUARANTINE.all(client)
    }

    fn read(&self, object: DynamicObject) -> Result<(Key, QuarantineObject), Unreadable> {
        let metadata = object.metadata.clone();
        QuarantineObject::read(&self.trust_domain, &metadata, &QUARANTINE.whole(object))
    }

    fn change(event: Event<QuarantineObject>) -> Change {
        Change::Quarantines(event)
    }
}
