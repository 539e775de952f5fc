//! What would become of a call, and why: `kith explain`.

use kith_proto::v1::{Check, Considered, ExplainRequest, ExplainResponse};
use serde::Serialize;

use super::escape::escape;
use super::event::{WOULD_DENY, WOULD_DENY_TITLE};
use super::json::{known, moment, revision};
use super::name::Naming;
use super::snippet::{field_of, line_of, place, snippet};
use super::table::Tone;

/// For people.
pub fn table(request: &ExplainRequest, answer: &ExplainResponse, naming: Naming) -> String {
    let (verdict, tone) = match (answer.allowed, answer.would_deny) {
        (true, _) => ("ALLOW", Tone::Good),
        (false, true) => (WOULD_DENY_TITLE, Tone::Bad),
        (false, false) => ("DENY", Tone::Bad),
    };
    let call = format!(
        "{} → {}  {} {}",
        naming.of(&answer.source, None),
        naming.of(&answer.destination, None),
        request.method,
        request.path
    );
    let mut text =
        format!("{}  {}\n  {}\n", tone.paint(verdict), escape(call.trim_end()), escape(&answer.because));
    if answer.would_deny {
        text.push_str(&format!("  {}\n", escape(&let_through(answer))));
    }
    for considered in &answer.considered {
        text.push_str(&rule(considered, answer.allowed));
    }
    if let Some(advice) = advice(request, answer) {
        text.push_str(&format!("  {}\n", escape(&advice)));
    }
    text.trim_end().to_owned()
}

/// Why the call passes all the same, and for how long.
fn let_through(answer: &ExplainResponse) -> String {
    let until = moment(answer.observe_until_ms).map(|end| format!(" until {end}")).unwrap_or_default();
    format!("the call passes: the posture is {}{until}; Enforce would refuse it", answer.posture)
}

/// One rule that was held against the call. That a rule matched is good news only where it let the call through.
fn rule(considered: &Considered, allowed: bool) -> String {
    let (mark, tone, said) = match (considered.matched, allowed) {
        (true, true) => ("✔", Tone::Good, ""),
        (true, false) => ("●", Tone::Plain, "  matches"),
        (false, _) => ("✗", Tone::Bad, ""),
    };
    let origin = considered.origin.as_ref();
    let title = [&considered.action, &considered.policy, &considered.rule].map(|part| escape(part)).join(" ");
    let place = origin.map(|origin| format!("  {}", place(origin))).unwrap_or_default();
    let mut text = format!("  {} {title}{place}{said}\n", tone.paint(mark));
    let mut failed = considered.checks.iter().filter(|check| check.outcome != "true").map(sentence);
    let first = failed.next();
    match (origin, &first) {
        (Some(origin), Some(first)) => text.push_str(&format!("{}\n", snippet(origin, first))),
        (None, Some(first)) => text.push_str(&format!("     {}\n", escape(first))),
        (_, None) => {}
    }
    for more in failed {
        text.push_str(&format!("       and {}\n", escape(&more)));
    }
    text
}

fn sentence(check: &Check) -> String {
    let Check { field, outcome, got, wanted } = check;
    match outcome.as_str() {
        "unknown" => format!("{field} cannot be told: wants {wanted}"),
        _ => format!("{field} is {got}, wants {wanted}"),
    }
}

/// What would help.
fn advice(request: &ExplainRequest, answer: &ExplainResponse) -> Option<String> {
    // What a rule denies is meant to be denied.
    if answer.allowed || !answer.policy.is_empty() {
        return None;
    }
    let http = !request.method.is_empty();
    if http && answer.considered.iter().any(path_is_ambiguous) {
        return Some("the caller must send a path that can be read in one way only".to_owned());
    }
    Some(format!("to allow it: {}", hint(answer)?))
}

/// Whether a rule about this port asks for a path, and the call's has no single reading: it is refused for that
/// before any rule is asked. On an opaque port nothing is known of any path.
fn path_is_ambiguous(considered: &Considered) -> bool {
    let has = |fields: &[&str], outcome: &str| {
        considered
            .checks
            .iter()
            .any(|check| fields.contains(&check.field.as_str()) && check.outcome == outcome)
    };
    has(&["path", "grpc.service", "grpc.method"], "unknown") && !has(&["port"], "false")
}

/// What to change, when one field of one rule is all that is missing.
fn hint(answer: &ExplainResponse) -> Option<String> {
    let mut near = answer.considered.iter().filter_map(|considered| {
        let mut failed = considered.checks.iter().filter(|check| check.outcome != "true");
        let only = failed.next()?;
        let allow = considered.action.eq_ignore_ascii_case("allow");
        (allow && failed.next().is_none()).then_some((considered, only))
    });
    let (considered, check) = near.next()?;
    let Check { field, got, wanted, .. } = check;
    // Methods are told apart by case.
    if let Some(method) =
        wanted.split(" or ").find(|method| field == "method" && method.eq_ignore_ascii_case(got))
    {
        return Some(format!("send {method}"));
    }
    let place = line_of(considered.origin.as_ref()?);
    Some(format!("let {} ({place}) accept {field} {got}", considered.rule))
}

/// For programs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExplainJson<'a> {
    source: &'a str,
    destination: &'a str,
    port: Option<u32>,
    method: Option<&'a str>,
    path: Option<&'a str>,
    /// `allow`, `deny`, or `would_deny`: let through, and a stricter posture would refuse it.
    verdict: &'static str,
    /// Of the destination's namespace; `null` in a mesh that has none.
    posture: Option<&'a str>,
    observe_until: Option<String>,
    because: &'a str,
    policy: Option<&'a str>,
    rule: Option<&'a str>,
    revision: Option<String>,
    considered: Vec<ConsideredJson<'a>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ConsideredJson<'a> {
    policy: &'a str,
    action: &'a str,
    rule: &'a str,
    file: Option<&'a str>,
    line: Option<u32>,
    column: Option<u32>,
    /// In an object that Kubernetes stores, which has no lines.
    field: Option<&'a str>,
    matched: bool,
    checks: Vec<CheckJson<'a>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CheckJson<'a> {
    field: &'a str,
    outcome: &'a str,
    got: &'a str,
    wanted: &'a str,
}

impl<'a> ExplainJson<'a> {
    /// The answer to a request.
    pub fn new(request: &'a ExplainRequest, answer: &'a ExplainResponse) -> Self {
        Self {
            source: &answer.source,
            destination: &answer.destination,
            port: Some(answer.port).filter(|port| *port != 0),
            method: known(&request.method),
            path: known(&request.path),
            verdict: match (answer.allowed, answer.would_deny) {
                (true, _) => "allow",
                (false, true) => WOULD_DENY,
                (false, false) => "deny",
            },
            posture: known(&answer.posture),
            observe_until: moment(answer.observe_until_ms),
            because: &answer.because,
            policy: known(&answer.policy),
            rule: known(&answer.rule),
            revision: revision(answer.revision),
            considered: answer.considered.iter().map(ConsideredJson::from).collect(),
        }
    }
}

impl<'a> From<&'a Considered> for ConsideredJson<'a> {
    fn from(considered: &'a Considered) -> Self {
        let origin = considered.origin.as_ref();
        let in_file = origin.filter(|origin| origin.line > 0);
        let check =
            |Check { field, outcome, got, wanted }: &'a Check| CheckJson { field, outcome, got, wanted };
        Self {
            policy: &considered.policy,
            action: &considered.action,
            rule: &considered.rule,
            file: origin.map(|origin| origin.file.as_str()),
            line: in_file.map(|origin| origin.line),
            column: in_file.map(|origin| origin.column),
            field: origin.and_then(field_of),
            matched: considered.matched,
            checks: considered.checks.iter().map(check).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
