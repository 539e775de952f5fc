//! The judgement of an inbound call, the first time and every time after.

use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;
use kith_policy::{Call, Denial, PolicySet, Request, Revision, RuleRef, Verdict, evaluate};
use kith_runtime::Clock;
use tokio::sync::watch;

use super::{Registry, Subject};
use crate::enforced::Enforced;
use crate::refusal::Refusal;

/// Decides about one call.
pub(crate) fn decide(policies: &PolicySet, subject: &Subject, now: SystemTime) -> Result<RuleRef, Refusal> {
    let request = Request::Http { method: &subject.method, path: &subject.path, grpc: subject.grpc };
    let call = Call { source: &subject.source, port: subject.port, request };
    match evaluate(policies, &call, now) {
        Verdict::Allow { by } => Ok(by),
        Verdict::Deny { because } => Err(refusal(&because)),
    }
}

fn refusal(because: &Denial) -> Refusal {
    let status = match because {
        Denial::AmbiguousPath { .. } => StatusCode::BAD_REQUEST,
        Denial::NotReady { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Denial::Rule { .. } | Denial::Default { .. } => StatusCode::FORBIDDEN,
    };
    let mut refusal = Refusal::new(status, because.code(), because.to_string());
    refusal.policy = because.policy().map(str::to_owned);
    refusal.rule = because.rule().map(str::to_owned);
    refusal
}

/// Judges every open call of a worker again whenever the snapshot changes, and says when that was done.
pub(crate) async fn keep_judging(
    registry: Registry,
    mut enforced: watch::Receiver<Arc<Enforced>>,
    judged: watch::Sender<Option<Revision>>,
    clock: Clock,
) {
    while enforced.changed().await.is_ok() {
        let now_in_force = enforced.borrow_and_update().clone();
        let cut = judge_all(&registry, &now_in_force.policies, clock.now());
        if cut > 0 {
            tracing::info!(cut, "Open calls cut: the policies do not allow them any more");
        }
        judged.send_replace(now_in_force.revision());
    }
}

fn judge_all(registry: &Registry, policies: &PolicySet, now: SystemTime) -> usize {
    let open = registry.open().into_iter();
    let refused = open.filter_map(|(subject, cut)| Some((cut, decide(policies, &subject, now).err()?)));
    refused.map(|(cut, refusal)| cut.cut(refusal)).count()
}

#[cfg(test)]
mod tests {
    use kith_identity::{SpiffeId, TrustDomain};
    use kith_policy::document;

    use super::*;

    fn policies(methods: &str) -> PolicySet {
        let text = format!(
            "apiVersion: kith.dev/v1alpha1\nkind: AuthorizationPolicy\nmetadata: {{ name: p, namespace: demo }}\n\
             spec:\n  rules: [{{ operations: [{{ http: {{ methods: [{methods}] }} }}] }}]\n"
        );
        let policies = document::parse("p.yaml", &text).unwrap();
        let trust_domain = TrustDomain::parse("demo.local").unwrap();
        PolicySet::compile(&trust_domain, &policies, Revision { epoch: 1, counter: 1 }).unwrap()
    }

    fn subject(method: &str) -> Subject {
        Subject {
            source: SpiffeId::parse("spiffe://demo.local/ns/demo/sa/web").unwrap(),
            port: 80,
            method: method.to_owned(),
            path: "/".to_owned(),
            grpc: false,
        }
    }

    #[tokio::test]
    async fn a_change_cuts_the_open_calls_that_it_forbids_and_no_other() {
        let registry = Registry::default();
        let (get, post) = (registry.enter(subject("GET")), registry.enter(subject("POST")));
        assert_eq!(judge_all(&registry, &policies("GET, POST"), SystemTime::UNIX_EPOCH), 0);
        assert_eq!(judge_all(&registry, &policies("GET"), SystemTime::UNIX_EPOCH), 1);
        post.cut.over().await;
        let because = post.cut.because().unwrap();
        assert_eq!((because.reason, because.status.as_u16()), ("default_deny", 403));
        assert_eq!(get.cut.because(), None, "it is still allowed");
        drop((get, post));
        assert_eq!(judge_all(&registry, &policies("DELETE"), SystemTime::UNIX_EPOCH), 0, "both have left");
    }

    #[tokio::test]
    async fn a_call_that_waits_is_woken_by_its_cut() {
        let registry = Registry::default();
        let call = registry.enter(subject("GET"));
        tokio::join!(biased; call.cut.over(), async {
            judge_all(&registry, &PolicySet::refuse_all("test"), SystemTime::UNIX_EPOCH);
        });
        assert_eq!(call.cut.because().map(|because| because.reason), Some("not_ready"));
    }

    #[tokio::test]
    async fn what_is_left_of_a_request_ends_with_its_call() {
        let registry = Registry::default();
        let call = registry.enter(subject("POST"));
        let cut = call.cut.clone();
        drop(call);
        cut.over().await;
        assert_eq!(cut.because(), None);
    }
}
