//! Words for a field: what the call has there, and what a rule wants. Owns their brevity: a caller chooses how
//! long a path is, and a policy how many sources it lists, but neither how long a log line gets.

use std::fmt::Display;

use crate::call::{Call, Request};
use crate::compile::{CompiledRule, Who};
use crate::document::Operation;
use crate::verdict::Field;

const MAX_ENTRIES: usize = 5;
const MAX_CHARS: usize = 200;

/// What the call has in a field.
pub(super) fn got(field: Field, call: &Call<'_>) -> String {
    match (field, call.request) {
        (Field::Source, _) => call.source.to_string(),
        (Field::Port, _) => call.port.to_string(),
        (_, Request::Opaque) => "an opaque connection".to_owned(),
        (Field::Method, Request::Http { method, .. }) => shortened(method),
        (Field::Path, Request::Http { path, .. }) => shortened(path),
        (Field::GrpcService | Field::GrpcMethod, Request::Http { grpc: true, path, .. }) => shortened(path),
        (Field::GrpcService | Field::GrpcMethod, Request::Http { grpc: false, .. }) => {
            "a request that is not gRPC".to_owned()
        }
    }
}

/// What a rule wants in a field; `operation` is the one of its operations that is spoken of.
pub(super) fn wanted(field: Field, rule: &CompiledRule, operation: Option<&Operation>) -> String {
    match (field, operation) {
        (Field::Source, _) => sources(rule.sources.as_deref()),
        (Field::Port, _) => any_of(rule.ports.as_deref()),
        (Field::Method, Some(Operation::Http(http))) => any_of(http.methods.as_deref()),
        (Field::Path, Some(Operation::Http(http))) => any_of(http.paths.as_deref()),
        (Field::GrpcService, Some(Operation::Grpc(grpc))) => grpc.service.to_string(),
        (Field::GrpcMethod, Some(Operation::Grpc(grpc))) => any_of(grpc.methods.as_deref()),
        (Field::Method | Field::Path | Field::GrpcService | Field::GrpcMethod, _) => any_of::<Field>(None),
    }
}

fn sources(sources: Option<&[Who]>) -> String {
    let describe = |who: &Who| match who {
        Who::Identity(identity) => identity.to_string(),
        Who::Namespace(namespace) => format!("any service account in namespace {namespace}"),
    };
    let described: Option<Vec<String>> =
        sources.map(|sources| sources.iter().take(MAX_ENTRIES + 1).map(describe).collect());
    match sources {
        Some([]) => "nobody".to_owned(),
        Some(all) => joined(described.as_deref().unwrap_or_default(), all.len()),
        None => any_of::<Field>(None),
    }
}

fn any_of<T: Display>(values: Option<&[T]>) -> String {
    values.map_or_else(|| "anything".to_owned(), |values| joined(values, values.len()))
}

fn joined<T: Display>(values: &[T], total: usize) -> String {
    let shown: Vec<String> =
        values.iter().take(MAX_ENTRIES).map(|value| shortened(&value.to_string())).collect();
    match total - shown.len() {
        0 => shown.join(" or "),
        more => format!("{} or {more} more", shown.join(" or ")),
    }
}

pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
