//! What every document starts with. Owns the version of the language and the check that a document is of the kind that
//! its reader knows; whose name it has is the kind's own.

use serde::Deserialize;

use super::error::DocumentError;
use super::yaml::{Field, Place, Text};

/// Whose language it is, as Kubernetes calls it.
pub const GROUP: &str = "kith.dev";
/// Which version of it.
pub const VERSION: &str = "v1alpha1";
/// Both, as a document says them.
pub const API_VERSION: &str = "kith.dev/v1alpha1";

/// What is read first of every document, whatever else it holds.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Header {
    api_version: Field<String>,
    kind: Field<String>,
}

/// Refuses a document of another version or kind.
pub(super) fn check(header: Field<Header>, kind: &str, text: &Text<'_>) -> Result<(), DocumentError> {
    let (header, place) = header.required("the document", Place::START, text)?;
    let wanted = [("apiVersion", header.api_version, API_VERSION), ("kind", header.kind, kind)];
    for (field, written, supported) in wanted {
        let (written, place) = written.required(field, place, text)?;
        if written != supported {
            let message = format!("{field} {written:?} is not supported; supported: {supported}");
            return Err(text.error(place, message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_the_group_and_the_version() {
        assert_eq!(API_VERSION, format!("{GROUP}/{VERSION}"));
    }
}
