//! Short ways to write a policy set and a call.

use std::time::SystemTime;

use kith_identity::{SpiffeId, TrustDomain};

use crate::{
    AuthorizationPolicy, Call, PolicySet, Quarantines, Request, Revision, Verdict, document, evaluate,
};

pub(crate) const REVISION: Revision = Revision { epoch: 1, counter: 7 };

pub(crate) fn own() -> TrustDomain {
    TrustDomain::parse("demo.local").unwrap()
}

pub(crate) fn identity(name: &str) -> SpiffeId {
    SpiffeId::for_service_account(&own(), "demo", name).unwrap()
}

/// One policy in namespace `demo`; `spec` is YAML in flow style.
pub(crate) fn yaml(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: kith.dev/v1alpha1\nkind: AuthorizationPolicy\n\
         metadata: {{ name: {name}, namespace: demo }}\nspec: {spec}\n"
    )
}

pub(crate) fn parse(text: &str) -> Vec<AuthorizationPolicy> {
    document::parse("p.yaml", text).unwrap_or_else(|error| panic!("{error}"))
}

/// Policies called `p1`, `p2`, ...
pub(crate) fn set(specs: &[&str]) -> PolicySet {
    let text: String = specs.iter().enumerate().map(|(i, spec)| yaml(&format!("p{}", i + 1), spec)).collect();
    PolicySet::compile(&own(), &parse(&text), REVISION).unwrap()
}

pub(crate) fn http<'a>(method: &'a str, path: &'a str) -> Request<'a> {
    Request::Http { method, path, grpc: false }
}

pub(crate) fn grpc(path: &str) -> Request<'_> {
    Request::Http { method: "POST", path, grpc: true }
}

/// With nobody quarantined.
pub(crate) fn decide(set: &PolicySet, source: &SpiffeId, port: u16, request: Request<'_>) -> Verdict {
    let call = Call { source, destination: &identity("callee"), port, request };
    evaluate(set, &Quarantines::default(), &call, SystemTime::UNIX_EPOCH)
}

/// `allow p1/rule-1`, or `CODE: sentence`.
pub(crate) fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow { by } => format!("allow {}/{}", by.policy().trim_start_matches("demo/"), by.rule()),
        Verdict::Deny { because } => format!("{}: {because}", because.code()),
    }
}
