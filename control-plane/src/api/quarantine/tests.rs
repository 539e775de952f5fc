//! What a person is told who cuts somebody off.

use kith_proto::v1::sync_up::Kind as Up;
use tonic::Code;

use super::*;
use crate::observed::Counts;
use crate::testing::{Ground, Mesh, Sidecar, demo_workloads, id, quarantine_target};

async fn listed(mesh: &Mesh) -> Vec<v1::Quarantine> {
    let answer = mesh.admin().await.list_quarantines(v1::ListQuarantinesRequest {}).await.unwrap();
    answer.into_inner().quarantines
}

async fn dry_run(mesh: &Mesh, workload: &str) -> Result<v1::QuarantineResponse, Status> {
    let target = Some(quarantine_target(workload));
    let request = v1::AddQuarantineRequest { target, reason: String::new(), dry_run: true };
    mesh.admin().await.add_quarantine(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_hit_and_changes_nothing() {
    let mesh = Mesh::start().await;
    let _orders = Sidecar::of(&mesh, "orders").await;
    let three = Counts { allowed: 3, denied: 2, failed: 1, would_deny: 0 };
    let observed = &mesh.plane.services.observed;
    observed.counted(&id("payments"), Some(id("orders")), id("payments"), three);
    observed.counted(&id("payments"), Some(id("intruder")), id("payments"), three);
    let before = mesh.worlds().now();

    let hit = dry_run(&mesh, "orders").await.unwrap();
    assert_eq!((hit.known, hit.connected, hit.unchanged, hit.revision), (true, true, false, None));
    let [edge] = hit.edges.try_into().unwrap();
    assert_eq!((edge.source, edge.destination), (id("orders").to_string(), id("payments").to_string()));
    assert_eq!((edge.allowed, edge.denied, edge.failed), (3, 2, 1));
    assert_eq!(mesh.worlds().now(), before);

    mesh.quarantine("intruder").await.unwrap();
    let already = dry_run(&mesh, "intruder").await.unwrap();
    assert!(already.unchanged && already.revision.is_some());
    mesh.stop().await;
}

#[tokio::test]
async fn the_answer_comes_when_every_connected_sidecar_has_it_in_force() {
    let mesh = Mesh::start().await;
    let orders = mesh.svid("orders").await;
    // Those of the others end later.
    mesh.ground.hand.advance(Duration::from_secs(5));
    let mut payments = Sidecar::of(&mesh, "payments").await;
    let mut intruder = Sidecar::of(&mesh, "intruder").await;
    payments.snapshot().await;
    intruder.snapshot().await;

    let (answer, ()) = tokio::join!(mesh.quarantine("intruder"), async {
        payments.take_quarantines().await;
        // Durable before anybody hears of it.
        let kept = std::fs::read_to_string(mesh.ground.quarantines_file()).unwrap();
        assert!(kept.contains(id("intruder").as_str()), "{kept}");
        intruder.take_quarantines().await;
    });
    let answer = answer.unwrap();
    assert_eq!(answer.in_force_at, ["intruder", "payments"]);
    assert_eq!((answer.waiting_for.len(), answer.unchanged), (0, false));
    assert!(u128::from(answer.took_ms) < WAIT.as_millis());
    // Orders is not connected, and its svid would still let the intruder in.
    assert_eq!(answer.others_until_ms, to_millis(orders.not_after()));
    assert!(mesh.status().await.workloads.iter().all(|it| it.quarantined == (it.name == "intruder")));

    let [listed] = listed(&mesh).await.try_into().unwrap();
    assert_eq!((listed.identity, listed.reason.as_str()), (id("intruder").to_string(), "a test"));
    assert_eq!((listed.revision, listed.since_ms), (answer.revision, to_millis(mesh.now())));

    let again = mesh.quarantine(id("intruder").as_str()).await.unwrap();
    assert!(again.unchanged);
    assert_eq!((again.revision, again.in_force_at.len()), (answer.revision, 2));
    mesh.stop().await;
}

#[tokio::test]
async fn a_sidecar_that_does_not_acknowledge_is_named_and_hides_nobody() {
    let mesh = Mesh::start().await;
    let mut payments = Sidecar::of(&mesh, "payments").await;
    let _silent = Sidecar::of(&mesh, "orders").await;
    payments.snapshot().await;
    let (answer, _) = tokio::join!(mesh.quarantine("intruder"), payments.take_quarantines());
    let answer = answer.unwrap();
    assert_eq!((answer.in_force_at, answer.waiting_for), (vec!["payments".into()], vec!["orders".into()]));
    assert!(u128::from(answer.took_ms) < WAIT.as_millis(), "the time is that of the last who answered");
    assert!(mesh.worlds().now().is_quarantined(&id("intruder")), "it is in force all the same");
    mesh.stop().await;
}

#[tokio::test]
async fn a_sidecar_that_refuses_is_named_with_its_reason_and_not_waited_for() {
    let mesh = Mesh::start().await;
    let mut payments = Sidecar::of(&mesh, "payments").await;
    payments.snapshot().await;
    let begin = Instant::now();
    let (answer, ()) = tokio::join!(mesh.quarantine("intruder"), async {
        let v1::Quarantines { revision, .. } = payments.quarantines().await;
        let reason = "no such identity".to_owned();
        payments.say(Up::Refusal(v1::Refusal { revision, reason, quarantines: true })).await;
    });
    assert_eq!(answer.unwrap().waiting_for, ["payments (refused: no such identity)"]);
    assert!(begin.elapsed() < WAIT, "there is nothing to wait for");
    mesh.stop().await;
}

#[tokio::test]
async fn after_a_restart_those_who_have_not_come_back_are_counted_for_the_life_of_an_svid() {
    let mesh = Mesh::start().await;
    assert_eq!(mesh.quarantine("intruder").await.unwrap().others_until_ms, 0, "nobody holds an svid yet");
    let mesh = mesh.stop().await.start().await;
    let unlisted = mesh.quarantine(id("intruder").as_str()).await.unwrap().others_until_ms;
    mesh.set_workloads(demo_workloads());
    let answer = mesh.quarantine("intruder").await.unwrap();
    assert_eq!(unlisted, answer.others_until_ms);
    assert!(answer.unchanged);
    assert_eq!(answer.revision.unwrap().epoch, 2);
    let lifetime = Duration::from_secs(60);
    assert_eq!(answer.others_until_ms, to_millis(mesh.now() + lifetime));
    mesh.ground.hand.advance(lifetime);
    assert_eq!(mesh.quarantine("intruder").await.unwrap().others_until_ms, 0);
    mesh.stop().await;
}

#[tokio::test]
async fn svids_of_a_longer_lifetime_before_a_restart_are_counted_for_theirs() {
    let day = Duration::from_secs(24 * 60 * 60);
    let mesh = Ground { svid_lifetime: day, ..Ground::new() }.start().await;
    let ground = mesh.stop().await;
    let mesh = Ground { svid_lifetime: Duration::from_secs(60), ..ground }.start().await;
    mesh.set_workloads(demo_workloads());
    let until = mesh.quarantine("intruder").await.unwrap().others_until_ms;
    assert_eq!(until, to_millis(mesh.now() + day));
    mesh.stop().await;
}

#[tokio::test]
async fn what_does_not_run_can_be_cut_off_and_what_is_not_ours_or_reserved_cannot() {
    let mesh = Mesh::start().await;
    let stranger = "spiffe://demo.local/ns/other/sa/not-yet";
    let answer = mesh.quarantine(stranger).await.unwrap();
    assert_eq!((answer.identity.as_str(), answer.known, answer.connected), (stranger, false, false));

    let before = mesh.worlds().now();
    let table = [
        ("spiffe://demo.local/ns/kith/sa/kith-control-plane", Code::InvalidArgument, "control plane's own"),
        ("spiffe://far.example/ns/a/sa/b", Code::InvalidArgument, "not of the trust domain demo.local"),
        ("spiffe://demo.local", Code::InvalidArgument, "no workload"),
        ("spiffe://demo.local/ns/../sa/b", Code::InvalidArgument, "is not an identity"),
        ("payment", Code::NotFound, "(did you mean \"payments\"?)"),
        ("", Code::NotFound, "there are: intruder, orders, payments"),
    ];
    for (workload, code, text) in table {
        for status in
            [mesh.quarantine(workload).await.unwrap_err(), dry_run(&mesh, workload).await.unwrap_err()]
        {
            assert_eq!(status.code(), code, "{workload}: {status}");
            assert!(status.message().contains(text), "{status} does not say {text:?}");
        }
    }
    assert_eq!(mesh.worlds().now(), before);
    mesh.stop().await;
}

#[tokio::test]
async fn lifting_what_is_not_quarantined_names_what_is() {
    let mesh = Mesh::start().await;
    let nothing = mesh.lift("intruder").await.unwrap_err();
    assert_eq!(nothing.code(), Code::NotFound);
    assert!(nothing.message().ends_with("quarantined are: none"), "{nothing}");

    mesh.quarantine("intruder").await.unwrap();
    let slip = mesh.lift("intrudre").await.unwrap_err();
    assert!(slip.message().contains("did you mean \"intruder\"?"), "{slip}");
    assert_eq!(mesh.lift("orders").await.unwrap_err().code(), Code::NotFound);

    let mut payments = Sidecar::of(&mesh, "payments").await;
    payments.snapshot().await;
    let (lifted, _) = tokio::join!(mesh.lift("intruder"), payments.take_quarantines());
    assert_eq!(lifted.unwrap().in_force_at, ["payments"]);
    assert_eq!(listed(&mesh).await, []);
    mesh.stop().await;
}

#[tokio::test]
async fn an_identity_whose_workload_is_gone_is_lifted_by_its_identity() {
    let mesh = Mesh::start().await;
    mesh.quarantine("intruder").await.unwrap();
    mesh.set_workloads(v1::Workloads::default());
    assert_eq!(listed(&mesh).await.len(), 1);
    mesh.lift(id("intruder").as_str()).await.unwrap();
    assert_eq!(listed(&mesh).await, []);
    mesh.stop().await;
}

#[tokio::test]
async fn pods_and_nodes_are_a_clusters() {
    let mesh = Mesh::start().await;
    let pod = v1::NamespacedName { namespace: "demo".into(), name: "orders-0".into() };
    for of in [Of::Pod(pod), Of::Node("worker-1".into())] {
        let target = Some(v1::QuarantineTarget { of: Some(of) });
        let request = v1::AddQuarantineRequest { target, reason: String::new(), dry_run: false };
        let error = mesh.admin().await.add_quarantine(request).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
        assert!(error.message().contains("a cluster's"), "{error}");
    }
    let account = v1::NamespacedName { namespace: "demo".into(), name: "intruder".into() };
    let target = Some(v1::QuarantineTarget { of: Some(Of::ServiceAccount(account)) });
    let request = v1::AddQuarantineRequest { target, reason: String::new(), dry_run: false };
    let answer = mesh.admin().await.add_quarantine(request).await.unwrap().into_inner();
    assert_eq!((answer.identity, answer.workloads.len()), (id("intruder").to_string(), 1));
    let nobody = v1::AddQuarantineRequest::default();
    assert_eq!(mesh.admin().await.add_quarantine(nobody).await.unwrap_err().code(), Code::InvalidArgument);
    mesh.stop().await;
}

#[test]
fn in_a_cluster_every_object_is_listed_with_whom_it_means_now() {
    let world = World::new(1, crate::testing::trust_domain(), kith_identity::BundleSet::default());
    let cut_off =
        |target| crate::quarantine::CutOff { target, since: SystemTime::UNIX_EPOCH, reason: "why".into() };
    let since = (SystemTime::UNIX_EPOCH, std::sync::Arc::from("why"));
    let node = Target::Node("worker-1".into());
    let view = crate::index::ClusterView {
        quarantines: [(id("orders"), since)].into(),
        quarantine_objects: [
            ("n".to_owned(), cut_off(node.clone())),
            ("sa-demo-orders".to_owned(), cut_off(Target::Identity(id("orders")))),
        ]
        .into(),
        workloads: pods().into_iter().collect(),
        ..crate::index::ClusterView::default()
    };
    let world = world.replace_cluster(view).unwrap();
    let [of_node, of_account] = list(&world).quarantines.try_into().unwrap();
    assert_eq!((of_node.target.as_str(), of_node.object.as_str()), ("node worker-1", "n"));
    assert_eq!((of_node.identity.as_str(), of_node.workloads), ("", vec!["demo/orders-0".to_owned()]));
    assert_eq!(
        (of_account.identity, of_account.revision),
        (id("orders").to_string(), Some(world.revision.into()))
    );
    assert_eq!(of_account.workloads, ["demo/orders-0", "demo/orders-1"]);
    assert_eq!(objects(&world, &node), ["n"]);
    assert!(is_in_force(&world, &node) && !is_in_force(&world, &Target::Node("worker-2".into())));
    let pod = |name: &str| Target::Pod { namespace: "demo".into(), name: name.into() };
    assert_eq!(target::workloads(&world, &pod("orders-0")).len(), 1);
    assert!(target::workloads(&world, &pod("orders")).is_empty(), "a part of a name is another pod's");
}

/// One that a cluster says: the service account `shop/web`, which no pod uses.
fn of_an_account() -> (Facts, World) {
    use crate::index::cluster::{Change, Cluster, Event, Kind, NamespaceObject, ServiceAccount};
    let mut cluster = Cluster::new(crate::testing::trust_domain());
    let namespace = serde_json::from_value(serde_json::json!({ "name": "shop", "uid": "shop" })).unwrap();
    let (key, namespace) = NamespaceObject::read(namespace).unwrap();
    cluster.take(Change::Namespaces(Event::Apply(key, namespace)));
    let account = serde_json::json!({ "namespace": "shop", "name": "web", "uid": "account" });
    let (key, account) = ServiceAccount::read(&serde_json::from_value(account).unwrap()).unwrap();
    cluster.take(Change::ServiceAccounts(Event::Apply(key, account)));
    let mut facts = Facts::default();
    facts.refresh(&cluster, Kind::Namespaces);
    facts.refresh(&cluster, Kind::ServiceAccounts);
    let world = World::new(1, crate::testing::trust_domain(), kith_identity::BundleSet::default());
    (facts, world.replace_cluster(cluster.view()).unwrap())
}

fn account(name: &str) -> Target {
    let domain = crate::testing::trust_domain();
    Target::Identity(SpiffeId::for_service_account(&domain, "shop", name).unwrap())
}

#[test]
fn a_slip_in_the_name_of_a_service_account_is_told_with_what_was_meant() {
    let (facts, world) = of_an_account();
    let said = unmatched(&facts, &world, &account("wbe")).unwrap();
    assert!(said.contains("no service account shop/wbe") && said.contains("did you mean web?"), "{said}");
    let pods: World = world.replace_workloads(pods().into_iter().collect()).unwrap();
    let (orders, pod) = (Target::Identity(id("orders")), |name: &str| Target::Pod {
        namespace: "demo".into(),
        name: name.into(),
    });
    assert_ne!(unmatched(&facts, &pods, &orders), None, "its namespace is not of this cluster");
    assert_eq!(unmatched(&facts, &pods, &pod("orders-0")), None);
    let said = unmatched(&facts, &pods, &pod("orders-7")).unwrap();
    assert!(said.contains("did you mean"), "{said}");
}

#[test]
fn what_is_quarantined_is_named_as_it_was_given_and_not_as_one_of_its_pods() {
    let cut_off =
        |target| crate::quarantine::CutOff { target, since: SystemTime::UNIX_EPOCH, reason: "why".into() };
    let (_, world) = of_an_account();
    let world = World {
        quarantine_objects: std::sync::Arc::new(
            [
                ("a".to_owned(), cut_off(account("web"))),
                ("b".to_owned(), cut_off(Target::Identity(id("orders")))),
                ("c".to_owned(), cut_off(Target::Node("worker-1".into()))),
            ]
            .into(),
        ),
        ..world.replace_workloads(pods().into_iter().take(1).collect()).unwrap()
    };
    let error = not_quarantined(&world, "shop/wb".into()).to_string();
    assert!(error.contains("(did you mean \"shop/web\"?)"), "{error}");
    assert!(error.ends_with("quarantined are: shop/web, demo/orders, node worker-1"), "{error}");
}

/// Two of orders, the first of them on `worker-1`.
fn pods() -> Vec<crate::index::Workload> {
    let list = crate::index::workloads_from_wire(&crate::testing::trust_domain(), demo_workloads()).unwrap();
    let orders = list.iter().find(|workload| workload.name == "orders").unwrap().clone();
    let pod = |number: usize| crate::index::Workload {
        id: WorkloadId::new(&format!("uid-{number}")),
        name: format!("demo/orders-{number}"),
        node: Some(format!("worker-{}", number + 1)),
        ..orders.clone()
    };
    vec![pod(0), pod(1)]
}
