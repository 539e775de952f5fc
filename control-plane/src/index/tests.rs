//! The world: when its revision grows, and which lists of workloads it takes.

use kith_policy::document;

use super::*;
use crate::testing::{ALLOW_ORDERS, demo_workloads, id, trust_domain, workload};
use kith_proto::v1;

fn world() -> World {
    World::new(7, trust_domain(), BundleSet::default())
}

fn policies() -> Vec<AuthorizationPolicy> {
    document::parse("payments.yaml", ALLOW_ORDERS).unwrap()
}

fn list(workloads: Vec<v1::Workload>) -> Result<Workloads, WorkloadsError> {
    workloads_from_wire(&trust_domain(), v1::Workloads { workloads })
}

#[test]
fn the_revision_grows_when_the_content_changes_and_only_then() {
    let first = world();
    // A folder that was read and holds no policy is something else than one that was never read.
    let empty = first.replace_policies(Vec::new()).unwrap();
    assert_eq!(empty.replace_policies(Vec::new()), None);

    let second = first.replace_policies(policies()).unwrap();
    assert_eq!(second.revision, Revision { epoch: 7, counter: first.revision.counter + 1 });
    assert_eq!(second.replace_policies(policies()), None);

    let workloads = workloads_from_wire(&trust_domain(), demo_workloads()).unwrap();
    let third = second.replace_workloads(workloads.clone()).unwrap();
    assert!(third.revision > second.revision);
    // The supervisor sends the list again after a restart.
    assert_eq!(third.replace_workloads(workloads), None);
}

#[test]
fn before_the_list_arrives_nobody_is_a_stranger_and_after_it_the_others_are() {
    let world = world();
    assert_eq!(world.any_of(&id("orders")).err(), Some(Unknown::NotYet));
    let world = world.replace_workloads(Workloads::default()).unwrap();
    assert_eq!(world.any_of(&id("orders")).err(), Some(Unknown::Stranger(id("orders"))));
}

#[test]
fn a_list_with_one_wrong_workload_is_refused_as_a_whole_and_names_it() {
    let changed = |change: fn(&mut v1::Workload)| {
        let mut wrong = workload("payments", &[]);
        change(&mut wrong);
        list(vec![workload("orders", &[]), wrong]).unwrap_err().to_string()
    };
    let table = [
        (changed(|w| w.port = 65_536), "workloads[1].port"),
        (changed(|w| w.inbound_address = "localhost".into()), "workloads[1].inbound_address"),
        (changed(|w| w.namespace = "a/sa/b".into()), "workloads[1].service_account"),
        (changed(|w| w.protocol = 77), "workloads[1].protocol"),
        (changed(|w| w.name.clear()), "workloads[1].name"),
        (changed(|w| w.name = "orders".into()), "two workloads are named \"orders\""),
        (changed(|w| w.service_account = "orders".into()), "two workloads have the identity"),
    ];
    for (error, expected) in table {
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
}

#[test]
fn no_workload_has_the_reserved_identity() {
    let mut reserved = workload("kith-control-plane", &[]);
    reserved.namespace = "kith".into();
    assert_eq!(list(vec![reserved]), Err(WorkloadsError::Reserved("kith-control-plane".into())));
}

#[test]
fn watchers_wake_only_when_the_world_changed() {
    let worlds = Worlds::new(world());
    let mut watch = worlds.watch();
    assert!(worlds.update(|world| world.replace_policies(policies())));
    assert!(watch.has_changed().unwrap());
    watch.borrow_and_update();
    assert!(!worlds.update(|world| world.replace_policies(policies())));
    assert!(!watch.has_changed().unwrap());
}

#[test]
fn a_quarantine_and_its_lifting_are_revisions_and_repeating_them_is_none() {
    let first = world();
    let reason: Arc<str> = "why".into();
    let cut = first.quarantine(&id("intruder"), SystemTime::UNIX_EPOCH, &reason).unwrap();
    assert_eq!(cut.revision, first.next());
    let entry = &cut.quarantines[&id("intruder")];
    assert_eq!((entry.revision, entry.since), (cut.revision, SystemTime::UNIX_EPOCH));
    assert!(cut.is_quarantined(&id("intruder")) && !cut.is_quarantined(&id("orders")));
    // Neither the time nor the reason of what is in force is rewritten.
    assert_eq!(
        cut.quarantine(
            &id("intruder"),
            SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1),
            &"other".into()
        ),
        None
    );

    let lifted = cut.lift(&id("intruder")).unwrap();
    assert_eq!(lifted, World { revision: cut.next(), cut_since: cut.next(), ..first.clone() });
    assert_eq!(lifted.lift(&id("intruder")), None);
    assert_eq!(first.lift(&id("orders")), None);
}

#[test]
fn nothing_but_a_lifting_ends_a_quarantine() {
    let cut = world().quarantine(&id("intruder"), SystemTime::UNIX_EPOCH, &"".into()).unwrap();
    let later = cut.replace_policies(policies()).unwrap().replace_workloads(Workloads::default()).unwrap();
    assert!(later.is_quarantined(&id("intruder")), "also when its workload is gone");
    // Whoever compares by place sees that this is the same list.
    assert!(Arc::ptr_eq(&later.quarantines, &cut.quarantines));
}

fn pod(id: &str, service_account: &str) -> Workload {
    let list = list(vec![workload(service_account, &[])]).unwrap();
    Workload { id: WorkloadId::new(id), name: format!("demo/{id}"), ..list.iter().next().unwrap().clone() }
}

#[test]
fn an_identity_has_as_many_workloads_as_run_under_it() {
    let mut workloads: Workloads =
        [pod("b", "web"), pod("a", "web"), pod("c", "orders")].into_iter().collect();
    let of = |workloads: &Workloads, name: &str| -> Vec<String> {
        workloads.of_identity(&id(name)).map(|workload| workload.id.to_string()).collect()
    };
    assert_eq!(
        (of(&workloads, "web"), of(&workloads, "orders")),
        (vec!["a".into(), "b".into()], vec!["c".into()])
    );

    // A name that is given again goes to whoever has it now.
    assert_eq!(workloads.insert(pod("a", "orders")).unwrap().identity, id("web"));
    assert_eq!(
        (of(&workloads, "web"), of(&workloads, "orders")),
        (vec!["b".into()], vec!["a".into(), "c".into()])
    );
}

#[test]
fn a_cluster_that_says_the_same_changes_nothing_and_what_stays_is_not_told_again() {
    let since = std::time::UNIX_EPOCH;
    let view = || ClusterView {
        policies: policies(),
        workloads: [pod("a", "web")].into_iter().collect(),
        quarantines: [(id("web"), (since, Arc::from("why")))].into(),
        ..ClusterView::default()
    };
    let first = world().replace_cluster(view()).unwrap();
    assert_eq!(first.quarantines[&id("web")].revision, first.revision);
    assert_eq!(first.replace_cluster(view()), None);

    let mut more = view();
    more.workloads.insert(pod("b", "web"));
    let second = first.replace_cluster(more).unwrap();
    assert!(second.revision > first.revision);
    assert!(Arc::ptr_eq(&second.quarantines, &first.quarantines), "streams would send them again");
    assert_eq!(second.quarantines[&id("web")].revision, first.revision);
    assert_eq!(second.cut_since, first.revision, "nobody else is cut off since");

    let lifted = second.replace_cluster(ClusterView { quarantines: BTreeMap::new(), ..view() }).unwrap();
    assert!(!lifted.is_quarantined(&id("web")));
    assert_eq!(lifted.cut_since, lifted.revision);
}

#[tokio::test]
async fn serials_of_who_is_cut_off_stay_when_the_cluster_changes() {
    let mesh = crate::testing::Mesh::start().await;
    let cut = || ClusterView { cut: [WorkloadId::new("a")].into(), ..ClusterView::default() };
    let first = world().replace_cluster(cut()).unwrap();
    let serials: BTreeSet<_> = [mesh.svid("orders").await.serial().clone()].into();
    let second = first.replace_cut_serials(serials.clone()).unwrap();
    assert_eq!(second.replace_cut_serials(serials.clone()), None);
    let mut more = cut();
    more.workloads.insert(pod("a", "web"));
    let third = second.replace_cluster(more).unwrap();
    assert_eq!(third.cut.serials, serials);
    assert!(third.is_cut_off(&pod("a", "web")) && !third.is_cut_off(&pod("b", "web")));
    mesh.stop().await;
}
