//! The names of things in Kubernetes: policies, namespaces, service accounts. Owns their alphabet, which is that
//! of the names in an identity's path, so that a name can neither leave its segment nor be unmatchable.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use kith_identity::is_name;

/// A valid name (RFC 1123 subdomain).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a name of [a-z0-9.-], starting and ending with a letter or digit, of 1 to 253 bytes"
)]
pub struct NameError {
    /// What was written.
    pub text: String,
}

impl Name {
    /// Parses a name; the only way to make one.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if is_name(text) { Ok(Self(text.into())) } else { Err(NameError { text: text.to_owned() }) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({})", self.0)
    }
}
