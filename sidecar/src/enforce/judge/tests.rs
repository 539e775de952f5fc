//! What a change cuts, and what it leaves alone.

use kith_identity::TrustDomain;
use kith_identity::svid::Serial;
use kith_policy::{AuthorizationPolicy, PolicySet, Revision, document};

use kith_proto::v1;

use super::super::registry::Asked;
use super::super::{Caller, Cut, Entered, Registry};
use super::*;
use crate::enforced::{Posture, read_quarantines};

fn id(name: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://demo.local/ns/demo/sa/{name}")).unwrap()
}

fn enforced(rule: &str, quarantined: &[&str]) -> Enforced {
    let text = format!(
        "apiVersion: kith.dev/v1alpha1\nkind: AuthorizationPolicy\nmetadata: {{ name: p, namespace: demo }}\n\
         spec:\n  rules: [{rule}]\n"
    );
    let policies: Vec<AuthorizationPolicy> = document::parse("p.yaml", &text).unwrap();
    let trust_domain = TrustDomain::parse("demo.local").unwrap();
    let policies = PolicySet::compile(&trust_domain, &policies, Revision { epoch: 1, counter: 1 }).unwrap();
    Enforced::of(policies, quarantined.iter().map(|name| id(name)).collect())
}

fn methods(methods: &str) -> String {
    format!("{{ operations: [{{ http: {{ methods: [{methods}] }} }}] }}")
}

fn law() -> Law {
    let (_, enforced) = watch::channel(Arc::new(Enforced::nothing()));
    let (_, bundles) = watch::channel(Arc::default());
    Law { own: id("orders"), enforced, bundles, clock: Clock::manual(SystemTime::UNIX_EPOCH).0 }
}

fn enter(registry: &Registry, source: &str, asked: Asked) -> Entered {
    enter_as(registry, Some(caller(source, "01")), asked, Cut::default())
}

fn caller(name: &str, serial: &str) -> Arc<Caller> {
    Arc::new(Caller { identity: id(name), serial: Serial::parse(serial).unwrap() })
}

fn enter_as(registry: &Registry, caller: Option<Arc<Caller>>, asked: Asked, session: Cut) -> Entered {
    let call = InboundCall { caller, destination: id("orders"), port: 80, asked, session };
    registry.enter(Subject::Call(Arc::new(call)))
}

fn http(method: &str) -> Asked {
    Asked::Http { method: method.to_owned(), path: "/".to_owned(), grpc: false }
}

fn cut(registry: &Registry, enforced: &Enforced) -> usize {
    law().judge_all(registry, enforced, &BundleSet::default())
}

#[tokio::test]
async fn a_change_cuts_the_open_calls_that_it_forbids_and_no_other() {
    let registry = Registry::default();
    let (get, post) = (enter(&registry, "web", http("GET")), enter(&registry, "web", http("POST")));
    assert_eq!(cut(&registry, &enforced(&methods("GET, POST"), &[])), 0);
    assert_eq!(cut(&registry, &enforced(&methods("GET"), &[])), 1);
    let because = post.cut.reason().await;
    assert_eq!((because.reason, because.status.as_u16()), ("default_deny", 403));
    assert_eq!(get.cut.because(), None, "it is still allowed");
    drop((get, post));
    assert_eq!(cut(&registry, &enforced(&methods("DELETE"), &[])), 0, "both have left");
}

#[tokio::test]
async fn a_quarantine_cuts_every_call_of_its_identity_whatever_the_policies_say() {
    let registry = Registry::default();
    let calls = ["web", "intruder"].map(|name| enter(&registry, name, http("GET")));
    let stream = enter(&registry, "intruder", Asked::Opaque);
    assert_eq!(cut(&registry, &enforced("{}", &["intruder"])), 2);
    assert_eq!(calls[1].cut.reason().await.reason, "quarantined");
    assert_eq!(stream.cut.reason().await.reason, "quarantined");
    assert_eq!(calls[0].cut.because(), None);
    assert_eq!(cut(&registry, &enforced("{}", &["orders"])), 3, "its own sidecar cuts all that it has");
    assert_eq!(calls[0].cut.reason().await.reason, "quarantined");
}

#[tokio::test]
async fn a_rule_that_asks_for_http_cuts_a_stream_that_nobody_looks_into() {
    let registry = Registry::default();
    let stream = enter(&registry, "web", Asked::Opaque);
    assert_eq!(cut(&registry, &enforced("{}", &[])), 0);
    assert_eq!(cut(&registry, &enforced(&methods("GET"), &[])), 1);
    assert_eq!(stream.cut.reason().await.reason, "default_deny");
}

#[tokio::test]
async fn a_call_that_waits_is_woken_by_its_cut() {
    let registry = Registry::default();
    let call = enter(&registry, "web", http("GET"));
    let (because, _) =
        tokio::join!(biased; call.cut.reason(), async { cut(&registry, &Enforced::nothing()) });
    assert_eq!(because.reason, "not_ready");
}

#[tokio::test]
async fn what_is_left_of_a_request_ends_with_its_call() {
    let registry = Registry::default();
    let call = enter(&registry, "web", http("POST"));
    let cut = call.cut.clone();
    drop(call);
    cut.over().await;
    assert_eq!(cut.because(), None);
}

#[tokio::test]
async fn a_change_is_judged_everywhere_before_it_counts_as_judged() {
    let (enforce, seen) = watch::channel(Arc::new(Enforced::nothing()));
    let (_bundles, bundles) = watch::channel(Arc::default());
    let (judged, mut done) = watch::channel(0);
    let registry = Registry::default();
    let call = enter(&registry, "intruder", http("GET"));
    let law = Law { enforced: seen, bundles, ..law() };
    tokio::select! {
        () = keep_judging(registry.clone(), law, judged) => panic!("it ended"),
        () = async {
            enforce.send_replace(Arc::new(enforced("{}", &["intruder"])));
            done.wait_for(|generation| *generation > 0).await.unwrap();
        } => {}
    }
    assert_eq!(call.cut.because().map(|because| because.reason), Some("quarantined"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_cut_and_does_not_end_takes_its_session_along() {
    let (enforce, seen) = watch::channel(Arc::new(Enforced::nothing()));
    let (_bundles, bundles) = watch::channel(Arc::default());
    let registry = Registry::default();
    let session = [Cut::default(), Cut::default()];
    let enter = |source: &str, session: &Cut| {
        enter_as(&registry, Some(caller(source, "01")), http("GET"), session.clone())
    };
    let (stuck, quick) = (enter("intruder", &session[0]), enter("intruder", &session[1]));
    let law = Law { enforced: seen, bundles, ..law() };
    tokio::select! {
        () = keep_judging(registry.clone(), law, watch::channel(0).0) => panic!("it ended"),
        because = async {
            enforce.send_replace(Arc::new(enforced("{}", &["intruder"])));
            quick.cut.reason().await;
            drop(quick);
            session[0].reason().await
        } => assert_eq!(because.reason, "reader_stands_still"),
    }
    assert_eq!(stuck.cut.because().map(|because| because.reason), Some("quarantined"));
    assert_eq!(session[1].because(), None, "its call has ended");
}

fn observe(until: SystemTime, rule: &str) -> Enforced {
    enforced(rule, &[]).under(Posture::Observe { until })
}

#[tokio::test]
async fn a_serial_that_is_cut_off_cuts_the_calls_of_its_holder_and_no_other_of_its_identity() {
    let registry = Registry::default();
    let of = |serial: &str| enter_as(&registry, Some(caller("web", serial)), http("GET"), Cut::default());
    let (one, other) = (of("0a"), of("0b"));
    let current = enforced("{}", &[]);
    let message = v1::Quarantines {
        revision: Some(v1::Revision { epoch: 1, counter: 1 }),
        serials: vec!["0a".to_owned()],
        ..v1::Quarantines::default()
    };
    let cut_off = current.with_quarantines(read_quarantines(&message, &current).unwrap());
    assert_eq!(cut(&registry, &cut_off), 1);
    assert_eq!(one.cut.reason().await.reason, "quarantined");
    assert_eq!(other.cut.because(), None);
}

#[tokio::test]
async fn a_workload_that_is_cut_off_itself_cuts_all_that_it_has() {
    let registry = Registry::default();
    let call = enter(&registry, "web", http("GET"));
    let nobody = enter_as(&registry, None, Asked::Opaque, Cut::default());
    let connection = registry.enter(Subject::Plaintext);
    let current = observe(SystemTime::UNIX_EPOCH + HOUR, "{}");
    assert_eq!(cut(&registry, &current), 0);
    let message = v1::Quarantines {
        revision: Some(v1::Revision { epoch: 1, counter: 1 }),
        yourself: true,
        ..v1::Quarantines::default()
    };
    let cut_off = current.with_quarantines(read_quarantines(&message, &current).unwrap());
    assert_eq!(cut(&registry, &cut_off), 3);
    for entered in [&call, &nobody, &connection] {
        assert_eq!(entered.cut.because().map(|because| because.reason), Some("quarantined"));
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn the_end_of_observe_cuts_what_only_observe_let_through() {
    let start = SystemTime::UNIX_EPOCH + HOUR;
    let (clock, hand) = Clock::manual(start);
    let (_enforce, seen) = watch::channel(Arc::new(observe(start + HOUR, &methods("GET"))));
    let (_bundles, bundles) = watch::channel(Arc::default());
    let registry = Registry::default();
    let (allowed, observed) = (enter(&registry, "web", http("GET")), enter(&registry, "web", http("POST")));
    let nobody = enter_as(&registry, None, http("GET"), Cut::default());
    let bytes = enter_as(&registry, None, Asked::Opaque, Cut::default());
    let connection = registry.enter(Subject::Plaintext);
    let law = Law { enforced: seen, bundles, clock, ..law() };
    assert_eq!(law.judge_all(&registry, &law.enforced.borrow(), &BundleSet::default()), 0, "not before");
    tokio::select! {
        // It is there before the time comes.
        biased;
        () = keep_judging(registry.clone(), law, watch::channel(0).0) => panic!("it ended"),
        reasons = async {
            hand.advance(HOUR);
            let cut = [&observed, &nobody, &bytes, &connection].map(|entered| entered.cut.reason());
            futures_util::future::join_all(cut).await.into_iter().map(|because| because.reason).collect::<Vec<_>>()
        } => assert_eq!(reasons, ["default_deny", "plaintext", "plaintext", "plaintext"]),
    }
    assert_eq!(allowed.cut.because(), None, "a rule allows it");
}

#[tokio::test]
async fn encrypt_cuts_what_came_in_the_clear_and_nothing_else() {
    let registry = Registry::default();
    let observed = enter(&registry, "web", http("POST"));
    let connection = registry.enter(Subject::Plaintext);
    let nobody = enter_as(&registry, None, http("GET"), Cut::default());
    assert_eq!(cut(&registry, &enforced(&methods("GET"), &[]).under(Posture::Encrypt)), 2);
    assert_eq!(observed.cut.because(), None);
    for entered in [&connection, &nobody] {
        assert_eq!(entered.cut.because().map(|because| because.reason), Some("plaintext"));
    }
}
