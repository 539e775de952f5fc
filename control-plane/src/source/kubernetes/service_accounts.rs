//! Service accounts, and of these the metadata only: their secrets are none of our business.

use k8s_openapi::api::core::v1::ServiceAccount as Account;
use kube::core::PartialObjectMeta;
use kube::{Api, Client};

use super::watched::Watched;
use crate::index::cluster::{Change, Event, Key, Kind, ServiceAccount, Unreadable};

pub(super) struct ServiceAccounts;

impl Watched for ServiceAccounts {
    type Object = PartialObjectMeta<Account>;
    type Kept = ServiceAccount;
    const KIND: Kind = Kind::ServiceAccounts;

    fn api(client: Client) -> Api<Self::Object> {
        Api::all(client)
    }

    fn read(&self, account: Self::Object) -> Result<(Key, ServiceAccount), Unreadable> {
        ServiceAccount::read(&account.metadata)
    }

    fn change(event: Event<ServiceAccount>) -> Change {
        Change::ServiceAccounts(event)
    }
}
