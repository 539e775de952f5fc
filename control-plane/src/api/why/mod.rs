//! `Why`: what a denial id stands for, and what would allow the call. Owns the answer's parts; the decision is made
//! again by the engine of the sidecars, over what is in force now.

mod cut;
mod find;
mod line;
mod remedy;

use std::collections::BTreeSet;
use std::path::Path;

use kith_identity::SpiffeId;
use kith_policy::explain::{Explanation, explain};
use kith_policy::suggest::{Carries, NoSuggestion, Place, Port, allow};
use kith_policy::{Call, Origin, Request, Verdict};
use kith_proto::convert::origin_to_wire;
use kith_proto::v1;
use tonic::Status;

pub(super) use self::find::NotFound;
use self::find::{Found, find};
use self::line::Line;
use super::in_force::{Uncompilable, are_alike, policies_of, quarantines};
use super::port;
use crate::index::{Workload, World};
use crate::observed::Observed;
use crate::stream::issued::IssuedSvids;

/// What policies decide; for every other reason no policy is asked.
const DECIDED_BY_POLICY: [&str; 5] =
    ["default_deny", "policy_deny", "ambiguous_path", line::QUARANTINED, "not_ready"];

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error(transparent)]
    NotFound(#[from] NotFound),
    #[error(transparent)]
    Uncompilable(#[from] Uncompilable),
}

impl From<NoAnswer> for Status {
    fn from(error: NoAnswer) -> Self {
        match error {
            NoAnswer::NotFound(error) => error.into(),
            NoAnswer::Uncompilable(error) => error.into(),
        }
    }
}

/// What is found out about a refusal.
#[derive(Debug, Default)]
struct Answer {
    origin: Option<Origin>,
    allowed_now: bool,
    suggestion: String,
    no_suggestion: String,
    nearest_miss: String,
    judged: bool,
}

pub(super) fn why(
    world: &World,
    observed: &Observed,
    issued: &IssuedSvids,
    id: &str,
) -> Result<v1::WhyResponse, NoAnswer> {
    let found = find(observed, id)?;
    let answer = match still_cut(world, issued, &found) {
        Some(answer) => answer,
        None => answer(world, &found)?,
    };
    Ok(v1::WhyResponse {
        id: found.denial.id,
        reporter: found.reporter.to_string(),
        line: found.denial.line,
        origin: answer.origin.as_ref().map(origin_to_wire),
        allowed_now: answer.allowed_now,
        suggestion: answer.suggestion,
        no_suggestion: answer.no_suggestion,
        nearest_miss: answer.nearest_miss,
        judged: answer.judged,
    })
}

/// Where a pod of the call is cut off by itself, no policy is asked.
fn still_cut(world: &World, issued: &IssuedSvids, found: &Found) -> Option<Answer> {
    let line = found.line.as_ref().filter(|line| DECIDED_BY_POLICY.contains(&line.reason.as_str()))?;
    let still = cut::still(world, issued, found, line)?;
    Some(Answer { judged: still.certain, no_suggestion: still.sentence, ..Answer::default() })
}

fn answer(world: &World, found: &Found) -> Result<Answer, Uncompilable> {
    let none = |no_suggestion: String| Ok(Answer { no_suggestion, ..Answer::default() });
    let Some(line) = &found.line else {
        return none("the line of the refusal cannot be read here; it stands above as it came".into());
    };
    let Some((source, destination)) = ends(world, found, line) else {
        return none(remedy::not_by_policy(world, found, line));
    };
    let Some(source) = source else {
        return none("the caller proved no identity, and a policy can only allow an identity".into());
    };
    let Ok(workloads) = world.workloads_of(destination) else {
        return none(format!("{destination} is not a workload of this mesh any more"));
    };
    if !are_alike(world, &workloads) {
        return none(format!(
            "not the same policies are for all workloads of {destination}, and one of them refused"
        ));
    }
    let workload = workloads[0];
    if line.may_be_cut() {
        return none(
            "the log keeps only the beginning of the method or path, so it is not known which call to allow"
                .into(),
        );
    }
    let port = match port::asked(world, workload, line.port().unwrap_or_default().into()) {
        Ok(port) => port,
        Err(unknown) => return none(format!("the line of the refusal does not say the port: {unknown}")),
    };
    let call = Call { source, destination: &workload.identity, port, request: request(line) };
    let explanation = explain(&policies_of(world, workload)?, &quarantines(world), &call);
    Ok(judged_again(world, line, workload, &call, &explanation))
}

/// Between whom the call was, where policies decide about it now: those of the destination, which its own sidecar asked
/// then, or never got to ask because the caller's own sidecar refused for a quarantine.
fn ends<'a>(world: &World, found: &'a Found, line: &'a Line) -> Option<(Option<&'a SpiffeId>, &'a SpiffeId)> {
    if line.is_inbound_call() {
        let decided = DECIDED_BY_POLICY.contains(&line.reason.as_str());
        return decided.then_some((found.denial.source.as_ref(), &found.reporter));
    }
    // A sidecar speaks for its own workload.
    let own = line.is_quarantined_at_its_caller() && line.source()? == &found.reporter;
    let destination = line.destination().filter(|destination| own && world.any_of(destination).is_ok())?;
    Some((Some(&found.reporter), destination))
}

fn request(line: &Line) -> Request<'_> {
    let (method, path) = (line.method.as_str(), line.path.as_str());
    if method.is_empty() {
        return Request::Opaque;
    }
    Request::Http { method, path, grpc: line.is_grpc() }
}

/// The suggestion is for what is in force now: what would have helped then may help no more.
fn judged_again(
    world: &World,
    line: &Line,
    workload: &Workload,
    call: &Call<'_>,
    explanation: &Explanation,
) -> Answer {
    let decided = line.policy.as_deref().zip(line.rule.as_deref());
    let mut answer = Answer {
        judged: true,
        origin: decided.and_then(|(policy, rule)| remedy::place_of(explanation, policy, rule)),
        ..Answer::default()
    };
    let because = match &explanation.verdict {
        // Nothing has to be suggested.
        Verdict::Allow { .. } => {
            answer.allowed_now = true;
            return answer;
        }
        Verdict::Deny { because } => because,
    };
    if let Some(nearest) = remedy::nearest_miss(because, explanation) {
        answer.nearest_miss = nearest.to_string();
        answer.origin = answer.origin.or(nearest.origin);
    }
    match remedy::refused_now(world, because, explanation) {
        Some(instead) => answer.no_suggestion = instead,
        None => match suggestion(world, workload, call) {
            Ok(policy) => answer.suggestion = policy,
            Err(error) => answer.no_suggestion = error.to_string(),
        },
    }
    answer
}

/// The policy's name is also that of the file that it may be saved in, so that neither may be there already.
fn suggestion(world: &World, workload: &Workload, call: &Call<'_>) -> Result<String, NoSuggestion> {
    let policies = || world.policies.iter().flat_map(|policies| policies.iter());
    let names = policies().filter(|it| *it.namespace == workload.namespace).map(|it| it.name.as_str());
    let files = policies().filter_map(|it| Path::new(&*it.origin.as_ref()?.file).file_stem()?.to_str());
    let taken: BTreeSet<_> = names.chain(files).collect();
    let carries = match workload.ports.get(&call.port).copied().unwrap_or(workload.protocol) {
        v1::Protocol::Tcp | v1::Protocol::Tls => Carries::OpaqueOnly,
        v1::Protocol::Unspecified | v1::Protocol::Http => Carries::Anything,
    };
    // In local mode a workload has one port, and in a cluster any number.
    let port = if workload.port == 0 { Port::Named } else { Port::Only };
    allow(call, &Place { port, carries, taken: &taken }).map(|policy| policy.to_yaml())
}

#[cfg(test)]
mod tests;
