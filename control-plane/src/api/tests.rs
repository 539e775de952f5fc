//! What people are told.

use tokio::time::timeout;
use tonic::Code;

use super::*;
use crate::index::WorkloadId;
use crate::testing::{ALLOW_ORDERS, Ground, Mesh, PATIENCE, demo_workloads, id};

async fn explain(mesh: &Mesh, words: [&str; 4]) -> Result<v1::ExplainResponse, Status> {
    let [source, destination, method, path] = words.map(str::to_owned);
    let question = v1::ExplainRequest { source, destination, method, path, port: 0 };
    mesh.admin().await.explain(question).await.map(Response::into_inner)
}

#[tokio::test]
async fn explain_names_the_rule_that_allows_and_the_nearest_miss_of_a_denial() {
    let mesh = Mesh::start().await;
    let allowed = explain(&mesh, ["orders", "payments", "POST", "/charge/7?x=1"]).await.unwrap();
    assert!(allowed.allowed, "{}", allowed.because);
    assert_eq!((allowed.policy.as_str(), allowed.rule.as_str()), ("demo/payments-callers", "create-charge"));
    assert_eq!(allowed.revision, Some(mesh.worlds().now().revision.into()));

    let denied = explain(&mesh, ["orders", "payments", "DELETE", "/charge/7"]).await.unwrap();
    assert!(!denied.allowed);
    assert!(denied.because.contains("create-charge failed on method"), "{}", denied.because);
    let origin = denied.considered[0].origin.clone().unwrap();
    assert!(origin.file.ends_with("payments.yaml") && origin.line > 1, "{origin:?}");
    mesh.stop().await;
}

#[tokio::test]
async fn explain_takes_names_and_identities_and_says_what_is_wrong_with_others() {
    let mesh = Mesh::start().await;
    let (orders, payments) = (id("orders"), id("payments"));
    let by_identity =
        explain(&mesh, [orders.as_str(), payments.as_str(), "POST", "/charge/7"]).await.unwrap();
    assert!(by_identity.allowed);
    let foreign = explain(&mesh, ["spiffe://far.example/ns/a/sa/b", "payments", "", ""]).await.unwrap();
    assert!(!foreign.allowed);

    let table = [
        (["ghost", "payments", "", ""], Code::NotFound, "there are: intruder, orders, payments"),
        (["orders", "spiffe://far.example/ns/a/sa/b", "", ""], Code::NotFound, "to call"),
        (["orders", "payments", "", "/x"], Code::InvalidArgument, "needs a method"),
        (["orders", "payments", "GET", "x"], Code::InvalidArgument, "does not begin with"),
    ];
    for (question, code, text) in table {
        let status = explain(&mesh, question).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(text), "{status} does not say {text:?}");
    }
    mesh.stop().await;
}

#[tokio::test]
async fn the_status_shows_an_invalid_edit_with_file_and_line_and_what_stays_in_force() {
    let mesh = Mesh::start().await;
    let before = mesh.status().await;
    assert_eq!((before.policies, before.policies_error.as_str()), (1, ""));
    let root = mesh.plane.services.ca.root_sha256();
    assert_eq!((before.root_sha256, before.trust_domain.as_str()), (root, "demo.local"));

    mesh.ground.write("payments.yaml", &ALLOW_ORDERS.replace("rules:", "rulez:"));
    let mut error = mesh.plane.services.policies_error.subscribe();
    timeout(PATIENCE, error.wait_for(Option::is_some)).await.unwrap().unwrap();
    let after = mesh.status().await;
    assert!(after.policies_error.contains("payments.yaml:7:"), "{}", after.policies_error);
    assert_eq!((after.policies, after.revision), (1, before.revision));
    assert!(explain(&mesh, ["orders", "payments", "POST", "/charge/7"]).await.unwrap().allowed);
    mesh.stop().await;
}

// P44
#[tokio::test]
async fn policies_that_are_invalid_at_the_start_deny_everything_and_say_so() {
    let ground = Ground::new();
    ground.write("payments.yaml", &ALLOW_ORDERS.replace("rules:", "rulez:"));
    let mesh = ground.start().await;
    mesh.set_workloads(demo_workloads());
    assert!(mesh.plane.ready().policies_error.contains("payments.yaml:7:"));
    assert!(!explain(&mesh, ["orders", "payments", "POST", "/charge/7"]).await.unwrap().allowed);
    mesh.stop().await;
}

#[tokio::test]
async fn a_tap_shows_what_its_filter_wants() {
    let mesh = Mesh::start().await;
    let mut admin = mesh.admin().await;
    let unknown = v1::TapRequest { denied_only: false, workload: "ghost".into() };
    assert_eq!(admin.tap(unknown).await.unwrap_err().code(), Code::NotFound);

    let wanted = v1::TapRequest { denied_only: true, workload: "orders".into() };
    let mut lines = admin.tap(wanted).await.unwrap().into_inner();
    let line = |name: &str, verdict: &str| {
        format!(r#"{{"kith.workload":"{}","event":"call","kith.verdict":"{verdict}"}}"#, id(name))
    };
    for (name, verdict) in [("orders", "allow"), ("payments", "deny"), ("orders", "deny")] {
        mesh.plane.services.tap.publish(
            &id(name),
            &WorkloadId::new(id(name).as_str()),
            vec![line(name, verdict)],
            0,
        );
    }
    let seen = timeout(PATIENCE, lines.message()).await.unwrap().unwrap().unwrap();
    assert_eq!(seen.lines, [line("orders", "deny")]);
    mesh.stop().await;
}

#[tokio::test]
async fn explain_asks_for_quarantines_first_of_the_source_and_of_the_destination() {
    let mesh = Mesh::start().await;
    mesh.quarantine("orders").await.unwrap();
    for question in [["orders", "payments", "POST", "/charge/7"], ["payments", "orders", "POST", "/charge/7"]]
    {
        let answer = explain(&mesh, question).await.unwrap();
        assert!(!answer.allowed);
        assert!(answer.because.contains("/sa/orders is quarantined"), "{}", answer.because);
    }
    mesh.lift("orders").await.unwrap();
    assert!(explain(&mesh, ["orders", "payments", "POST", "/charge/7"]).await.unwrap().allowed);
    mesh.stop().await;
}

#[tokio::test]
async fn edges_and_denials_are_answered_as_sidecars_reported_them() {
    let mesh = Mesh::start().await;
    let observed = &mesh.plane.services.observed;
    let counts = crate::observed::Counts { allowed: 3, denied: 2, failed: 1, would_deny: 4 };
    observed.counted(&id("payments"), Some(id("orders")), id("payments"), counts);
    observed.counted(&id("payments"), None, id("payments"), counts);
    // Refused by the caller's own sidecar, so that payments never saw them.
    let own = crate::observed::Counts { denied: 5, ..Default::default() };
    observed.counted(&id("orders"), Some(id("orders")), id("payments"), own);
    let edges = mesh.admin().await.edges(v1::EdgesRequest {}).await.unwrap().into_inner().edges;
    let expected = v1::Edge {
        source: id("orders").to_string(),
        destination: id("payments").to_string(),
        allowed: 3,
        denied: 2 + 5,
        failed: 1,
        would_deny: 4,
    };
    let nobody = v1::Edge { source: String::new(), denied: 2, ..expected.clone() };
    assert_eq!(edges, [nobody, expected]);
    let status = mesh.status().await;
    let of = |it: &v1::WorkloadStatus| (it.name.clone(), it.allowed, it.would_deny, it.denied);
    let counted: Vec<_> = status.workloads.iter().map(of).collect();
    let quiet = |name: &str| (name.to_owned(), 0, 0, 0);
    let payments = ("payments".to_owned(), 6, 8, 4);
    assert_eq!(counted, [quiet("intruder"), quiet("orders"), payments], "what reached it, and no more");

    let unknown = v1::WhyRequest { id: "0123abcd".into() };
    assert_eq!(mesh.admin().await.why(unknown).await.unwrap_err().code(), Code::NotFound);
    mesh.stop().await;
}

#[tokio::test]
async fn an_observe_that_has_ended_is_shown_as_the_enforce_that_it_became() {
    use crate::index::{Egress, Namespace, Posture, World};
    let mesh = Mesh::start().await;
    let until = mesh.now() + std::time::Duration::from_secs(60);
    let set = |egress| {
        let namespace = Namespace { posture: Posture::Observe { until }, egress, refuse_all: None };
        let namespaces = Arc::new([("demo".to_owned(), namespace)].into());
        mesh.worlds().update(|world| Some(World { namespaces: Arc::clone(&namespaces), ..world.clone() }));
    };
    let shown = async || {
        let [namespace] = mesh.status().await.namespaces.try_into().unwrap();
        (namespace.posture, namespace.egress, namespace.observe_until_ms)
    };
    set(Egress::ByPosture);
    let ends = kith_proto::convert::to_millis(until);
    assert_eq!(shown().await, ("Observe".into(), "Observe".into(), ends));
    mesh.ground.hand.advance(std::time::Duration::from_secs(60));
    assert_eq!(shown().await, ("Enforce".into(), "Deny".into(), 0));
    // Egress that is observed by its own word has no end.
    set(Egress::Observe);
    assert_eq!(shown().await, ("Enforce".into(), "Observe".into(), 0));
    mesh.stop().await;
}
