//! What names an object among those of its kind.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Namespace and name; the namespace is empty where the kind has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// Why an object counts for nothing. The API server stores none of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the object has no metadata.name")]
    Nameless,
    #[error("{0} has no metadata.uid")]
    NoUid(Key),
}

impl Key {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// That of an object.
    pub(crate) fn of(metadata: &ObjectMeta) -> Result<Self, Unreadable> {
        let name = metadata.name.as_deref().filter(|name| !name.is_empty()).ok_or(Unreadable::Nameless)?;
        Ok(Self::new(metadata.namespace.as_deref().unwrap_or_default(), name))
    }
}

/// `namespace/name`, or the name alone.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => f.write_str(&self.name),
            namespace => write!(f, "{namespace}/{}", self.name),
        }
    }
}

/// The uid of an object: another one of the same name has another.
pub(super) fn uid(metadata: &ObjectMeta, key: &Key) -> Result<String, Unreadable> {
    let uid = metadata.uid.clone().filter(|uid| !uid.is_empty());
    uid.ok_or_else(|| Unreadable::NoUid(key.clone()))
}
