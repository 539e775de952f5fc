//! Who may be meant by a rule. Owns the entries of `sources`; an identity of a foreign trust domain can only be
//! named in full, as SPIFFE.

use kith_identity::SpiffeId;
use serde::Deserialize;

use super::error::{DocumentError, suggestion};
use super::name::Name;
use super::yaml::{Field, Place, Text};

/// A caller, or a group of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One service account of our own trust domain.
    ServiceAccount {
        /// Its namespace.
        namespace: Name,
        /// Its name.
        name: Name,
    },
    /// Every service account in one namespace of our own trust domain; written as the name `*` (GEP-3779).
    AnyServiceAccount {
        /// The namespace.
        namespace: Name,
    },
    /// Exactly this identity, of any trust domain.
    Spiffe(SpiffeId),
}

pub(super) const SERVICE_ACCOUNT: &str = "ServiceAccount";
pub(super) const SPIFFE: &str = "SPIFFE";
const TYPES: [&str; 2] = [SERVICE_ACCOUNT, SPIFFE];
/// The name that stands for every service account of a namespace (GEP-3779).
pub(super) const ANY: &str = "*";

/// One caller, or a group of callers. `type` says which of the other fields it is named by.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("required" = ["type"])))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawSource {
    /// ServiceAccount: callers of this mesh, by their service account. SPIFFE: one identity, of any trust domain.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = TYPES)))]
    r#type: Field<String>,
    /// With type ServiceAccount: which.
    service_account: Field<RawServiceAccount>,
    /// With type SPIFFE: the whole identity, such as spiffe://partner.example/ns/pay/sa/settle. It is compared exactly.
    #[cfg_attr(feature = "schema", schemars(length(max = 2048)))]
    spiffe: Field<String>,
}

/// A service account, or all of one namespace.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("required" = ["name"])))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawServiceAccount {
    /// Its namespace. Left out: the policy's own.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    namespace: Field<String>,
    /// Its name; * for every service account of the namespace.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    name: Field<String>,
}

pub(super) fn from_raw(
    raw: Field<RawSource>,
    parent: Place,
    own_namespace: &Name,
    text: &Text<'_>,
) -> Result<Source, DocumentError> {
    let (raw, place) = raw.required("an entry of sources", parent, text)?;
    let (kind, kind_place) = raw.r#type.required("type", place, text)?;
    let service_account = raw.service_account.optional("serviceAccount", text)?;
    let spiffe = raw.spiffe.optional("spiffe", text)?;
    match (kind.as_str(), service_account, spiffe) {
        (SERVICE_ACCOUNT, Some((raw, place)), None) => {
            service_account_from_raw(raw, place, own_namespace, text)
        }
        (SERVICE_ACCOUNT, _, _) => {
            Err(text.error(place, "type ServiceAccount wants serviceAccount, and nothing else"))
        }
        (SPIFFE, None, Some((identity, place))) => SpiffeId::parse(&identity)
            .map(Source::Spiffe)
            .map_err(|error| text.error(place, format!("{identity:?} is no SPIFFE ID: {error}"))),
        (SPIFFE, _, _) => Err(text.error(place, "type SPIFFE wants spiffe, and nothing else")),
        (other, _, _) => {
            let message =
                format!("the source type {other:?} is not supported; {}", suggestion(other, &TYPES));
            Err(text.error(kind_place, message))
        }
    }
}

fn service_account_from_raw(
    raw: RawServiceAccount,
    parent: Place,
    own_namespace: &Name,
    text: &Text<'_>,
) -> Result<Source, DocumentError> {
    let parse = |(value, place): (String, Place)| {
        Name::parse(&value).map_err(|error| text.error(place, error.to_string()))
    };
    let namespace = match raw.namespace.optional("namespace", text)? {
        Some(written) => parse(written)?,
        None => own_namespace.clone(),
    };
    match raw.name.required("name", parent, text)? {
        (name, _) if name == ANY => Ok(Source::AnyServiceAccount { namespace }),
        written => Ok(Source::ServiceAccount { namespace, name: parse(written)? }),
    }
}
