//! What a change cuts, and what it leaves alone.

use kith_identity::TrustDomain;
use kith_policy::{AuthorizationPolicy, PolicySet, Revision, document};

use super::super::registry::Asked;
use super::super::{Cut, Entered, Registry};
use super::*;

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
    let (source, destination) = (id(source), id("orders"));
    registry.enter(Subject::Call(Arc::new(InboundCall {
        source,
        destination,
        port: 80,
        asked,
        session: Cut::default(),
    })))
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
        let (source, destination, session) = (id(source), id("orders"), session.clone());
        let call = InboundCall { source, destination, port: 80, asked: http("GET"), session };
        registry.enter(Subject::Call(Arc::new(call)))
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
