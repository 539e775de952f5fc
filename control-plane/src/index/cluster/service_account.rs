//! Service accounts: which there are. Their metadata is all that is looked at.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::key::{Key, Unreadable, uid};
use super::table::Row;

/// One service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceAccount {
    /// One that was deleted and made again is another one (K30).
    pub(super) uid: String,
}

impl ServiceAccount {
    pub(crate) fn read(metadata: &ObjectMeta) -> Result<(Key, Self), Unreadable> {
        let key = Key::of(metadata)?;
        let uid = uid(metadata, &key)?;
        Ok((key, Self { uid }))
    }
}

impl Row for ServiceAccount {}
