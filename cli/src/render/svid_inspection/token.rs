//! One token, for people: what it says. Nobody has verified it by that.

use std::time::SystemTime;

use kith_identity::svid::inspect::TokenInspection;
use kith_proto::convert::to_millis;
use kith_sidecar::identity_log::rfc3339;

use crate::render::table::facts;
use crate::render::time;

/// Who it is about first.
pub(super) fn block(token: &TokenInspection, now: SystemTime) -> String {
    let text = |name, text: &Option<String>| text.clone().map(|text| (name, text));
    let moment = |name, at: Option<SystemTime>| at.map(|at| (name, rfc3339(at)));
    let left = |at: SystemTime| {
        let verb = if at <= now { "expired" } else { "expires" };
        format!("{}, {verb} {}", rfc3339(at), time::left(now, to_millis(at)))
    };
    let audiences = (!token.audiences.is_empty()).then(|| ("for", token.audiences.join(", ")));
    let lines = [
        Some(("token", token.subject.clone().unwrap_or_else(|| "of nobody".to_owned()))),
        audiences,
        token.expires_at.map(|at| ("until", left(at))),
        moment("from", token.not_before),
        moment("issued", token.issued_at),
        text("alg", &token.algorithm),
        text("kid", &token.key_id),
        text("typ", &token.token_type),
        text("header", &token.header),
        text("claims", &token.claims),
    ];
    facts(lines.into_iter().flatten())
}
