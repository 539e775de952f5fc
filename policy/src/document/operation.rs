//! What a caller may do. Owns the entries of `operations`: HTTP by method and path template, gRPC by service and
//! method, all compared exactly.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::error::DocumentError;
use super::limits;
use super::one_or_more::OneOrMore;
use super::yaml::{Field, Place, Text};
#[cfg(feature = "schema")]
use crate::canonical;
use crate::compile::PathTemplate;

/// One kind of call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// HTTP requests.
    Http(HttpOperation),
    /// gRPC requests.
    Grpc(GrpcOperation),
}

/// HTTP requests; a field that is none matches anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOperation {
    /// Any of these methods.
    pub methods: Option<OneOrMore<Method>>,
    /// Any of these paths.
    pub paths: Option<OneOrMore<PathTemplate>>,
}

/// gRPC requests to one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcOperation {
    /// The service.
    pub service: GrpcService,
    /// Any of these methods; none matches every method of the service.
    pub methods: Option<OneOrMore<GrpcMethod>>,
}

/// Why a name in an operation is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// Not a token (RFC 9110 §5.6.2), or longer than any method.
    #[error("{text:?} is not an HTTP method")]
    Method {
        /// What was written.
        text: String,
    },
    /// Methods are case-sensitive (RFC 9110 §9.1), so a lower-case one would silently never match.
    #[error("{text:?} is not upper case, and methods are compared exactly; write {}", text.to_ascii_uppercase())]
    MethodCase {
        /// What was written.
        text: String,
    },
    /// Not `package.Service`.
    #[error("{text:?} is not a gRPC service such as \"payments.v1.Charges\"")]
    GrpcService {
        /// What was written.
        text: String,
    },
    /// Not an identifier.
    #[error("{text:?} is not a gRPC method such as \"Create\"")]
    GrpcMethod {
        /// What was written.
        text: String,
    },
}

macro_rules! exact_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

exact_name! {
    /// An HTTP method in upper case.
    Method
}
exact_name! {
    /// A gRPC service with its package.
    GrpcService
}
exact_name! {
    /// A gRPC method.
    GrpcMethod
}

impl Method {
    /// Parses a method.
    pub fn parse(text: &str) -> Result<Self, OperationError> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        // "*" is a token too, but whoever writes it means any method: leave methods out for that.
        if text.is_empty() || text.len() > 64 || text == "*" || !text.bytes().all(token) {
            return Err(OperationError::Method { text: text.to_owned() });
        }
        if text.bytes().any(|b| b.is_ascii_lowercase()) {
            return Err(OperationError::MethodCase { text: text.to_owned() });
        }
        Ok(Self(text.into()))
    }
}

impl GrpcService {
    /// Parses a service's full name.
    pub fn parse(text: &str) -> Result<Self, OperationError> {
        let valid = text.len() <= 1024 && text.split('.').all(is_identifier);
        if valid { Ok(Self(text.into())) } else { Err(OperationError::GrpcService { text: text.to_owned() }) }
    }
}

impl GrpcMethod {
    /// Parses a method's name.
    pub fn parse(text: &str) -> Result<Self, OperationError> {
        let valid = text.len() <= 1024 && is_identifier(text);
        if valid { Ok(Self(text.into())) } else { Err(OperationError::GrpcMethod { text: text.to_owned() }) }
    }
}

fn is_identifier(text: &str) -> bool {
    let start = |b: &u8| b.is_ascii_alphabetic() || *b == b'_';
    text.as_bytes().first().is_some_and(start) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// What is asked for: either http or grpc.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawOperation {
    /// HTTP requests, by method and path.
    http: Field<RawHttp>,
    /// gRPC requests, by service and method.
    grpc: Field<RawGrpc>,
}

/// HTTP requests. With neither methods nor paths: all of them.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawHttp {
    /// Methods in upper case, such as GET; any of them. Left out: any method.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = limits::METHODS), inner(length(min = 1, max = 64))))]
    methods: Field<Vec<Field<String>>>,
    /// Path templates, such as /charges, /charges/{id} or /app/**; any of them. A segment in braces is any one segment, ** at
    /// the end any number of segments. There are no regular expressions. Left out: any path.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = limits::PATHS), inner(length(min = 1, max = canonical::MAX_BYTES))))]
    paths: Field<Vec<Field<RawPath>>>,
}

/// gRPC requests to one service.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("required" = ["service"])))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawGrpc {
    /// The service with its package, such as payments.v1.Charges.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1024)))]
    service: Field<String>,
    /// Methods of the service, such as Create; any of them. Left out: any method.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = limits::GRPC_METHODS), inner(length(min = 1, max = 1024))))]
    methods: Field<Vec<Field<String>>>,
}

/// A path template.
// Text only: Gateway API writes `{ type: RegularExpression, value: ... }` here, and is told what to write instead.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(inline))]
struct RawPath(String);

impl<'de> Deserialize<'de> for RawPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = RawPath;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a path template such as \"/charges/{id}\" or \"/app/**\" (no regular expressions)",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RawPath, E> {
                Ok(RawPath(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

pub(super) fn from_raw(
    raw: Field<RawOperation>,
    parent: Place,
    text: &Text<'_>,
) -> Result<Operation, DocumentError> {
    let (raw, place) = raw.required("an entry of operations", parent, text)?;
    match (raw.http.optional("http", text)?, raw.grpc.optional("grpc", text)?) {
        (Some((http, _)), None) => Ok(Operation::Http(HttpOperation {
            methods: list(http.methods, ("methods", limits::METHODS), text, |method| Method::parse(&method))?,
            paths: list(http.paths, ("paths", limits::PATHS), text, |path| PathTemplate::parse(&path.0))?,
        })),
        (None, Some((grpc, place))) => {
            let (service, place) = grpc.service.required("service", place, text)?;
            let service =
                GrpcService::parse(&service).map_err(|error| text.error(place, error.to_string()))?;
            let methods = list(grpc.methods, ("methods", limits::GRPC_METHODS), text, |method| {
                GrpcMethod::parse(&method)
            })?;
            Ok(Operation::Grpc(GrpcOperation { service, methods }))
        }
        (None, None) => Err(text.error(place, "an operation is either http or grpc; write one of them")),
        (Some(_), Some(_)) => {
            Err(text.error(place, "an operation is either http or grpc; write two entries for both"))
        }
    }
}

/// A list that is left out, or has at least one valid entry and no more than `most`.
pub(super) fn list<R, T, E: fmt::Display>(
    raw: Field<Vec<Field<R>>>,
    (name, most): (&str, usize),
    text: &Text<'_>,
    parse: impl Fn(R) -> Result<T, E>,
) -> Result<Option<OneOrMore<T>>, DocumentError> {
    let Some((entries, place)) = raw.optional(name, text)? else { return Ok(None) };
    limits::check(entries.len(), most, name, place, text)?;
    let parsed = entries.into_iter().map(|entry| {
        let (value, place) = entry.required(&format!("an entry of {name}"), place, text)?;
        parse(value).map_err(|error| text.error(place, error.to_string()))
    });
    let empty = || text.error(place, format!("{name} is empty; leave it out to match anything"));
    OneOrMore::new(parsed.collect::<Result<_, _>>()?).ok_or_else(empty).map(Some)
}
