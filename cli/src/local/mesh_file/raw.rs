//! The fields of the file as they are written, each with its place. A field that is not here is refused.

use std::fmt;
use std::marker::PhantomData;

use kith_policy::document::yaml::Field;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct RawFile {
    pub(super) name: Field<String>,
    pub(super) trust_domain: Field<String>,
    pub(super) namespace: Field<String>,
    pub(super) certificates: Field<RawCertificates>,
    pub(super) key_exchange: Field<String>,
    pub(super) services: Field<Entries<RawService>>,
    pub(super) policies: Field<String>,
}

/// `certificates`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct RawCertificates {
    pub(super) ttl: Field<String>,
}

/// One service.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct RawService {
    pub(super) run: Field<Vec<Field<String>>>,
    pub(super) port: Field<u16>,
    pub(super) expose: Field<u16>,
    pub(super) calls: Field<Vec<Field<String>>>,
    pub(super) protocol: Field<String>,
    pub(super) env: Field<Entries<String>>,
    pub(super) cwd: Field<String>,
    pub(super) labels: Field<Entries<String>>,
    pub(super) namespace: Field<String>,
    pub(super) service_account: Field<String>,
    pub(super) workload_api: Field<bool>,
}

/// A map in the order of the file, with the place of every key. That no key is there twice is the reader's rule.
#[derive(Debug)]
pub(super) struct Entries<T>(pub(super) Vec<(Field<String>, Field<T>)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}
