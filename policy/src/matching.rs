//! A rule against a call, field by field. Owns what each field of a rule means; the order of rules and what
//! follows from a match are `evaluate`'s.

use std::borrow::Cow;

use kith_identity::{SpiffeId, TrustDomain};

use crate::call::{Call, Request};
use crate::canonical::{AmbiguousPath, canonical_path};
use crate::compile::{CompiledRule, Who};
use crate::document::{GrpcOperation, HttpOperation, Operation};
use crate::truth::Truth;
use crate::verdict::Field;

/// A call's request as rules see it.
#[derive(Debug)]
pub(crate) enum Seen<'a> {
    Opaque,
    Http {
        method: &'a str,
        /// None when it was not read, or has no single reading: what depends on it is Unknown.
        path: Option<Cow<'a, str>>,
        grpc: bool,
    },
}

impl<'a> Seen<'a> {
    /// Without reading the path: for where no rule asks for it.
    pub(crate) fn without_path(request: &Request<'a>) -> Self {
        match *request {
            Request::Opaque => Self::Opaque,
            Request::Http { method, grpc, .. } => Self::Http { method, path: None, grpc },
        }
    }

    /// With the path in its one reading, or the refusal.
    pub(crate) fn with_path(request: &Request<'a>) -> Result<Self, AmbiguousPath> {
        let Request::Http { method, path, grpc } = *request else { return Ok(Self::Opaque) };
        let path = canonical_path(method, path)?;
        // gRPC servers compare the path byte by byte, and so do gRPC rules (P47).
        if grpc && matches!(path, Cow::Owned(_)) {
            return Err(AmbiguousPath::NotVerbatim);
        }
        Ok(Self::Http { method, path: Some(path), grpc })
    }
}

/// What came of each field that a rule has; fields that it leaves out are not listed.
#[derive(Debug)]
pub(crate) struct Held<'r> {
    /// In the order in which failures are reported.
    fields: [Option<(Field, Truth)>; 2 + OPERATION_FIELDS],
    /// Of the rule's operations, the one that the fields speak of: the one that came closest.
    pub(crate) operation: Option<&'r Operation>,
}

impl Held<'_> {
    pub(crate) fn fields(&self) -> impl Iterator<Item = (Field, Truth)> + '_ {
        self.fields.iter().copied().flatten()
    }

    pub(crate) fn truth(&self) -> Truth {
        self.fields().fold(Truth::True, |all, (_, truth)| all.and(truth))
    }

    /// How many fields hold.
    pub(crate) fn score(&self) -> usize {
        self.fields().filter(|(_, truth)| *truth == Truth::True).count()
    }
}

impl CompiledRule {
    /// Holds the whole rule against a call.
    pub(crate) fn hold<'r>(&'r self, own: &TrustDomain, call: &Call<'_>, seen: &Seen<'_>) -> Held<'r> {
        let source = self.has_source(own, call).map(|meant| (Field::Source, Truth::from(meant)));
        let port = self.has_port(call).map(|meant| (Field::Port, Truth::from(meant)));
        let (operation, [first, second]) = match self.closest_operation(seen) {
            Some((operation, fields)) => (Some(operation), fields),
            None => (None, [None, None]),
        };
        Held { fields: [source, port, first, second], operation }
    }

    /// No fewer fields than the whole rule can score, from its source and port alone.
    pub(crate) fn possible_score(&self, own: &TrustDomain, call: &Call<'_>) -> usize {
        let of_operations = self.operations.as_ref().map_or(0, |_| OPERATION_FIELDS);
        let held = [self.has_source(own, call), self.has_port(call)];
        held.into_iter().filter(|meant| *meant == Some(true)).count() + of_operations
    }

    /// None: the rule does not ask.
    fn has_source(&self, own: &TrustDomain, call: &Call<'_>) -> Option<bool> {
        Some(self.sources.as_ref()?.iter().any(|who| who.means(own, call.source)))
    }

    /// None: the rule does not ask.
    fn has_port(&self, call: &Call<'_>) -> Option<bool> {
        Some(self.ports.as_ref()?.contains(&call.port))
    }

    /// Holds the rule's operations alone, for a call whose source and port the index has matched already.
    pub(crate) fn hold_operations(&self, seen: &Seen<'_>) -> Truth {
        let Some(operations) = &self.operations else { return Truth::True };
        operations.iter().fold(Truth::False, |any, operation| any.or(all(&fields_of(operation, seen))))
    }

    fn closest_operation(&self, seen: &Seen<'_>) -> Option<(&Operation, OperationFields)> {
        let held = self.operations.as_ref()?.iter().map(|operation| (operation, fields_of(operation, seen)));
        let score = |fields: &OperationFields| {
            let holding = fields.iter().flatten().filter(|(_, truth)| *truth == Truth::True).count();
            (all(fields), holding)
        };
        // Of equals the first.
        held.reduce(|best, next| if score(&next.1) > score(&best.1) { next } else { best })
    }
}

impl Who {
    fn means(&self, own: &TrustDomain, source: &SpiffeId) -> bool {
        match self {
            Self::Identity(identity) => identity == source,
            Self::Namespace(namespace) => {
                source.trust_domain() == own
                    && source.service_account().is_some_and(|account| account.namespace == namespace.as_str())
            }
        }
    }
}

const OPERATION_FIELDS: usize = 2;
type OperationFields = [Option<(Field, Truth)>; OPERATION_FIELDS];

fn all(fields: &OperationFields) -> Truth {
    fields.iter().flatten().fold(Truth::True, |all, (_, truth)| all.and(*truth))
}

fn fields_of(operation: &Operation, seen: &Seen<'_>) -> OperationFields {
    match operation {
        Operation::Http(http) => http_fields(http, seen),
        Operation::Grpc(grpc) => grpc_fields(grpc, seen),
    }
}

fn http_fields(http: &HttpOperation, seen: &Seen<'_>) -> OperationFields {
    let Seen::Http { method, path, .. } = seen else {
        // Whatever travels inside, "any HTTP request" included, cannot be seen from here.
        return [
            Some((Field::Method, Truth::Unknown)),
            http.paths.as_ref().map(|_| (Field::Path, Truth::Unknown)),
        ];
    };
    let methods = http.methods.as_ref().map(|methods| {
        let meant = methods.iter().any(|wanted| wanted.as_str() == *method);
        (Field::Method, Truth::from(meant))
    });
    let paths = http.paths.as_ref().map(|paths| {
        let truth = match path {
            Some(path) => paths.iter().fold(Truth::False, |any, wanted| any.or(wanted.matches(path))),
            None => Truth::Unknown,
        };
        (Field::Path, truth)
    });
    [methods, paths]
}

/// A call that does not look like gRPC may still be served as such: servers differ in which content types and
/// methods they take for it. Where its path names what the rule names, nobody here can tell, and that is Unknown.
fn grpc_fields(grpc: &GrpcOperation, seen: &Seen<'_>) -> OperationFields {
    let both = |truth| {
        [Some((Field::GrpcService, truth)), grpc.methods.as_ref().map(|_| (Field::GrpcMethod, truth))]
    };
    let (is_plain, path) = match seen {
        Seen::Opaque | Seen::Http { path: None, .. } => return both(Truth::Unknown),
        Seen::Http { method, grpc, path: Some(path) } => (*grpc && *method == "POST", path),
    };
    let Some((service, method)) = grpc_name(path) else { return both(Truth::False) };
    let truth = |named| match (named, is_plain) {
        (false, _) => Truth::False,
        (true, true) => Truth::True,
        (true, false) => Truth::Unknown,
    };
    let methods = grpc.methods.as_ref().map(|methods| {
        let named = methods.iter().any(|wanted| wanted.as_str() == method);
        (Field::GrpcMethod, truth(named))
    });
    [Some((Field::GrpcService, truth(grpc.service.as_str() == service))), methods]
}

/// `/package.Service/Method`, exactly: no segment more, no slash at the end (P46, P49).
pub(crate) fn grpc_name(path: &str) -> Option<(&str, &str)> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    (!method.is_empty() && !method.contains('/')).then_some((service, method))
}
